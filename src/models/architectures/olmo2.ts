// OLMo 2: Llama's form with norms behind attention and MLP, and norms over all queries and all keys.
import { SipfError } from '../../errors.ts';
import type { Architecture } from './architecture.ts';
import { GGUF_NAMES, GGUF_POST_NORMS, GGUF_QK_NORMS, type GgufMetadata } from './gguf-layout.ts';
import { postNormBlock, rmsNormKind } from './layers.ts';
import { LLAMA_FORM } from './llama.ts';
import { biasedProjections } from './sizes.ts';

/** transformers' default. */
const EPSILON = 1e-5;

/** @throws SipfError 'unsupported' for an OLMo 3, which GGUF files call olmo2 as well: its layers have windows. */
function withoutWindow(meta: GgufMetadata): Record<string, never> {
  const window = meta.optional('attention.sliding_window') ?? 0;
  if (window === 0) return {};
  throw new SipfError(
    'unsupported',
    `Expected no olmo2.attention.sliding_window in ${meta.gguf.file}, got ${window} (an OLMo 3 model?). Use an OLMo 2 model.`,
  );
}

export const olmo2: Architecture = {
  modelType: 'olmo2',
  family: 'Olmo2',
  form: {
    ...LLAMA_FORM,
    norm: rmsNormKind(0, EPSILON),
    block: postNormBlock,
    qkNorm: 'projection',
    own: (read) => {
      const biased = biasedProjections(read);
      return { attention: () => ({ biased }) };
    },
  },
  gguf: {
    architecture: 'olmo2',
    config: withoutWindow,
    names: { ...GGUF_NAMES, ...GGUF_POST_NORMS, ...GGUF_QK_NORMS },
  },
};

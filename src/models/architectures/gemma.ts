// Gemma 1: Llama's form with norms of 1 + weight, a scaled embedding, and GELU.
import { geluTanh } from '../../engine/build.ts';
import type { Architecture } from './architecture.ts';
import type { ConfigReader } from './config-reader.ts';
import type { Form } from './form.ts';
import { type Change, GGUF_NAMES, ONE_MORE } from './gguf-layout.ts';
import { gatedMlp, preNormBlock, rmsNormKind } from './layers.ts';

/** What all versions share. */
export const GEMMA_FORM: Form = {
  // Older files have null here, or hidden_act "gelu" alone, and mean this.
  activation: { key: 'hidden_activation', name: 'gelu_pytorch_tanh', orNull: true, of: geluTanh },
  norm: rmsNormKind(1),
  mlp: gatedMlp,
  block: preNormBlock,
  headDim: 256,
  tied: true,
  scaledEmbedding: true,
};

/** `hidden_act` of the first releases; GELU's other form is meant. */
const LEGACY = 'gelu';

/** @throws SipfError 'bad-input' where tokens see those behind them. */
export function causal(read: ConfigReader): Record<string, never> {
  if (read.boolean('use_bidirectional_attention', false)) throw read.bad('use_bidirectional_attention', 'false');
  return {};
}

export const gemmaNorms = (stored: string): Change | undefined =>
  stored.endsWith('norm.weight') ? ONE_MORE : undefined;

export const gemma: Architecture = {
  modelType: 'gemma',
  family: 'Gemma',
  form: {
    ...GEMMA_FORM,
    own(read) {
      if (read.config['hidden_act'] !== LEGACY) read.expect('hidden_act', GEMMA_FORM.activation.name, true);
      return causal(read);
    },
  },
  gguf: { architecture: 'gemma', names: GGUF_NAMES, change: gemmaNorms },
};

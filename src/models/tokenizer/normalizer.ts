// The normalizer of a checked tokenizer.json -> a function that reads charsmaps as they are.
import { Tokenizer as Library } from '@huggingface/tokenizers';
import { charsmapNormalizer } from './charsmap.ts';
import { EMPTY, type Json } from './tokenizer-schema.ts';

type Normalize = (text: string) => string;

/** @throws SipfError 'bad-input' for a charsmap that is none. */
export function normalizerOf(component: Json | null, file: string): Normalize | null {
  if (component === null) return null;
  if (component['type'] === 'Precompiled') {
    const bytes = Buffer.from(String(component['precompiled_charsmap']), 'base64');
    return charsmapNormalizer(bytes, `precompiled_charsmap of the normalizer in ${file}`);
  }
  if (component['type'] !== 'Sequence') return new Library({ ...EMPTY, normalizer: component }, {}).normalizer;
  const steps = (component['normalizers'] as readonly Json[]).map((step) => normalizerOf(step, file));
  return (text) => steps.reduce((before, step) => step?.(before) ?? before, text);
}

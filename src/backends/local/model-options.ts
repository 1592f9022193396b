// A model's files -> what every open model in this process says of itself.
import type { OpenedModel } from '../../backend.ts';
import type { OpenModel } from '../../models/open-model.ts';
import type { Quantisation } from '../../models/weights/quantisers/quantisers.ts';

export interface ModelOptions {
  /** Folder of converted and merged weights; default: $SIPF_CACHE or ~/.cache/sipf. */
  readonly cache?: string | undefined;
  /** How the matrices of frozen bases are stored. */
  readonly quantisation?: Quantisation | null | undefined;
  /** Sequences that are decoded together. */
  readonly slots?: number | undefined;
}

export function aboutModel({
  hash,
  decoder,
  warnings,
  tokenizer,
}: OpenModel): Omit<OpenedModel, keyof AsyncDisposable> {
  return {
    hash,
    contextLength: decoder.config.contextLength,
    warnings,
    countTokens: async (texts) => texts.map((text) => tokenizer.encodeContinuation(text).length),
  };
}

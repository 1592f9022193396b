// Kinds of servers -> the fields that each takes beyond the standard of POST /v1/completions.
import type { SamplingOptions } from '../backend.ts';
import { SipfError } from '../errors.ts';

export const DIALECTS = ['vllm', 'llama.cpp', 'transformers', 'openai'] as const;
export type Dialect = (typeof DIALECTS)[number];

/** What each takes, so that it draws from the raw distribution with any defaults of its own. */
const OWN: Readonly<Record<Dialect, (sampling: SamplingOptions) => object>> = {
  // SGLang has no other word than -1 for no top-k.
  vllm: ({ topK = 0, ignoreEos = false }) => ({
    top_k: topK || -1,
    min_p: 0,
    repetition_penalty: 1,
    ignore_eos: ignoreEos,
    return_token_ids: true,
  }),
  'llama.cpp': ({ topK = 0, ignoreEos = false }) => ({
    top_k: topK,
    min_p: 0,
    repeat_penalty: 1,
    ignore_eos: ignoreEos,
    cache_prompt: true,
  }),
  // Without it, the model's own settings say whether it draws at all, and from how many tokens. Its end tokens stay where none are given.
  transformers: ({ temperature, topK = 0, ignoreEos = false }) => ({
    generation_config: JSON.stringify({
      do_sample: temperature > 0,
      top_k: topK,
      min_p: null,
      repetition_penalty: 1,
      ...(ignoreEos ? { eos_token_id: -1 } : {}),
    }),
  }),
  openai({ topK = 0, ignoreEos = false }) {
    if (topK === 0 && !ignoreEos) return {};
    throw new SipfError(
      'unsupported',
      `Expected a server that knows ${topK === 0 ? 'ignore_eos' : 'top_k'}, got one that is asked in the standard's words alone. Set engine.sampler.dialect to the server's own, or turn that option off.`,
    );
  },
};

/**
 * The fields of a request but model and prompt.
 * @throws SipfError 'unsupported' for an option that the dialect has no word for.
 */
export function fieldsOf(dialect: Dialect, sampling: SamplingOptions, seed: number): object {
  return {
    n: 1,
    seed,
    temperature: sampling.temperature,
    top_p: sampling.topP ?? 1,
    presence_penalty: 0,
    frequency_penalty: 0,
    max_tokens: sampling.maxTokens,
    logprobs: 1,
    ...(sampling.stopStrings?.length ? { stop: sampling.stopStrings } : {}),
    ...OWN[dialect](sampling),
  };
}

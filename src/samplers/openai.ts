// A server that speaks POST /v1/completions: its settings, and a request -> its completion.
import { z } from 'zod';
import type { Completion, ContextPiece, SamplingOptions } from '../backend.ts';
import { described } from '../described.ts';
import { SipfError } from '../errors.ts';
import { MOST } from '../limits.ts';
import { hash32 } from '../random.ts';
import { type Answer, CompletionServer } from './completion-server.ts';
import { defineSampler, SERVING, type ServedModel } from './sampler.ts';

const Settings = z.strictObject({
  kind: described(
    z.literal('openai'),
    'A server with the OpenAI completions interface. Set it for vLLM, llama.cpp and others that have it.',
  ),
  url: described(
    z
      .url({ protocol: /^https?$/ })
      .refine((url) => !/^https?:\/\/[^/]*@/i.test(url), 'an address without user and password'),
    'Its address up to and with the version, such as http://localhost:8000/v1. Every server needs one.',
  ),
  model: described(z.string().min(1), 'The name that the server has for the model. Every server needs one.'),
  ...SERVING,
  dialect: described(
    z.enum(['vllm', 'llama.cpp', 'openai']).default('vllm'),
    'Which fields beyond the standard the server knows: token ids, top-k, no penalties. Set openai where it refuses those of the others.',
  ),
  prompts: described(
    z.enum(['ids', 'text']).default('ids'),
    'How prompts are sent. ids: exactly the tokens of the own tokenizer. Set text where the server takes no token ids.',
  ),
  retries: described(
    z.number().int().min(0).max(MOST.retries).default(6),
    'How often a request is sent again that got no answer; the waits double from half a second. Raise it where the server restarts meanwhile.',
  ),
  timeout: described(
    z.number().positive().max(300).default(300),
    'Seconds until a request without an answer is sent again; Node.js waits at most 300. Lower it where answers are short.',
  ),
  apiKeyFrom: described(
    z.string().min(1).nullable().default(null),
    'The environment variable that holds the API key. null: none is sent. Set it where the server asks for a key, which no file keeps.',
  ),
});
type Settings = z.infer<typeof Settings>;

/** Calls of the model throw SipfError 'unreachable' where the server fails, 'bad-config' where it refuses. */
export const openai = defineSampler({
  settings: Settings,
  open(settings, { env, ...parts }): ServedModel {
    const { url, apiKeyFrom, dialect, prompts } = settings;
    const server = new CompletionServer(settings, { ...parts, apiKey: apiKeyOf(apiKeyFrom, env) });
    return {
      place: url,
      async draw({ id, context, key, sampling }, ids, signal) {
        const body = {
          prompt: prompts === 'ids' ? ids : textOf(context),
          n: 1,
          seed: hash32(key) >>> 1,
          temperature: sampling.temperature,
          top_p: sampling.topP ?? 1,
          presence_penalty: 0,
          frequency_penalty: 0,
          max_tokens: sampling.maxTokens,
          logprobs: 1,
          ...(sampling.stopStrings?.length ? { stop: sampling.stopStrings } : {}),
          ...DIALECTS[dialect](sampling),
        };
        const answer = await server.complete(body, signal);
        return { completion: completionOf(id, answer), promptTokens: answer.usage?.prompt_tokens ?? ids.length };
      },
    };
  },
});

function apiKeyOf(name: string | null, env: Readonly<Record<string, string | undefined>>): string | null {
  if (name === null) return null;
  const key = env[name];
  if (key !== undefined && key !== '') return key;
  throw new SipfError(
    'bad-config',
    `Expected an API key in the environment variable ${name} (engine.sampler.apiKeyFrom), got none. Set that variable.`,
  );
}

/** What each kind of server takes beyond the standard, so that it draws from the raw distribution with any defaults of its own. */
const DIALECTS: Readonly<Record<Settings['dialect'], (sampling: SamplingOptions) => object>> = {
  vllm: ({ topK = 0, ignoreEos = false }) => ({
    top_k: topK,
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
  openai({ topK = 0, ignoreEos = false }) {
    if (topK === 0 && !ignoreEos) return {};
    throw new SipfError(
      'unsupported',
      `Expected a server that knows ${topK === 0 ? 'ignore_eos' : 'top_k'}, got engine.sampler.dialect openai. Set the dialect to the server's own, or turn that option off.`,
    );
  },
};

function textOf(context: readonly ContextPiece[]): string {
  const texts = context.filter((piece) => typeof piece === 'string');
  if (texts.length === context.length) return texts.join('');
  throw new SipfError(
    'unsupported',
    'Expected prompts of text for engine.sampler.prompts text, got token ids. Set engine.sampler.prompts ids.',
  );
}

function completionOf(id: string, { choices: [choice], usage }: Answer): Completion {
  const { text, finish_reason: reason, token_ids: ownIds, logprobs } = choice;
  const { token_logprobs: plain, content } = logprobs ?? {};
  const ids = ownIds ?? content?.map((token) => token.id);
  const tokenIds = ids?.every((token) => token !== undefined) ? ids : null;
  const given = plain ?? content?.map(({ logprob }) => logprob);
  const logps = given?.every((logp) => logp !== null) ? given : null;
  if (tokenIds !== null && logps !== null && tokenIds.length !== logps.length) {
    throw new SipfError(
      'unsupported',
      `Expected one log-probability for each token id of a completion, got ${tokenIds.length} and ${logps.length}. Use a server that tells both of the same tokens.`,
    );
  }
  const tokens = tokenIds?.length ?? usage?.completion_tokens ?? logps?.length;
  if (tokens !== undefined)
    return { id, text, tokens, tokenIds, logps, finishReason: reason === 'length' ? reason : 'stop' };
  throw new SipfError(
    'unsupported',
    'Expected a completion with usage, token ids or log-probabilities, got none: its length is unknown. Use a server that tells one of them.',
  );
}

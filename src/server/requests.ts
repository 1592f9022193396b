// What a client may send to each endpoint: OpenAI's fields, and vLLM's beside them.
import { z } from 'zod';
import { MOST } from '../limits.ts';
import type { Prompt } from './prompts.ts';

/** Choices of one request, those of all its prompts. */
export const MOST_CHOICES = 512;
const MOST_STOPS = 16;
const LONGEST_STOP = 256;
/** A colder temperature leaves float32; 0 is greedy. */
const COLDEST = 1e-6;

const Flag = z.boolean().nullish();

const isPrompt = (value: unknown): value is Prompt =>
  typeof value === 'string' ||
  (Array.isArray(value) && value.length > 0 && value.every((id) => Number.isSafeInteger(id) && id >= 0));

/** Checked by hand: a list of ids may be long, and a schema would make an issue of each. */
const Prompts = z
  .custom<Prompt | readonly Prompt[]>(
    (value) =>
      isPrompt(value) ||
      (Array.isArray(value) && value.length > 0 && value.length <= MOST_CHOICES && value.every(isPrompt)),
    `a text, a list of token ids, or a list of at most ${MOST_CHOICES} of these`,
  )
  .transform((value) => (isPrompt(value) ? [value] : value));

/** A field that has one meaning here. Another value would be ignored without a word. */
const only = <T extends string | number | boolean>(value: T) => z.literal(value).nullish();

const Stop = z.string().min(1).max(LONGEST_STOP);

/** Fields that clients send and that change no text. */
const UNUSED = {
  user: z.unknown().optional(),
  metadata: z.unknown().optional(),
  store: z.unknown().optional(),
  service_tier: z.unknown().optional(),
  safety_identifier: z.unknown().optional(),
  request_id: z.unknown().optional(),
};

const DRAWN = {
  ...UNUSED,
  model: z.string().nullish(),
  n: z.int().min(1).max(MOST_CHOICES).nullish(),
  seed: z.int().nullish(),
  temperature: z
    .number()
    .max(100)
    .refine((value) => value === 0 || value >= COLDEST, `0 or at least ${COLDEST}`)
    .nullish(),
  top_p: z.number().gt(0).max(1).nullish(),
  top_k: z.int().min(-1).nullish(),
  max_tokens: z.int().min(0).max(MOST.tokens).nullish(),
  stop: z
    .union([Stop, z.array(Stop).max(MOST_STOPS)])
    .nullish()
    .transform((stop) => (typeof stop === 'string' ? [stop] : (stop ?? []))),
  stream: Flag,
  stream_options: z.strictObject({ include_usage: Flag, include_obfuscation: only(false) }).nullish(),
  ignore_eos: Flag,
  return_token_ids: Flag,
  presence_penalty: only(0),
  frequency_penalty: only(0),
  repetition_penalty: only(1),
  min_p: only(0),
  min_tokens: only(0),
  skip_special_tokens: only(true),
  logit_bias: z.strictObject({}).nullish(),
};

export const CompletionRequest = z.strictObject({
  ...DRAWN,
  prompt: Prompts,
  echo: Flag,
  logprobs: z.int().min(0).max(MOST.likeliest).nullish(),
  add_special_tokens: Flag,
  best_of: z.int().min(1).nullish(),
  suffix: only(''),
});
export type CompletionRequest = z.infer<typeof CompletionRequest>;

const Content = z
  .union([z.string(), z.array(z.strictObject({ type: z.literal('text'), text: z.string() }))])
  .transform((content) => (typeof content === 'string' ? content : content.map(({ text }) => text).join('')));

const Message = z.strictObject({
  role: z
    .enum(['system', 'developer', 'user', 'assistant'])
    .transform((role) => (role === 'developer' ? 'system' : role)),
  content: Content,
  /** An answer has it, and clients send answers back. */
  refusal: z.null().optional(),
});

export const ChatRequest = z
  .strictObject({
    ...DRAWN,
    messages: z.array(Message).min(1),
    max_completion_tokens: z.int().min(1).max(MOST.tokens).nullish(),
    logprobs: Flag,
    top_logprobs: z.int().min(0).max(MOST.likeliest).nullish(),
    response_format: z.strictObject({ type: z.literal('text') }).nullish(),
  })
  .refine(({ logprobs, top_logprobs }) => logprobs || !top_logprobs, {
    path: ['top_logprobs'],
    message: '0 or nothing without logprobs true',
  });
export type ChatRequest = z.infer<typeof ChatRequest>;

const Model = z.string().nullish();

export const TokenizeRequest = z.union([
  z.strictObject({ model: Model, prompt: z.string(), add_special_tokens: Flag, return_token_strs: Flag }),
  z.strictObject({ model: Model, messages: z.array(Message).min(1), return_token_strs: Flag }),
]);
export const DetokenizeRequest = z.strictObject({ model: Model, tokens: z.array(z.int().min(0)) });

const Path = z.strictObject({ prompt: z.string(), steps: z.array(z.string().min(1)).min(1) });
export const PoolingRequest = z.strictObject({
  ...UNUSED,
  model: Model,
  input: z.union([Path.transform((path) => [path]), z.array(Path).min(1).max(MOST_CHOICES)]),
});

const Name = z.string().min(1).max(200);
export const LoadRequest = z.strictObject({ lora_name: Name, lora_path: z.string().min(1) });
export const UnloadRequest = z.strictObject({ lora_name: Name, lora_int_id: z.int().nullish() });

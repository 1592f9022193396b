// Where models execute, as settings; they may change between two starts of a run.
import { z } from 'zod';
import { described } from './described.ts';
import { MOST } from './limits.ts';

/** A server that speaks POST /v1/completions, in place of the own engine, where paths, rollouts and answers are drawn. */
export const OpenAiSettings = z.strictObject({
  kind: described(
    z.literal('openai'),
    'A server with the OpenAI completions interface. No other kind is known: set openai.',
  ),
  url: described(
    z
      .url({ protocol: /^https?$/ })
      .refine((url) => !/^https?:\/\/[^/]*@/i.test(url), 'an address without user and password'),
    'Its address up to and with the version, such as http://localhost:8000/v1. Every server needs one.',
  ),
  model: described(z.string().min(1), 'The name that the server has for the model. Every server needs one.'),
  serves: described(
    z.enum(['model', 'simulator']).default('model'),
    'Which model of the configuration the server has: its files are here, too, for lengths, templates and training. Set simulator where it only rolls out steps.',
  ),
  others: described(
    z.enum(['refuse', 'local']).default('refuse'),
    'What happens where another model is to draw, such as one trained here. Set local to draw from it in the own engine.',
  ),
  dialect: described(
    z.enum(['vllm', 'llama.cpp', 'openai']).default('vllm'),
    'Which fields beyond the standard the server knows: token ids, top-k, no penalties. Set openai where it refuses those of the others.',
  ),
  prompts: described(
    z.enum(['ids', 'text']).default('ids'),
    'How prompts are sent. ids: exactly the tokens of the own tokenizer. Set text where the server takes no token ids.',
  ),
  concurrency: described(
    z.number().int().positive().max(MOST.slots).default(32),
    'Requests at a time. Raise it to what the server batches.',
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
export type OpenAiSettings = z.infer<typeof OpenAiSettings>;

/** What runs the engine of this package. */
export const Provider = z.enum(['cpu', 'webgpu']);
export type Provider = z.infer<typeof Provider>;

export const EngineSettings = z.strictObject({
  module: described(
    z.string().min(1).nullable().default(null),
    'A JavaScript file whose default export makes the backend (docs/engines.md). null: the engine of this package. Give it for an engine of your own.',
  ),
  provider: described(
    Provider.default('cpu'),
    'What runs the engine of this package: the processor, or a GPU by WebGPU. Take webgpu where `sipf doctor` finds one.',
  ),
  threads: described(
    z.number().int().positive().max(MOST.workers).nullable().default(null),
    'Threads of one operation. null: one for tiny models, else the cores. Lower it where other work shares the machine.',
  ),
  slots: described(
    z.number().int().positive().max(MOST.slots).nullable().default(null),
    'Sequences that are decoded together. null: 64. Lower it where memory is short, raise it on a GPU.',
  ),
  sampler: described(
    OpenAiSettings.nullable().default(null),
    'Where paths, rollouts and answers are drawn instead (docs/engines.md). null: where everything else executes. Set it to draw from a server.',
  ),
});
export type EngineSettings = z.infer<typeof EngineSettings>;

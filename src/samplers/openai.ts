// A server that speaks POST /v1/completions: its settings, and a request -> its completion.
import { z } from 'zod';
import type { ContextPiece, GivenTokens, Policy } from '../backend.ts';
import { described } from '../described.ts';
import { SipfError } from '../errors.ts';
import { MOST } from '../limits.ts';
import { hash32 } from '../random.ts';
import {
  type Capabilities,
  type GivenWay,
  givenLogps,
  PROBE_TEXT,
  type Probed,
  probe,
  refused,
} from './capabilities.ts';
import { type Answer, completionOf, readAnswer } from './completions.ts';
import { DIALECTS, fieldsOf } from './dialects.ts';
import { defineSampler, type Place, type SamplerParts, SERVING, type ServedModel } from './sampler.ts';
import { ServerRequests } from './server-requests.ts';

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
    z.enum(['auto', ...DIALECTS]).default('auto'),
    'Which fields beyond the standard the server knows: token ids, top-k, no penalties. auto: a first request tells. Set one where that guess is wrong.',
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

/** Calls of the model throw SipfError 'unreachable' where the server fails, 'bad-config' where it refuses or has another model. */
export const openai = defineSampler({
  settings: Settings,
  open(settings, parts): Place {
    const server = new OpenAiServer(settings, parts);
    return { name: settings.url, open: (here) => server.open(here), [Symbol.asyncDispose]: async () => undefined };
  },
});

class OpenAiServer {
  readonly #settings: Settings;
  readonly #requests: ServerRequests;
  #table: Promise<Capabilities> | null = null;

  constructor(settings: Settings, { env, ...parts }: SamplerParts) {
    this.#settings = settings;
    this.#requests = new ServerRequests(settings, { ...parts, apiKey: apiKeyOf(settings.apiKeyFrom, env) });
  }

  async open(here: Policy): Promise<ServedModel> {
    const { dialect, contextLength, given } = await this.#ask(here);
    const { prompts } = this.#settings;
    return {
      contextLength: contextLength ?? Number.POSITIVE_INFINITY,
      draw: async ({ id, context, key, sampling }, ids, signal) => {
        const prompt = prompts === 'ids' ? ids : textOf(context);
        const answer = await this.#complete({ prompt, ...fieldsOf(dialect, sampling, hash32(key) >>> 1) }, signal);
        return { completion: completionOf(id, answer), promptTokens: answer.usage?.prompt_tokens ?? ids.length };
      },
      logps: given && ((tokens, signal) => this.#logps(given, tokens, signal)),
      [Symbol.asyncDispose]: async () => undefined,
    };
  }

  async #logps(way: GivenWay, { context, completion }: GivenTokens, signal: AbortSignal): Promise<readonly number[]> {
    const prompt = [...context, ...completion];
    const answer = await this.#complete({ prompt, temperature: 0, seed: 0, ...way.fields }, signal);
    const logps = givenLogps(way, answer, prompt);
    if (logps !== null) return logps.slice(context.length - 1);
    throw this.#refusal(`log-probabilities of fewer than its ${prompt.length} tokens`);
  }

  #complete(fields: object, signal: AbortSignal): Promise<Answer> {
    const request = { path: '/v1/completions', body: { model: this.#settings.model, ...fields } };
    return this.#requests.send(request, (reply) => readAnswer(reply, (got) => this.#refusal(got)), signal);
  }

  #refusal(got: string): SipfError {
    return refused({ requests: this.#requests, model: this.#settings.model }, got);
  }

  /** Once; again where that failed. */
  #ask(here: Policy): Promise<Capabilities> {
    const { model, dialect, prompts } = this.#settings;
    const probed: Probed = { requests: this.#requests, model, dialect, prompts, signal: new AbortController().signal };
    const ask = async () => {
      const [ids = []] = await here.encode([[PROBE_TEXT]]);
      return probe(probed, ids);
    };
    this.#table ??= ask().catch((error: unknown) => {
      this.#table = null;
      throw error;
    });
    return this.#table;
  }
}

function apiKeyOf(name: string | null, env: Readonly<Record<string, string | undefined>>): string | null {
  if (name === null) return null;
  const key = env[name];
  if (key !== undefined && key !== '') return key;
  throw new SipfError(
    'bad-config',
    `Expected an API key in the environment variable ${name} (engine.sampler.apiKeyFrom), got none. Set that variable.`,
  );
}

function textOf(context: readonly ContextPiece[]): string {
  const texts = context.filter((piece) => typeof piece === 'string');
  if (texts.length === context.length) return texts.join('');
  throw new SipfError(
    'unsupported',
    'Expected prompts of text for engine.sampler.prompts text, got token ids. Set engine.sampler.prompts ids.',
  );
}

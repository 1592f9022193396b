// A request for a completion -> a server's checked answer: timeouts and further tries.
import { z } from 'zod';
import { printable, SipfError, throwIfAborted } from '../errors.ts';
import { mayPass, retryAfterMs, waitBefore, whyFailed } from '../retries.ts';
import type { SamplerParts } from './sampler.ts';

interface ServerOptions {
  /** Up to and with the version. */
  readonly url: string;
  readonly model: string;
  readonly retries: number;
  /** Seconds. */
  readonly timeout: number;
}

interface ServerParts extends Pick<SamplerParts, 'random' | 'wait' | 'now'> {
  /** Sent as a bearer token; null: none. */
  readonly apiKey: string | null;
}

const Count = z.number().int().min(0);

/** An answer, as vLLM (token_logprobs, token_ids) and llama.cpp (content) give it. */
const Answer = z.object({
  choices: z.tuple([
    z.object({
      text: z.string(),
      finish_reason: z.string().nullish(),
      token_ids: z.array(Count).nullish(),
      logprobs: z
        .object({
          token_logprobs: z.array(z.number().nullable()).nullish(),
          content: z.array(z.object({ id: Count.optional(), logprob: z.number() })).nullish(),
        })
        .nullish(),
    }),
  ]),
  usage: z.object({ prompt_tokens: Count, completion_tokens: Count }).nullish(),
});
export type Answer = z.infer<typeof Answer>;

/** An error that came as an answer, with status 200. */
const Failure = z.object({
  error: z.union([
    z.string().transform((message) => ({ message, code: null })),
    z.object({ message: z.string(), code: z.union([z.string(), z.number()]).nullish() }),
  ]),
});

/** A request's outcome: an answer, or a problem that another try may not have. */
type Tried = { readonly answer: Answer } | { readonly problem: string; readonly retryAfterMs: number };

/** Sends each request until it has an answer, or no try is left. */
export class CompletionServer {
  readonly #options: ServerOptions;
  readonly #parts: ServerParts;

  constructor(options: ServerOptions, parts: ServerParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** @throws SipfError 'unreachable' when the last try failed; 'bad-config' where the server refuses the request; 'aborted'. */
  async complete(request: object, signal: AbortSignal): Promise<Answer> {
    const { retries, url, model } = this.#options;
    const body = JSON.stringify({ model, ...request });
    for (let retry = 0; ; retry += 1) {
      throwIfAborted(signal);
      const tried = await this.#try(body, signal);
      if ('answer' in tried) return tried.answer;
      if (retry === retries) {
        throw new SipfError(
          'unreachable',
          `Expected an answer of ${url}/completions, got ${tried.problem} (${retries + 1} tries). Start the server or correct engine.sampler.url; what is stored stays, and the same command continues.`,
        );
      }
      const ms = waitBefore(retry, this.#parts.random(), tried.retryAfterMs);
      await this.#parts.wait(ms, signal).catch(() => throwIfAborted(signal));
    }
  }

  async #try(body: string, signal: AbortSignal): Promise<Tried> {
    const { url, timeout } = this.#options;
    const { apiKey } = this.#parts;
    const controller = new AbortController();
    const abort = () => controller.abort();
    const answered = new AbortController();
    this.#parts.wait(timeout * 1000, answered.signal).then(abort, () => undefined);
    signal.addEventListener('abort', abort);
    try {
      const response = await fetch(`${url.replace(/\/+$/, '')}/completions`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }),
        },
        body,
        redirect: 'manual',
        signal: controller.signal,
      });
      return this.#read(response, await response.text());
    } catch (thrown) {
      if (thrown instanceof SipfError) throw thrown;
      throwIfAborted(signal);
      const problem = controller.signal.aborted ? `none within ${timeout} s` : whyFailed(thrown);
      return { problem, retryAfterMs: 0 };
    } finally {
      answered.abort();
      signal.removeEventListener('abort', abort);
    }
  }

  #read({ status, ok, headers }: Response, text: string): Tried {
    const said = printable(text.trim());
    const askedMs = retryAfterMs(headers.get('retry-after'), this.#parts.now());
    if (mayPass(status)) return { problem: `status ${status}: ${said}`, retryAfterMs: askedMs };
    const location = headers.get('location');
    if (!ok)
      throw this.#refusal(
        `status ${status}${location === null ? `: ${said}` : `, a redirect to ${printable(location)}`}`,
      );
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return { problem: `text that is not JSON: ${said}`, retryAfterMs: 0 };
    }
    const failed = Failure.safeParse(value);
    if (failed.success) {
      const { message, code } = failed.data.error;
      const problem = `an error${code == null ? '' : ` of code ${code}`}: ${printable(message)}`;
      if (mayPass(Number(code))) return { problem, retryAfterMs: askedMs };
      throw this.#refusal(problem);
    }
    const parsed = Answer.safeParse(value);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw this.#refusal(`${said}: ${issue?.path.join('.')}: ${issue?.message}`);
    }
    const { finish_reason: reason } = parsed.data.choices[0];
    if (reason === 'stop' || reason === 'length') return { answer: parsed.data };
    return { problem: `a completion that ended by ${JSON.stringify(reason ?? null)}`, retryAfterMs: 0 };
  }

  #refusal(got: string): SipfError {
    const { url, model } = this.#options;
    return new SipfError(
      'bad-config',
      `Expected ${url}/completions to complete a prompt by ${model}, got ${got}. Compare url, model, dialect, prompts and apiKeyFrom of engine.sampler with the server.`,
    );
  }
}

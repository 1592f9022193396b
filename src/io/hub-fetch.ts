// A request to the hub -> its answer; refusals that may pass, and cut connections, are tried again.
import { setTimeout } from 'node:timers/promises';
import { codeOf, throwIfAborted } from '../errors.ts';
import { mayPass, retryAfterMs, waitBefore, whyFailed } from '../retries.ts';

/** What a request has of the place where it is made. */
export interface HubParts {
  readonly signal?: AbortSignal | undefined;
  /** Resolves after some milliseconds, or rejects when the signal fires. */
  readonly wait?: (ms: number, signal: AbortSignal | undefined) => Promise<unknown>;
}

/** Tries of one request; a download that moves on begins to count again. */
export const TRIES = 5;

/** Nobody is there: to wait does not help. */
const ABSENT = ['ECONNREFUSED', 'ENOTFOUND'];

/**
 * `fetch` for the hub.
 * @throws SipfError 'aborted'; Error with the reason where no try got an answer.
 */
export function hubFetch(parts: HubParts = {}): typeof fetch {
  return async (input, init) => {
    for (let retry = 0; ; retry += 1) {
      throwIfAborted(parts.signal);
      const answer = await attempt(input, init, parts.signal);
      const problem = answer instanceof Response ? problemOf(answer) : answer;
      if (answer instanceof Response && problem === null) return answer;
      if (retry === TRIES - 1) throw new Error(`${problem} (${TRIES} tries)`);
      const asked = answer instanceof Response ? retryAfterMs(answer.headers.get('retry-after'), Date.now()) : 0;
      if (answer instanceof Response) await answer.body?.cancel();
      await pause(retry, asked, parts);
    }
  };
}

/** Waits before the next try. @throws SipfError 'aborted'. */
export async function pause(
  retry: number,
  askedMs: number,
  { signal, wait = (ms, stop) => setTimeout(ms, undefined, stop ? { signal: stop } : {}) }: HubParts,
): Promise<void> {
  await wait(waitBefore(retry, Math.random(), askedMs), signal).catch(() => undefined);
  throwIfAborted(signal);
}

/** An answer, or why there was none. @throws Error where another try cannot help. */
async function attempt(
  input: Parameters<typeof fetch>[0],
  init: RequestInit | undefined,
  signal: AbortSignal | undefined,
): Promise<Response | string> {
  try {
    return await fetch(input, { ...init, signal: signal ?? null });
  } catch (thrown) {
    throwIfAborted(signal);
    const problem = whyFailed(thrown);
    if (ABSENT.includes(codeOf(thrown instanceof Error ? thrown.cause : null))) throw new Error(problem);
    return problem;
  }
}

function problemOf({ status }: Response): string | null {
  if (!mayPass(status)) return null;
  return status === 429 ? 'status 429: too many requests (HF_TOKEN raises the limit)' : `status ${status}`;
}

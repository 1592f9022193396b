// A failed request -> whether another try may end better, and how long to wait before it.
import { codeOf, messageOf } from './errors.ts';

/** First wait between two tries, and the longest, in milliseconds. */
const FIRST_WAIT = 500;
const LONGEST_WAIT = 30_000;
/** A server's own Retry-After is heard up to an hour. */
const LONGEST_ASKED = 3_600_000;

/** Whether another try may end better, by a status of HTTP. */
export function mayPass(status: number): boolean {
  return status === 429 || status === 408 || status >= 500;
}

/** A Retry-After header (seconds, or a date) in milliseconds; `now` is in milliseconds since 1970. */
export function retryAfterMs(header: string | null, now: number): number {
  if (header === null) return 0;
  const ms = /^\d+$/.test(header.trim()) ? 1000 * Number(header) : Date.parse(header) - now;
  return Number.isFinite(ms) ? Math.min(Math.max(0, ms), LONGEST_ASKED) : 0;
}

/** Milliseconds before try `retry` + 2: twice as long each time, spread by `random` in [0, 1), and at least what the server asked for. */
export function waitBefore(retry: number, random: number, askedMs: number): number {
  return Math.max(askedMs, Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** retry) * (0.5 + random / 2));
}

/** Why fetch gave no answer. */
export function whyFailed(thrown: unknown): string {
  const cause = thrown instanceof Error && thrown.cause !== undefined ? thrown.cause : thrown;
  return messageOf(cause) || codeOf(cause);
}

// Work and a signal -> what comes first: the work's result, or the signal's reason as an error.
import { once } from 'node:events';

/** @throws the signal's reason where it fires first. The work goes on, and its end is nobody's. */
export async function beforeAbort<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const ended = new AbortController();
  const stopped = once(signal, 'abort', { signal: ended.signal }).then(() => Promise.reject(signal.reason));
  try {
    return await Promise.race([work, stopped]);
  } finally {
    ended.abort();
  }
}

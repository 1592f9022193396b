// Calls that are sent together -> all results, or the first error once the others have ended.
import { setMaxListeners } from 'node:events';
import { throwIfAborted } from '../errors.ts';

/** Every request that is on its way listens. */
export function stopper(): AbortController {
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  return stop;
}

/** All calls; where one fails the others end. */
export async function allOrNone<T, R>(
  signal: AbortSignal | undefined,
  items: readonly T[],
  call: (item: T, signal: AbortSignal) => Promise<R>,
): Promise<R[]> {
  throwIfAborted(signal);
  const stop = stopper();
  const abort = () => stop.abort();
  signal?.addEventListener('abort', abort);
  const calls = items.map((item) => call(item, stop.signal));
  try {
    return await Promise.all(calls);
  } finally {
    signal?.removeEventListener('abort', abort);
    stop.abort();
    await Promise.allSettled(calls);
  }
}

// Calls that are sent together -> all results, or the first error once the others have ended.
import { throwIfAborted } from '../errors.ts';
import { stopperOf } from './stopper.ts';

/** All calls; where one fails the others end. */
export async function allOrNone<T, R>(
  signal: AbortSignal | undefined,
  items: readonly T[],
  call: (item: T, signal: AbortSignal) => Promise<R>,
): Promise<R[]> {
  throwIfAborted(signal);
  using stopper = stopperOf(signal);
  const calls = items.map((item) => call(item, stopper.signal));
  try {
    return await Promise.all(calls);
  } finally {
    stopper.stop();
    await Promise.allSettled(calls);
  }
}

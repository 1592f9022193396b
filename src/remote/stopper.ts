// Signals for calls that are many: any number of them may wait for one.
import { setMaxListeners } from 'node:events';

/** Fires with the signal that it was made for, or by `stop`. */
export interface Stopper extends Disposable {
  readonly signal: AbortSignal;
  stop(): void;
}

export function stopperOf(outer?: AbortSignal): Stopper {
  const controller = new AbortController();
  const stop = () => controller.abort();
  // From eleven on the runtime would take them for a leak.
  for (const signal of outer === undefined ? [controller.signal] : [controller.signal, outer])
    setMaxListeners(0, signal);
  outer?.addEventListener('abort', stop);
  return { signal: controller.signal, stop, [Symbol.dispose]: () => outer?.removeEventListener('abort', stop) };
}

/** Of calls that nobody can stop. */
export const NEVER: AbortSignal = stopperOf().signal;

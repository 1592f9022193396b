// Lets the thread's other events (Ctrl-C, messages) be seen between two executions, which block it. Leaves deciding to the caller.
import { setImmediate } from 'node:timers/promises';

/** Resolves after one turn of the event loop. */
export const turn = (): Promise<void> => setImmediate();

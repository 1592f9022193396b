// Requests -> completions: one unit of work on a scheduler of its own.
import { setImmediate as nextEvents } from 'node:timers/promises';
import type { DrawnText, DrawnToken, DrawOptions, GenerateRequest, GenerateStats, OnFinished } from '../backend.ts';
import { type Generator, Scheduler, type SchedulerOptions } from './scheduler.ts';

export type { Generator };

export interface GenerateOptions extends DrawOptions, SchedulerOptions {}

/**
 * Runs one unit of work. Requests enter free slots in order; `onFinished` is called once a decode step with what ended in it, in slot order,
 * and its answer joins the end of the queue.
 * @throws SipfError 'bad-input' when a context is empty or too long, or options are out of range; 'aborted' between two executions.
 */
export async function generate(
  generator: Generator,
  requests: readonly GenerateRequest[],
  onFinished: OnFinished,
  { signal, onText, ...options }: GenerateOptions = {},
): Promise<GenerateStats> {
  using scheduler = new Scheduler(generator, options);
  const drawn: DrawnText[] = [];
  const keep = ({ id, text }: DrawnToken) => {
    if (text !== '') drawn.push({ id, text });
  };
  const submit = (more: readonly GenerateRequest[]) => scheduler.submit(more, onText ? { onToken: keep } : {});
  submit(requests);
  while (scheduler.busy) {
    const finished = await scheduler.step(signal);
    if (drawn.length > 0) onText?.(drawn.splice(0));
    if (finished.length > 0) submit(await onFinished(finished));
    await nextEvents();
  }
  return scheduler.stats;
}

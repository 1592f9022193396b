// The runs, asked for every two seconds while one goes on or no server answers.
import { computed, effect, type ReadonlySignal, signal } from '@preact/signals';
import type { RunsReply } from '../../src/viewer/api.ts';
import { type Server, wordsOf } from './server.ts';

export interface Live {
  /** null: not known yet. */
  readonly runs: ReadonlySignal<RunsReply['runs'] | null>;
  /** Changes whenever a file of a run did, and when a lost server answers again. */
  readonly version: ReadonlySignal<string>;
  /** Why the last request failed. */
  readonly error: ReadonlySignal<string | null>;
}

const EVERY_MS = 2000;

export function followRuns(server: Server, document: Document): Live {
  const runs = signal<RunsReply['runs'] | null>(null);
  const error = signal<string | null>(null);
  const version = computed(() => [server.returns.value, ...(runs.value ?? []).map((run) => run.version)].join());

  const look = async (): Promise<void> => {
    try {
      const reply = await server.ask<RunsReply>('api/runs', {});
      if (JSON.stringify(reply.runs) !== JSON.stringify(runs.peek())) runs.value = reply.runs;
      error.value = null;
    } catch (thrown) {
      error.value = wordsOf(thrown);
    }
  };
  const goesOn = (): boolean => error.peek() !== null || (runs.peek() ?? []).some((run) => !run.finished);
  let timer: ReturnType<typeof setTimeout> | undefined;
  const again = (): void => {
    clearTimeout(timer);
    if (server.report === null && goesOn()) timer = setTimeout(() => void turn(), EVERY_MS);
  };
  const turn = async (): Promise<void> => {
    if (document.visibilityState === 'visible') await look();
    again();
  };
  document.addEventListener('visibilitychange', () => {
    if (server.report === null && document.visibilityState === 'visible') void look();
  });
  void look().then(again);
  effect(() => {
    if (server.isLost.value) void turn();
  });
  return { runs, version, error };
}

// A folder -> a finished run of the scripted sums, with all that a run can keep for the page.
import { createScriptedBackend } from '../src/backends/scripted.ts';
import { parseConfig } from '../src/config/load.ts';
import type { ConfigInput } from '../src/config/schema.ts';
import { type LoopResult, type RunLoopOptions, runLoop } from '../src/pipeline/run-loop.ts';
import type { OpenRun } from '../src/viewer/open-run.ts';
import { type OpenRunOptions, openRun } from '../src/viewer/open-run-index.ts';
import { scoreSum, sumsTask, writeSum } from './scripted-sums.ts';

const kept: ConfigInput = {
  model: { init: {} },
  task: { name: 'sums', limit: 24 },
  iterations: 2,
  sampling: { samples: 6, keepLogps: true },
  labels: { K: 4, heldOut: 0.3, keepRollouts: true },
  pairs: { eta: 0.01 },
  sft: { train: { batchSize: 8 } },
  prm: { train: { batchSize: 8 } },
  align: { train: { batchSize: 8 } },
  evaluate: {
    sets: [{ split: 'valid', limit: 12 }],
    final: [{ split: 'test', limit: 12 }],
    control: 'continued-sft',
  },
};

/** Runs it to its end; `change` is over what is kept. */
export function viewerRun(
  out: string,
  change: ConfigInput = {},
  listener: Pick<RunLoopOptions, 'log' | 'signal'> = {},
): Promise<LoopResult> {
  const backend = createScriptedBackend({ write: writeSum, score: scoreSum });
  return runLoop({ config: parseConfig({ ...kept, ...change }), out, backend, tasks: () => sumsTask, ...listener });
}

/** Opens it as `sipf view` does, but for its task. */
export function openViewerRun(dir: string, options: OpenRunOptions = {}): Promise<OpenRun> {
  return openRun(dir, { tasks: () => sumsTask, ...options });
}

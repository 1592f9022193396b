// The small run that the kill tests interrupt, also as a program: OUT [LINE].
// It prints one line for each event, and is killed at the line LINE, or at the LINE-th.
import { writeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createScriptedBackend } from '../../src/backends/scripted.ts';
import { parseConfig } from '../../src/config/load.ts';
import type { Config } from '../../src/config/schema.ts';
import type { Disk } from '../../src/io/files.ts';
import { type LoopResult, runLoop } from '../../src/pipeline/run-loop.ts';
import type { Log, OnProgress } from '../../src/run/events.ts';
import { scoreSum, sumsTask, writeSum } from '../scripted-sums.ts';

interface ScriptedRun {
  readonly out: string;
  readonly disk?: Disk;
  readonly onWork?: (what: string) => void;
  readonly onProgress?: OnProgress;
  readonly log?: Log;
}

export const config: Config = parseConfig({
  model: { init: {} },
  task: { name: 'sums', limit: 8 },
  sampling: { samples: 4, unit: 4 },
  labels: { K: 2, heldOut: 0.3, unit: 4 },
  score: { unit: 4 },
  pairs: { eta: 0.01, chosenGate: 'none' },
  sft: { train: { checkpointEverySteps: 1, batchSize: 4 } },
  prm: { train: { checkpointEverySteps: 4, batchSize: 4 } },
  align: { train: { checkpointEverySteps: 4, batchSize: 4 } },
  evaluate: {
    sets: [{ split: 'valid', limit: 6 }],
    final: [{ split: 'test', limit: 6 }],
    control: 'continued-sft',
    samples: 3,
    unit: 4,
    logpPairs: 4,
  },
});

export function scriptedRun({ out, disk, onWork, onProgress, log }: ScriptedRun): Promise<LoopResult> {
  const backend = createScriptedBackend({ write: writeSum, score: scoreSum, disk, onWork });
  return runLoop({ config, out, backend, tasks: () => sumsTask, disk, onProgress, log });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , out = '', end = ''] = process.argv;
  let lines = 0;
  const say = (line: string) => {
    writeSync(1, `${line}\n`);
    lines += 1;
    if (line === end || String(lines) === end) process.kill(process.pid, 'SIGKILL');
  };
  await scriptedRun({
    out,
    onWork: (what) => {
      if (what.startsWith('step')) say(`work ${what}`);
    },
    onProgress: ({ stage, iteration, done }) => say(`progress ${iteration}/${stage} ${done}`),
    log: ({ type, stage, iteration }) => say(`${type} ${iteration}/${stage}`),
  });
  say('finished');
}

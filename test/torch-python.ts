// SIPF_TEST_PYTHON -> a Python with what the torch trainer needs, and trainers by it.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Trainer } from '../src/backend.ts';
import { createInProcessBackend } from '../src/backends/local/in-process.ts';
import { WAITS } from '../src/backends/waits.ts';
import { torchTrainer } from '../src/trainers/torch/torch-trainer.ts';
import { type TrainerOptions, TrainerSettings } from '../src/trainers/trainers.ts';
import { cache, engine } from './training-fixtures.ts';

/** null: tests that train by torch are skipped. */
export const torchPython = process.env['SIPF_TEST_PYTHON'] ?? null;
if (torchPython === null)
  console.warn(
    'SIPF_TEST_PYTHON names no Python with torch, transformers and peft: tests that train by it are skipped.',
  );

/** Whether that Python can hold a base in few bits. */
export const hasBitsandbytes =
  torchPython !== null && spawnSync(torchPython, ['-c', 'import bitsandbytes'], { stdio: 'ignore' }).status === 0;
if (torchPython !== null && !hasBitsandbytes)
  console.warn('The Python of SIPF_TEST_PYTHON has no bitsandbytes: tests of QLoRA are skipped.');

interface Made {
  readonly trainer: Trainer;
  readonly log: string[];
}

/** A torch trainer that describes models as the tests' engine does. */
export function torchBy(command: readonly string[], more: Partial<TrainerOptions> = {}, waits = WAITS): Made {
  const log: string[] = [];
  const settings = TrainerSettings.parse({ kind: 'torch', command, ...more });
  const store = createInProcessBackend({ cache, provider: 'cpu' }, engine);
  const parts = {
    ...waits,
    store,
    threads: 1,
    env: { ...process.env, SIPF_CACHE: cache },
    log: (line: string) => log.push(line),
  };
  return { trainer: torchTrainer(settings, parts), log };
}

/** The records of a checkpoint of the program. */
export function progressIn(out: string): { steps: { step: number }[] } {
  return JSON.parse(readFileSync(join(out, 'checkpoint', 'torch', 'progress.json'), 'utf8'));
}

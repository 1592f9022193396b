// Smoke runs trained by a program -> kill -9 and resume; by torch the figures of the own engine.
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startOf } from '../../src/io/processes.ts';
import { torchPython } from '../torch-python.ts';
import { buildCli, runCli, startCli } from './run-cli.ts';
import { artefacts } from './run-files.ts';

let folder = '';
let env: Record<string, string> = {};
beforeAll(async () => {
  buildCli();
  folder = await mkdtemp(join(tmpdir(), 'sipf-torch-run-'));
  env = { SIPF_CACHE: join(folder, 'cache') };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const fake = (how: string) => [process.execPath, join(import.meta.dirname, '..', 'fake-trainer.mjs'), how];
/** A run whose figures mean nothing; trainings that only stand for some make no pairs, so `iterations` is 0 then. */
const smoke = (out: string, command: readonly string[] | null, iterations = command?.length === 3 ? 0 : 2) => [
  ...'run --preset smoke --seed 5 --threads 1 --sft.train.checkpointEverySteps 4 --iterations'.split(' '),
  String(iterations),
  '--out',
  join(folder, out),
  ...(command === null ? [] : ['--engine.trainer', JSON.stringify({ kind: 'torch', command })]),
];

async function finish(out: string, command: readonly string[] | null): Promise<string> {
  const { code, stderr } = await runCli(smoke(out, command), { env });
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  return stderr;
}

interface Killed {
  /** Of the program. */
  readonly pid: number;
  readonly started: string | null;
}

/** Kills the driver in the warm-up, behind a checkpoint. */
async function killed(out: string, command: readonly string[]): Promise<Killed> {
  const driver = startCli(smoke(out, command), { env });
  const gone = new Promise((resolve) => driver.on('close', resolve));
  const job = join(folder, out, 'iteration-0', '6-policy', 'checkpoint', 'torch');
  while (!existsSync(join(job, 'progress.json')) && driver.exitCode === null) await wait(5);
  const { pid } = JSON.parse(readFileSync(join(job, 'process.json'), 'utf8')) as { pid: number };
  const started = await startOf(pid);
  driver.kill('SIGKILL');
  await gone;
  return { pid, started };
}

/** By stage and round: optimizer steps with their losses, each the last time that it was taken. */
function lossesOf(out: string): Record<string, number[]> {
  const found: Record<string, number[]> = {};
  for (const line of readFileSync(join(folder, out, 'events.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')) {
    const { type, stage, iteration, data } = JSON.parse(line) as Record<string, unknown>;
    if (type !== 'train-step') continue;
    const { step, loss } = data as { step: number; loss: number };
    const of = `${stage} ${iteration}`;
    const losses = found[of] ?? [];
    losses[step] = loss;
    found[of] = losses;
  }
  return found;
}

describe('what training needs is looked for before anything is drawn', () => {
  const asked = (command: readonly string[], ...more: string[]) =>
    runCli([...smoke('asked', command), ...more], { env });
  afterEach(() => rm(join(folder, 'asked'), { recursive: true, force: true }));

  it.each([
    [['no-such-python-anywhere', 'a', 'b'], /Expected to start no-such-python-anywhere .* Install Python 3\.10/],
    [fake('bare'), /got trainer packages: missing: torch 2\.15\.0, .* Install them: pip install -r \/there\/requirem/],
    [fake('broken'), /got trainer packages: ImportError: libcudart\. Install them/],
  ])('%o', async (command, says) => {
    const { code, stderr } = await asked(command);
    expect(code).toBe(2);
    expect(stderr).toMatch(says);
    expect(existsSync(join(folder, 'asked'))).toBe(false);
  });

  it('warns once of another release', async () => {
    const warning = /Warning: trainer packages: torch 2\.14\.1\+cpu, .*; tested with torch 2\.15\.0/g;
    for (const more of [['--dry-run', '--no-measure'], []]) {
      const { code, stderr } = await asked(fake('older'), ...more);
      expect({ code, told: stderr.match(warning)?.length }).toEqual({ code: 0, told: 1 });
    }
  });
});

it('ends the program of a driver that was killed, and continues from its checkpoint', async () => {
  const { pid, started } = await killed('orphaned', fake('deaf'));
  expect(await startOf(pid)).toBe(started);
  const stderr = await finish('orphaned', fake('train'));
  expect(stderr).toContain(`Training: process ${pid} of a driver that is gone was still at work; it was ended.`);
  expect(await startOf(pid)).not.toBe(started);
  expect(stderr).toMatch(/Training by torch on cpu, from optimizer step [1-9]\d* on\./);
  const result = readFileSync(join(folder, 'orphaned', 'iteration-0', '6-policy', 'training.json'), 'utf8');
  const { steps } = JSON.parse(result) as { steps: { loss: number }[] };
  expect(steps.map(({ loss }) => loss)).toEqual(Array.from({ length: 24 }, (_, n) => 1 / (1 + n)));
});

describe.skipIf(torchPython === null)('trained by torch', () => {
  const python = [torchPython ?? 'none'];

  it('has the steps and the losses of the own engine', async () => {
    await finish('own', null);
    await finish('torch', python);
    const [own, torch] = [lossesOf('own'), lossesOf('torch')];
    expect(Object.keys(torch)).toEqual(['6-policy 0', '3-prm 1', '6-policy 1', '3-prm 2', '6-policy 2']);
    for (const [stage, losses] of Object.entries(own)) {
      expect(torch[stage]?.length, stage).toBe(losses.length);
      for (const [n, loss] of losses.entries()) expect((torch[stage]?.[n] as number) / loss, stage).toBeCloseTo(1, 3);
    }
  });

  it('killed in a training and resumed has the bytes of an uninterrupted run', async () => {
    const { pid, started } = await killed('killed', python);
    await finish('killed', python);
    expect(await startOf(pid)).not.toBe(started);
    expect(await artefacts(join(folder, 'killed'))).toEqual(await artefacts(join(folder, 'torch')));
  });
});

// A training that was killed and resumed, as events and its folder tell it -> one series of steps.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { RoundSummary } from '../../pipeline/run-reader.ts';
import { RunEvents } from '../run-events.ts';
import { trainingReply } from './training.ts';

let dir = '';
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'sipf-training-'));
});
afterAll(() => rm(dir, { recursive: true, force: true }));

const at = (second: number) => new Date(1_700_000_000_000 + 1000 * second).toISOString();
const place = { stage: '6-policy', iteration: 1 };
const step = (n: number, loss: number) => ({
  ...{ step: n, steps: 4, loss, gradNorm: 1, learningRate: 0.1, tokens: 8 },
  metrics: { margin: loss },
});
const started = (second: number) => ({ time: at(second), type: 'stage-start', ...place });
const trained = (second: number, n: number, loss: number) => ({
  ...{ time: at(second), type: 'train-step', ...place },
  data: step(n, loss),
});

const round: RoundSummary = { iteration: 1, report: null, policy: null, prm: null, stages: [], seconds: null };
const read = async () => {
  const events = new RunEvents(dir);
  await events.refresh();
  return trainingReply({ dir, rounds: [round] }, events.trainings);
};

async function log(events: readonly object[]): Promise<void> {
  await writeFile(join(dir, 'events.jsonl'), `${events.map((event) => JSON.stringify(event)).join('\n')}\n{"torn`);
}

it('has a step that was done twice as it was done last, and no time of the pause', async () => {
  const before = [started(0), trained(2, 0, 9), trained(3, 1, 8), trained(4, 2, 7)];
  // From a checkpoint behind the first step, a day later.
  const after = [{ time: at(86_400), type: 'run' }, started(86_410), trained(86_415, 1, 8), trained(86_416, 2, 6)];
  await log([...before, ...after]);
  const { trainings } = await read();
  expect(trainings).toMatchObject([{ iteration: 1, stage: '6-policy', steps: 4 }]);
  expect(trainings[0]?.series.map(({ step: n, loss, seconds }) => [n, loss, seconds])).toEqual([
    [0, 9, 2],
    [1, 8, 7],
    [2, 6, 8],
  ]);
  expect(trainings[0]?.series[0]?.metrics).toEqual({ margin: 9 });
});

it('has what the trained folder says, also without an event', async () => {
  await log([started(0), trained(2, 0, 9)]);
  await mkdir(join(dir, 'iteration-1', '6-policy'), { recursive: true });
  const steps = [step(0, 9), step(1, 5), step(2, 4), step(3, 3)];
  await writeFile(
    join(dir, 'iteration-1', '6-policy', 'training.json'),
    JSON.stringify({ job: 'j', steps, tokens: 32 }),
  );
  const [training] = (await read()).trainings;
  expect(training?.series.map(({ loss, seconds }) => [loss, seconds])).toEqual([
    [9, 2],
    [5, null],
    [4, null],
    [3, null],
  ]);
});

it('names a folder whose file is none', async () => {
  await writeFile(join(dir, 'iteration-1', '6-policy', 'training.json'), '{"steps": 3}');
  await expect(read()).rejects.toMatchObject({ code: 'bad-input', message: expect.stringContaining('training.json') });
});

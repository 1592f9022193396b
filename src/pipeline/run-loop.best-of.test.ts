// The final evaluation with samples, on the scripted sums -> votes and best-of-N that files explain.
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { scoreSum, sumsTask, writeSum } from '../../test/scripted-sums.ts';
import { createScriptedBackend } from '../backends/scripted.ts';
import { parseConfig } from '../config/load.ts';
import type { ConfigInput } from '../config/schema.ts';
import { readRecords } from '../io/jsonl.ts';
import { Answer, StepScores } from '../records.ts';
import type { LogEvent } from '../run/events.ts';
import type { Task } from '../task.ts';
import { runLoop } from './run-loop.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-best-of-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const backend = createScriptedBackend({ write: writeSum, score: scoreSum });
const SAMPLES = 4;

function run(
  name: string,
  change: ConfigInput = {},
  { task = sumsTask, samples = SAMPLES }: { task?: Task; samples?: number } = {},
) {
  const config = parseConfig({
    model: { init: {} },
    task: { name: 'sums', limit: 24 },
    iterations: 1,
    sampling: { samples: 4, unit: 8 },
    labels: { K: 2, heldOut: 0.3, unit: 8 },
    pairs: { eta: 0.001 },
    evaluate: {
      sets: [{ split: 'valid', limit: 8 }],
      final: [
        { split: 'test', limit: 40 },
        { split: 'valid', limit: 8 },
      ],
      samples,
      unit: 16,
    },
    ...change,
  });
  const events: LogEvent[] = [];
  const out = join(folder, name);
  const log = (event: LogEvent) => events.push(event);
  return { out, events, done: runLoop({ config, out, backend, tasks: () => task, log }) };
}

async function recordsOf<T>(path: string, schema: Parameters<typeof readRecords<T>>[1]): Promise<T[]> {
  const records: T[] = [];
  for await (const record of readRecords(path, schema)) records.push(record);
  return records;
}

const share = (values: readonly boolean[]) => values.filter(Boolean).length / values.length;

it('draws, scores and chooses: each figure follows from the records', async () => {
  const { out, done } = run('sipf');
  const { final } = await done;
  expect(final?.rows.map(({ name }) => name)).toEqual(['start', 'last']);
  for (const { name, bestOf } of final!.rows) {
    expect(bestOf?.map(({ split, questions, samples }) => [split, questions, samples])).toEqual([
      ['test', 40, SAMPLES],
      ['valid', 8, SAMPLES],
    ]);
    const samples = await recordsOf(join(out, 'final', `${name}-samples.jsonl`), Answer);
    const scores = await recordsOf(join(out, 'final', `${name}-scores.jsonl`), StepScores);
    expect(samples).toHaveLength(48 * SAMPLES);
    expect(scores.map(({ sampleId }) => sampleId)).toEqual(samples.map((one) => `${one.questionId}/${one.sample}`));
    const test = samples.slice(0, 40 * SAMPLES);
    const right = test.map(({ outcome }) => outcome.kind === 'right');
    const byScore = test.map(
      (_, i) => scores[i]!.scores!.reduce((sum, one) => sum + one, 0) / scores[i]!.scores!.length,
    );
    const byLogp = test.map(({ sumLogp, tokens }) => sumLogp! / tokens);
    const chosen = (values: readonly number[]) =>
      Array.from({ length: 40 }, (_, q) => {
        const own = values.slice(q * SAMPLES, (q + 1) * SAMPLES);
        return right[q * SAMPLES + own.indexOf(Math.max(...own))]!;
      });
    const rule = (wanted: string) => bestOf![0]!.rules.find((one) => one.rule === wanted)?.accuracy?.value;
    expect(bestOf![0]!.rules.map((one) => one.rule)).toEqual([
      ...['greedy', 'random', 'majority', 'logprob', 'shortness', 'prm', 'any'],
    ]);
    expect(rule('random')).toBeCloseTo(share(right), 12);
    expect(rule('prm')).toBeCloseTo(share(chosen(byScore)), 12);
    expect(rule('logprob')).toBeCloseTo(share(chosen(byLogp)), 12);
    // The scripted PRM sees most wrong steps.
    expect(rule('prm')).toBeGreaterThan(rule('random')!);
    expect(rule('any')).toBeGreaterThanOrEqual(rule('prm')!);
  }
});

it('continues to the same figures; no samples are drawn where none are asked for', async () => {
  const again = run('sipf');
  await again.done;
  expect(again.events.filter(({ type }) => type === 'stage-start')).toEqual([]);
  const without = run('without', {}, { samples: 0 });
  const { final } = await without.done;
  expect(final?.rows.every(({ bestOf }) => bestOf === undefined)).toBe(true);
  expect(existsSync(join(without.out, 'final', 'start-samples.jsonl'))).toBe(false);
});

it.each([
  ['siof', { method: 'siof' }, []],
  ['online-rft', { method: 'online-rft' }, []],
  ['tallies', { score: { scorer: 'tallies' } }, []],
  ['logprob', { score: { scorer: 'logprob' } }, []],
  ['oracle', { score: { scorer: 'oracle' } }, ['oracle']],
  ['equations', { score: { scorer: 'equations' } }, ['equations']],
  ['probe', { score: { scorer: 'probe' } }, ['probe']],
  ['likelihood', { score: { scorer: 'likelihood' } }, []],
  ['prm-logprob', { score: { scorer: 'prm-logprob' } }, ['prm-logprob']],
] as const)('%s: ranks by what reads new paths', async (name, change, own) => {
  const { final } = await run(name, change).done;
  const rules = final!.rows[0]!.bestOf![0]!.rules.map(({ rule }) => rule);
  expect(rules).toEqual(['greedy', 'random', 'majority', 'logprob', 'shortness', ...own, 'any']);
});

it('refuses samples without a final set', async () => {
  const evaluate = { sets: [], final: [], samples: 4 };
  await expect(run('none', { evaluate }).done).rejects.toThrow(
    /Expected a question set in evaluate.final .* 4, got none/,
  );
});

it('continues a run whose configuration is older than a setting', async () => {
  const older = run('older', {}, { samples: 0 });
  await older.done;
  const path = join(older.out, 'config.json');
  const stored = JSON.parse(await readFile(path, 'utf8'));
  delete stored.config.evaluate.samples;
  delete stored.config.evaluate.temperature;
  await writeFile(path, JSON.stringify(stored));
  const again = run('older', {}, { samples: 0 });
  await again.done;
  expect(again.events.filter(({ type }) => type === 'stage-start')).toEqual([]);
  await expect(run('older', {}, { samples: 2 }).done).rejects.toThrow(/evaluate\.samples: 0 -> 2/);
});

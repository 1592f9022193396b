// The loop on code and on a mixture with math: a scripted model, real tests in python3.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pythonSandbox } from '../../test/python-sandbox.ts';
import { hasPython } from '../../test/python3.ts';
import { scoreCode, writeCode, writeCodeData } from '../../test/scripted-code.ts';
import { sumsTask } from '../../test/scripted-sums.ts';
import type { Backend } from '../backend.ts';
import { createScriptedBackend } from '../backends/scripted.ts';
import { parseConfig } from '../config/load.ts';
import type { ConfigInput } from '../config/schema.ts';
import type { LogEvent } from '../run/events.ts';
import { createCode } from '../tasks/code/code-tasks.ts';
import { runLoop } from './run-loop.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-code-loop-'));
  await writeCodeData(join(folder, 'data'), 24, [3, 17]);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const backend = createScriptedBackend({ write: writeCode, score: scoreCode });

function configOf(name: string, change: ConfigInput = {}) {
  return parseConfig({
    model: { init: {} },
    task: { name, data: join(folder, 'data'), limit: 24 },
    iterations: 2,
    sampling: { samples: 6, unit: 8 },
    labels: { K: 3, heldOut: 0.3, unit: 8 },
    pairs: { eta: 0.01 },
    evaluate: { sets: [{ split: 'valid', limit: 12 }], final: [{ split: 'test', limit: 12 }], logpPairs: 4 },
    ...change,
  });
}

/** A run with how often programs were graded, and what was said. */
async function run(name: string, out: string, change: ConfigInput = {}, given: Backend = backend) {
  const counts = { made: 0, disposed: 0, graded: 0 };
  const events: LogEvent[] = [];
  const sandbox = pythonSandbox(counts);
  // A tokenizer is all that a scripted model made from nothing asks of a task.
  const tokenizer = { tokenizer: sumsTask.tokenizer! };
  const tasks = (one: string) => (one === 'sums' ? sumsTask : { ...createCode({ sandbox }), ...tokenizer });
  const config = configOf(name, { ...(name.includes('+') ? { model: 'base' } : {}), ...change });
  const result = await runLoop({ config, out, backend: given, tasks, log: (event) => events.push(event) });
  return { ...result, counts, events };
}

const records = async (...path: string[]) =>
  (await readFile(join(folder, ...path), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe.skipIf(!hasPython)('code', () => {
  it('leaves broken references out once, labels prefixes by tests, improves, and resumes without grading anything again', async () => {
    const out = join(folder, 'code-run');
    const { rounds, final, counts, events } = await run('code', out);
    expect(await records('code-run', 'iteration-0', '0-excluded.jsonl')).toMatchObject([
      { id: 'p3', reason: 'assertion' },
      { id: 'p17', reason: 'assertion' },
    ]);
    expect(rounds[0]?.counts['0-references']).toEqual({ questions: 24, excluded: 2 });
    expect(await records('code-run', 'iteration-0', '0-questions.jsonl')).toHaveLength(22);
    const warnings = events.filter(({ type }) => type === 'warning').map(({ message }) => message);
    expect(warnings[0]).toMatch(/^2 of 24 questions are left out.*p3 \(assertion/);
    const samples = await records('code-run', 'iteration-1', '1-samples.jsonl');
    for (const { steps, source } of samples) {
      if (source !== 'policy') continue;
      expect((steps as string[]).length).toBeGreaterThanOrEqual(3);
      expect((steps as string[])[0]).toMatch(/^def f\(x\):\n {4}y = x \+ \d+\n$/);
    }
    const labels = await records('code-run', 'iteration-1', '2-step-labels.jsonl');
    expect(labels.some(({ outcomeRight }) => outcomeRight === true)).toBe(true);
    expect(rounds[1]?.pairs?.pairs).toBeGreaterThan(0);
    expect(final?.rows.at(-1)?.sets[0]).toMatchObject({ task: 'code', split: 'test', n: 12, errors: 0 });
    expect(counts).toMatchObject({ made: 1, disposed: 1 });
    const again = await run('code', out);
    expect(again.rounds).toEqual(rounds);
    expect(again.counts).toMatchObject({ made: 0, graded: 0 });
  });

  it('two runs write the same bytes', async () => {
    await run('code', join(folder, 'twin-a'));
    await run('code', join(folder, 'twin-b'));
    for (const name of ['iteration-1/1-samples.jsonl', 'iteration-2/5-pairs.jsonl', 'final/last-answers.jsonl']) {
      expect(await readFile(join(folder, 'twin-a', name), 'utf8')).toBe(
        await readFile(join(folder, 'twin-b', name), 'utf8'),
      );
    }
  });
});

/** A policy that writes nothing three times in ten, and a PRM that refuses a step without text, as a real one does. */
const silent = createScriptedBackend({
  write: (args) => (args.prefix === '' && args.random.next() < 0.3 ? '' : writeCode(args)),
  score: (path) => {
    if (path.steps.some((step) => step === '')) throw new Error('Expected text in every step.');
    return scoreCode(path);
  },
});

describe.skipIf(!hasPython)('completions without text', () => {
  it('are wrong samples without labels, scores and pairs, and end no stage', async () => {
    const out = 'silent';
    const change = { iterations: 1, score: { scorer: 'prm-logprob' }, pairs: { eta: 0, chosenGate: 'none' } } as const;
    const { rounds } = await run('code', join(folder, out), change, silent);
    const of = (name: string) => records(out, 'iteration-1', name);
    const samples = await of('1-samples.jsonl');
    const empty = new Set(samples.filter(({ steps }) => String(steps) === '').map(({ id }) => id));
    expect(empty.size).toBeGreaterThan(10);
    for (const { id, outcome } of samples)
      if (empty.has(id)) expect(outcome).toEqual({ kind: 'wrong', reason: 'no-answer' });
    for (const name of ['2-step-labels.jsonl', '4-scores.jsonl'])
      expect((await of(name)).filter(({ sampleId }) => empty.has(sampleId))).toEqual([]);
    const pairs = await of('5-pairs.jsonl');
    expect(pairs.length).toBeGreaterThan(10);
    const sides = pairs.flatMap(({ chosen, rejected }) => [chosen, rejected] as { sampleId: string }[]);
    expect(sides.filter((side) => empty.has(side?.sampleId))).toEqual([]);
    expect(rounds).toHaveLength(2);
  });
});

describe.skipIf(!hasPython)('a mixture', () => {
  it('runs math and code in one loop, each in its own format, with figures for each', async () => {
    const { rounds, final, counts } = await run('sums+code', join(folder, 'mixed'), { prompt: { shots: 1 } });
    const samples = await records('mixed', 'iteration-1', '1-samples.jsonl');
    const questions = await records('mixed', 'iteration-0', '0-questions.jsonl');
    expect(new Set(questions.map(({ task }) => task))).toEqual(new Set(['sums', 'code']));
    const isCode = ({ questionId }: Record<string, unknown>) => String(questionId).startsWith('p');
    expect(samples.filter(isCode).length).toBeGreaterThan(20);
    expect(samples.filter((sample) => !isCode(sample)).length).toBeGreaterThan(20);
    const pairs = await records('mixed', 'iteration-1', '5-pairs.jsonl');
    expect(new Set(pairs.map(({ task }) => task))).toEqual(new Set(['sums', 'code']));
    expect(rounds[1]?.sets.map(({ task, n }) => [task, n])).toEqual([
      ['sums', 12],
      ['code', 12],
    ]);
    expect(rounds[1]?.sets.every(({ paired }) => paired?.n === 12)).toBe(true);
    expect(Object.keys(rounds[1]?.scoresByTask ?? {})).toEqual(['sums', 'code']);
    const { paths } = rounds[1]!.scores!;
    const byTask = Object.values(rounds[1]!.scoresByTask!);
    expect(byTask.reduce((sum, own) => sum + own.paths, 0)).toBe(paths);
    expect(final?.rows[0]?.sets.map(({ task }) => task)).toEqual(['sums', 'code']);
    expect(counts).toMatchObject({ made: 1, disposed: 1 });
  });
});

// An evaluation that is stopped, or whose disk is full -> the same bytes after it continues.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import picocolors from 'picocolors';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openCompletionServer } from '../../../test/completion-server.ts';
import { openBackend } from '../../backends/index.ts';
import { engineOf } from '../../config/engine.ts';
import { parseConfig } from '../../config/load.ts';
import { SipfError } from '../../errors.ts';
import { type Disk, nodeDisk } from '../../io/files.ts';
import type { Probe } from '../../method/probe.ts';
import { PromptOptions } from '../../method/prompt.ts';
import { openTasks } from '../../tasks/index.ts';
import type { Terminal } from '../terminal.ts';
import { type EvalOptions, evaluate } from './eval.ts';

const MODULE = join(import.meta.dirname, '..', '..', '..', 'test', 'e2e', 'scripted-model.mjs');

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sipf-eval-'));
  const lines = Array.from({ length: 150 }, (_, i) => {
    const [a, b, c] = [1 + (i % 9), 1 + ((i * 3) % 9), 1 + ((i * 5) % 9)];
    return JSON.stringify({ id: `q${i}`, question: `${a}+${b}+${c}`, answer: a + b + c });
  });
  writeFileSync(join(folder, 'q.jsonl'), `${lines.join('\n')}\n`);
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

interface Ended {
  readonly printed: Record<string, unknown>[];
  readonly logged: string[];
  readonly advice: string;
  readonly error: unknown;
  /** How many questions were reported as done, in turn. */
  readonly done: number[];
}

/** Evaluates into `out`; `onDone` may stop it. */
async function run(
  own: Partial<EvalOptions>,
  disk: Disk = nodeDisk,
  onDone: (done: number, stop: () => void) => void = () => undefined,
): Promise<Ended> {
  const stop = new AbortController();
  const ended = { printed: [] as Record<string, unknown>[], logged: [] as string[], done: [] as number[], advice: '' };
  const terminal = {
    signal: stop.signal,
    print: async (line: string) => void ended.printed.push(JSON.parse(line) as Record<string, unknown>),
    log: (line: string) => void ended.logged.push(line),
    warn: (line: string) => void ended.logged.push(line),
    progress: () => ({
      update: (done: number) => {
        ended.done.push(done);
        onDone(done, () => stop.abort());
      },
      [Symbol.dispose]: () => undefined,
    }),
    resumes: (advice: string) => {
      ended.advice = advice;
    },
    colors: picocolors.createColors(false),
    now: () => Date.now(),
  } as unknown as Terminal;
  const options: EvalOptions = {
    engine: { module: MODULE },
    model: 'base',
    task: 'jsonl',
    data: join(folder, 'q.jsonl'),
    prompt: PromptOptions.parse({}),
    temperature: 0.8,
    topP: 1,
    topK: 0,
    passAt: [1],
    samples: 2,
    seed: 3,
    json: true,
    ...own,
  };
  const error = await evaluate(options, terminal, openTasks(), disk).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  return { ...ended, error };
}

const read = (name: string) => readFileSync(join(folder, name), 'utf8');
const at = (name: string) => join(folder, name);

it('continues after a stop, to the same bytes and the same score', async () => {
  const whole = await run({ out: at('whole.jsonl') });
  expect(whole).toMatchObject({ error: null, done: [64, 128, 150] });
  const stopped = await run({ out: at('stopped.jsonl') }, nodeDisk, (done, stop) => done === 64 && stop());
  expect(stopped.error).toMatchObject({ code: 'aborted' });
  expect(stopped.advice).toMatch(/the same command continues/);
  expect(stopped.printed).toEqual([]);
  const answered: number[] = [];
  const disk: Disk = {
    ...nodeDisk,
    append: async (path, text, durable) => {
      if (text !== '') answered.push((JSON.parse(text) as { unit: number }).unit);
      await nodeDisk.append(path, text, durable);
    },
  };
  const continued = await run({ out: at('stopped.jsonl') }, disk);
  expect(continued.error).toBeNull();
  expect(answered).toEqual([1, 2]);
  expect(read('stopped.jsonl')).toBe(read('whole.jsonl'));
  expect(existsSync(at('stopped.jsonl.journal'))).toBe(false);
  const score = ({ printed }: Ended) => ({ ...printed[0], tokensPerSecond: 0 });
  expect(score(continued)).toEqual(score(whole));
});

it('has as many units on their way as there are servers, and the same bytes', async () => {
  const seen: number[] = [];
  const evaluated = async (count: number, out: string) => {
    await using backend = await openBackend({ module: MODULE });
    await using policy = await backend.openPolicy({ model: 'base' });
    const servers = await Promise.all(Array.from({ length: count }, () => openCompletionServer({ policy, delay: 5 })));
    const url = servers.map((server) => server.url);
    const sampler = { kind: 'openai', url, model: 'base', concurrency: 64 };
    const engine = engineOf(parseConfig({ model: 'base', engine: { module: MODULE, sampler } }));
    const { error } = await run({ out: at(out), engine });
    expect(error).toBeNull();
    seen.push(Math.min(...servers.map(({ asked }) => asked.length)));
    for (const server of servers) await server[Symbol.asyncDispose]();
  };
  await evaluated(1, 'one.jsonl');
  await evaluated(3, 'three.jsonl');
  expect(read('three.jsonl')).toBe(read('one.jsonl'));
  // Each of the three has a unit of its own, of 22 questions or more.
  expect(seen[1]).toBeGreaterThanOrEqual(22 * 3);
});

it('starts again with other options, and says without --out that nothing is kept', async () => {
  await run({ out: at('other.jsonl') }, nodeDisk, (done, stop) => done === 64 && stop());
  await run({ out: at('other.jsonl'), seed: 4 });
  await run({ out: at('four.jsonl'), seed: 4 });
  expect(read('other.jsonl')).toBe(read('four.jsonl'));
  const loose = await run({}, nodeDisk, (done, stop) => done === 64 && stop());
  expect(loose.error).toMatchObject({ code: 'aborted' });
  expect(loose.advice).toMatch(/Nothing is kept without --out: the same command starts again/);
});

/** Takes `writes` pieces of work, then is full. */
function filling(writes: number, freed = Number.POSITIVE_INFINITY): Disk {
  let count = 0;
  const full = <T>(write: () => Promise<T>): Promise<T> => {
    count += 1;
    if (count <= writes || count > freed) return write();
    return Promise.reject(new SipfError('write-failed', 'Expected to write there, got ENOSPC. Free disk space.'));
  };
  return {
    ...nodeDisk,
    append: (path, text, durable) => full(() => nodeDisk.append(path, text, durable)),
    write: (path, chunks) => full(() => nodeDisk.write(path, chunks)),
  };
}

it.each([2, 3, 4, 5])(
  'prints the score where the disk is full after %d writes, and ends as an error',
  async (writes) => {
    const whole = await run({});
    const ended = await run({ out: at(`full-${writes}.jsonl`) }, filling(writes));
    expect(ended.printed.map((line) => ({ ...line, tokensPerSecond: 0 }))).toEqual(
      whole.printed.map((line) => ({ ...line, tokensPerSecond: 0 })),
    );
    expect(ended.error).toMatchObject({ code: 'write-failed' });
    expect(ended.logged.filter((line) => line.includes('continues without keeping'))).toHaveLength(writes < 5 ? 1 : 0);
    // What was kept before is still there: the same command continues from it.
    const continued = await run({ out: at(`full-${writes}.jsonl`) });
    expect(continued.error).toBeNull();
    expect(continued.printed[0]).toMatchObject({ n: 150 });
  },
);

it('chooses the best of the first N samples by each scorer, and draws no other answers for it', async () => {
  const scorer = ['prm', 'equations', 'logprob', 'shortness'] as const;
  const best = await run({ samples: 4, bestOf: 3, scorer, prm: 'prm', out: at('best.jsonl') });
  expect(best.error).toBeNull();
  const plain = await run({ samples: 4, out: at('plain.jsonl') });
  expect(read('best.jsonl')).toBe(read('plain.jsonl'));
  const { bestOf, ...figures } = best.printed[0] as {
    bestOf: { rules: { rule: string; accuracy: { value: number } }[] };
  };
  expect({ ...figures, tokensPerSecond: 0 }).toEqual({ ...plain.printed[0], tokensPerSecond: 0 });
  expect(bestOf).toMatchObject({ questions: 150, samples: 3 });
  const value = Object.fromEntries(bestOf.rules.map(({ rule, accuracy }) => [rule, accuracy.value]));
  expect(Object.keys(value)).toEqual([
    'greedy',
    'random',
    'majority',
    'prm',
    'equations',
    'logprob',
    'shortness',
    'any',
  ]);
  const answers = read('best.jsonl')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { sample?: number; outcome: { kind: string } });
  const kept = answers.filter(({ sample = 9 }) => sample < 3).map(({ outcome }) => outcome.kind === 'right');
  expect(value.random).toBeCloseTo(kept.filter(Boolean).length / 450, 12);
  expect(value.prm).toBeGreaterThan(value.random!);
  // The questions have no solutions: steps are checked by their equations.
  expect(figures).toMatchObject({ sound: { n: 150 } });
});

it('chooses by a probe of the very model', async () => {
  await using backend = await openBackend({ module: MODULE });
  await using policy = await backend.openPolicy({ model: 'base' });
  writeFileSync(at('probe.json'), JSON.stringify(probeOf(policy.hash)));
  const best = await run({ bestOf: 2, scorer: ['probe'], probe: at('probe.json') });
  expect(best.error).toBeNull();
  const { bestOf } = best.printed[0] as { bestOf: { rules: { rule: string; accuracy: { value: number } }[] } };
  const value = Object.fromEntries(bestOf.rules.map(({ rule, accuracy }) => [rule, accuracy.value]));
  expect(value.probe).toBeGreaterThan(value.random!);
});

/** A probe that reads what the scripted model knows of a step: the first of its 4 states. */
function probeOf(model: string): Probe {
  const [means, scales] = [
    [0, 0, 0, 0, 0, 0],
    [1, 1, 1, 1, 1, 1],
  ];
  const weights = [4, 0, 0, 0, 0, 0];
  const trained = { ridge: 1, steps: 9, correct: 4, calibrationSteps: 0, calibrationLoss: null };
  return { model, layers: [1], means, scales, weights, intercept: -2, ...trained };
}

it('opens what scores before it answers anything', async () => {
  writeFileSync(at('other.json'), JSON.stringify(probeOf('0123456789abcdef')));
  const other = await run({ bestOf: 2, scorer: ['probe'], probe: at('other.json') });
  expect(other.error).toMatchObject({
    message: expect.stringMatching(/^Expected the model that the probe was trained on \(0123456789ab\), got/),
  });
  expect(other.done).toEqual([]);
});

it.each([
  [{ scorer: ['prm'] as const }, /Expected --best-of N with --scorer/],
  [{ path: 'min' as const }, /Expected --best-of N with --path, got none/],
  [{ bestOf: 2, temperature: 0 }, /Expected a --temperature above 0 for --best-of, got 0/],
  [{ bestOf: 2, calibration: 'c.json' }, /Expected --scorer prm-logprob for --calibration, got logprob,shortness/],
  [{ bestOf: 2, scorer: ['probe'] as const }, /Expected --probe .* for --scorer probe, got none/],
  [{ bestOf: 3 }, /Expected at least 3 --samples for --best-of 3, got 2/],
  [{ bestOf: 2, scorer: ['prm'] as const }, /Expected --prm .* for --scorer prm, got none/],
  [{ bestOf: 2, scorer: ['prm-logprob'] as const, prm: 'prm' }, /Expected --calibration/],
  [
    { bestOf: 2, scorer: ['logprob'] as const, prm: 'prm' },
    /Expected --scorer prm or prm-logprob for --prm, got logprob/,
  ],
  [{ bestOf: 2, scorer: ['oracle'] as const }, /Expected a task with steps that --scorer oracle can check, got jsonl/],
])('refuses %j before it answers anything', async (own, message) => {
  const { error, done } = await run(own);
  expect(error).toMatchObject({ code: 'bad-input', message: expect.stringMatching(message) });
  expect(done).toEqual([]);
});

it('is no error where there is room again at the end', async () => {
  const ended = await run({ out: at('freed.jsonl') }, filling(3, 4));
  expect(ended.error).toBeNull();
  await run({ out: at('unhurt.jsonl') });
  expect(read('freed.jsonl')).toBe(read('unhurt.jsonl'));
});

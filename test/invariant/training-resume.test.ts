// A training that is stopped, killed or repeated -> the bytes of an uninterrupted one.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { TrainExample, TrainJob, TrainOptions, TrainStep } from '../../src/backend.ts';
import { openInProcessPolicy } from '../../src/backends/local/in-process-policy.ts';
import { openInProcessPrm } from '../../src/backends/local/in-process-prm.ts';
import { readAdapter } from '../../src/models/files/adapter-files.ts';
import { train } from '../../src/training/train.ts';
import { cache, engine, fixtures, modelWithTokenizer, OPTIONS, readJson, scratch } from '../training-fixtures.ts';

const { pairs } = readJson<{ pairs: { prompt: string; chosen: string; rejected: string }[] }>('orpo/reference.json');
const model = modelWithTokenizer('models/llama', 512);
const lora = { rank: 2, alpha: 4, dropout: 0, targets: 'all-linear' } as const;
const options: TrainOptions = {
  ...OPTIONS,
  batchSize: 3,
  maxSteps: 7,
  tokensPerPass: 256,
  maxLength: 512,
  shuffle: true,
  checkpointEverySteps: 2,
};

const lines = (text: string): string[] => text.split('\n').map((line) => `${line}\n`);
const sft = pairs
  .slice(0, 8)
  .map(({ prompt, chosen }): TrainExample => ({ kind: 'sft', prompt, completion: lines(chosen) }));
const prm = pairs.slice(0, 8).map(({ prompt, chosen }, i): TrainExample => {
  const steps = lines(chosen);
  return { kind: 'prm', prompt, steps, targets: steps.map((_, n) => (n === 0 ? 1 : (i + n) % 2)) };
});
const preference = pairs.slice(0, 8).map(({ prompt, chosen, rejected }, i): TrainExample => {
  return { kind: 'preference', prompt, chosen: lines(chosen), rejected: i === 3 ? null : lines(rejected) };
});

let made = 0;
function jobOf(change: Partial<TrainOptions>, examples: readonly TrainExample[] = sft, adapter?: string): TrainJob {
  return {
    source: { model, adapter },
    examples,
    options: { ...options, ...change },
    out: join(scratch, `job-${made++}`),
  };
}
const again = (job: TrainJob): TrainJob => ({ ...job, out: join(scratch, `job-${made++}`) });

function bytesOf(folder: string): Record<string, string> {
  return Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((name) => [name, readFileSync(join(folder, name)).toString('base64')]),
  );
}

const CASES: readonly (readonly [string, TrainJob])[] = [
  ['full SFT', jobOf({ lora: null })],
  ['LoRA SFT with dropout', jobOf({ lora: { ...lora, dropout: 0.1 } })],
  [
    'LoRA ORPO',
    jobOf(
      { lora, objective: { kind: 'orpo', lambda: 0.1, nllScope: 'completion', normalise: 'step', maxLogp: -0.005 } },
      preference,
    ),
  ],
  ['LoRA PRM', jobOf({ lora, objective: { kind: 'prm' } }, prm)],
];

/** Stops at a step: by a signal (the checkpoint is written then), or by an error out of the blue (as a kill: nothing more is written). */
async function interrupted(job: TrainJob, at: number, how: 'abort' | 'kill'): Promise<void> {
  const controller = new AbortController();
  const onStep = ({ step }: TrainStep): void => {
    if (step !== at) return;
    if (how === 'kill') throw new Error('killed');
    controller.abort();
  };
  await expect(train(engine, job, { cache, onStep, signal: controller.signal })).rejects.toThrow(
    how === 'kill' ? 'killed' : /^Stopped on request/,
  );
}

describe.each(CASES)('%s', (_, job) => {
  test('stopped or killed at any step, then resumed: the same bytes and the same result', async () => {
    const whole = await train(engine, job, { cache });
    const expected = bytesOf(job.out);
    expect(Object.keys(expected)).not.toContain('checkpoint');
    for (const [how, stops] of [
      ['abort', [0, 3]],
      ['kill', [0, 2, 5]],
      ['kill', [6]],
    ] as const) {
      const other = again(job);
      for (const at of stops) await interrupted(other, at, how);
      const news: number[] = [];
      const resumed = await train(engine, other, { cache, onStep: ({ step }) => news.push(step) });
      // After a stop nothing is done twice; after a kill, what follows the last checkpoint.
      if (how === 'abort') expect(news).toEqual([4, 5, 6]);
      expect(bytesOf(other.out)).toEqual(expected);
      expect({ ...resumed, source: null }).toEqual({ ...whole, source: null });
    }
  });

  test('what a kill in the middle of writing leaves behind does no harm', async () => {
    const whole = await train(engine, job, { cache });
    const other = again(job);
    await interrupted(other, 2, 'kill');
    const folder = join(other.out, 'checkpoint');
    writeFileSync(join(folder, 'state-4.safetensors'), 'half');
    writeFileSync(join(folder, '.progress.json.1.2.tmp'), '{');
    const resumed = await train(engine, other, { cache });
    expect(bytesOf(other.out)).toEqual(bytesOf(job.out));
    expect(resumed.hash).toBe(whole.hash);
  });

  test('a finished training is returned, not repeated', async () => {
    const first = await train(engine, job, { cache });
    const before = bytesOf(job.out);
    const second = await train(engine, job, { cache, onStep: () => expect.unreachable() });
    expect(second).toEqual(first);
    expect(bytesOf(job.out)).toEqual(before);
  });

  test('the result opens as what it is, under the hash that training told', async () => {
    const { source, hash } = await train(engine, job, { cache });
    const prmJob = job.options.objective.kind === 'prm';
    await using opened = prmJob
      ? await openInProcessPrm(engine, source, { cache })
      : await openInProcessPolicy(engine, source, { cache });
    expect(opened.hash).toBe(hash);
  });
});

test('a PRM trained in full is a token-classification folder that scores', async () => {
  const job = jobOf({ lora: null, objective: { kind: 'prm' }, maxSteps: 30, checkpointEverySteps: 100 }, prm);
  const { source, steps } = await train(engine, job, { cache });
  expect(source).toEqual({ model: job.out });
  const config = JSON.parse(readFileSync(join(job.out, 'config.json'), 'utf8')) as Record<string, unknown>;
  expect(config['architectures']).toEqual(['LlamaForTokenClassification']);
  expect(steps.at(-1)?.loss).toBeLessThan((steps[0]?.loss as number) / 2);
  await using verifier = await openInProcessPrm(engine, source, { cache });
  const paths = prm.flatMap((example) =>
    example.kind === 'prm' ? [{ prompt: example.prompt, steps: example.steps }] : [],
  );
  const scores = (await verifier.score(paths)).flat();
  const targets = prm.flatMap((example) => (example.kind === 'prm' ? example.targets : []));
  expect(
    scores.filter((score, n) => score > 0.5 === (targets[n] as number) > 0.5).length / scores.length,
  ).toBeGreaterThan(0.9);
});

test('a LoRA run on an adapter of another shape keeps what that adapter does', async () => {
  const adapter = join(fixtures, 'models/llama/adapter');
  const { source } = await train(engine, jobOf({ lora, learningRate: 1e-12, maxSteps: 1 }, sft, adapter), { cache });
  const { rank } = await readAdapter(source.adapter as string);
  expect(rank).toBe(4 + 2);
  const item = { context: ['one plus one'], completion: ' is two, as everybody knows' };
  const logps = async (of: { model: string; adapter?: string | undefined }) => {
    await using policy = await openInProcessPolicy(engine, of, { cache });
    return (await policy.logps([item]))[0] as number[];
  };
  const [before, after, bare] = [await logps({ model, adapter }), await logps(source), await logps({ model })];
  for (const [n, value] of before.entries()) expect(after[n]).toBeCloseTo(value, 4);
  expect(Math.max(...before.map((value, n) => Math.abs(value - (bare[n] as number))))).toBeGreaterThan(0.01);
});

describe('guards', () => {
  test('a diverged loss stops with its batch kept', async () => {
    const job = jobOf({ learningRate: 1e30, clip: null, maxSteps: 5 });
    await expect(train(engine, job, { cache })).rejects.toMatchObject({
      code: 'diverged',
      message: expect.stringContaining('diverged-batch.json'),
    });
    const kept = JSON.parse(readFileSync(join(job.out, 'diverged-batch.json'), 'utf8')) as {
      examples: { index: number; prompt: string }[];
    };
    expect(kept.examples.length).toBe(3);
    for (const { index, prompt } of kept.examples) expect(sft[index]).toMatchObject({ prompt });
    expect(existsSync(join(job.out, 'model.safetensors'))).toBe(false);
  });

  test('weights that did not change are an error, not a result', async () => {
    const job = jobOf({ learningRate: 1e-30, weightDecay: 0, maxSteps: 2 });
    await expect(train(engine, job, { cache })).rejects.toMatchObject({ code: 'no-change' });
    expect(existsSync(join(job.out, 'training.json'))).toBe(false);
  });

  test('too long examples are dropped and named; with nothing left it says so', async () => {
    const long: TrainExample = { kind: 'sft', prompt: '7'.repeat(600), completion: ['y'] };
    const { dropped } = await train(engine, jobOf({ maxSteps: 1 }, [sft[0] as TrainExample, long, ...sft.slice(1)]), {
      cache,
    });
    expect(dropped).toEqual([1]);
    await expect(train(engine, jobOf({}, [long]), { cache })).rejects.toMatchObject({ code: 'nothing-left' });
  });

  test('another training in the same folder is refused', async () => {
    const job = jobOf({ maxSteps: 1 });
    await train(engine, job, { cache });
    const other = { ...job, options: { ...job.options, seed: 2 } };
    await expect(train(engine, other, { cache })).rejects.toMatchObject({ code: 'bad-input' });
  });

  test('targets that name no layer, and examples of another objective', async () => {
    const targets = ['q_prj'];
    await expect(train(engine, jobOf({ lora: { ...lora, targets } }), { cache })).rejects.toMatchObject({
      code: 'bad-config',
      message: /q_proj/,
    });
    await expect(train(engine, jobOf({}, prm), { cache })).rejects.toMatchObject({
      code: 'bad-input',
      message: /example 0/,
    });
  });
});

test('a session for each kind of training, however many there were', async () => {
  const { live, created } = engine.sessions;
  expect(created).toBe(live);
  expect(created).toBeLessThanOrEqual(20);
  await engine[Symbol.asyncDispose]();
  expect(engine.sessions.live).toBe(0);
});

test('a folder that takes no files is known before the first step', async () => {
  const inTheWay = join(scratch, 'in-the-way');
  writeFileSync(inTheWay, '');
  const steps: TrainStep[] = [];
  const job = { ...jobOf({}), out: join(inTheWay, 'job') };
  await expect(train(engine, job, { cache, onStep: (step) => steps.push(step) })).rejects.toMatchObject({
    code: 'write-failed',
  });
  expect(steps).toEqual([]);
});

// The torch trainer -> trajectories and end adapters of the references and of the own engine.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type {
  PreferenceExample,
  SftExample,
  TrainExample,
  TrainJob,
  TrainOptions,
  TrainResult,
} from '../../src/backend.ts';
import { createInProcessBackend } from '../../src/backends/local/in-process.ts';
import { readAdapter } from '../../src/models/files/adapter-files.ts';
import { readSafetensors } from '../../src/models/files/safetensors.ts';
import { loadTokenizer } from '../../src/models/tokenizer/tokenizer.ts';
import type { TrainerOptions } from '../../src/trainers/trainers.ts';
import { train } from '../../src/training/train.ts';
import { TINY } from '../contract/backend-suite.ts';
import { makeModelFolder } from '../model-folder.ts';
import { hasBitsandbytes, torchBy, torchPython } from '../torch-python.ts';
import {
  adapterDistance,
  cache,
  engine,
  fixtures,
  modelWithTokenizer,
  OPTIONS,
  readJson,
  relativeError,
  scratch,
} from '../training-fixtures.ts';

interface Trajectory {
  trajectory: { loss: number; grad_norm: number; learning_rate: number }[];
}
type Texts = { prompt: string; chosen: string; rejected: string }[];

const lora = { rank: 4, alpha: 8, dropout: 0, targets: 'all-linear' } as const;
const tiedModel = () => modelWithTokenizer('models/llama-tied', 1024);
const torch = (job: TrainJob) => torchBy([torchPython ?? 'none']).trainer.train(job, () => undefined);
const pairs = readJson<{ pairs: Texts }>('orpo/reference.json').pairs;

function expectTrajectory({ steps, dropped }: TrainResult, { trajectory }: Trajectory): void {
  expect(dropped).toEqual([]);
  expect(steps.length).toBe(trajectory.length);
  for (const [n, step] of steps.entries()) {
    const expected = trajectory[n] as Trajectory['trajectory'][number];
    expect(Math.abs(step.loss / expected.loss - 1)).toBeLessThan(1e-4);
    expect(Math.abs(step.gradNorm / expected.grad_norm - 1)).toBeLessThan(1e-3);
    expect(step.learningRate).toBeCloseTo(expected.learning_rate, 12);
  }
}

async function expectAdapter(what: string, found: string, start: string, end: string): Promise<void> {
  const [a, first, last] = await Promise.all([readAdapter(found), readAdapter(start), readAdapter(end)]);
  const share = adapterDistance(a, last) / adapterDistance(first, last);
  console.log(`${what} by torch: ||found - end|| / ||end - start|| = ${share.toExponential(2)}`);
  expect(share).toBeLessThan(1e-3);
}

describe.skipIf(torchPython === null)('the references', () => {
  test('SFT: twelve AdamW steps', async () => {
    const reference = readJson<Trajectory & { examples: { prompt_ids: number[]; completion_ids: number[] }[] }>(
      'sft/reference.json',
    );
    const model = modelWithTokenizer('models/llama', 1024);
    const tokenizer = await loadTokenizer(model);
    const examples = reference.examples.map(({ prompt_ids, completion_ids }): SftExample => {
      const completion = [tokenizer.decodeContinuation(completion_ids.slice(0, -1))];
      return { kind: 'sft', prompt: tokenizer.decode(prompt_ids), completion };
    });
    const start = join(fixtures, 'sft/adapter-start');
    const out = join(scratch, 'torch-sft');
    const options: TrainOptions = {
      ...OPTIONS,
      lora,
      learningRate: 2e-3,
      schedule: 'linear',
      warmup: 2,
      clip: 0.3,
      maxLength: 1024,
    };
    const result = await torch({ source: { model, adapter: start }, examples, out, options });
    expectTrajectory(result, reference);
    await expectAdapter('SFT', out, start, join(fixtures, 'sft/adapter-end'));
  });

  test("ORPO: TRL's training, with its means over microbatches", async () => {
    const reference = readJson<Trajectory>('orpo/reference.json');
    const start = join(fixtures, 'orpo/adapter-start');
    const examples = pairs.map(({ prompt, chosen, rejected }): PreferenceExample => {
      // TRL puts BOS before the prompt; the fixtures' tokenizer adds none of its own.
      return { kind: 'preference', prompt: `<s>${prompt}`, chosen: [chosen], rejected: [rejected] };
    });
    const out = join(scratch, 'torch-orpo');
    const options: TrainOptions = {
      ...OPTIONS,
      objective: { kind: 'orpo', lambda: 0.1, nllScope: 'all', normalise: 'microbatch', maxLogp: null },
      lora,
      learningRate: 1e-3,
      schedule: 'linear',
      warmup: 1,
      clip: 0.3,
      batchSize: 8,
      examplesPerPass: 4,
      maxLength: 1024,
    };
    const result = await torch({ source: { model: tiedModel(), adapter: start }, examples, out, options });
    expectTrajectory(result, reference);
    await expectAdapter('ORPO', out, start, join(fixtures, 'orpo/adapter-end'));
  });

  test.each([
    ['dpo', 0],
    ['rpo', 0.5],
  ] as const)("%s: TRL's training", async (name, nllWeight) => {
    const all = readJson<
      Record<'dpo' | 'rpo', Trajectory> & { pairs: Texts; reference: { chosen: number; rejected: number }[] }
    >('dpo/reference.json');
    const examples = all.pairs.map(({ prompt, chosen, rejected }, n): PreferenceExample => {
      return { kind: 'preference', prompt, chosen: [chosen], rejected: [rejected], reference: all.reference[n] };
    });
    const start = join(fixtures, 'dpo/adapter-start');
    const out = join(scratch, `torch-${name}`);
    const options: TrainOptions = {
      ...OPTIONS,
      objective: { kind: 'dpo', beta: 0.1, nllWeight },
      lora,
      learningRate: 1e-3,
      schedule: 'linear',
      warmup: 1,
      clip: 0.3,
      batchSize: 8,
      maxLength: 1024,
    };
    const result = await torch({ source: { model: tiedModel(), adapter: start }, examples, out, options });
    expectTrajectory(result, all[name]);
    await expectAdapter(name, out, start, join(fixtures, `dpo/${name}-end`));
  });
});

const lines = (text: string): string[] => text.split('\n').map((line) => `${line}\n`);
const sftRows = pairs.map(({ prompt, chosen }): TrainExample => ({ kind: 'sft', prompt, completion: lines(chosen) }));
const prmRows = pairs.map(({ prompt, chosen }, i): TrainExample => {
  const steps = lines(chosen);
  const targets = steps.map((_, n) => (n === 1 ? null : n === 0 ? 0.625 : (i + n) % 2));
  return { kind: 'prm', prompt, steps, targets };
});
const pairRows = pairs.map(({ prompt, chosen, rejected }, i): TrainExample => {
  const [first = '', ...rest] = lines(chosen);
  const shared = i % 4 === 1 ? [first] : undefined;
  const reference = { chosen: -40 - i, rejected: -45 + i };
  const sides = { chosen: shared ? rest : [first, ...rest], rejected: i % 5 === 3 ? null : lines(rejected), shared };
  return { kind: 'preference', prompt, ...sides, reference };
});

const EIGHT: TrainOptions = {
  ...OPTIONS,
  lora: { rank: 2, alpha: 8, dropout: 0, targets: 'all-linear' },
  learningRate: 2e-3,
  schedule: 'cosine',
  warmup: 2,
  clip: 0.5,
  batchSize: 5,
  maxSteps: 8,
  maxLength: 200,
  tokensPerPass: 400,
  shuffle: true,
};
const orpo = { kind: 'orpo', lambda: 0.5, nllScope: 'completion', normalise: 'step', maxLogp: -4 } as const;

interface Same {
  readonly change: Partial<TrainOptions>;
  readonly rows: readonly TrainExample[];
  /** That training starts from. */
  readonly adapter?: string;
  /** Absent: models/llama-tied. */
  readonly model?: string;
}

const tied = 'models/llama-tied/adapter';
const SAME: Readonly<Record<string, Same>> = {
  'SFT of a new adapter': { change: {}, rows: sftRows },
  'SFT of the question, too, in all weights': {
    change: { objective: { kind: 'sft', scope: 'full' }, lora: null },
    rows: sftRows,
  },
  'SFT above an adapter of another shape': { change: {}, rows: sftRows, adapter: tied },
  'SFT in all weights from an adapter': { change: { lora: null }, rows: sftRows, adapter: tied },
  'SFT of some layers without results': {
    change: { calculatorLoss: false, lora: { ...lora, targets: ['q_proj', 'lm_head'] } },
    rows: sftRows,
    model: 'models/llama',
  },
  'ORPO with lone, shared and clamped paths': { change: { objective: orpo }, rows: pairRows },
  'ORPO by microbatches': {
    change: { objective: { ...orpo, normalise: 'microbatch', nllScope: 'all', maxLogp: null } },
    rows: pairRows,
  },
  'DPO with NLL': { change: { objective: { kind: 'dpo', beta: 0.2, nllWeight: 0.3 } }, rows: pairRows },
  'a process reward model': { change: { objective: { kind: 'prm' } }, rows: prmRows },
  'one without a bias, above an adapter': {
    change: { objective: { kind: 'prm', headBias: false } },
    rows: prmRows,
    adapter: tied,
  },
  'one in all weights, unclipped': {
    change: { objective: { kind: 'prm' }, lora: null, clip: null, weightDecay: 0.1 },
    rows: prmRows,
  },
};

describe.skipIf(torchPython === null)('the same training here and by torch', () => {
  test.each(Object.entries(SAME))('%s', async (name, { change, rows, adapter, model }) => {
    const job = (by: string): TrainJob => ({
      source: {
        model: modelWithTokenizer(model ?? 'models/llama-tied', 1024),
        adapter: adapter === undefined ? undefined : join(fixtures, adapter),
      },
      examples: rows,
      out: join(scratch, `${by} ${name}`),
      options: { ...EIGHT, ...change },
    });
    const [here, there] = [await train(engine, job('here'), { cache }), await torch(job('torch'))];
    expect(there.dropped).toEqual(here.dropped);
    expect(there.tokens).toBe(here.tokens);
    expect(there.steps.length).toBe(8);
    for (const [n, step] of there.steps.entries()) {
      const own = here.steps[n] as (typeof here.steps)[number];
      expect(Math.abs(step.loss / own.loss - 1)).toBeLessThan(1e-4);
      expect(Math.abs(step.gradNorm / own.gradNorm - 1)).toBeLessThan(1e-3);
      expect({ ...step, loss: 0, gradNorm: 0, metrics: 0 }).toEqual({ ...own, loss: 0, gradNorm: 0, metrics: 0 });
      expect(Object.keys(step.metrics)).toEqual(Object.keys(own.metrics));
      for (const [key, value] of Object.entries(own.metrics))
        expect(Math.abs((step.metrics[key] as number) - value), `${key} of step ${n}`).toBeLessThan(
          2e-4 * Math.max(1, Math.abs(value)),
        );
    }
    const isFull = job('here').options.lora === null;
    const files = isFull ? ['config.json', 'model.safetensors'] : ['adapter_config.json', 'adapter_model.safetensors'];
    const [config, weights] = files.map((file) => (by: string) => join(job(by).out, file)) as [Named, Named];
    expect(readFileSync(config('torch'), 'utf8')).toBe(readFileSync(config('here'), 'utf8'));
    const [own, found] = await Promise.all([readSafetensors(weights('here')), readSafetensors(weights('torch'))]);
    expect([...found.keys()].sort()).toEqual([...own.keys()].sort());
    const errors = [...own].map(([key, { data }]) => [key, relativeError(found.get(key)?.data ?? [], data)] as const);
    expect(errors.filter(([, error]) => !(error <= 1e-3))).toEqual([]);
  });
});

type Named = (by: string) => string;

/** Losses of a few steps of ORPO on a model, by a command with settings; `null`: of the own engine. */
async function lossesBy(
  command: readonly string[] | null,
  name: string,
  { change = {}, ...more }: Partial<TrainerOptions> & { readonly change?: Partial<TrainOptions> } = {},
  model = tiedModel(),
): Promise<number[]> {
  const out = join(scratch, name);
  const options = { ...EIGHT, objective: orpo, maxSteps: 4, learningRate: 5e-3, ...change };
  const job = { source: { model }, examples: pairRows, out, options };
  const { steps } =
    command === null
      ? await train(engine, job, { cache, quantisation: more.quantisation })
      : await torchBy(command, more).trainer.train(job, () => undefined);
  return steps.map(({ loss }) => loss);
}

/** Processes of this machine that were started with a path; none where the system does not tell. */
function processesWith(path: string): string[] {
  const pids = existsSync('/proc') ? readdirSync('/proc').filter((name) => /^\d+$/.test(name)) : [];
  return pids.filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(path);
    } catch {
      return false;
    }
  });
}

/** Rows of whole blocks of 64 weights. */
const WIDE = {
  hidden_size: 128,
  intermediate_size: 192,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 1024,
  initializer_range: 0.2,
};

const differences = (a: readonly number[], b: readonly number[]): number[] =>
  a.map((loss, n) => Math.abs(loss / (b[n] as number) - 1));

describe.skipIf(torchPython === null)('the same losses', () => {
  const python = torchPython ?? 'none';
  let own: number[] = [];
  beforeAll(async () => {
    own = await lossesBy(null, 'own losses');
  });

  test('in two processes that share each step', async () => {
    const command = [python, '-m', 'torch.distributed.run', '--nproc_per_node', '2'];
    const two = await lossesBy(command, 'two processes');
    expect(Math.max(...differences(two, own))).toBeLessThan(1e-4);
    // Ended at once, with the launcher's processes, which are in groups of their own.
    const job = { source: { model: tiedModel() }, examples: pairRows, out: join(scratch, 'ended'), options: EIGHT };
    const mine = new Error('mine');
    const ended = torchBy(command).trainer.train({ ...job, options: { ...EIGHT, objective: orpo } }, () => {
      throw mine;
    });
    await expect(ended).rejects.toBe(mine);
    await expect.poll(() => processesWith(job.out)).toEqual([]);
    // One process has no example of a step of one.
    const change = { batchSize: 1, maxSteps: 2 };
    const [one, alone] = [await lossesBy(command, 'idle', { change }), await lossesBy(null, 'idle own', { change })];
    expect(Math.max(...differences(one, alone))).toBeLessThan(1e-4);
  });

  test('with layers computed again, and with passes of one row', async () => {
    const again = await lossesBy([python], 'again', { gradientCheckpointing: true });
    expect(Math.max(...differences(again, own))).toBeLessThan(1e-4);
    const single = await lossesBy([python], 'single', { change: { tokensPerPass: 1 } });
    expect(Math.max(...differences(single, own))).toBeLessThan(1e-4);
  });

  test('in bf16, nearly', async () => {
    const half = differences(await lossesBy([python], 'bf16', { precision: 'bf16' }), own);
    expect(Math.max(...half)).toBeLessThan(2e-2);
    expect(Math.max(...half)).toBeGreaterThan(1e-6);
    const all = { change: { lora: null, learningRate: 1e-4 } };
    const full = await lossesBy([python], 'bf16 full', { precision: 'bf16', ...all });
    expect(Math.max(...differences(full, await lossesBy(null, 'own full', all)))).toBeLessThan(2e-2);
  });

  test.each(readdirSync(join(fixtures, 'architectures')))('of %s', async (architecture) => {
    const from = `architectures/${architecture}`;
    const model = await makeModelFolder(scratch, { from, config: { max_position_embeddings: 1024 } });
    const there = await lossesBy([python], `torch ${architecture}`, {}, model);
    const here = await lossesBy(null, `own ${architecture}`, {}, model);
    expect(Math.max(...differences(there, here))).toBeLessThan(2e-4);
  });

  test('a device that this machine has not is refused with what to do', async () => {
    await expect(lossesBy([python], 'cuda', { device: 'cuda' })).rejects.toThrow(/set engine\.trainer\.device cpu/);
  });

  test.skipIf(hasBitsandbytes)('a base in few bits is refused without bitsandbytes', async () => {
    await expect(lossesBy([python], 'nf4', { quantisation: 'nf4' })).rejects.toThrow(
      /pip install -r .*requirements-qlora\.txt/,
    );
  });

  test.skipIf(!hasBitsandbytes).each(['nf4', 'nf4-double'] as const)(
    'of a base in few bits: %s',
    async (quantisation) => {
      const model = join(scratch, `wide ${quantisation}`);
      await using backend = createInProcessBackend({ cache, provider: 'cpu' }, engine);
      await backend.initModel(model, { config: WIDE, tokenizer: TINY.tokenizer, seed: 1 });
      const few = await lossesBy([python], quantisation, { quantisation }, model);
      const here = await lossesBy(null, `own ${quantisation}`, { quantisation }, model);
      const whole = await lossesBy(null, `own whole ${quantisation}`, {}, model);
      expect(Math.max(...differences(few, here))).toBeLessThan(1e-5);
      expect(Math.max(...differences(few, whole))).toBeGreaterThan(1e-3);
    },
  );
});

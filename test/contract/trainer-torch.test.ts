// The torch trainer by a program that stands for train.py -> job files, contract, failures.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { TrainJob, TrainOptions } from '../../src/backend.ts';
import { checkEngine } from '../../src/backends/check-engine.ts';
import { composeBackends } from '../../src/backends/compose.ts';
import { createInProcessBackend } from '../../src/backends/local/in-process.ts';
import { startOf } from '../../src/io/processes.ts';
import { readSafetensors } from '../../src/models/files/safetensors.ts';
import { loadTokenizer } from '../../src/models/tokenizer/tokenizer.ts';
import { endOrphan } from '../../src/trainers/torch/at-work.ts';
import type { TrainerOptions } from '../../src/trainers/trainers.ts';
import { tokenise } from '../../src/training/examples.ts';
import { progressIn, torchBy, torchPython } from '../torch-python.ts';
import { cache, engine, fixtures, modelWithTokenizer, OPTIONS, scratch } from '../training-fixtures.ts';
import { TINY, trainerContract } from './backend-suite.ts';

const fake = (how: string) => [process.execPath, join(import.meta.dirname, '..', 'fake-trainer.mjs'), how];
const local = createInProcessBackend({ cache, provider: 'cpu', slots: 2 }, engine);

function contractOf(name: string, command: readonly string[]): void {
  const folder = join(scratch, name);
  const source = { model: join(folder, 'model') };
  const { trainer } = torchBy(command);
  trainerContract(name, async () => {
    if (!existsSync(source.model)) await local.initModel(source.model, TINY);
    return { backend: composeBackends({ sampler: local, scorer: local, trainer, store: local }), source, folder };
  });
}

contractOf('torch, by a program that stands for it', fake('train'));
describe.skipIf(torchPython === null)('torch itself', () => contractOf('torch', [torchPython ?? 'none']));

const model = modelWithTokenizer('models/llama', 512);
const lora = { rank: 2, alpha: 8, dropout: 0.1, targets: ['q_proj', 'up_proj'] };
const pair = (n: number, rejected: string | null = `is ${n + 1}`) => ({
  kind: 'preference' as const,
  prompt: `one plus ${n} `,
  chosen: [`is ${n}`],
  rejected: rejected === null ? null : [rejected],
});
const rows = [pair(1), pair(2), pair(3, null), pair(4), { ...pair(5), prompt: 'long '.repeat(400) }, pair(6)];
const options: TrainOptions = {
  ...OPTIONS,
  objective: { kind: 'orpo', lambda: 0.1, nllScope: 'completion', normalise: 'microbatch', maxLogp: -0.005 },
  lora,
  batchSize: 3,
  epochs: 3,
  examplesPerPass: 2,
  shuffle: true,
  maxLength: 60,
  schedule: 'linear',
  warmup: 2,
  checkpointEverySteps: 2,
};

let made = 0;
const jobOf = (change: Partial<TrainOptions> = {}): TrainJob => ({
  source: { model, adapter: join(fixtures, 'models/llama/adapter') },
  examples: rows,
  out: join(scratch, `torch-${made++}`),
  options: { ...options, ...change },
});
const trainAs = (how: string, job = jobOf()) => torchBy(fake(how)).trainer.train(job, () => undefined);
const linesOf = (job: TrainJob, name: string): unknown[] =>
  readFileSync(join(job.out, 'checkpoint', 'torch', name), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);

describe('the files of a job', () => {
  const job = jobOf();
  beforeAll(async () => {
    process.env['SIPF_TEST_SECRET'] = 'sesame-1234';
    await expect(trainAs('crash', job)).rejects.toMatchObject({ code: 'crashed' });
    delete process.env['SIPF_TEST_SECRET'];
  });

  it('say everything that the program needs besides the model', () => {
    const [text] = [readFileSync(join(job.out, 'checkpoint', 'torch', 'job.json'), 'utf8')];
    const { hash, ...found } = JSON.parse(text) as Record<string, unknown>;
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(found).toMatchObject({
      model,
      tied: false,
      objective: options.objective,
      lora: { rank: 2, alpha: 8, dropout: 0.1 },
      below: { rank: 4, alpha: 8, dropout: 0 },
      optimizer: { betas: [0.9, 0.999], eps: 1e-8, weightDecay: 0.01, clip: 1 },
      tokensPerPass: 512,
      checkpointEverySteps: 2,
      seed: 1,
      device: 'auto',
      precision: 'float32',
      quantisation: null,
      gradientCheckpointing: false,
    });
    const { lora } = found as { lora: { modules: string[] } };
    expect(lora.modules.slice(0, 2)).toEqual(['model.layers.0.self_attn.q_proj', 'model.layers.0.mlp.up_proj']);
  });

  it('have token ids in the order and the passes of training', async () => {
    const { kept } = tokenise(rows, 'orpo', await loadTokenizer(model), 60);
    const lines = linesOf(job, 'examples.jsonl') as { prompt: number[]; branches: number[][] }[];
    expect(lines.map(({ prompt, branches }) => ({ prompt, branches }))).toEqual(
      kept.map(({ prompt, branches }) => ({ prompt, branches })),
    );
    const steps = linesOf(job, 'steps.jsonl') as { learningRate: number; passes: number[][] }[];
    expect(steps.map(({ passes }) => passes.map((pass) => pass.length))).toEqual(
      [1, 2, 3].flatMap(() => [[2, 1], [2]]),
    );
    const epochs = [0, 2, 4].map((n) => [...(steps[n]?.passes ?? []), ...(steps[n + 1]?.passes ?? [])].flat());
    for (const epoch of epochs) expect([...epoch].sort()).toEqual([0, 1, 2, 3, 4]);
    expect(new Set(epochs.map(String)).size).toBeGreaterThan(1);
    expect(steps.map(({ learningRate }) => learningRate)).toEqual([0, 0.5, 1, 0.75, 0.5, 0.25].map((x) => x * 1e-3));
  });

  it('have first values: factors as here, and those of the adapter below', async () => {
    const tensors = await readSafetensors(join(job.out, 'checkpoint', 'torch', 'start.safetensors'));
    const q = 'model.layers.0.self_attn.q_proj';
    expect(tensors.get(`${q}.lora_A.weight`)?.shape).toEqual([2, 48]);
    expect(tensors.get(`${q}.lora_B.weight`)?.data.every((value) => value === 0)).toBe(true);
    expect(tensors.get(`below.${q}.lora_B.weight`)?.shape).toEqual([48, 4]);
  });

  it('hold no variable of the environment', () => {
    const folder = join(job.out, 'checkpoint', 'torch');
    for (const name of readdirSync(folder))
      expect(readFileSync(join(folder, name), 'latin1'), name).not.toContain('sesame-1234');
  });
});

describe('a training', () => {
  it('leaves what the own trainer leaves, and no file of its own', async () => {
    const job = jobOf();
    const { source, steps, dropped } = await trainAs('train', job);
    expect(source).toEqual({ model, adapter: job.out });
    expect([steps.length, dropped]).toEqual([6, [4]]);
    expect(readdirSync(job.out).sort()).toEqual(['adapter_config.json', 'adapter_model.safetensors', 'training.json']);
    expect(JSON.parse(readFileSync(join(job.out, 'adapter_config.json'), 'utf8'))).toMatchObject({
      r: 6,
      lora_alpha: 6,
    });
    // Another start finds the result, and starts no program.
    expect((await torchBy(['no-such-program']).trainer.train(job, () => expect.unreachable())).steps).toEqual(steps);
  });

  it('hears events among other lines', async () => {
    const { trainer, log } = torchBy(fake('noise'));
    await trainer.train(jobOf(), () => undefined);
    expect(log).toEqual(['Training by torch on cpu.', 'Training: mind the gap']);
  });

  it('continues from a checkpoint after a crash', async () => {
    const job = jobOf();
    await expect(trainAs('crash', job)).rejects.toMatchObject({ code: 'crashed' });
    expect(progressIn(job.out).steps.length).toBe(2);
    const { trainer, log } = torchBy(fake('train'));
    const told: number[] = [];
    const { steps } = await trainer.train(job, ({ step }) => told.push(step));
    expect(log).toEqual(['Training by torch on cpu, from optimizer step 2 on.']);
    expect([told, steps.length]).toEqual([[2, 3, 4, 5], 6]);
  });

  it('refuses the checkpoint of another training, and a damaged one', async () => {
    const job = jobOf();
    await expect(trainAs('crash', job)).rejects.toMatchObject({ code: 'crashed' });
    const other = { ...job, options: { ...job.options, seed: 9 } };
    await expect(trainAs('train', other)).rejects.toThrow(/hold this very training, got .*job\.json of another/);
    writeFileSync(join(job.out, 'checkpoint', 'torch', 'progress.json'), '{"steps": [{}]}');
    await expect(trainAs('train', job)).rejects.toThrow(/^Expected training records in .*progress\.json, got /);
  });

  it('ends the program of a driver that is gone', async () => {
    const folder = join(scratch, 'orphaned');
    mkdirSync(folder);
    const sleeper =
      'const { spawn } = require("node:child_process"); const child = spawn(process.execPath, ["-e", "setTimeout(() => {}, 600000)"], { detached: true, stdio: "ignore" }); child.unref(); console.log(child.pid);';
    const pid = Number(spawnSync(process.execPath, ['-e', sleeper], { encoding: 'utf8' }).stdout);
    onTestFinished(() => void spawnSync('kill', ['-9', String(pid)]));
    const started = await startOf(pid);
    const keep = (change: object) =>
      writeFileSync(join(folder, 'process.json'), JSON.stringify({ pid, started, host: hostname(), ...change }));
    // Another process has the number by now, or it is another machine's.
    keep({ started: 'boot/1' });
    expect(await endOrphan(folder)).toBeNull();
    keep({ host: 'elsewhere' });
    expect(await endOrphan(folder)).toBeNull();
    keep({});
    expect(await endOrphan(folder)).toBe(pid);
    expect(await endOrphan(folder)).toBeNull();
  });
});

describe('a failure says what to do', () => {
  it.each([
    [
      'crash',
      'crashed',
      /got exit code 1 after optimizer step 2:\n {2}Traceback.*\n.*\n {2}ValueError: no such luck\?\[2J\nCorrect what it names; the same command continues/,
    ],
    [
      'launched',
      'crashed',
      /got exit code 1 after optimizer step 2:\n {2}\[rank1\]: KeyError: 'below'\n {2}\.\.\.\n {2}summary 9\n/,
    ],
    ['killed', 'crashed', /got signal SIGKILL after optimizer step 2:.*short of memory: lower tokensPerPass/s],
    ['silent', 'crashed', /got exit code 0 after optimizer step 2:\n {2}nothing was said/],
    ['memory', 'crashed', /^Expected enough memory to train, got: CUDA out of memory\. Lower it\.$/],
    [
      'diverged',
      'diverged',
      /finite loss and gradient at optimizer step 2, got loss NaN and gradient norm Infinity.*diverged-batch\.json/,
    ],
    ['unchanged', 'no-change', /Expected 6 optimizer steps to change the trained weights/],
    ['other', 'crashed', /Expected model\..* in .*trained\.safetensors, got no such tensor/],
  ])('%s', async (how, code, says) => {
    await expect(trainAs(how)).rejects.toMatchObject({ code, message: expect.stringMatching(says) });
  });

  it.each([
    [
      ['no-such-python-anywhere'],
      {},
      'provider-unavailable',
      /start no-such-python-anywhere \(engine\.trainer\.command\), got none of that name\. Install Python/,
    ],
    [fake('train'), { quantisation: 'nf4' }, 'unsupported', /Expected lora with engine\.trainer\.quantisation nf4/],
  ] as const)('%o with %o', async (command, more, code, says) => {
    const { trainer } = torchBy(command, more);
    await expect(trainer.train(jobOf({ lora: null }), () => undefined)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(says),
    });
  });

  it('a program that leaves a process behind, which ends with it', async () => {
    const said = await trainAs('child').catch((error: Error) => error.message);
    const [, pid = ''] = /left (\d+)/.exec(String(said)) ?? [];
    expect(pid).not.toBe('');
    await expect.poll(async () => [null, 'ended'].includes(await startOf(Number(pid)))).toBe(true);
  });

  it('a GGUF file as the model', async () => {
    const out = join(scratch, 'torch.gguf');
    await local.exportModel({ model }, { to: 'gguf', out, card: '' });
    const job = { ...jobOf(), source: { model: out } };
    await expect(trainAs('train', job)).rejects.toThrow(
      /Expected a Hugging Face folder for engine\.trainer torch, got .*sipf export --to merged/,
    );
  });
});

describe('sipf doctor --engine', () => {
  const found = async (how: string, more: Partial<TrainerOptions> = {}) => {
    const findings = await checkEngine({ trainer: { kind: 'torch', command: fake(how), ...more } }, process.env);
    return findings.map(({ name, state, value, advice = '' }) => `${state} ${name}: ${value} ${advice}`.trim());
  };
  const python = expect.stringMatching(/^ok trainer: torch by .*fake-trainer\.mjs \w+, Python 3\.11\.7$/);

  it.each([
    ['gpu', {}, ['ok trainer packages: torch 2.15.0+cu132, transformers 5.23.0', 'ok trainer device: NVIDIA H200']],
    [
      'older',
      {},
      [
        'warn trainer packages: torch 2.14.1+cpu, transformers 5.23.0; tested with torch 2.15.0 Install them: pip install -r /there/requirements.txt',
        'ok trainer device: the processor: torch finds no CUDA GPU',
      ],
    ],
    [
      'bare',
      {},
      [
        'fail trainer packages: missing: torch 2.15.0, transformers 5.23.0 Install them: pip install -r /there/requirements.txt',
      ],
    ],
    ['broken', {}, [expect.stringMatching(/^fail trainer packages: ImportError: libcudart Install them/)]],
    [
      'cpu',
      { device: 'cuda' },
      [expect.any(String), expect.stringMatching(/^fail trainer device: .*set engine\.trainer\.device auto\.$/)],
    ],
    ['cpu', { quantisation: 'nf4' }, [expect.any(String), 'ok trainer device: the processor: torch finds no CUDA GPU']],
  ] as const)('%s %o', async (how, more, says) => {
    expect(await found(how, more)).toEqual([python, ...says]);
  });

  it('says what is wrong with the command, and what there is without one', async () => {
    const missing = await checkEngine({ trainer: { kind: 'torch', command: ['no-such-python-anywhere'] } });
    expect(missing).toMatchObject([{ state: 'fail', value: expect.stringContaining('got none of that name') }]);
    const silent = await checkEngine({ trainer: { kind: 'torch', command: [process.execPath, '-e', '0'] } });
    expect(silent).toMatchObject([{ state: 'fail', value: expect.stringContaining('ended with exit code 0') }]);
    expect(await checkEngine({})).toMatchObject([{ state: 'ok' }]);
  });
});

// A Ray cluster, its head and program stood for, trains -> contract, kills, failures.
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import type { TrainJob, TrainOptions } from '../../src/backend.ts';
import { composeBackends } from '../../src/backends/compose.ts';
import { createInProcessBackend } from '../../src/backends/local/in-process.ts';
import type { Waits } from '../../src/remote/server-requests.ts';
import type { RaySettings } from '../../src/trainers/ray-settings.ts';
import { checkTorch } from '../../src/trainers/torch/check.ts';
import { TrainerSettings } from '../../src/trainers/trainers.ts';
import { hasPython, runPython } from '../python3.ts';
import { FakeRay } from '../ray-head.ts';
import { progressIn, torchBy } from '../torch-python.ts';
import { cache, engine, modelWithTokenizer, OPTIONS, scratch } from '../training-fixtures.ts';
import { TINY, trainerContract } from './backend-suite.ts';

const fake = (how: string) => [process.execPath, join(import.meta.dirname, '..', 'fake-trainer.mjs'), how];
const local = createInProcessBackend({ cache, provider: 'cpu', slots: 2 }, engine);
const TOKEN = 'sesame-ray-0123';

/** Waits are short, and the clock is as fast. */
const FAST = 20;
const waits: Waits = {
  wait: (ms, signal) => setTimeout(ms / FAST, undefined, { signal }),
  random: () => 0.5,
  now: () => Date.now() * FAST,
};

let made = 0;
async function openRay(gpus = 0): Promise<FakeRay> {
  const ray = await new FakeRay({ folder: join(scratch, `ray-${made++}`), token: TOKEN, gpus }).open();
  onTestFinished(() => ray[Symbol.asyncDispose]());
  return ray;
}

beforeAll(() => {
  process.env['SIPF_TEST_RAY_TOKEN'] = TOKEN;
});
afterAll(() => {
  delete process.env['SIPF_TEST_RAY_TOKEN'];
});

const rayBy = ({ url }: { readonly url: string }, how = 'train', more: Partial<RaySettings> = {}) =>
  torchBy(fake(how), { ray: { url, apiKeyFrom: 'SIPF_TEST_RAY_TOKEN', ...more } }, waits);

const shared = new FakeRay({ folder: join(scratch, 'ray-shared'), token: TOKEN });
beforeAll(() => shared.open());
afterAll(() => shared[Symbol.asyncDispose]());

const folder = join(scratch, 'ray-contract');
trainerContract('torch, by the head of a Ray cluster that stands for one', async () => {
  const source = { model: join(folder, 'model') };
  if (!existsSync(source.model)) await local.initModel(source.model, TINY);
  const { trainer } = rayBy(shared, 'steady');
  return { backend: composeBackends({ sampler: local, scorer: local, trainer, store: local }), source, folder };
});

const options: TrainOptions = {
  ...OPTIONS,
  lora: { rank: 2, alpha: 8, dropout: 0.1, targets: ['q_proj'] },
  batchSize: 1,
  maxSteps: 6,
  maxLength: 60,
  checkpointEverySteps: 2,
};
const model = modelWithTokenizer('models/llama', 512);
const jobOf = (): TrainJob => ({
  source: { model },
  examples: [1, 2, 3].map((n) => ({ kind: 'sft' as const, prompt: `one plus ${n} `, completion: [`is ${n}`] })),
  out: join(scratch, `ray-out-${made++}`),
  options,
});
/** Lets a program go on that is held at step 3. */
const release = (job: TrainJob) => writeFileSync(join(job.out, 'checkpoint', 'torch', 'go'), '');
const recordOf = (job: TrainJob) => join(job.out, 'checkpoint', 'torch', 'process.json');
const statuses = (ray: FakeRay) => [...ray.jobs.values()].map(({ status }) => status);
const idsOf = (ray: FakeRay) => [...ray.jobs.keys()];

/** A driver that lost its cluster, whose program is held: for the cluster it is one that was killed. */
async function leaveAtWork(ray: FakeRay, job: TrainJob, more: Partial<RaySettings> = {}): Promise<void> {
  const { trainer } = rayBy(ray, 'held', { retries: 0, ...more });
  let closed: Promise<void> | null = null;
  const left = trainer.train(job, ({ step }) => {
    if (step === 2) closed = ray.close();
  });
  await expect(left).rejects.toMatchObject({ code: 'unreachable' });
  await closed;
  expect(existsSync(recordOf(job))).toBe(true);
}

describe('a training in a cluster', () => {
  it('is one job, which gets the program and leaves nothing here', async () => {
    const ray = await openRay();
    const job = jobOf();
    const { trainer, log } = rayBy(ray, 'train', { cpus: 2, runtimeEnv: { pip: ['x'], env_vars: { A: 'b' } } });
    const told: number[] = [];
    const { steps, source } = await trainer.train(job, ({ step }) => told.push(step));
    expect(source).toEqual({ model, adapter: job.out });
    expect([told, steps.length]).toEqual([[0, 1, 2, 3, 4, 5], 6]);
    expect(existsSync(join(job.out, 'checkpoint'))).toBe(false);
    const [id = ''] = idsOf(ray);
    expect([statuses(ray), ray.packages.size]).toEqual([['SUCCEEDED'], 1]);
    const words = [...fake('train'), 'train.py', join(job.out, 'checkpoint', 'torch')];
    expect(ray.jobs.get(id)?.submission).toMatchObject({
      entrypoint: `exec ${words.join(' ')}`,
      entrypoint_num_cpus: 2,
      entrypoint_num_gpus: 0,
      runtime_env: { pip: ['x'], env_vars: { A: 'b', HF_HUB_OFFLINE: '1', RAY_JOB_STOP_WAIT_TIME_S: '60' } },
    });
    expect(log).toEqual([`Training: Ray job ${id} at ${ray.url}.`, 'Training by torch on cpu.']);
    expect(JSON.stringify([...ray.jobs]) + log.join()).not.toContain(TOKEN);
    // The package is there for the next one.
    await rayBy(ray).trainer.train(jobOf(), () => undefined);
    expect(ray.asked.filter((what) => what.startsWith('PUT')).length).toBe(1);
  });

  it.skipIf(!hasPython)('has the program as a zip archive', async () => {
    const ray = await openRay();
    await rayBy(ray).trainer.train(jobOf(), () => undefined);
    const [bytes = Buffer.alloc(0)] = ray.packages.values();
    const program = `
import base64, io, sys, zipfile
archive = zipfile.ZipFile(io.BytesIO(base64.b64decode(sys.stdin.read())))
print(archive.testzip(), *sorted(archive.namelist()), archive.read('requirements.txt').decode())`;
    const found = runPython(program, bytes.toString('base64'));
    expect(found).toMatch(
      /^None requirements-qlora\.txt requirements-s3\.txt requirements\.txt sipf_torch\/__init__\.py .* train\.py # What/,
    );
  });

  it('sees the folders of the run and the model elsewhere', async () => {
    const ray = await openRay();
    const there = join(scratch, 'there');
    symlinkSync(scratch, there);
    const job = jobOf();
    const { trainer } = rayBy(ray, 'crash', { paths: [{ from: scratch, to: there }] });
    await expect(trainer.train(job, () => undefined)).rejects.toThrow(/no such luck/);
    const [{ submission } = { submission: null }] = ray.jobs.values();
    expect(submission?.entrypoint.endsWith(` train.py ${job.out.replace(scratch, there)}/checkpoint/torch`)).toBe(true);
    const told = JSON.parse(readFileSync(join(job.out, 'checkpoint', 'torch', 'job.json'), 'utf8')) as object;
    expect(told).toMatchObject({ model: model.replace(scratch, there) });
    expect(told).not.toHaveProperty('ray');
  });

  it('is ended with its driver, behind a checkpoint', async () => {
    const ray = await openRay();
    const job = jobOf();
    const controller = new AbortController();
    const { signal } = controller;
    const stopped = rayBy(ray, 'held').trainer.train(job, ({ step }) => step === 2 && controller.abort(), { signal });
    await expect(stopped).rejects.toMatchObject({ code: 'aborted' });
    expect([statuses(ray), existsSync(recordOf(job))]).toEqual([['STOPPED'], false]);
    expect(progressIn(job.out).steps.length).toBeGreaterThanOrEqual(3);
  });

  it('waits for its GPUs, which is told once, and can be stopped meanwhile', async () => {
    const ray = await openRay();
    const { trainer, log } = rayBy(ray, 'train', { gpus: 1 });
    const training = trainer.train(jobOf(), () => undefined);
    await expect.poll(() => log.length, { timeout: 30_000 }).toBe(2);
    expect(log[1]).toMatch(/^Training: Ray job sipf-\S+ waits at http.*: Job has not started yet\. It may be waiting/);
    ray.addGpus(1);
    expect((await training).steps.length).toBe(6);
    expect(log.length).toBe(3);
    const controller = new AbortController();
    const job = jobOf();
    const asked = rayBy(ray, 'train', { gpus: 2 }).trainer.train(job, () => undefined, { signal: controller.signal });
    await expect.poll(() => ray.jobs.size).toBe(2);
    controller.abort();
    await expect(asked).rejects.toMatchObject({ code: 'aborted' });
    expect(existsSync(recordOf(job))).toBe(false);
    ray.addGpus(1);
    await expect.poll(() => statuses(ray)).toEqual(['SUCCEEDED', 'STOPPED']);
  });
});

describe('a job that its driver has lost', () => {
  it('is heard again: one job, and each step once', async () => {
    const ray = await openRay();
    const job = jobOf();
    await leaveAtWork(ray, job);
    await ray.open();
    const { trainer, log } = rayBy(ray, 'held');
    const training = trainer.train(job, () => undefined);
    await expect.poll(() => log.length).toBeGreaterThan(1);
    release(job);
    const { steps } = await training;
    expect(steps.map(({ step, loss }) => [step, loss])).toEqual([0, 1, 2, 3, 4, 5].map((n) => [n, 1 / (1 + n)]));
    expect([ray.jobs.size, log[0]]).toEqual([
      1,
      expect.stringMatching(/Ray job sipf-\S+ of a driver that is gone is at/),
    ]);
  });

  it('is heard when it has finished meanwhile', async () => {
    const ray = await openRay();
    const job = jobOf();
    await leaveAtWork(ray, job);
    release(job);
    await expect.poll(() => statuses(ray), { timeout: 30_000 }).toEqual(['SUCCEEDED']);
    await ray.open();
    const { trainer, log } = rayBy(ray, 'held');
    expect((await trainer.train(job, () => undefined)).steps.length).toBe(6);
    expect([ray.jobs.size, log[0]]).toEqual([1, expect.stringMatching(/has finished; it is heard again\.$/)]);
  });

  it.each([
    ['did not get', 503],
    ['did not answer for', 0],
  ])('is submitted once, also where the cluster %s the first submission', async (_, fault) => {
    const ray = await openRay();
    const job = jobOf();
    const { trainer } = rayBy(ray, 'train', { retries: 0 });
    ray.fault = (what) => (what === 'POST /api/jobs/' ? fault : undefined);
    await expect(trainer.train(job, () => undefined)).rejects.toMatchObject({ code: 'unreachable' });
    expect([ray.jobs.size, existsSync(recordOf(job))]).toEqual([fault === 0 ? 1 : 0, true]);
    ray.fault = () => undefined;
    expect((await trainer.train(job, () => undefined)).steps.length).toBe(6);
    expect(statuses(ray)).toEqual(['SUCCEEDED']);
  });

  it('is ended where the next start has other settings, and refused to this machine', async () => {
    const ray = await openRay();
    const job = jobOf();
    await leaveAtWork(ray, job);
    await ray.open();
    await expect(torchBy(fake('train')).trainer.train(job, () => undefined)).rejects.toMatchObject({
      code: 'locked',
      message: expect.stringMatching(/got the job sipf-\S+ of the Ray cluster .*ray job stop sipf-.*process\.json\.$/),
    });
    const { trainer, log } = rayBy(ray, 'held', { cpus: 1 });
    const training = trainer.train(job, () => undefined);
    await expect.poll(() => log.length).toBeGreaterThan(1);
    release(job);
    expect((await training).steps.length).toBe(6);
    expect(statuses(ray)).toEqual(['STOPPED', 'SUCCEEDED']);
    expect(log[0]).toMatch(/was told other settings; it was ended\.$/);
    expect(log[2]).toMatch(/from optimizer step 3 on\.$/);
  });

  it('is asked for at the cluster where it is', async () => {
    const [ray, other] = [await openRay(), await openRay()];
    const job = jobOf();
    await leaveAtWork(ray, job);
    const { trainer, log } = rayBy(other, 'held', { retries: 0 });
    await expect(trainer.train(job, () => undefined)).rejects.toThrow(
      /Expected to hear of the job sipf-.* Where that cluster is gone for good, delete .*process\.json/,
    );
    await ray.open();
    const training = trainer.train(job, () => undefined);
    await expect.poll(() => log.length).toBeGreaterThan(1);
    release(job);
    expect((await training).steps.length).toBe(6);
    expect([statuses(ray), statuses(other)]).toEqual([['STOPPED'], ['SUCCEEDED']]);
  });

  it('that the cluster has forgotten is an error, and begins again behind its checkpoint', async () => {
    const ray = await openRay();
    const job = jobOf();
    const { trainer } = rayBy(ray, 'held');
    const lost = trainer.train(job, ({ step }) => step === 2 && void ray.forget());
    await expect(lost).rejects.toMatchObject({ code: 'crashed', message: expect.stringMatching(/has forgotten it/) });
    const { trainer: next, log } = rayBy(ray);
    expect((await next.train(job, () => undefined)).steps.length).toBe(6);
    expect(log[1]).toMatch(/from optimizer step 2 on/);
  });
});

describe('a head', () => {
  it('that restarts is asked again, and a job whose submission it did not answer is no second one', async () => {
    const ray = await openRay();
    let cut = 0;
    ray.fault = (what) => (what === 'POST /api/jobs/' && cut++ === 0 ? 0 : undefined);
    const job = jobOf();
    const restart = async () => {
      await ray.close();
      await setTimeout(300);
      await ray.open();
      release(job);
    };
    const training = rayBy(ray, 'held').trainer.train(job, ({ step }) => step === 2 && void restart());
    expect((await training).steps.length).toBe(6);
    expect([cut, idsOf(ray).length, statuses(ray)]).toEqual([2, 1, ['SUCCEEDED']]);
  });

  it('that cannot tell the log of a job that has ended leaves what its checkpoint has', async () => {
    const ray = await openRay();
    const job = jobOf();
    ray.fault = (what) => (what.endsWith('/logs') ? 500 : undefined);
    const { trainer } = rayBy(ray, 'train', { retries: 1 });
    await expect(trainer.train(job, () => undefined)).rejects.toMatchObject({ code: 'crashed' });
    ray.fault = () => undefined;
    expect((await trainer.train(job, () => undefined)).steps.length).toBe(6);
  });

  it.each([
    [{ apiKeyFrom: null }, /got status 401 .*none was sent\. Put the token .*RAY_AUTH_TOKEN.*ray\.apiKeyFrom\.$/],
    [{ apiKeyFrom: 'PATH' }, /got status 403 .*that of the environment variable PATH was refused/],
  ])('%o is refused by it', async (more, says) => {
    const ray = await openRay();
    const job = jobOf();
    await expect(rayBy(ray, 'train', more).trainer.train(job, () => undefined)).rejects.toMatchObject({
      code: 'bad-config',
      message: expect.stringMatching(says),
    });
    expect([ray.jobs.size, existsSync(recordOf(job))]).toEqual([0, false]);
  });

  it('needs the token that is named, and an address of a Ray cluster', async () => {
    const ray = await openRay();
    expect(() => rayBy(ray, 'train', { apiKeyFrom: 'NO_SUCH_VARIABLE' })).toThrow(
      /environment variable NO_SUCH_VARIABLE \(engine\.trainer\.ray\.apiKeyFrom\), got none/,
    );
    const other = createServer((_, response) => response.writeHead(404).end('<html>'));
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(other.address() as AddressInfo).port}`;
    const train = () => rayBy({ url }, 'train', { retries: 1 }).trainer.train(jobOf(), () => undefined);
    await expect(train()).rejects.toThrow(/Expected Ray's Jobs API at http.*got status 404: <html>\. Give the address/);
    await new Promise((resolve) => other.close(resolve));
    await expect(train()).rejects.toMatchObject({ code: 'unreachable', message: expect.stringMatching(/ray\.url/) });
  });
});

describe('a failure says what to do', () => {
  it.each([
    [
      'crash',
      'crashed',
      /got exit code 1 of Ray job sipf-\S+ after optimizer step 2:\n(.*\n)* {2}ValueError: no such luck/,
    ],
    ['killed', 'crashed', /got signal SIGKILL of Ray job .*short of memory: lower tokensPerPass/s],
    ['memory', 'crashed', /^Expected enough memory to train, got: CUDA out of memory\. Lower it\.$/],
    ['diverged', 'diverged', /finite loss and gradient at optimizer step 2/],
    ['unchanged', 'no-change', /Expected 6 optimizer steps to change/],
  ])('%s', async (how, code, says) => {
    const job = jobOf();
    await expect(rayBy(shared, how).trainer.train(job, () => undefined)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(says),
    });
    expect(existsSync(recordOf(job))).toBe(false);
  });
});

describe('sipf doctor --engine', () => {
  const found = async ({ url }: { readonly url: string }, how: string, more: Partial<RaySettings> = {}) => {
    const ray = { url, apiKeyFrom: 'SIPF_TEST_RAY_TOKEN', ...more };
    const settings = TrainerSettings.parse({ kind: 'torch', command: fake(how), ray });
    const findings = await checkTorch(settings, { ...waits, env: process.env });
    return findings.map(({ name, state, value, advice = '' }) => `${state} ${name}: ${value} ${advice}`.trim());
  };

  it('asks the program in the cluster, and leaves no job there', async () => {
    const ray = await openRay();
    expect(await found(ray, 'gpu')).toEqual([
      `ok trainer cluster: Ray 2.60.0 at ${ray.url}`,
      expect.stringMatching(/^ok trainer: torch by .*Python 3\.11\.7$/),
      'ok trainer packages: torch 2.15.0+cu132, transformers 5.23.0',
      'ok trainer device: NVIDIA H200',
    ]);
    expect(ray.jobs.size).toBe(0);
    const [, , packages] = await found(ray, 'bare');
    expect(packages).toMatch(/missing: torch 2\.15\.0, .*let Ray do that: .*runtimeEnv \{"pip":\["torch==2\.15\.0",/);
  });

  it('says that a job would wait, and what is wrong with a head', async () => {
    const ray = await openRay();
    expect(await found(ray, 'gpu', { gpus: 8 })).toEqual([
      expect.stringMatching(/^ok trainer cluster/),
      expect.stringMatching(/^warn trainer cluster: .* waits at .* What is installed there was not checked/),
    ]);
    expect(await found(ray, 'gpu', { apiKeyFrom: null })).toEqual([
      expect.stringMatching(/^fail trainer cluster: Expected Ray at .* status 401/),
    ]);
    await ray.close();
    expect(await found(ray, 'gpu')).toEqual([expect.stringMatching(/^fail trainer cluster: .*\(3 tries\)/)]);
  });
});

// A cluster without a disk in common, all of it stood for -> trainings, kills, failures.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { TrainJob, TrainOptions } from '../../src/backend.ts';
import type { Waits } from '../../src/remote/server-requests.ts';
import { upload } from '../../src/storage/folders.ts';
import { openStorage } from '../../src/storage/storage.ts';
import type { RaySettings } from '../../src/trainers/ray-settings.ts';
import { checkTorch } from '../../src/trainers/torch/check.ts';
import { TrainerSettings } from '../../src/trainers/trainers.ts';
import { FakeRay } from '../ray-head.ts';
import { KEYS, S3Server } from '../s3-server.ts';
import { torchBy } from '../torch-python.ts';
import { modelWithTokenizer, OPTIONS, scratch } from '../training-fixtures.ts';

const fake = (how: string) => [process.execPath, join(import.meta.dirname, '..', 'fake-trainer.mjs'), how];
/** Waits are short, and the clock is as fast. */
const FAST = 20;
const waits: Waits = {
  wait: (ms, signal) => setTimeout(ms / FAST, undefined, { signal }),
  random: () => 0.5,
  now: () => Date.now() * FAST,
};
const ADDRESS = 's3://bucket/jobs';

let server: S3Server;
const before = { ...process.env };
beforeAll(async () => {
  server = await S3Server.start('bucket');
  // The cluster's machines have keys of their own: here the same ones.
  Object.assign(process.env, server.env);
});
afterAll(async () => {
  process.env = before;
  await server[Symbol.asyncDispose]();
});
beforeEach(() => {
  server.refuses = () => null;
  server.objects.clear();
});

let made = 0;
async function openRay(): Promise<FakeRay> {
  const ray = await new FakeRay({ folder: join(scratch, `away-${made++}`) }).open();
  onTestFinished(() => ray[Symbol.asyncDispose]());
  return ray;
}

const rayBy = ({ url }: FakeRay, how: string, more: Partial<RaySettings> = {}) =>
  torchBy(fake(how), { ray: { url, storage: ADDRESS, retries: 0, ...more } }, waits);

const options: TrainOptions = {
  ...OPTIONS,
  lora: { rank: 2, alpha: 8, dropout: 0.1, targets: ['q_proj'] },
  batchSize: 1,
  maxSteps: 6,
  maxLength: 60,
  checkpointEverySteps: 2,
};
const model = modelWithTokenizer('models/llama', 512);
const jobOf = (more: Partial<TrainJob> = {}): TrainJob => ({
  source: { model },
  examples: [1, 2, 3].map((n) => ({ kind: 'sft' as const, prompt: `one plus ${n} `, completion: [`is ${n}`] })),
  out: join(scratch, `away-out-${made++}`),
  options,
  ...more,
});
const ignore = () => undefined;
const recordOf = ({ out }: TrainJob) => join(out, 'checkpoint', 'torch', 'process.json');
const keys = () => [...server.objects.keys()].sort();
/** Files of jobs, by the names of these. */
const jobFiles = () => keys().filter((key) => !key.startsWith('bucket/jobs/models/'));
/** Lets a program go on that is held at step 3. */
const release = () => {
  const [file = ''] = jobFiles();
  server.objects.set(`${file.slice(0, file.lastIndexOf('/'))}/go`, Buffer.from('go'));
};

/** A driver that lost its cluster, whose program is held: for the cluster it is one that was killed. */
async function leaveAtWork(ray: FakeRay, job: TrainJob): Promise<void> {
  let closed: Promise<void> | null = null;
  const left = rayBy(ray, 'held').trainer.train(job, ({ step }) => {
    if (step === 2) closed = ray.close();
  });
  await expect(left).rejects.toMatchObject({ code: 'unreachable' });
  await closed;
  expect(existsSync(recordOf(job))).toBe(true);
}

describe('a training whose files travel through a bucket', () => {
  it.each([
    ['an adapter', options],
    ['all weights', { ...options, lora: null }],
  ])('makes %s as by a disk in common, and leaves the model alone there', async (_, options) => {
    const ray = await openRay();
    const [job, shared] = [jobOf({ options }), jobOf({ options })];
    const { trainer, log } = rayBy(ray, 'train');
    const { hash, steps } = await trainer.train(job, ignore);
    const other = await rayBy(ray, 'train', { storage: null }).trainer.train(shared, ignore);
    expect([hash, steps]).toEqual([other.hash, other.steps]);
    expect(keys()).toEqual(
      ['config.json', 'model.safetensors'].map((n) => expect.stringMatching(`models/\\w{64}/${n}`)),
    );
    expect(existsSync(join(job.out, 'checkpoint'))).toBe(false);
    const [first = { submission: null }] = ray.jobs.values();
    expect(first.submission?.entrypoint).toMatch(/ train\.py s3:\/\/bucket\/jobs\/[\w-]+$/);
    expect(log[0]).toMatch(/^Training: the model .* is written to s3:\/\/bucket\/jobs\/models\//);
    expect(log[1]).toMatch(/^Training: the job's files are at s3:\/\/bucket\/jobs\//);
    expect(JSON.stringify([...ray.jobs]) + log.join()).not.toContain(KEYS.AWS_SECRET_ACCESS_KEY);
    // It is there for the next one.
    await trainer.train(jobOf({ options }), ignore);
    expect(log.filter((line) => line.includes('the model')).length).toBe(1);
  });

  it('reads a model of a bucket from there', async () => {
    using storage = await openStorage('s3://bucket');
    await upload(storage, model, 'base');
    const ray = await openRay();
    const job = jobOf({ source: { model: 's3://bucket/base' } });
    await expect(rayBy(ray, 'crash').trainer.train(job, ignore)).rejects.toThrow(/no such luck/);
    const told = jobFiles().find((key) => key.endsWith('job.json')) ?? '';
    expect(JSON.parse(String(server.objects.get(told)))).toMatchObject({ model: 's3://bucket/base' });
    expect(keys().some((key) => key.includes('jobs/models'))).toBe(false);
    expect(String(server.objects.get(told))).not.toContain(KEYS.AWS_SECRET_ACCESS_KEY);
  });

  it('has a place of its own for each of two equal trainings', async () => {
    const ray = await openRay();
    for (const job of [jobOf(), jobOf()])
      await expect(rayBy(ray, 'crash').trainer.train(job, ignore)).rejects.toThrow();
    expect(new Set(jobFiles().map((key) => key.split('/')[2])).size).toBe(2);
  });

  it('continues a failed one from the checkpoint in the bucket', async () => {
    const ray = await openRay();
    const job = jobOf();
    await expect(rayBy(ray, 'crash').trainer.train(job, ignore)).rejects.toMatchObject({ code: 'crashed' });
    expect(existsSync(join(job.out, 'checkpoint', 'torch', 'progress.json'))).toBe(false);
    const { trainer, log } = rayBy(ray, 'train');
    expect((await trainer.train(job, ignore)).steps.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(log.at(-1)).toMatch(/from optimizer step 2 on\.$/);
    expect(jobFiles()).toEqual([]);
  });
});

describe('a job that its driver has lost', () => {
  it('is heard again while it works', async () => {
    const ray = await openRay();
    const job = jobOf();
    await leaveAtWork(ray, job);
    await ray.open();
    const { trainer, log } = rayBy(ray, 'held');
    const training = trainer.train(job, ignore);
    await expect.poll(() => log.length, { timeout: 30_000 }).toBeGreaterThan(1);
    release();
    expect((await training).steps.length).toBe(6);
    expect([ray.jobs.size, jobFiles()]).toEqual([1, []]);
  });

  it('gives its result when it has finished, also where that must be asked for twice', async () => {
    const ray = await openRay();
    const job = jobOf();
    await leaveAtWork(ray, job);
    release();
    await expect.poll(() => [...ray.jobs.values()][0]?.status, { timeout: 30_000 }).toBe('SUCCEEDED');
    await ray.open();
    server.refuses = ({ what, path }) => (what === 'GET' && path.endsWith('trained.safetensors') ? 'SlowDown' : null);
    await expect(rayBy(ray, 'held').trainer.train(job, ignore)).rejects.toMatchObject({ code: 'unreachable' });
    server.refuses = () => null;
    expect((await rayBy(ray, 'held').trainer.train(job, ignore)).steps.length).toBe(6);
    expect([ray.jobs.size, jobFiles()]).toEqual([1, []]);
  });

  it('leaves nothing in the bucket where its driver ended before that was cleared', async () => {
    const ray = await openRay();
    const job = jobOf();
    server.refuses = ({ what }) => (what === 'DELETE' ? 'SlowDown' : null);
    await expect(rayBy(ray, 'train').trainer.train(job, ignore)).rejects.toMatchObject({ code: 'unreachable' });
    server.refuses = () => null;
    expect(jobFiles().length).toBeGreaterThan(0);
    const { steps } = await rayBy(ray, 'train').trainer.train(job, ignore);
    expect([steps.length, ray.jobs.size, jobFiles(), existsSync(join(job.out, 'checkpoint'))]).toEqual([
      6,
      1,
      [],
      false,
    ]);
  });
});

describe('a failure says what to do', () => {
  it('where the bucket is full', async () => {
    const ray = await openRay();
    const job = jobOf();
    server.refuses = ({ what }) => (what.startsWith('PUT') ? 'XMinioStorageFull' : null);
    await expect(rayBy(ray, 'train').trainer.train(job, ignore)).rejects.toMatchObject({
      code: 'write-failed',
      message: expect.stringMatching(/write s3:\/\/bucket\/jobs\/models.*a full disk there/),
    });
    expect(ray.jobs.size).toBe(0);
    server.refuses = () => null;
    expect((await rayBy(ray, 'train').trainer.train(job, ignore)).steps.length).toBe(6);
  });

  it('where somebody has deleted the result', async () => {
    const ray = await openRay();
    const job = jobOf();
    await leaveAtWork(ray, job);
    release();
    await expect.poll(() => [...ray.jobs.values()][0]?.status, { timeout: 30_000 }).toBe('SUCCEEDED');
    await ray.open();
    for (const key of keys()) if (key.endsWith('trained.safetensors')) server.objects.delete(key);
    await expect(rayBy(ray, 'held').trainer.train(job, ignore)).rejects.toMatchObject({ code: 'crashed' });
    const { trainer, log } = rayBy(ray, 'train');
    expect((await trainer.train(job, ignore)).steps.length).toBe(6);
    expect(log.at(-1)).toMatch(/from optimizer step 6 on\.$/);
  });

  it('where the address is none', () => {
    expect(() => rayBy({ url: 'http://x' } as FakeRay, 'train', { storage: '/jobs' })).toThrow(/s3:\/\/bucket\/jobs/);
  });

  it('in sipf doctor --engine', async () => {
    const ray = await openRay();
    const found = async (how: string, env = process.env) => {
      const given = { kind: 'torch', command: fake(how), ray: { url: ray.url, storage: ADDRESS, retries: 0 } };
      const findings = await checkTorch(TrainerSettings.parse(given), { ...waits, env });
      const { name = '', state, value } = findings.at(-1) ?? {};
      return `${state} ${name}: ${value}`;
    };
    expect(await found('train')).toBe('ok trainer storage: s3://bucket/jobs answers the cluster');
    expect(await found('away')).toBe('fail trainer storage: Expected to list it, got no keys there.');
    expect(await found('train', { ...process.env, AWS_ACCESS_KEY_ID: 'nobody' })).toMatch(
      /^fail trainer cluster: Expected to list s3:\/\/bucket\/jobs .*Correct AWS_ACCESS_KEY_ID/,
    );
  });
});

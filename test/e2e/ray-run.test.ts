// Smoke runs that a Ray cluster trains -> kill -9 of the driver, and a next one that hears the job.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { openStorage } from '../../src/storage/storage.ts';
import { MinioServer, minioProgram } from '../minio.ts';
import { FakeRay } from '../ray-head.ts';
import { buildCli, runCli, startCli } from './run-cli.ts';
import { artefacts } from './run-files.ts';

const TOKEN = 'sesame-ray-4567890123';
/** null: tests of a real cluster are skipped. */
const python = process.env['SIPF_TEST_RAY'] ?? null;
if (python === null)
  console.warn(
    'SIPF_TEST_RAY names no Python with ray[default], torch, transformers and peft: no real cluster is tried.',
  );

let folder = '';
let env: Record<string, string> = {};
beforeAll(async () => {
  buildCli();
  // Ray's sockets need a short path.
  folder = await mkdtemp(join(tmpdir(), 'sipf-ray-'));
  env = { SIPF_CACHE: join(folder, 'cache'), RAY_TOKEN: TOKEN };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

interface Trained {
  readonly command: readonly string[];
  /** null: this machine trains. */
  readonly url: string | null;
  readonly iterations: number;
  /** Where its files travel; absent: the cluster has this disk. */
  readonly storage?: string;
}

function smoke(out: string, { command, url, iterations, storage }: Trained): string[] {
  const ray = url === null ? null : { url, apiKeyFrom: 'RAY_TOKEN', storage };
  return [
    ...'run --preset smoke --seed 5 --threads 1 --sft.train.checkpointEverySteps 4 --iterations'.split(' '),
    String(iterations),
    '--out',
    join(folder, out),
    '--engine.trainer',
    JSON.stringify({ kind: 'torch', command, ray }),
  ];
}

const jobOf = (out: string) => join(folder, out, 'iteration-0', '6-policy', 'checkpoint', 'torch');

/** Kills the driver in the warm-up, behind a checkpoint. */
async function killed(
  out: string,
  trained: Trained,
  isBehind = async () => existsSync(join(jobOf(out), 'progress.json')),
): Promise<void> {
  const driver = startCli(smoke(out, trained), { env });
  const gone = once(driver, 'close');
  while (!(await isBehind()) && driver.exitCode === null) await wait(5);
  driver.kill('SIGKILL');
  await gone;
}

async function finish(out: string, trained: Trained): Promise<string> {
  const { code, stderr } = await runCli(smoke(out, trained), { env });
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  return stderr;
}

function warmUp(out: string): { step: number; loss: number }[] {
  const path = join(folder, out, 'iteration-0', '6-policy', 'training.json');
  return (JSON.parse(readFileSync(path, 'utf8')) as { steps: { step: number; loss: number }[] }).steps;
}

/** No file of a run holds the token. */
async function expectNoToken(out: string, secret = TOKEN): Promise<void> {
  for (const [file, text] of await artefacts(join(folder, out))) expect(text.includes(secret), file).toBe(false);
  expect(readFileSync(join(folder, out, 'events.jsonl'), 'utf8')).not.toContain(secret);
}

it('a job goes on without its driver, and the next one hears it from its beginning', async () => {
  await using ray = await new FakeRay({ folder: join(folder, 'head'), token: TOKEN }).open();
  const program = join(import.meta.dirname, '..', 'fake-trainer.mjs');
  const trained = { command: [process.execPath, program, 'steady'], url: ray.url, iterations: 0 };
  await killed('fake', trained);
  const [id = ''] = ray.jobs.keys();
  expect(ray.jobs.get(id)?.status).toBe('RUNNING');
  expect(await finish('fake', trained)).toContain(`Training: the Ray job ${id} of a driver that is gone`);
  expect([...ray.jobs.keys()]).toEqual([id]);
  expect(warmUp('fake').map(({ step, loss }) => [step, loss])).toEqual(
    Array.from({ length: 24 }, (_, n) => [n, 1 / (1 + n)]),
  );
  await expectNoToken('fake');
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

interface Head {
  readonly url: string;
  readonly process: ChildProcess;
}

/** Of a cluster. Its dashboard may take too long for Ray on a busy machine. */
async function openRay(more: Record<string, string>, tries = 3): Promise<Head> {
  const head = await startRay(more);
  if (head.process.exitCode === null) return head;
  if (tries > 1) return openRay(more, tries - 1);
  throw new Error('Ray did not start: see session_latest/logs/dashboard.log in its temporary folder.');
}

/** A cluster of this machine alone, which asks for a token. It ends with its process. */
async function startRay(more: Record<string, string>): Promise<Head> {
  const [port, dashboard, client, agent] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  const words = [
    ...`start --head --block --port ${port} --dashboard-host 127.0.0.1 --dashboard-port ${dashboard}`.split(' '),
    ...`--ray-client-server-port ${client} --dashboard-agent-listen-port ${agent} --include-dashboard true`.split(' '),
    ...`--num-cpus 2 --object-store-memory 100000000 --disable-usage-stats --temp-dir ${join(folder, 'r')}`.split(' '),
  ];
  const own = {
    ...more,
    RAY_AUTH_MODE: 'token',
    RAY_AUTH_TOKEN: TOKEN,
    PATH: `${dirname(python ?? '')}:${process.env['PATH']}`,
  };
  const head = spawn(join(dirname(python ?? ''), 'ray'), words, { env: { ...process.env, ...own }, stdio: 'ignore' });
  const url = `http://127.0.0.1:${dashboard}`;
  const answers = () =>
    fetch(`${url}/api/version`).then(
      ({ status }) => status === 401,
      () => false,
    );
  while (head.exitCode === null && !(await answers())) await wait(200);
  return { url, process: head };
}

/** Status of each training of the cluster. A check that waited too long on a busy machine is stopped, and none. */
async function trainingsAt(url: string): Promise<string[]> {
  const response = await fetch(`${url}/api/jobs/`, { headers: { authorization: `Bearer ${TOKEN}` } });
  const jobs = (await response.json()) as { submission_id: string; status: string; start_time: number }[];
  const trainings = jobs.filter(({ submission_id }) => !submission_id.startsWith('sipf-check-'));
  return trainings.sort((a, b) => a.start_time - b.start_time).map(({ status }) => status);
}

describe.skipIf(python === null)('a real cluster', () => {
  const command = [python ?? 'none'];
  let head: Head | null = null;
  let url = '';
  let minio: MinioServer | null = null;
  beforeAll(async () => {
    if (minioProgram !== null) minio = await MinioServer.start('bucket');
    head = await openRay(minio?.env() ?? {});
    ({ url } = head);
  }, 600_000);
  afterAll(async () => {
    await minio?.[Symbol.asyncDispose]();
    if (head === null) return;
    const gone = once(head.process, 'close');
    head.process.kill('SIGTERM');
    await gone;
  });

  it('is looked at by doctor --engine, and refuses a wrong token', async () => {
    const asked = (apiKeyFrom: string) => {
      const trainer = JSON.stringify({ kind: 'torch', command, ray: { url, apiKeyFrom } });
      return runCli(['doctor', '--engine', '--engine.trainer', trainer], { env });
    };
    const { code, stdout } = await asked('RAY_TOKEN');
    expect(stdout).toMatch(
      /ok +trainer cluster +Ray \d+\.\d+\.\d+ at http.*\n.*ok +trainer +torch by .*\n.*ok +trainer pack/,
    );
    expect(code).toBe(0);
    expect(await trainingsAt(url)).toEqual([]);
    const wrong = await asked('PATH');
    expect(wrong.stdout).toMatch(/FAIL trainer cluster +Expected Ray at .* got status 403 .*variable PATH was refused/);
    expect(wrong.code).toBe(2);
  });

  it('trains a round; a driver that is killed leaves one job, which the next start hears', async () => {
    const trained = { command, url, iterations: 1 };
    await killed('ray', trained);
    expect(await finish('ray', trained)).toMatch(/Training: the Ray job sipf-\S+ of a driver that is gone/);
    await finish('here', { ...trained, url: null });
    expect(await trainingsAt(url)).toEqual(['SUCCEEDED', 'SUCCEEDED', 'SUCCEEDED']);
    expect(warmUp('ray').map(({ step }) => step)).toEqual(Array.from({ length: 24 }, (_, n) => n));
    for (const [n, { loss }] of warmUp('here').entries()) expect(warmUp('ray')[n]?.loss).toBeCloseTo(loss, 5);
    const [there, here] = [await artefacts(join(folder, 'ray')), await artefacts(join(folder, 'here'))];
    for (const run of [there, here]) run.delete('config.json');
    expect(there).toEqual(here);
    await expectNoToken('ray');
  });

  it.skipIf(minioProgram === null)('trains what travels through a bucket; a killed driver is resumed', async () => {
    const before = env;
    env = { ...before, ...minio?.env() };
    onTestFinished(() => {
      env = before;
    });
    using storage = await openStorage('s3://bucket/jobs', { env });
    const paths = async () => (await storage.list('', true)).map(({ path }) => path);
    const trained = { command, url, iterations: 0, storage: 's3://bucket/jobs' };
    await killed('away', trained, async () => (await paths()).some((path) => path.endsWith('progress.json')));
    expect(await finish('away', trained)).toMatch(/Training: the Ray job sipf-\S+ of a driver that is gone/);
    await finish('near', { ...trained, url: null });
    for (const [n, { loss }] of warmUp('near').entries()) expect(warmUp('away')[n]?.loss).toBeCloseTo(loss, 5);
    expect((await paths()).filter((path) => !path.startsWith('models/'))).toEqual([]);
    await expectNoToken('away', env['AWS_SECRET_ACCESS_KEY'] ?? '');
  });

  it('ends the job of a driver that is stopped', async () => {
    const driver = startCli(smoke('stopped', { command, url, iterations: 0 }), { env });
    const gone = once(driver, 'close');
    while (!existsSync(join(jobOf('stopped'), 'progress.json')) && driver.exitCode === null) await wait(5);
    driver.kill('SIGINT');
    await gone;
    expect((await trainingsAt(url)).at(-1)).toBe('STOPPED');
    expect(existsSync(join(jobOf('stopped'), 'process.json'))).toBe(false);
  });
});

// Runs with a storage -> the same run from another folder, conflicts, faults and what is there.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { artefacts } from '../../test/e2e/run-files.ts';
import { KEYS, S3Server } from '../../test/s3-server.ts';
import { scoreSum, sumsTask, writeSum } from '../../test/scripted-sums.ts';
import type { Backend } from '../backend.ts';
import { createScriptedBackend } from '../backends/scripted.ts';
import { parseConfig } from '../config/load.ts';
import type { LogEvent } from '../run/events.ts';
import { runLoop } from './run-loop.ts';
import { trainedOn } from './trained-questions.ts';

let folder: string;
let server: S3Server;
const environment = { ...process.env };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-run-storage-'));
  server = await S3Server.start('bucket');
  Object.assign(process.env, server.env);
});
afterEach(async () => {
  process.env = { ...environment };
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const SETTINGS = {
  model: 'base',
  task: { name: 'sums', limit: 8 },
  iterations: 1,
  sft: { train: { lora: {} } },
  sampling: { samples: 4, unit: 4 },
  labels: { K: 2, heldOut: 0.3, unit: 4, lookahead: 1 },
  pairs: { eta: 0.01, chosenGate: 'none' },
  align: { train: { lora: {} } },
  evaluate: { sets: [{ split: 'valid', limit: 6 }], final: [], control: 'none', unit: 4, logpPairs: 4 },
};

interface Did {
  readonly out: string;
  readonly drawn: number;
  readonly trained: number;
  readonly events: readonly LogEvent[];
}

/** Runs it, and counts what the backend was asked for. */
async function run(name: string, settings: object = {}): Promise<Did> {
  const out = join(folder, name);
  const did = { drawn: 0, trained: 0 };
  const scripted = createScriptedBackend({ write: writeSum, score: scoreSum });
  const counting: Backend = {
    ...scripted,
    async openPolicy(source) {
      const policy = await scripted.openPolicy(source);
      const plain = policy.generate.bind(policy);
      const generate: typeof plain = (requests, ...rest) => {
        did.drawn += requests.length;
        return plain(requests, ...rest);
      };
      return Object.assign(policy, { generate });
    },
    train(...job) {
      did.trained += 1;
      return scripted.train(...job);
    },
  };
  const engine = { storage: 's3://bucket/runs/first' };
  const config = parseConfig({ ...SETTINGS, engine, ...settings });
  const events: LogEvent[] = [];
  await using backend = counting;
  await runLoop({ config, out, backend, tasks: () => sumsTask, log: (event) => events.push(event) });
  return { out, ...did, events };
}

const stored = () => [...server.objects.keys()].map((key) => key.replace('bucket/runs/first/', '')).sort();

it('writes every finished stage, and another folder continues with it', async () => {
  const first = await run('first');
  expect([first.drawn > 0, first.trained]).toEqual([true, 3]);
  const own = await artefacts(first.out);
  expect(stored()).toEqual([...own.keys()].sort());
  for (const [name, text] of own)
    expect(server.objects.get(`bucket/runs/first/${name}`)?.toString('latin1'), name).toBe(text);

  const second = await run('second');
  expect([second.drawn, second.trained]).toEqual([0, 0]);
  expect(await artefacts(second.out)).toEqual(own);
  expect(second.events.filter(({ type }) => type === 'stage-start')).toEqual([]);
  server.requests.length = 0;
  await run('second');
  expect(server.requests.filter(({ what }) => what.startsWith('PUT'))).toEqual([]);
});

it('continues with the stages that are there, and writes the others', async () => {
  await run('first', { iterations: 0 });
  const whole = await run('whole', { engine: {} });
  // As a run that was stopped behind its warm-up leaves it.
  server.objects.set('bucket/runs/first/config.json', await readFile(join(whole.out, 'config.json')));
  const { drawn, trained } = await run('second');
  expect([drawn > 0 && drawn < whole.drawn, trained]).toEqual([true, whole.trained - 1]);
  expect((await artefacts(join(folder, 'second'))).keys()).toEqual((await artefacts(whole.out)).keys());
});

it.each([
  ['in its files', 'PUT', '1-samples.jsonl'],
  ['before its marker', 'PUT', 'done/1-samples.json'],
])('a stage whose upload fails %s is whole here, and the next start writes it', async (_, what, end) => {
  let isBroken = true;
  server.refuses = (one) => (isBroken && one.what === what && one.path.endsWith(end) ? 'InternalError' : null);
  await expect(run('first')).rejects.toThrow(
    /^Expected to write s3:\/\/bucket\/runs\/first\/iteration-1\/.*1-samples\.jsonl? at .*, got status 500: .*the same command continues\. iteration-1\/1-samples is whole in /,
  );
  expect(await readFile(join(folder, 'first', 'iteration-1', 'done', '1-samples.json'), 'utf8')).toContain('outputs');
  expect(stored().some((key) => key.endsWith('done/1-samples.json'))).toBe(false);
  isBroken = false;
  const { out, events } = await run('first');
  expect(events.filter(({ type }) => type === 'stage-start').map(({ stage }) => stage)).not.toContain('1-samples');
  expect(stored()).toEqual([...(await artefacts(out)).keys()].sort());
});

it('refuses a prefix of another run, or of other things, and changes nothing there', async () => {
  await run('first');
  const before = new Map(server.objects);
  await expect(run('second', { seed: 1 })).rejects.toThrow(
    /^Expected the configuration that s3:\/\/bucket\/runs\/first was made with, got another:\n {2}seed: 0 -> 1\n.*name another engine\.storage\.$/,
  );
  for (const place of ['s3://bucket/runs', 's3://bucket/runs/first/iteration-1'])
    await expect(run('third', { engine: { storage: place } })).rejects.toThrow(
      new RegExp(`^Expected nothing or a run at ${place}, got .*, .*\\. Name another engine\\.storage\\.$`),
    );
  expect(server.objects).toEqual(before);
});

it('refuses a stage that another process has drawn otherwise', async () => {
  await run('first');
  const marker = 'bucket/runs/first/iteration-1/done/1-samples.json';
  const text = String(server.objects.get(marker)).replace(/("1-samples\.jsonl": ")[0-9a-f]{4}/, '$1ffff');
  server.objects.set(marker, Buffer.from(text));
  await expect(run('first')).rejects.toThrow(
    /^Expected iteration-1\/1-samples at s3:\/\/bucket\/runs\/first as this run has it/,
  );
  await expect(run('second')).rejects.toThrow(
    /^Expected s3:\/\/bucket\/runs\/first\/iteration-1\/1-samples\.jsonl as its stage wrote it \(SHA-256 ffff/,
  );
});

it('keeps no key in a file or an event', async () => {
  const { out, events } = await run('first');
  const texts = [
    JSON.stringify(events),
    ...(await artefacts(out)).values(),
    await readFile(join(out, 'events.jsonl'), 'utf8'),
  ];
  for (const secret of Object.values(KEYS)) for (const text of texts) expect(text).not.toContain(secret);
});

it('knows what a model there was trained on', async () => {
  await run('first');
  const made = { run: 's3://bucket/runs/first', questions: { length: 8 } };
  const policy = 's3://bucket/runs/first/iteration-1/6-policy';
  expect(await trainedOn({ model: 'base', adapter: policy })).toMatchObject([made]);
  // A run that began with it.
  const config = JSON.parse(String(server.objects.get('bucket/runs/first/config.json'))) as { config: object };
  const next = JSON.stringify({ ...config, config: { ...config.config, adapter: policy } });
  server.objects.set('bucket/next/config.json', Buffer.from(next));
  expect(await trainedOn({ model: 's3://bucket/next/iteration-2/6-policy/' })).toMatchObject([
    { run: 's3://bucket/next', questions: [] },
    made,
  ]);
  expect(await trainedOn({ model: 's3://bucket/models/tiny' })).toEqual([]);
  server.refuses = () => 'AccessDenied';
  server.refusedWith = 403;
  expect(await trainedOn({ model: policy })).toEqual([]);
});

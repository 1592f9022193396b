// Models, adapters and stages in a bucket -> commands on machines without a common disk.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { makeModelFolder } from '../model-folder.ts';
import { S3Server } from '../s3-server.ts';
import { ask } from '../serve-scripted.ts';
import { fixtures } from '../tiny-model.ts';
import { buildCli, runCli, SCRIPTED, startCli } from './run-cli.ts';
import { artefacts } from './run-files.ts';

const root = mkdtempSync(join(tmpdir(), 'sipf-storage-'));
let model = '';
let server: S3Server;
const adapter = join(fixtures, 'models', 'llama', 'adapter');

beforeAll(async () => {
  buildCli();
  model = await makeModelFolder(root);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));
beforeEach(async () => {
  server = await S3Server.start('bucket');
  await putFolder('models/tiny', model);
  await putFolder('runs/a/6-policy', adapter);
});
afterEach(() => server[Symbol.asyncDispose]());

async function putFolder(key: string, folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true }))
    if (!entry.isDirectory())
      server.objects.set(`bucket/${key}/${entry.name}`, await readFile(join(folder, entry.name)));
}

const drawn = ['--prompt', 'one plus one', '--seed', '7', '--max-tokens', '12', '--threads', '1'];

it('draws from a model and an adapter there as from their folders', async () => {
  const cache = { SIPF_CACHE: join(root, 'cache') };
  const here = await runCli(['generate', '--model', model, '--adapter', adapter, ...drawn], { env: cache });
  const args = ['generate', '--model', 's3://bucket/models/tiny', '--adapter', 's3://bucket/runs/a/6-policy', ...drawn];
  server.faults['GET'] = [
    { kind: 'status', status: 503, code: 'SlowDown' },
    { kind: 'cut', after: 10 },
  ];
  const there = await runCli(args, { env: { ...cache, ...server.env } });
  expect([there.code, there.stdout], there.stderr).toEqual([0, here.stdout]);
  expect(there.stderr).toMatch(/Download model\.safetensors of s3:\/\/bucket\/models\/tiny: 0\.\d of 0\.\d MB/);
  const offline = await runCli(args, { env: { ...cache, HF_HUB_OFFLINE: '1' } });
  expect([offline.code, offline.stdout], offline.stderr).toEqual([0, here.stdout]);
});

it('says what is wrong with an address, a key or a model there', async () => {
  const refusal = async (name: string, env: Record<string, string> = {}) => {
    const { code, stderr } = await runCli(['generate', '--model', name, ...drawn], {
      env: { SIPF_CACHE: join(root, 'none'), ...server.env, ...env },
    });
    expect(code, stderr).toBe(2);
    expect(stderr).not.toContain(server.env['AWS_SECRET_ACCESS_KEY']);
    return stderr.split('\n').find((line) => line.startsWith('sipf:'));
  };
  expect(await refusal('s3://bucket/models/none')).toContain('got no file. Give the address of the folder');
  expect(await refusal('s3://nowhere/models')).toContain('no bucket of that name. Make the bucket');
  expect(await refusal('s3://bucket/models/tiny', { AWS_ACCESS_KEY_ID: 'other' })).toContain('AWS_ACCESS_KEY_ID');
  expect(await refusal('s3://bucket/models/tiny', { AWS_SECRET_ACCESS_KEY: '' })).toContain(
    'got no AWS_SECRET_ACCESS_KEY',
  );
});

it('serves adapters that a client names below the root, and no others', async () => {
  const args = ['serve', '--model', 's3://bucket/models/tiny', '--port', '0', '--threads', '1', '--json'];
  const process: ChildProcess = startCli([...args, '--adapter-root', 's3://bucket/runs'], {
    env: { SIPF_CACHE: join(root, 'cache'), ...server.env },
  });
  try {
    const [line] = (await once(createInterface({ input: process.stdout! }), 'line')) as [string];
    const { url } = JSON.parse(line) as { url: string };
    const load = async (lora_path: string) => {
      const { status, text } = await ask(`${url}/v1/load_lora_adapter`, { lora_name: 'one', lora_path });
      return `${status} ${text}`;
    };
    for (const outside of ['s3://bucket/models/tiny', '../models/tiny'])
      expect(await load(outside)).toMatch(/^404 .*Expected a folder below the server's --adapter-root/);
    expect(await load('b')).toMatch(/^404 .*adapter_config\.json.* at s3:\/\/bucket\/runs\/b, got no file/);
    expect(await load('a/6-policy')).toMatch(/^200 /);
    const body = { model: 'one', prompt: 'one plus one', seed: 7, max_tokens: 12, return_token_ids: true };
    const { json } = await ask(`${url}/v1/completions`, body);
    const [choice] = json['choices'] as { text: string }[];
    const here = await runCli(['generate', '--model', model, '--adapter', adapter, ...drawn], {
      env: { SIPF_CACHE: join(root, 'cache') },
    });
    expect(here.stdout).toContain(choice?.text);
  } finally {
    process.kill('SIGKILL');
  }
});

const smoke = (out: string, ...more: string[]) => [
  ...'run --preset smoke --seed 3 --iterations 0 --engine.storage s3://bucket/runs/smoke --out'.split(' '),
  join(root, out),
  ...more,
];

const stored = () =>
  [...server.objects.keys()].flatMap((key) => (key.startsWith('bucket/runs/smoke/') ? [key.slice(18)] : []));

it('continues after kill -9 in an upload, and another folder has the same run by its address alone', async () => {
  const scripted = { env: server.env, engine: SCRIPTED, cwd: root };
  let reached = () => {};
  const inUpload = new Promise<void>((resolve) => (reached = resolve));
  server.holds = ({ what, path }) => {
    const isHeld = what === 'PUT' && path.includes('/6-policy/');
    if (isHeld) reached();
    return isHeld;
  };
  const killed = startCli(smoke('killed', '--model', 'base'), scripted);
  await inUpload;
  killed.kill('SIGKILL');
  await once(killed, 'close');
  expect(stored()).not.toContain('iteration-0/done/6-policy.json');
  server.holds = () => false;

  const resumed = await runCli(smoke('killed', '--model', 'base'), scripted);
  expect(resumed.code, resumed.stderr).toBe(0);
  expect(resumed.stderr).toContain('round 0 6-policy: done before');
  expect(resumed.stderr).toContain('iteration-0/6-policy: written to s3://bucket/runs/smoke');
  const own = await artefacts(join(root, 'killed'));
  expect(stored().sort()).toEqual([...own.keys()].sort());

  const words = ['run', '--out', join(root, 'other'), '--engine.storage', 's3://bucket/runs/smoke'];
  const other = await runCli(words, scripted);
  expect(other.code, other.stderr).toBe(0);
  expect(other.stderr).not.toContain('begins');
  expect(await artefacts(join(root, 'other'))).toEqual(own);
  const none = ['run', '--out', join(root, 'none'), '--engine.storage', 's3://bucket/runs/none'];
  const nowhere = await runCli(none, scripted);
  expect([nowhere.code, nowhere.stderr]).toEqual([2, expect.stringContaining('Expected a run to continue')]);
});

it('draws from adapters that a server takes from the bucket, where the trainer put them', async () => {
  const env = { SIPF_CACHE: join(root, 'cache'), ...server.env };
  const words = ['serve', '--model', 's3://bucket/models/tiny', '--port', '0', '--threads', '1', '--json'];
  const process = startCli([...words, '--adapter-root', 's3://bucket/runs'], { env });
  try {
    const [line] = (await once(createInterface({ input: process.stdout! }), 'line')) as [string];
    const { url } = JSON.parse(line) as { url: string };
    const paths = { from: join(root, 'drawn'), to: 's3://bucket/runs/smoke' };
    const sampler = { kind: 'openai', url: `${url}/v1`, model: 's3://bucket/models/tiny', others: 'adapter', paths };
    const drawn = await runCli(
      [
        ...smoke('drawn', '--model', model, '--sft.train.lora', '{}', '--sft.train.maxSteps', '2'),
        ...['--evaluate.final', '[]', '--engine.sampler', JSON.stringify(sampler)],
      ],
      { env },
    );
    expect(drawn.code, drawn.stderr).toBe(0);
    expect(server.asked('GET', 'iteration-0/6-policy/adapter_model.safetensors')).toHaveLength(1);
  } finally {
    process.kill('SIGKILL');
  }
});

it('repeats no key that stands in an address, and writes nothing', async () => {
  const out = join(root, 'secret');
  for (const option of ['--model', '--adapter', '--engine.storage']) {
    const { code, stderr } = await runCli(
      ['run', '--preset', 'smoke', '--out', out, option, 's3://KEY:hunter2@bucket/x'],
      {
        env: { SIPF_CACHE: join(root, 'cache'), ...server.env },
      },
    );
    expect([code, stderr]).toEqual([2, expect.stringContaining('got one with a user or a port. Keys are read from')]);
    expect(stderr).not.toContain('hunter2');
    await expect(readdir(out)).rejects.toThrow('ENOENT');
  }
});

it('doctor says whether the storage is there', async () => {
  const words = ['doctor', '--engine', '--engine.storage', 's3://bucket/runs/smoke'];
  const { code, stdout } = await runCli(words, { env: server.env });
  expect([code, stdout]).toEqual([0, expect.stringMatching(/ok +storage +s3:\/\/bucket\/runs\/smoke lists, reads/)]);
  const refused = await runCli(words, { env: { ...server.env, AWS_ACCESS_KEY_ID: 'other' } });
  expect([refused.code, refused.stdout]).toEqual([2, expect.stringMatching(/FAIL storage .*AWS_ACCESS_KEY_ID/)]);
});

// A real MinIO -> models, adapters, a whole run, a second machine, and kill -9 in an upload.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { download, upload } from '../../src/storage/folders.ts';
import { openStorage, probeStorage, type Storage } from '../../src/storage/storage.ts';
import { HoldingProxy, MinioServer, minioProgram } from '../minio.ts';
import { makeModelFolder } from '../model-folder.ts';
import { fixtures } from '../tiny-model.ts';
import { buildCli, root as programRoot, runCli, SCRIPTED, startCli } from './run-cli.ts';
import { artefacts } from './run-files.ts';

const root = mkdtempSync(join(tmpdir(), 'sipf-minio-e2e-'));
const adapter = join(fixtures, 'models', 'llama', 'adapter');
const drawn = ['--prompt', 'one plus one', '--seed', '7', '--max-tokens', '12', '--threads', '1'];

// SIPF_TEST_MINIO names the program: MinIO is no package of a registry for JavaScript.
describe.skipIf(minioProgram === null)('MinIO', () => {
  let server: MinioServer;
  let storage: Storage;
  let model = '';
  const cache = { SIPF_CACHE: join(root, 'cache') };

  beforeAll(async () => {
    buildCli();
    server = await MinioServer.start('bucket');
    storage = await openStorage('s3://bucket', { env: server.env() });
    model = await makeModelFolder(root);
    await upload(storage, model, 'models/tiny');
    await upload(storage, adapter, 'adapters/tiny');
  });
  afterAll(async () => {
    storage?.[Symbol.dispose]();
    await server?.[Symbol.asyncDispose]();
    rmSync(root, { recursive: true, force: true });
  });

  it('keeps folders, empty files, odd names and files of many parts', async () => {
    const [from, to] = [join(root, 'from'), join(root, 'to')];
    await mkdir(join(from, 'below'), { recursive: true });
    const files = {
      'large.bin': Buffer.from(Array.from({ length: 30 * 2 ** 20 }, (_, n) => (n * 31 + (n >> 10)) & 255)),
      'empty.txt': Buffer.alloc(0),
      'below/ä +&%<é>.txt': Buffer.from('odd'),
    };
    for (const [name, bytes] of Object.entries(files)) await writeFile(join(from, name), bytes);
    await upload(storage, from, 'some/folder');
    expect(await download(storage, 'some/folder', to)).toBe(3);
    for (const [name, bytes] of Object.entries(files))
      expect((await readFile(join(to, name))).equals(bytes), name).toBe(true);
    await probeStorage(storage);
    const listed = await storage.list('some', true);
    expect(listed.map(({ path }) => path).sort()).toEqual(
      Object.keys(files)
        .map((name) => `some/folder/${name}`)
        .sort(),
    );
  });

  it('lists more files than one answer has', async () => {
    const names = Array.from({ length: 1100 }, (_, n) => `many/${String(n).padStart(4, '0')}`);
    for (let at = 0; at < names.length; at += 50)
      await Promise.all(names.slice(at, at + 50).map((name) => storage.writeText(name, name)));
    expect((await storage.list('many', false)).map(({ path }) => path)).toEqual(names);
  });

  it('is no other file half way', async () => {
    await storage.writeText('changing', 'one');
    const [file] = (await storage.list('', false)).filter(({ path }) => path === 'changing');
    await storage.writeText('changing', 'two');
    await expect(storage.read(file!, 1)).rejects.toThrow('got another content than a moment ago');
  });

  it('says what is wrong', async () => {
    const refusal = async (address: string, env: Record<string, string> = {}) => {
      using other = await openStorage(address, { env: { ...server.env(), AWS_MAX_ATTEMPTS: '2', ...env } });
      return other.list('', true).then(
        () => 'none',
        (error: Error) => error.message,
      );
    };
    expect(await refusal('s3://nowhere')).toContain('no bucket of that name');
    expect(await refusal('s3://bucket', { AWS_ACCESS_KEY_ID: 'nobody' })).toContain('Correct AWS_ACCESS_KEY_ID');
    expect(await refusal('s3://bucket', { AWS_SECRET_ACCESS_KEY: 'wrong' })).toContain('Correct AWS_SECRET_ACCESS_KEY');
    expect(await refusal('s3://bucket', { AWS_SESSION_TOKEN: 'wrong' })).toMatch(/AWS_SESSION_TOKEN/);
    expect(await refusal('s3://bucket', { AWS_ENDPOINT_URL_S3: 'http://127.0.0.1:1' })).toContain('ECONNREFUSED');
  });

  it('has models and adapters that draw as those of a folder', async () => {
    const here = await runCli(['generate', '--model', model, '--adapter', adapter, ...drawn], { env: cache });
    const there = [
      'generate',
      '--model',
      's3://bucket/models/tiny',
      '--adapter',
      's3://bucket/adapters/tiny',
      ...drawn,
    ];
    const { code, stdout, stderr } = await runCli(there, { env: { ...cache, ...server.env() } });
    expect([code, stdout], stderr).toEqual([0, here.stdout]);
  });

  it('has a whole smoke run, which a second machine finds finished', async () => {
    const env = { ...cache, ...server.env() };
    const address = 's3://bucket/runs/smoke';
    const words = ['run', '--preset', 'smoke', '--seed', '1', '--threads', '1', '--engine.storage', address];
    const first = await runCli([...words, '--out', join(root, 'first')], { env });
    expect(first.code, first.stderr).toBe(0);
    const own = await artefacts(join(root, 'first'));
    const paths = (await storage.list('runs/smoke', true)).map(({ path }) => path.slice('runs/smoke/'.length));
    expect(paths.sort()).toEqual([...own.keys()].sort());
    const second = await runCli(['run', '--out', join(root, 'second'), '--engine.storage', address], { env });
    expect(second.code, second.stderr).toBe(0);
    expect(second.stderr).not.toMatch(/ begins$/m);
    expect(await artefacts(join(root, 'second'))).toEqual(own);
    const other = await runCli([...words, '--seed', '2', '--out', join(root, 'third')], { env });
    expect([other.code, other.stderr]).toEqual([
      2,
      expect.stringContaining(`the configuration that ${address} was made with`),
    ]);
  });

  it('has what a lost machine had finished: another one continues to the same bytes', async () => {
    const env = { ...cache, ...server.env() };
    const words = ['run', '--preset', 'smoke', '--seed', '5', '--threads', '1', '--iterations', '1'];
    const whole = await runCli([...words, '--out', join(root, 'whole')], { env: cache });
    expect(whole.code, whole.stderr).toBe(0);
    const stored = ['--engine.storage', 's3://bucket/runs/lost'];
    const lost = startCli([...words, ...stored, '--out', join(root, 'lost')], { env });
    for await (const line of createInterface({ input: lost.stderr! }))
      if (line.includes('round 1 2-step-labels: begins')) break;
    lost.kill('SIGKILL');
    rmSync(join(root, 'lost'), { recursive: true });
    const { code, stderr } = await runCli(['run', '--out', join(root, 'found'), ...stored], { env });
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('iteration-1/1-samples: its files are from s3://bucket/runs/lost');
    expect(stderr.match(/^round .*: begins$/gm)?.[0]).toBe('round 1 2-step-labels: begins');
    const [own, expected] = [await artefacts(join(root, 'found')), await artefacts(join(root, 'whole'))];
    for (const files of [own, expected]) files.delete('config.json');
    expect(own).toEqual(expected);
  });

  it.each(['PUT /bucket/runs/killed/iteration-0/6-policy/', 'PUT /bucket/runs/killed/iteration-0/done/6-policy'])(
    'completes what kill -9 left of an upload at %s',
    async (what) => {
      const out = join(root, `killed-${what.length}`);
      const words = ['run', '--preset', 'smoke', '--model', 'base', '--seed', '3', '--iterations', '0', '--out', out];
      const run = [...words, '--engine.storage', `s3://bucket/runs/killed`];
      for (const { path } of await storage.list('runs/killed', true)) await storage.remove(path);
      {
        await using proxy = await HoldingProxy.start(server.port, new RegExp(what));
        const driver = startCli(run, { env: server.env(proxy.port), engine: SCRIPTED, cwd: root });
        await proxy.held;
        driver.kill('SIGKILL');
        await once(driver, 'close');
      }
      expect(await storage.readText('runs/killed/iteration-0/done/6-policy.json')).toBe(null);
      const resumed = await runCli(run, { env: server.env(), engine: SCRIPTED, cwd: root });
      expect(resumed.code, resumed.stderr).toBe(0);
      expect(resumed.stderr).toContain('round 0 6-policy: done before');
      const paths = (await storage.list('runs/killed', true)).map(({ path }) => path.slice('runs/killed/'.length));
      expect(paths.sort()).toEqual([...(await artefacts(out)).keys()].sort());
    },
  );

  it('has nothing of a file of many parts whose upload was killed, and all of it after the next one', async () => {
    const source = join(root, 'large.bin');
    await writeFile(source, Buffer.alloc(40 * 2 ** 20, 'large'));
    const code = `const { openStorage } = await import(${JSON.stringify(join(programRoot, 'dist/storage/storage.js'))});
      await (await openStorage('s3://bucket/large')).writeFile('file', ${JSON.stringify(source)});`;
    const write = (port: number) =>
      spawn(process.execPath, ['--input-type=module', '-e', code], { env: { ...process.env, ...server.env(port) } });
    {
      await using proxy = await HoldingProxy.start(server.port, /partNumber=3/);
      const killed = write(proxy.port);
      await proxy.held;
      killed.kill('SIGKILL');
      await once(killed, 'close');
    }
    expect(await storage.list('large', true)).toEqual([]);
    expect((await once(write(server.port), 'close'))[0]).toBe(0);
    expect(await download(storage, 'large', join(root, 'large'))).toBe(1);
    expect((await readFile(join(root, 'large', 'file'))).equals(await readFile(source))).toBe(true);
  });

  it('gives a server the adapters of a run, where the server has no disk in common', async () => {
    const env = { ...cache, ...server.env() };
    const serving = ['serve', '--model', 's3://bucket/models/tiny', '--port', '0', '--threads', '1', '--json'];
    const child = startCli([...serving, '--adapter-root', 's3://bucket/runs'], { env });
    try {
      const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
      const { url } = JSON.parse(line) as { url: string };
      const paths = { from: join(root, 'drawn'), to: 's3://bucket/runs/drawn' };
      const sampler = { kind: 'openai', url: `${url}/v1`, model: 's3://bucket/models/tiny', others: 'adapter', paths };
      const words = ['run', '--preset', 'smoke', '--model', 's3://bucket/models/tiny', '--iterations', '0'];
      const drawing = [
        ...[...words, '--threads', '1', '--out', join(root, 'drawn'), '--engine.storage', 's3://bucket/runs/drawn'],
        ...['--sft.train.lora', '{}', '--sft.train.maxSteps', '2', '--evaluate.final', '[]'],
        ...['--engine.sampler', JSON.stringify(sampler)],
      ];
      const run = await runCli(drawing, { env });
      expect(run.code, run.stderr).toBe(0);
      const copies = await readdir(join(root, 'cache', 'stored-models'));
      expect(copies.join()).toContain('runs--drawn--iteration-0--6-policy');
      // Another model at the address that the run was begun with.
      const config = await storage.readText('models/tiny/config.json');
      await storage.writeText('models/tiny/config.json', `${config}\n`);
      const changed = await runCli(drawing, { env });
      expect([changed.code, changed.stderr]).toEqual([
        2,
        expect.stringContaining('Expected the inputs that iteration-0/0-inputs was made from'),
      ]);
    } finally {
      child.kill('SIGKILL');
    }
  });
});

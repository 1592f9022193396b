// A path or a hub id -> a local model, or what to do where there is none.
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { COMMIT, HubServer, hashOf } from '../../../test/hub-server.ts';
import { cacheFolder } from '../../io/cache.ts';
import { resolveSource } from './model-source.ts';

/** The last files are not wanted. */
const FILES: Readonly<Record<string, Buffer>> = {
  'model.safetensors': Buffer.from('weights, more of them than of all else'),
  'config.json': Buffer.from('{"model_type":"llama"}'),
  'tokenizer.json': Buffer.from('{}'),
  'pytorch_model.bin': Buffer.from('not wanted'),
  'consolidated.safetensors': Buffer.from('not wanted'),
  'original/params.json': Buffer.from('not wanted'),
};
const WANTED = ['config.json', 'model.safetensors', 'tokenizer.json'];

let server: HubServer;
let root: string;
let folder: string;
const environment = { ...process.env };

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sipf-hub-'));
  server = await HubServer.start({ 'someone/tiny': FILES });
  process.env.HF_ENDPOINT = server.url;
  process.env.HF_HUB_CACHE = join(root, 'hugging-face');
  delete process.env.HF_HUB_OFFLINE;
  folder = join(process.env.HF_HUB_CACHE, 'models--someone--tiny');
});
afterEach(async () => {
  process.env = { ...environment };
  await server[Symbol.asyncDispose]();
  await rm(root, { recursive: true });
});

/** A snapshot as another program left it. */
async function cached(names: readonly string[], contents: Readonly<Record<string, string>> = {}): Promise<string> {
  const snapshot = join(folder, 'snapshots', COMMIT);
  await mkdir(snapshot, { recursive: true });
  await mkdir(join(folder, 'refs'), { recursive: true });
  await writeFile(join(folder, 'refs', 'main'), `${COMMIT}\n`);
  for (const name of names) await writeFile(join(snapshot, name), contents[name] ?? String(FILES[name] ?? 'x'));
  return snapshot;
}

describe('resolveSource', () => {
  it('downloads what a model needs into the cache of Hugging Face, once, and tells about it', async () => {
    const told: string[] = [];
    const onDownload = ({ path, bytes, size }: { path: string; bytes: number; size: number }) =>
      told.push(`${path} ${bytes}/${size}`);
    const { path, kind } = await resolveSource('someone/tiny', { onDownload });
    expect([path, kind]).toEqual([join(folder, 'snapshots', COMMIT), 'folder']);
    expect((await readdir(path)).sort()).toEqual(WANTED);
    const weights = FILES['model.safetensors'] as Buffer;
    expect(await readFile(join(path, 'model.safetensors'))).toEqual(weights);
    expect(await readlink(join(path, 'model.safetensors'))).toBe(`../../blobs/${hashOf('model.safetensors', weights)}`);
    expect((await readdir(join(folder, 'blobs'))).sort()).toEqual(
      WANTED.map((name) => hashOf(name, FILES[name] as Buffer)).sort(),
    );
    expect(await readFile(join(folder, 'refs', 'main'), 'utf8')).toBe(COMMIT);
    expect(told).toEqual([
      ...['tokenizer.json 0/2', 'tokenizer.json 2/2', 'config.json 0/22', 'config.json 22/22'],
      ...['model.safetensors 0/38', 'model.safetensors 38/38'],
    ]);
    server.requests.length = 0;
    expect(await resolveSource('someone/tiny')).toEqual({ path, kind });
    expect(server.requests).toEqual([]);
  });

  it('takes what other programs have put into the cache, and downloads what they left out', async () => {
    const snapshot = await cached(WANTED);
    process.env.HF_HUB_OFFLINE = '1';
    expect(await resolveSource('someone/tiny')).toEqual({ path: snapshot, kind: 'folder' });
    expect(server.requests).toEqual([]);
    await rm(join(snapshot, 'tokenizer.json'));
    delete process.env.HF_HUB_OFFLINE;
    expect((await resolveSource('someone/tiny')).path).toBe(snapshot);
    expect(await readFile(join(snapshot, 'tokenizer.json'), 'utf8')).toBe('{}');
  });

  it('looks for every shard that an index names', async () => {
    const index = JSON.stringify({ weight_map: { a: 'model-1-of-2.safetensors', b: 'model-2-of-2.safetensors' } });
    const names = ['config.json', 'tokenizer.json', 'model.safetensors.index.json', 'model-1-of-2.safetensors'];
    await cached(names, { 'model.safetensors.index.json': index });
    process.env.HF_HUB_OFFLINE = 'yes';
    await expect(resolveSource('someone/tiny')).rejects.toThrow('got no model-2-of-2.safetensors. Run once without');
  });

  it('asks nothing offline', async () => {
    process.env.HF_HUB_OFFLINE = '1';
    await expect(resolveSource('someone/tiny')).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringMatching(/someone\/tiny whole in .*models--someone--tiny, as HF_HUB_OFFLINE is set/),
    });
    expect(server.requests).toEqual([]);
  });

  it('is not whole before its weights are', async () => {
    server.sizes['model.safetensors'] = 40;
    await expect(resolveSource('someone/tiny')).rejects.toThrow('from byte 38');
    expect(await readdir(folder)).not.toContain('refs');
    delete server.sizes['model.safetensors'];
    await expect(resolveSource('someone/tiny')).resolves.toMatchObject({ kind: 'folder' });
  });

  it('says what to do where the model is not there, closed to us, or there is no hub', async () => {
    await expect(resolveSource('someone/else')).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringContaining('someone/else'),
    });
    server.token = 'hf_secret';
    await expect(resolveSource('someone/tiny')).rejects.toThrow('set HF_TOKEN');
    process.env.HF_ENDPOINT = 'http://127.0.0.1:9';
    await expect(resolveSource('someone/tiny')).rejects.toThrow('hf download someone/tiny --local-dir DIR');
  });

  it.each([
    [['config.json', 'pytorch_model.bin'], "pytorch_model.bin: PyTorch's own format"],
    [['config.json', 'consolidated.safetensors'], 'by their original names'],
    [['config.json', 'model.Q4_K_M.gguf', 'model.Q8_0.gguf'], 'as someone/tiny/model.Q4_K_M.gguf'],
    [['config.json', 'model.onnx'], 'an ONNX export'],
    [['README.md'], 'got none. Check the id'],
  ])('downloads nothing of %j', async (names, what) => {
    server.models['someone/tiny'] = Object.fromEntries(names.map((name) => [name, Buffer.from('x')]));
    await expect(resolveSource('someone/tiny')).rejects.toThrow(what);
    expect(server.requests.filter(({ path }) => path.includes('/resolve/'))).toEqual([]);
  });

  it('downloads one GGUF file, with its parts, and says which there are', async () => {
    const names = ['a.gguf', 'q/b-00001-of-00002.gguf', 'q/b-00002-of-00002.gguf', 'c-00001-of-00002.gguf'];
    server.models['someone/tiny'] = Object.fromEntries(names.map((name) => [name, Buffer.from(name)]));
    const snapshot = join(folder, 'snapshots', COMMIT);
    expect(await resolveSource('someone/tiny/a.gguf')).toEqual({ path: join(snapshot, 'a.gguf'), kind: 'gguf' });
    const { path } = await resolveSource('someone/tiny/q/b-00002-of-00002.gguf');
    expect(await readFile(path, 'utf8')).toBe('q/b-00002-of-00002.gguf');
    expect((await readdir(join(snapshot, 'q'))).sort()).toEqual(['b-00001-of-00002.gguf', 'b-00002-of-00002.gguf']);
    await expect(resolveSource('someone/tiny/c-00001-of-00002.gguf')).rejects.toThrow(
      'Expected c-00002-of-00002.gguf in the hub model someone/tiny, got a.gguf, q/b-00001',
    );
    process.env.HF_HUB_OFFLINE = '1';
    expect((await resolveSource('someone/tiny/a.gguf')).kind).toBe('gguf');
    await expect(resolveSource('someone/tiny/d.gguf')).rejects.toThrow('got no d.gguf');
  });

  it('stops on request', async () => {
    await expect(resolveSource('someone/tiny', { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'aborted',
    });
  });
});

describe('cacheFolder', () => {
  it('is the argument, $SIPF_CACHE or in the home folder', () => {
    expect(cacheFolder({ cache: '/a' })).toBe('/a');
    process.env.SIPF_CACHE = '/b';
    expect(cacheFolder()).toBe('/b');
    delete process.env.SIPF_CACHE;
    expect(cacheFolder()).toMatch(/\.cache[\\/]sipf$/);
  });
});

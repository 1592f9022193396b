// Models and adapters in a storage -> local copies: once, again where they changed, offline.
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { S3Server } from '../../../test/s3-server.ts';
import type { DownloadProgress } from '../../io/hub-download.ts';
import { withBase } from './adapter-base.ts';
import { resolveAdapter, resolveSource } from './model-source.ts';

let server: S3Server;
let cache: string;
const environment = { ...process.env };

beforeEach(async () => {
  server = await S3Server.start('bucket');
  cache = await mkdtemp(join(tmpdir(), 'sipf-stored-'));
  Object.assign(process.env, server.env);
  delete process.env.HF_HUB_OFFLINE;
});
afterEach(async () => {
  process.env = { ...environment };
  await server[Symbol.asyncDispose]();
  await rm(cache, { recursive: true });
});

const put = (key: string, text: string) => server.objects.set(`bucket/${key}`, Buffer.from(text));

function putModel(folder: string, weights = 'weights, more of them than of all else'): void {
  const files = { 'config.json': '{"model_type":"llama"}', 'tokenizer.json': '{}', 'model.safetensors': weights };
  for (const [name, text] of Object.entries(files)) put(`${folder}/${name}`, text);
  put(`${folder}/training.json`, 'not wanted');
  put(`${folder}/checkpoint/model.safetensors`, 'not wanted');
}

describe('resolveSource', () => {
  it('downloads a folder once, and tells about it', async () => {
    putModel('models/tiny');
    const told: string[] = [];
    const onDownload = ({ repo, path, bytes, size }: DownloadProgress) => told.push(`${repo} ${path} ${bytes}/${size}`);
    const { path, kind } = await resolveSource('s3://bucket/models/tiny/', { cache, onDownload });
    expect(kind).toBe('folder');
    expect((await readdir(path)).sort()).toEqual(['config.json', 'model.safetensors', 'tokenizer.json']);
    expect(await readFile(join(path, 'model.safetensors'), 'utf8')).toContain('more of them');
    expect(told.at(-1)).toBe('s3://bucket/models/tiny model.safetensors 38/38');
    const asked = server.requests.length;
    expect(await resolveSource('s3://bucket/models/tiny', { cache })).toEqual({ path, kind });
    expect(server.requests.length).toBe(asked);
  });

  it('downloads what has changed there, and that alone, where it is to look', async () => {
    putModel('tiny');
    const old = await resolveSource('s3://bucket/tiny', { cache });
    expect((await resolveSource('s3://bucket/tiny', { cache, isFresh: true })).path).toBe(old.path);
    putModel('tiny', 'other weights');
    server.requests.length = 0;
    const { path } = await resolveSource('s3://bucket/tiny', { cache, isFresh: true });
    expect(server.asked('GET').map((one) => one.path)).toEqual(['bucket/tiny/model.safetensors']);
    expect(await readFile(join(path, 'model.safetensors'), 'utf8')).toBe('other weights');
    expect(await readFile(join(old.path, 'model.safetensors'), 'utf8')).toContain('more of them');
  });

  it('downloads a GGUF file with its other parts', async () => {
    for (const name of ['a-00001-of-00002.gguf', 'a-00002-of-00002.gguf', 'b.gguf']) put(`models/${name}`, name);
    const { path, kind } = await resolveSource('s3://bucket/models/a-00001-of-00002.gguf', { cache });
    expect(kind).toBe('gguf');
    expect((await readdir(join(path, '..'))).length).toBe(2);
    expect((await stat(path)).size).toBe(21);
    await expect(resolveSource('s3://bucket/models/c.gguf', { cache })).rejects.toThrow(
      'Expected c.gguf in s3://bucket/models, got a-00001-of-00002.gguf, a-00002-of-00002.gguf, b.gguf.',
    );
  });

  it('makes no request offline', async () => {
    putModel('tiny');
    const online = await resolveSource('s3://bucket/tiny', { cache });
    process.env.HF_HUB_OFFLINE = '1';
    server.requests.length = 0;
    expect(await resolveSource('s3://bucket/tiny', { cache, isFresh: true })).toEqual(online);
    await expect(resolveSource('s3://bucket/other', { cache })).rejects.toThrow(
      /^Expected the model s3:\/\/bucket\/other in .*, as HF_HUB_OFFLINE is set, got none/,
    );
    expect(server.requests).toEqual([]);
  });

  it('says how to take what is here where nobody answers', async () => {
    putModel('tiny');
    await resolveSource('s3://bucket/tiny', { cache });
    process.env.AWS_ENDPOINT_URL_S3 = 'http://127.0.0.1:1';
    await expect(resolveSource('s3://bucket/tiny', { cache, isFresh: true })).rejects.toThrow(
      /^Expected to list s3:\/\/bucket\/tiny at 127\.0\.0\.1:1, got no answer: .* HF_HUB_OFFLINE=1 takes what was downloaded/,
    );
  });

  it.each([
    ['empty', [], 'got no file. Give the address of the folder'],
    ['models', ['models/a/config.json', 'models/README.md'], 'got README.md. Give'],
    ['torch', ['torch/config.json', 'torch/pytorch_model.bin'], "PyTorch's own format"],
    ['gguf', ['gguf/config.json', 'gguf/a.gguf'], 'Name the file that you want, as s3://bucket/gguf/a.gguf.'],
  ])('refuses %s', async (folder, keys, says) => {
    for (const key of keys) put(key, '{}');
    const refusal = resolveSource(`s3://bucket/${folder}`, { cache });
    await expect(refusal).rejects.toThrow(says);
    await expect(refusal).rejects.toThrow(`at s3://bucket/${folder}`.replace('at ', keys.length > 1 ? '' : 'at '));
  });

  it('leaves no half of a model that does not come whole', async () => {
    putModel('tiny');
    server.faults['GET'] = Array.from({ length: 20 }, () => ({ kind: 'status', status: 403, code: 'AccessDenied' }));
    await expect(resolveSource('s3://bucket/tiny', { cache })).rejects.toThrow('s3:GetObject');
    delete server.faults['GET'];
    expect((await readdir((await resolveSource('s3://bucket/tiny', { cache })).path)).length).toBe(3);
  });
});

describe('an adapter', () => {
  const adapter = (base: string) =>
    JSON.stringify({ peft_type: 'LORA', r: 2, lora_alpha: 4, base_model_name_or_path: base });

  it('is a folder of its two files', async () => {
    put('runs/a/iteration-1/6-policy/adapter_config.json', adapter('x'));
    put('runs/a/iteration-1/6-policy/adapter_model.safetensors', '{}');
    const folder = await resolveAdapter('s3://bucket/runs/a/iteration-1/6-policy', { cache });
    expect((await readdir(folder)).sort()).toEqual(['adapter_config.json', 'adapter_model.safetensors']);
    expect(await resolveAdapter('./here', { cache })).toBe('./here');
  });
});

it('withBase leaves a model as it is', async () => {
  putModel('tiny');
  expect(await withBase({ model: 's3://bucket/tiny' }, { cache })).toEqual({ model: 's3://bucket/tiny' });
});

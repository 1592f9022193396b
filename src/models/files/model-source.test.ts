// A path or a hub id -> a local model, or what to do where there is none.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { cacheFolder } from '../../io/cache.ts';
import { resolveSource } from './model-source.ts';

/** A hub with one model. The last file is not wanted. */
const SOUND: Readonly<Record<string, string>> = {
  'config.json': '{"model_type":"llama"}',
  'model.safetensors': 'weights',
  'tokenizer.json': '{}',
  'pytorch_model.bin': 'not wanted',
};

let FILES = SOUND;
let server: Server;
let root: string;
let requests: string[];
let promisedSize: number | null;
const environment = { ...process.env };

function answer(request: IncomingMessage, response: ServerResponse): void {
  const url = new URL(request.url ?? '/', 'http://hub');
  requests.push(url.pathname);
  const name = url.pathname.split('/').at(-1) ?? '';
  if (url.pathname.startsWith('/api/models/someone/tiny/revision/')) {
    response.end(
      JSON.stringify({ _id: '1', id: 'someone/tiny', sha: 'f'.repeat(40), lastModified: '2025-01-01T00:00:00Z' }),
    );
  } else if (url.pathname.startsWith('/api/models/someone/tiny/tree/')) {
    const size = (file: string): number =>
      (file === 'model.safetensors' ? promisedSize : null) ?? FILES[file]?.length ?? 0;
    response.end(
      JSON.stringify(Object.keys(FILES).map((path) => ({ type: 'file', oid: path, size: size(path), path }))),
    );
  } else if (url.pathname.startsWith('/someone/tiny/resolve/') && FILES[name] !== undefined) {
    const body = Buffer.from(FILES[name]);
    const partial = request.headers.range === 'bytes=0-0';
    response.writeHead(partial ? 206 : 200, {
      etag: '"x"',
      ...(partial ? { 'content-range': `bytes 0-0/${body.length}` } : {}),
    });
    response.end(partial ? body.subarray(0, 1) : body);
  } else {
    response.writeHead(404, { 'content-type': 'application/json' }).end('{"error":"Repository not found"}');
  }
}

beforeAll(async () => {
  server = createServer(answer);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
});
afterAll(() => new Promise((done) => server.close(done)));
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'sipf-hub-'));
  requests = [];
  promisedSize = null;
  FILES = SOUND;
  process.env.HF_ENDPOINT = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  process.env.HF_HUB_CACHE = join(root, 'hugging-face');
});
afterEach(async () => {
  process.env = { ...environment };
  await rm(root, { recursive: true });
});

describe('resolveSource', () => {
  it('downloads what a model needs, once, and tells about it', async () => {
    const told: string[] = [];
    const options = { cache: root, onDownload: (file: string, bytes: number) => told.push(`${file} ${bytes}`) };
    const { path, kind } = await resolveSource('someone/tiny', options);
    expect(kind).toBe('folder');
    expect((await readdir(path)).sort()).toEqual(['config.json', 'model.safetensors', 'tokenizer.json']);
    expect(await readFile(join(path, 'model.safetensors'), 'utf8')).toBe('weights');
    expect(told).toEqual(['config.json 22', 'model.safetensors 7', 'tokenizer.json 2']);
    requests = [];
    expect(await resolveSource('someone/tiny', options)).toEqual({ path, kind });
    expect(requests).toEqual([]);
  });

  it('does not keep a download that came short', async () => {
    promisedSize = 9;
    await expect(resolveSource('someone/tiny', { cache: root })).rejects.toThrow('model.safetensors has 7 bytes of 9');
    promisedSize = null;
    await expect(resolveSource('someone/tiny', { cache: root })).resolves.toMatchObject({ kind: 'folder' });
  });

  it('says what to do where the model is not there, or the hub', async () => {
    await expect(resolveSource('someone/else', { cache: root })).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringContaining('someone/else'),
    });
    process.env.HF_ENDPOINT = 'http://127.0.0.1:9';
    await expect(resolveSource('someone/tiny', { cache: root })).rejects.toThrow(
      'hf download someone/tiny --local-dir DIR',
    );
  });

  it.each([
    [['config.json', 'pytorch_model.bin'], "pytorch_model.bin: PyTorch's own format"],
    [['config.json', 'model.Q4_K_M.gguf', 'model.Q8_0.gguf'], 'hf download someone/tiny model.Q4_K_M.gguf'],
    [['config.json', 'model.onnx'], 'an ONNX export'],
    [['README.md'], 'got none. Check the id'],
  ])('downloads nothing of %j', async (names, what) => {
    FILES = Object.fromEntries(names.map((name) => [name, 'x']));
    await expect(resolveSource('someone/tiny', { cache: root })).rejects.toThrow(what);
    expect(requests.filter((path) => path.includes('/resolve/'))).toEqual([]);
  });

  it('stops on request', async () => {
    await expect(resolveSource('someone/tiny', { cache: root, signal: AbortSignal.abort() })).rejects.toMatchObject({
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

// A storage of S3 against a fake server: files both ways, faults, and what errors say.
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Fault, KEYS, S3Server } from '../../test/s3-server.ts';
import { download, downloadFile, upload } from './folders.ts';
import { openStorage, probeStorage, type Storage } from './storage.ts';

let folder: string;
let server: S3Server;
let storage: Storage;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-s3-'));
  server = await S3Server.start('bucket');
  storage = await openStorage('s3://bucket/some/place', { env: server.env });
});
afterEach(async () => {
  storage[Symbol.dispose]();
  await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

const put = (key: string, text: string) => server.objects.set(`bucket/some/place/${key}`, Buffer.from(text));
const status = (code: number, name: string): Fault => ({ kind: 'status', status: code, code: name });

/** What a call says that fails; no key is in it. */
async function refusalOf(call: Promise<unknown>): Promise<{ code: string; message: string }> {
  const thrown = (await call.then(
    () => null,
    (error: unknown) => error,
  )) as { code: string; message: string; stack: string };
  for (const secret of Object.values(KEYS)) expect(thrown.stack).not.toContain(secret);
  return { code: thrown.code, message: thrown.message };
}

it('writes a folder and reads it again', async () => {
  await mkdir(join(folder, 'from', 'below'), { recursive: true });
  const files = { 'a.txt': 'one', 'b.txt': '', 'below/c d&<.txt': 'three', 'below/e.txt': 'four' };
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, 'from', name), text);
  await writeFile(join(folder, 'from', '.a.txt.1.2.tmp'), 'of a process at work');
  put('run/stage/half', 'of an upload that was killed');
  put('run/stage-2', 'another');
  await upload(storage, join(folder, 'from'), 'run/stage');
  expect((await storage.list('run', true)).map(({ path, size }) => [path, size])).toEqual([
    ['run/stage-2', 7],
    ['run/stage/a.txt', 3],
    ['run/stage/b.txt', 0],
    ['run/stage/below/c d&<.txt', 5],
    ['run/stage/below/e.txt', 4],
  ]);
  expect((await storage.list('run/stage', false)).map(({ path }) => path)).toEqual([
    'run/stage/a.txt',
    'run/stage/b.txt',
  ]);
  expect(await download(storage, 'run/stage', join(folder, 'to'))).toBe(4);
  for (const [name, text] of Object.entries(files)) expect(await readFile(join(folder, 'to', name), 'utf8')).toBe(text);
});

it('writes a large file in parts, each again where it failed', async () => {
  const bytes = Buffer.alloc(20 * 2 ** 20, 'large');
  await writeFile(join(folder, 'large'), bytes);
  server.faults['PUT part'] = [status(503, 'SlowDown'), status(500, 'InternalError')];
  await storage.writeFile('large', join(folder, 'large'));
  expect(server.objects.get('bucket/some/place/large')?.equals(bytes)).toBe(true);
  expect([server.asked('PUT part').length, server.openUploads]).toEqual([5, 0]);
});

it('gives up a part that always fails, and leaves no upload behind', async () => {
  await writeFile(join(folder, 'large'), Buffer.alloc(20 * 2 ** 20));
  server.faults['PUT part'] = Array.from({ length: 12 }, () => status(500, 'InternalError'));
  const { code, message } = await refusalOf(storage.writeFile('large', join(folder, 'large')));
  expect(code).toBe('unreachable');
  expect(message).toMatch(/^Expected to write s3:\/\/bucket\/some\/place\/large at 127\.0\.0\.1:\d+, got status 500/);
  expect([server.objects.size, server.openUploads]).toEqual([0, 0]);
});

it('continues a file where an answer broke off', async () => {
  put('model', '0123456789');
  server.faults['GET'] = [{ kind: 'cut', after: 4 }, status(503, 'SlowDown'), { kind: 'cut', after: 3 }];
  const [file] = await storage.list('', true);
  await downloadFile(storage, file!, join(folder, 'model'));
  expect(await readFile(join(folder, 'model'), 'utf8')).toBe('0123456789');
  expect(server.asked('GET').map(({ range }) => range)).toEqual([null, 'bytes=4-', 'bytes=4-', 'bytes=7-']);
});

it('leaves the old file, and no half of a new one, where a file changes meanwhile', async () => {
  put('model', '0123456789');
  const [file] = await storage.list('', true);
  await writeFile(join(folder, 'model'), 'old');
  put('model', '9876543210');
  const { code, message } = await refusalOf(downloadFile(storage, file!, join(folder, 'model')));
  expect([code, message]).toEqual(['not-found', expect.stringContaining('another content than a moment ago')]);
  expect(await readdir(folder)).toEqual(['model']);
  expect(await readFile(join(folder, 'model'), 'utf8')).toBe('old');
});

it('gives texts, and null for one that is not there', async () => {
  await storage.writeText('done/a.json', '{"a": "ä"}\n');
  expect([await storage.readText('done/a.json'), await storage.readText('done/b.json')]).toEqual([
    '{"a": "ä"}\n',
    null,
  ]);
});

it('is probed, and nothing is left of it', async () => {
  await probeStorage(storage);
  expect(server.objects.size).toBe(0);
});

describe('errors', () => {
  it.each([
    [404, 'NoSuchBucket', 'not-found', 'no bucket of that name'],
    [403, 'InvalidAccessKeyId', 'bad-config', 'Correct AWS_ACCESS_KEY_ID'],
    [403, 'SignatureDoesNotMatch', 'bad-config', 'Correct AWS_SECRET_ACCESS_KEY'],
    [403, 'AccessDenied', 'bad-config', 's3:ListBucket'],
    [400, 'ExpiredToken', 'bad-config', 'AWS_SESSION_TOKEN'],
    [403, 'InvalidTokenId', 'bad-config', 'AWS_SESSION_TOKEN'],
    [507, 'XMinioStorageFull', 'write-failed', 'Free some space'],
    [418, 'Teapot', 'bad-config', 'status 418: said Teapot'],
  ])('status %i %s is %s', async (code, name, expected, says) => {
    server.faults['GET list'] = Array.from({ length: 3 }, () => status(code, name));
    const refusal = await refusalOf(storage.list('', true));
    expect(refusal.code).toBe(expected);
    expect(refusal.message).toContain('Expected to list s3://bucket/some/place at 127.0.0.1:');
    expect(refusal.message).toContain(says);
  });

  it('says that nobody answers', async () => {
    const env = { ...server.env, AWS_ENDPOINT_URL_S3: 'http://user:password@127.0.0.1:1' };
    using nowhere = await openStorage('s3://bucket/some/place', { env });
    const { code, message } = await refusalOf(nowhere.list('', true));
    expect(code).toBe('unreachable');
    expect(message).toMatch(/at 127\.0\.0\.1:1, got no answer: .*ECONNREFUSED.*AWS_ENDPOINT_URL_S3/);
    expect(message).not.toContain('password');
  });

  it('says which key is missing', async () => {
    const env = { ...server.env, AWS_SECRET_ACCESS_KEY: '' };
    const { code, message } = await refusalOf(openStorage('s3://bucket/some/place', { env }));
    expect([code, message]).toEqual(['bad-config', expect.stringContaining('got no AWS_SECRET_ACCESS_KEY.')]);
  });

  it('stops an upload on request, and leaves no part of it', async () => {
    const stop = new AbortController();
    using stopped = await openStorage('s3://bucket/some/place', { env: server.env, signal: stop.signal });
    await writeFile(join(folder, 'large'), Buffer.alloc(40 * 2 ** 20));
    server.refuses = ({ what }) => {
      if (what === 'PUT part') stop.abort();
      return null;
    };
    expect((await refusalOf(stopped.writeFile('large', join(folder, 'large')))).code).toBe('aborted');
    expect([server.objects.size, server.openUploads]).toEqual([0, 0]);
  });

  it('stops on request', async () => {
    const stop = new AbortController();
    using stopped = await openStorage('s3://bucket/some/place', { env: server.env, signal: stop.signal });
    stop.abort();
    expect((await refusalOf(stopped.list('', true))).code).toBe('aborted');
  });
});

// Downloads -> lines about them; a model of the hub -> downloaded before it is opened.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { HubServer } from '../../../test/hub-server.ts';
import { S3Server } from '../../../test/s3-server.ts';
import type { Backend } from '../../backend.ts';
import { resolveAdapter, resolveSource } from '../../models/files/model-source.ts';
import { createScriptedBackend } from '../scripted.ts';
import { downloadingFirst, downloadLines } from './downloads.ts';

it('tells where a file begins and ends, and now and then between', () => {
  const lines: string[] = [];
  let time = 0;
  const tell = downloadLines(
    (line) => lines.push(line),
    () => time,
  );
  for (let bytes = 0; bytes <= 4e8; bytes += 1e7) {
    tell({ repo: 'a/b', path: 'x', bytes, size: 4e8 });
    time += 500;
  }
  tell({ repo: 'a/b', path: 'y', bytes: 0, size: 5e5 });
  expect(lines).toEqual([
    'Download x of a/b: 0.0 of 400 MB',
    'Download x of a/b: 200 of 400 MB',
    'Download x of a/b: 400 of 400 MB',
    'Download y of a/b: 0.0 of 0.5 MB',
  ]);
});

it('has a model here before the backend is asked', async () => {
  const files = Object.fromEntries(
    ['config.json', 'tokenizer.json', 'model.safetensors'].map((name) => [name, Buffer.from('{}')]),
  );
  await using server = await HubServer.start({ 'some/model': files });
  const environment = { ...process.env };
  const root = await mkdtemp(join(tmpdir(), 'sipf-downloads-'));
  process.env.HF_ENDPOINT = server.url;
  process.env.HF_HUB_CACHE = root;
  try {
    const seen: (readonly [string, string])[] = [];
    const scripted = createScriptedBackend({ write: () => '' });
    const look = async (name: string): Promise<void> => {
      const before = server.requests.length;
      const { path } = await resolveSource('some/model');
      seen.push([name, before === server.requests.length ? path : 'not here']);
    };
    const asked: Backend = {
      ...scripted,
      async describe(source) {
        await look('describe');
        return scripted.describe(source);
      },
    };
    const lines: string[] = [];
    await using backend = downloadingFirst(asked, { log: (line) => lines.push(line), now: () => 0 });
    await backend.describe({ model: 'some/model' }).catch(() => undefined);
    expect(seen).toEqual([['describe', expect.stringContaining(root)]]);
    expect(lines).toContain('Download model.safetensors of some/model: 0.0 of 0.0 MB');
  } finally {
    process.env = environment;
    await rm(root, { recursive: true });
  }
});

it('keeps a model of a bucket as it was first, and looks at its adapters each time', async () => {
  await using server = await S3Server.start('bucket');
  const environment = { ...process.env };
  const root = await mkdtemp(join(tmpdir(), 'sipf-downloads-'));
  Object.assign(process.env, server.env, { SIPF_CACHE: root });
  const put = (weights: string) => {
    for (const [name, text] of Object.entries({ 'config.json': '{}', 'model.safetensors': weights }))
      server.objects.set(`bucket/model/${name}`, Buffer.from(text));
    for (const [name, text] of Object.entries({ 'adapter_config.json': '{}', 'adapter_model.safetensors': weights }))
      server.objects.set(`bucket/adapter/${name}`, Buffer.from(text));
  };
  try {
    await using backend = downloadingFirst(createScriptedBackend({ write: () => '' }), { log: () => {}, now: () => 0 });
    const source = { model: 's3://bucket/model', adapter: 's3://bucket/adapter' };
    const look = async () => {
      await backend.describe(source).catch(() => undefined);
      const weights = [
        join((await resolveSource(source.model)).path, 'model.safetensors'),
        join(await resolveAdapter(source.adapter), 'adapter_model.safetensors'),
      ];
      return Promise.all(weights.map((path) => readFile(path, 'utf8')));
    };
    put('first');
    expect(await look()).toEqual(['first', 'first']);
    put('second');
    expect(await look()).toEqual(['first', 'second']);
    await using next = downloadingFirst(createScriptedBackend({ write: () => '' }), { log: () => {}, now: () => 0 });
    await next.describe(source).catch(() => undefined);
    expect(await look()).toEqual(['second', 'second']);
  } finally {
    process.env = environment;
    await rm(root, { recursive: true });
  }
});

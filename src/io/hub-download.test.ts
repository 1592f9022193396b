// Files of a local hub -> the same bytes here, through cuts, refusals, redirects and lies.
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { COMMIT, HubServer, hashOf } from '../../test/hub-server.ts';
import { hubFiles, modelCommit } from './hub.ts';
import { type DownloadProgress, downloadHubFile } from './hub-download.ts';

const WEIGHTS = Buffer.from(Array.from({ length: 200_000 }, (_, n) => (n * 7 + (n >> 8)) & 255));
const CONFIG = Buffer.from('{"model_type":"llama"}');
const PATH = 'model.safetensors';

let server: HubServer;
let root: string;
let target: string;
let waits: number[];
const environment = { ...process.env };

beforeEach(async () => {
  server = await HubServer.start({ 'some/model': { 'config.json': CONFIG, [PATH]: WEIGHTS } });
  root = await mkdtemp(join(tmpdir(), 'sipf-download-'));
  target = join(root, 'blobs', 'weights');
  waits = [];
  delete process.env.HF_TOKEN;
});
afterEach(async () => {
  process.env = { ...environment };
  await server[Symbol.asyncDispose]();
  await rm(root, { recursive: true });
});

const repo = () => ({ type: 'model', name: 'some/model', revision: COMMIT, hubUrl: server.url }) as const;
const parts = { wait: async (ms: number) => waits.push(ms) };

async function download(path: string, more: Parameters<typeof downloadHubFile>[3] = {}): Promise<void> {
  const file = (await hubFiles(repo(), undefined, parts)).find((each) => each.path === path);
  if (!file) throw new Error(`no ${path}`);
  await downloadHubFile(repo(), file, target, { ...parts, ...more });
}

const ranges = (): (string | null)[] => server.downloads(PATH).map(({ range }) => range);

describe('downloadHubFile', () => {
  it('brings a small file and, from another origin, a large one; each once', async () => {
    const told: DownloadProgress[] = [];
    await download('config.json');
    expect(await readFile(target)).toEqual(CONFIG);
    await rm(target);
    await download(PATH, { onDownload: (progress) => told.push(progress) });
    expect(await readFile(target)).toEqual(WEIGHTS);
    expect(told[0]).toEqual({ repo: 'some/model', path: PATH, bytes: 0, size: WEIGHTS.length });
    expect(told.at(-1)?.bytes).toBe(WEIGHTS.length);
    await download(PATH);
    expect(ranges()).toEqual([null]);
    expect(await readdir(join(root, 'blobs'))).toEqual(['weights']);
  });

  it('asks for the rest where the connection was cut', async () => {
    server.faults[PATH] = [
      { kind: 'cut', after: 70_000 },
      { kind: 'cut', after: 50_000 },
    ];
    await download(PATH);
    expect(await readFile(target)).toEqual(WEIGHTS);
    // Of what was on its way when the connection broke, some may be lost.
    const [first, ...starts] = ranges().map((range) => Number(/^bytes=(\d+)-$/.exec(range ?? 'bytes=0-')?.[1]));
    expect(first).toBe(0);
    expect(starts.length).toBe(2);
    expect(starts).toEqual([...starts].sort((a, b) => a - b));
    expect(waits.length).toBe(2);
  });

  it('continues what an earlier command began', async () => {
    await mkdir(join(root, 'blobs'));
    await writeFile(`${target}.incomplete`, WEIGHTS.subarray(0, 70_000));
    await download(PATH);
    expect(ranges()).toEqual(['bytes=70000-']);
    expect(await readFile(target)).toEqual(WEIGHTS);
  });

  it('gives up after five tries that bring nothing, and keeps what came', async () => {
    await mkdir(join(root, 'blobs'));
    await writeFile(`${target}.incomplete`, WEIGHTS.subarray(0, 70_000));
    server.faults[PATH] = Array(5).fill({ kind: 'cut', after: 0 });
    await expect(download(PATH)).rejects.toThrow(/^70000 of the 200000 bytes of model.safetensors: /);
    expect(await readFile(`${target}.incomplete`)).toEqual(WEIGHTS.subarray(0, 70_000));
  });

  it('takes the whole file from a server without ranges', async () => {
    server.faults[PATH] = [{ kind: 'cut', after: 70_000 }, { kind: 'no-ranges' }];
    await download(PATH);
    expect(await readFile(target)).toEqual(WEIGHTS);
  });

  it('refuses other bytes than the list promises, and keeps none of them', async () => {
    server.faults[PATH] = [{ kind: 'damaged' }];
    await expect(download(PATH)).rejects.toThrow(`another hash than the hub's list has, ${hashOf(PATH, WEIGHTS)}`);
    expect(await readdir(join(root, 'blobs'))).toEqual([]);
    await download(PATH);
    expect(await readFile(target)).toEqual(WEIGHTS);
  });

  it('begins again where the half of another program is wrong or too long', async () => {
    for (const half of [Buffer.alloc(1000, '?'), Buffer.alloc(300_000)]) {
      await rm(target, { force: true });
      await mkdir(join(root, 'blobs'), { recursive: true });
      await writeFile(`${target}.incomplete`, half);
      await download(PATH);
      expect(await readFile(target)).toEqual(WEIGHTS);
    }
    expect(ranges()).toEqual(['bytes=1000-', null, null]);
  });

  it('gives two downloads at the same time the same file', async () => {
    await Promise.all([download(PATH), download(PATH)]);
    expect(await readFile(target)).toEqual(WEIGHTS);
    expect(await readdir(join(root, 'blobs'))).toEqual(['weights']);
  });

  it('waits as long as a busy hub asks, and names a hub that stays busy', async () => {
    const busy = { kind: 'status', status: 429, headers: { 'retry-after': '7' } } as const;
    server.listFaults.push({ kind: 'status', status: 503 });
    server.faults[PATH] = [busy, busy];
    await download(PATH);
    expect(await readFile(target)).toEqual(WEIGHTS);
    expect(waits).toEqual([expect.any(Number), 7000, 7000]);
    server.listFaults.push(...Array(5).fill(busy));
    await expect(modelCommit(repo(), parts)).rejects.toThrow('status 429: too many requests (HF_TOKEN');
  });

  it('sends the token to the hub and to nobody else', async () => {
    server.token = 'hf_secret';
    await expect(download(PATH)).rejects.toThrow('status 401: it is gated or private');
    process.env.HF_TOKEN = 'hf_other';
    await expect(download(PATH)).rejects.toThrow('status 401');
    process.env.HF_TOKEN = 'hf_secret';
    await download(PATH);
    expect(await readFile(target)).toEqual(WEIGHTS);
    expect(server.requests.filter(({ atStore }) => atStore).map(({ token }) => token)).toEqual([null]);
    server.faults['config.json'] = [{ kind: 'status', status: 403 }];
    await expect(download('config.json')).rejects.toThrow('HF_TOKEN may not read it');
  });

  it('refuses a file shorter than promised', async () => {
    server.sizes[PATH] = WEIGHTS.length + 2;
    await expect(download(PATH)).rejects.toThrow('status 416');
  });

  it('stops on request, between two pieces as well', async () => {
    await expect(download(PATH, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' });
    const controller = new AbortController();
    const stopping = download(PATH, { signal: controller.signal, onDownload: () => controller.abort() });
    await expect(stopping).rejects.toMatchObject({ code: 'aborted' });
  });
});

describe('hubFiles', () => {
  it.each(['../x', '/etc/x', 'a//b', 'a\\b', '.', 'a/../../b'])('refuses the name %s', async (path) => {
    server.models['some/model'] = { [path]: CONFIG };
    await expect(hubFiles(repo())).rejects.toThrow('leaves its folder');
  });

  it('names a model that is not there, and a hub that is not', async () => {
    await expect(hubFiles({ ...repo(), name: 'some/other' })).rejects.toThrow('status 404');
    await expect(hubFiles({ ...repo(), hubUrl: 'http://127.0.0.1:9' })).rejects.toThrow(/ECONNREFUSED|bad port/);
  });
});

// A hub id on the command line -> the model downloaded with lines of progress, then used offline.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { HubServer } from '../hub-server.ts';
import { fixtures } from '../tiny-model.ts';
import { buildCli, runCli } from './run-cli.ts';

let root: string;
beforeAll(async () => {
  buildCli();
  root = await mkdtemp(join(tmpdir(), 'sipf-hub-model-'));
});
afterAll(() => rm(root, { recursive: true }));

it('downloads a model, computes with it, and needs no hub the next time', async () => {
  const paths = {
    'config.json': 'models/llama/config.json',
    'model.safetensors': 'models/llama/model.safetensors',
    'tokenizer.json': 'tokenizer/tokenizer.json',
  };
  const files: Record<string, Buffer> = {};
  for (const [name, path] of Object.entries(paths)) files[name] = await readFile(join(fixtures, path));
  const env = { HF_HUB_CACHE: join(root, 'hub'), SIPF_CACHE: join(root, 'sipf'), HF_TOKEN: 'hf_secret' };
  const args = ['generate', '--model', 'some/model', '--prompt', 'a b c', '--max-tokens', '4', '--threads', '1'];
  let first: Awaited<ReturnType<typeof runCli>>;
  {
    await using server = await HubServer.start({ 'some/model': files });
    server.token = 'hf_secret';
    server.faults['model.safetensors'] = [{ kind: 'cut', after: 40_000 }];
    first = await runCli(args, { env: { ...env, HF_ENDPOINT: server.url } });
    expect(first.code, first.stderr).toBe(0);
    expect(first.stderr).toMatch(/Download model\.safetensors of some\/model: 0\.\d of 0\.\d MB/);
    expect(server.downloads('model.safetensors').length).toBe(2);
  }
  const again = await runCli(args, { env: { ...env, HF_HUB_OFFLINE: '1' } });
  expect([again.code, again.stdout]).toEqual([0, first.stdout]);
  expect(again.stderr).not.toContain('Download');
});

// `sipf serve` on the engine's own model -> what generate and logps say, for 64 clients at a time.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeModelFolder } from '../model-folder.ts';
import { ask, eventsOf } from '../serve-scripted.ts';
import { fixtures } from '../tiny-model.ts';
import { buildCli, runCli, startCli } from './run-cli.ts';

const root = mkdtempSync(join(tmpdir(), 'sipf-serve-'));
let model = '';
let server: ChildProcess;
let url = '';
let told: { readonly models: readonly string[] };

beforeAll(async () => {
  buildCli();
  model = await makeModelFolder(root);
  const adapter = `math=${join(fixtures, 'models', 'llama', 'adapter')}`;
  const cache = join(root, 'cache');
  server = startCli(['serve', '--model', model, '--port', '0', '--threads', '1', '--adapter', adapter, '--json'], {
    env: { SIPF_CACHE: cache },
  });
  const [line] = (await once(createInterface({ input: server.stdout! }), 'line')) as [string];
  ({ url, ...told } = JSON.parse(line) as typeof told & { url: string });
});
afterAll(() => {
  server.kill('SIGKILL');
  rmSync(root, { recursive: true, force: true });
});

interface Choice {
  readonly text: string;
  readonly token_ids: readonly number[];
  readonly logprobs: { readonly token_logprobs: readonly number[]; readonly top_logprobs: readonly object[] };
  readonly finish_reason: string;
}

async function complete(body: object): Promise<Choice[]> {
  const { json, text, status } = await ask(`${url}/v1/completions`, { return_token_ids: true, logprobs: 1, ...body });
  expect(status, text).toBe(200);
  return json['choices'] as Choice[];
}

it('says what it serves', () => {
  expect(told.models).toEqual([model, 'math']);
});

it('completes as generate does with the same seed', async () => {
  const prompt = 'one plus one';
  const choices = await complete({ prompt, seed: 7, n: 3, max_tokens: 12, top_p: 0.9 });
  const words = ['--model', model, '--prompt', prompt, '--seed', '7', '--n', '3', '--max-tokens', '12'];
  const { stdout } = await runCli(['generate', ...words, '--top-p', '0.9', '--threads', '1', '--json'], {
    env: { SIPF_CACHE: join(root, 'cache') },
  });
  const { completions } = JSON.parse(stdout) as {
    completions: { text: string; tokenIds: number[]; logps: number[]; finishReason: string }[];
  };
  expect(choices.map(({ text, token_ids }) => [text, token_ids])).toEqual(
    completions.map(({ text, tokenIds }) => [text, tokenIds]),
  );
  for (const [n, { logprobs }] of choices.entries())
    for (const [place, logp] of logprobs.token_logprobs.entries())
      expect(logp).toBeCloseTo(completions[n]!.logps[place]!, 4);
});

it('echoes log-probabilities of a prompt that say how probable it is', async () => {
  const [drawn] = await complete({ prompt: 'one plus one', seed: 1, max_tokens: 8, temperature: 0, ignore_eos: true });
  const { json } = await ask(`${url}/tokenize`, { prompt: 'one plus one' });
  const prompt = [...(json['tokens'] as number[]), ...drawn!.token_ids];
  const [echoed] = await complete({ prompt: [prompt], echo: true, max_tokens: 1, temperature: 0 });
  const { token_logprobs: logps, top_logprobs: best } = echoed!.logprobs;
  expect(logps).toHaveLength(prompt.length + 1);
  const read = logps.slice(-9, -1);
  for (const [place, logp] of read.entries()) {
    expect(logp).toBeCloseTo(drawn!.logprobs.token_logprobs[place]!, 4);
    // The greedy token is the likeliest, to the last digit.
    expect(logp).toBe(Math.max(...Object.values(best.slice(-9, -1)[place]!)));
  }
});

it('draws from an adapter by its name, and chats', async () => {
  const request = { prompt: 'one plus one', seed: 1, max_tokens: 8, temperature: 0, ignore_eos: true };
  const [base] = await complete(request);
  const [adapted] = await complete({ ...request, model: 'math' });
  expect(adapted!.logprobs).not.toEqual(base!.logprobs);
  const messages = [{ role: 'user', content: 'one' }];
  const { status, json } = await ask(`${url}/v1/chat/completions`, { messages, max_tokens: 4, seed: 1 });
  expect([status, (json['usage'] as { completion_tokens: number }).completion_tokens]).toEqual([200, 4]);
});

describe('64 clients at a time', () => {
  it('have what each has alone', async () => {
    const requests = Array.from({ length: 64 }, (_, n) => ({
      prompt: `${['one', 'two plus', 'three plus one'][n % 3]}${' one'.repeat(n % 5)}`,
      seed: n,
      max_tokens: 4 + (n % 9),
      temperature: n % 4 === 0 ? 0 : 1,
      echo: n % 7 === 0,
      ignore_eos: true,
    }));
    const together = await Promise.all(requests.map(complete));
    for (const [n, request] of requests.entries()) {
      if (n % 8 !== 0) continue;
      const [alone] = await complete(request);
      expect(together[n]![0]).toMatchObject({ text: alone!.text, token_ids: alone!.token_ids });
    }
  });
});

it('ends on a signal', async () => {
  const begun = await fetch(`${url}/v1/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: 'one', max_tokens: 40, ignore_eos: true, seed: 1, stream: true }),
  });
  const ended = once(server, 'exit');
  server.kill('SIGTERM');
  expect(eventsOf(await begun.text()).at(-1)).toMatchObject({ choices: [{ finish_reason: 'length' }] });
  expect(await ended).toEqual([143, null]);
});

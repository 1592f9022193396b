// A server on scripted texts -> OpenAI's answers, read by hand and by the official client.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import OpenAI from 'openai';
import { afterAll, describe, expect, it } from 'vitest';
import { openSampler } from '../../src/samplers/samplers.ts';
import { eventsOf, type Served, serveScripted } from '../serve-scripted.ts';

const folder = mkdtempSync(join(tmpdir(), 'sipf-serve-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const clientOf = ({ server }: Served, apiKey = 'none') =>
  new OpenAI({ baseURL: `${server.url}/v1`, apiKey, maxRetries: 0 });

const ids = (text: string) => [...text].map((character) => character.charCodeAt(0));

describe('the official client', () => {
  it('completes a prompt, the same text for the same seed', async () => {
    await using served = await serveScripted();
    const client = clientOf(served);
    const request = { model: 'base', prompt: 'one', max_tokens: 8, seed: 3, n: 2 } as const;
    const first = await client.completions.create(request);
    expect(first).toMatchObject({ object: 'text_completion', model: 'base' });
    expect(first.usage).toEqual({ prompt_tokens: 3, completion_tokens: 16, total_tokens: 19 });
    expect(first.choices.map(({ index, finish_reason }) => [index, finish_reason])).toEqual([
      [0, 'length'],
      [1, 'length'],
    ]);
    const texts = first.choices.map(({ text }) => text);
    expect(new Set(texts).size).toBe(2);
    const again = await client.completions.create(request);
    expect(again.choices.map(({ text }) => text)).toEqual(texts);
  });

  it('streams the text that comes whole without a stream', async () => {
    await using served = await serveScripted();
    const client = clientOf(served);
    const request = { model: 'base', prompt: ['one', 'two'], max_tokens: 12, seed: 1, n: 2, logprobs: 1 };
    const whole = await client.completions.create(request);
    const texts = ['', '', '', ''];
    const logps: number[][] = [[], [], [], []];
    const reasons: string[] = [];
    const stream = await client.completions.create({
      ...request,
      stream: true,
      stream_options: { include_usage: true },
    });
    for await (const { choices, usage } of stream) {
      for (const { index, text, logprobs, finish_reason } of choices) {
        texts[index] += text;
        logps[index]!.push(...(logprobs?.token_logprobs ?? []));
        if (finish_reason) reasons[index] = finish_reason;
      }
      if (choices.length === 0) expect(usage).toEqual(whole.usage);
    }
    expect(texts).toEqual(whole.choices.map(({ text }) => text));
    expect(logps).toEqual(whole.choices.map(({ logprobs }) => logprobs?.token_logprobs));
    expect(reasons).toEqual(whole.choices.map(({ finish_reason }) => finish_reason));
  });

  it('chats, whole and streamed', async () => {
    await using served = await serveScripted();
    const client = clientOf(served);
    const request = {
      model: 'base',
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: [{ type: 'text', text: 'Hello' }] },
      ],
      seed: 5,
      logprobs: true,
      top_logprobs: 1,
    } satisfies OpenAI.ChatCompletionCreateParamsNonStreaming;
    const { choices, usage } = await client.chat.completions.create(request);
    const { message, logprobs, finish_reason } = choices[0]!;
    expect(message).toMatchObject({ role: 'assistant', content: expect.stringMatching(/^[a-z]{20}$/) });
    expect(finish_reason).toBe('stop');
    expect(logprobs?.content?.map(({ token }) => token).join('')).toBe(message.content);
    expect(logprobs?.content?.[0]?.top_logprobs).toHaveLength(1);
    expect(usage?.completion_tokens).toBe(20);
    let streamed = '';
    const stream = await client.chat.completions.create({ ...request, stream: true });
    for await (const chunk of stream) streamed += chunk.choices[0]?.delta.content ?? '';
    expect(streamed).toBe(message.content);
  });

  it('sends an answer back as it came', async () => {
    await using served = await serveScripted();
    const client = clientOf(served);
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content: 'Hello' }];
    const { choices } = await client.chat.completions.create({ model: 'base', messages });
    messages.push(choices[0]!.message, { role: 'user', content: 'And then?' });
    const { usage } = await client.chat.completions.create({ model: 'base', messages, max_tokens: 3 });
    expect(usage?.completion_tokens).toBe(3);
  });

  it('lists models, and reads errors', async () => {
    await using served = await serveScripted();
    const client = clientOf(served);
    const { data } = await client.models.list();
    expect(data.map(({ id }) => id)).toEqual(['base']);
    const wrong = client.completions.create({ model: 'other', prompt: 'x' });
    await expect(wrong).rejects.toMatchObject({ status: 404, message: expect.stringContaining('"other"') });
  });
});

describe('/v1/completions', () => {
  it('echoes a prompt with its log-probabilities and exactly one drawn token, as lm-evaluation-harness asks', async () => {
    await using served = await serveScripted();
    const prompt = [ids('What is'), ids('one')];
    const asked = { model: 'base', prompt, echo: true, logprobs: 1, max_tokens: 1, temperature: 0, seed: 1 };
    const { status, json } = await served.ask('/v1/completions', asked);
    expect(status).toBe(200);
    const choices = json['choices'] as { text: string; logprobs: Record<string, unknown[]> }[];
    for (const [n, { text, logprobs }] of choices.entries()) {
      const length = prompt[n]!.length;
      expect(text.slice(0, length)).toBe(String.fromCharCode(...prompt[n]!));
      for (const name of ['tokens', 'token_logprobs', 'top_logprobs', 'text_offset'])
        expect(logprobs[name]).toHaveLength(length + 1);
      expect(logprobs['token_logprobs']?.[0]).toBeNull();
      for (const logp of logprobs['token_logprobs']!.slice(1)) expect(logp).toBeLessThan(0);
      expect(logprobs['text_offset']).toEqual(Array.from({ length: length + 1 }, (_, i) => i));
      expect(logprobs['tokens']?.join('')).toBe(text);
      const [policy] = [await served.backend.openPolicy({ model: 'base' })];
      const [known] = await policy.logps([{ context: [[prompt[n]![0]!]], completion: prompt[n]!.slice(1) }]);
      expect(logprobs['token_logprobs']?.slice(1, -1)).toEqual(known);
    }
    const scored = await served.ask('/v1/completions', { ...asked, max_tokens: 0 });
    expect((scored.json['choices'] as { text: string }[]).map(({ text }) => text)).toEqual(['What is', 'one']);
  });

  it('streams an echo first, and gives token ids', async () => {
    await using served = await serveScripted();
    const request = { prompt: 'one', echo: true, return_token_ids: true, max_tokens: 4, seed: 1, logprobs: 0 };
    const whole = (await served.ask('/v1/completions', request)).json['choices'] as Record<string, unknown>[];
    const { text, headers } = await served.ask('/v1/completions', { ...request, stream: true });
    expect(headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const choices = eventsOf(text).flatMap(({ choices }) => choices as Record<string, unknown>[]);
    expect(choices[0]).toMatchObject({ text: 'one', prompt_token_ids: ids('one') });
    expect(choices.map((choice) => choice['text']).join('')).toBe(whole[0]?.['text']);
    expect(choices.flatMap((choice) => choice['token_ids'] ?? [])).toEqual(whole[0]?.['token_ids']);
    const offsets = choices.flatMap(
      ({ logprobs }) => (logprobs as { text_offset: number[] } | null)?.text_offset ?? [],
    );
    expect(offsets).toEqual([0, 1, 2, 3, 4, 5, 6]);
  });

  it('ends before a stop string', async () => {
    await using served = await serveScripted();
    const request = { prompt: 'one', max_tokens: 20, seed: 1 };
    const textOf = async (more: object) => {
      const { json } = await served.ask('/v1/completions', { ...request, ...more });
      return json['choices'] as [{ text: string; finish_reason: string }];
    };
    const [{ text }] = await textOf({});
    const stop = text.slice(5, 7);
    for (const given of [stop, ['never', stop]])
      expect(await textOf({ stop: given })).toMatchObject([
        { text: text.slice(0, text.indexOf(stop)), finish_reason: 'stop' },
      ]);
  });

  it.each([
    [{ prompt: 'x', presence_penalty: 1 }, 'presence_penalty'],
    [{ prompt: 'x', tools: [] }, 'tools'],
    [{ prompt: 'x', n: 0 }, '"n"'],
    [{ prompt: 'x', max_tokens: 0 }, 'max_tokens'],
    [{ prompt: [1, -2] }, '"prompt"'],
    [{ prompt: '' }, 'got 0'],
    [{ prompt: 'x', stop: '' }, 'at least 1 character'],
    [{ prompt: 'x', stop: Array(17).fill('y') }, 'at most 16 items'],
    [{ prompt: 'x', stop: 'y'.repeat(300) }, 'at most 256 characters'],
    [{ prompt: 'x'.repeat(5000) }, 'got 5000'],
    [{ prompt: 'x', n: 500, best_of: 501 }, 'best_of'],
    [{ prompt: Array(100).fill('x'), n: 100 }, '512 choices'],
    [{}, '"prompt"'],
    [[], 'an object'],
  ])('refuses %j by name', async (body, name) => {
    await using served = await serveScripted();
    const { status, json } = await served.ask('/v1/completions', body);
    expect(status).toBe(400);
    expect(json['error']).toMatchObject({ type: 'invalid_request_error', message: expect.stringContaining(name) });
    // Its stream is refused before it begins.
    if (!Array.isArray(body)) expect((await served.ask('/v1/completions', { ...body, stream: true })).status).toBe(400);
  });

  it("is what sipf's own sampler draws from", async () => {
    await using served = await serveScripted();
    const { backend, server } = served;
    const source = { model: 'base' };
    const sampler = openSampler(
      { kind: 'openai', url: `${server.url}/v1`, model: 'base', serves: source },
      { local: backend, log: () => {}, env: {}, random: () => 0.5, wait: () => new Promise(() => {}), now: () => 0 },
    );
    const policy = await sampler.openPolicy(source);
    const drawn: unknown[] = [];
    const sampling = { temperature: 1, maxTokens: 9, topK: 5 };
    await policy.generate([{ id: 'a', context: ['one'], key: 'k', sampling }], (finished) => {
      drawn.push(...finished);
      return [];
    });
    expect(drawn).toMatchObject([{ id: 'a', tokens: 9, finishReason: 'length', logps: { length: 9 } }]);
  });
});

describe('/v1/chat/completions', () => {
  const messages = [{ role: 'user', content: 'x' }];
  it.each([
    [{ messages: [] }, 'at least 1 item'],
    [{ messages: [{ role: 'tool', content: 'x' }] }, 'Expected one of "system"'],
    [{ messages: [{ role: 'user', content: 'x', name: 'Bob' }] }, 'no field "name", got "Bob"'],
    [{ messages: [{ role: 'user', content: [{ type: 'image_url', image_url: {} }] }] }, 'Expected "text"'],
    [{ messages, max_tokens: 0 }, 'max_tokens'],
    [{ messages, top_logprobs: 3 }, 'without logprobs true'],
  ])('refuses %j by name', async (body, name) => {
    await using served = await serveScripted();
    const { status, json } = await served.ask('/v1/chat/completions', body);
    expect(status).toBe(400);
    expect(json['error']).toMatchObject({ message: expect.stringContaining(name) });
  });
});

describe('other endpoints', () => {
  it('turn texts into ids and back, and say what the tokenizer is', async () => {
    await using served = await serveScripted();
    const { json } = await served.ask('/tokenize', { prompt: 'one', return_token_strs: true });
    expect(json).toEqual({ count: 3, max_model_len: 4096, tokens: ids('one'), token_strs: ['o', 'n', 'e'] });
    const chat = await served.ask('/tokenize', { messages: [{ role: 'user', content: 'one' }] });
    expect(String.fromCharCode(...(chat.json['tokens'] as number[]))).toContain('<user>one</user>');
    expect((await served.ask('/detokenize', { tokens: ids('two') })).json).toEqual({ prompt: 'two' });
    expect((await served.ask('/detokenize', { tokens: [2 ** 31] })).status).toBe(400);
    expect((await served.ask('/tokenizer_info')).json).toMatchObject({ eos_token: '\n', bos_token: null });
  });

  it.each([
    ['/v1/completions', { prompt: ['x', 'x'.repeat(70_000)] }],
    ['/v1/completions', { prompt: Array(70_000).fill(1) }],
    ['/v1/chat/completions', { messages: [{ role: 'user', content: 'x'.repeat(70_000) }] }],
    ['/tokenize', { prompt: 'x'.repeat(70_000) }],
    ['/detokenize', { tokens: Array(70_000).fill(1) }],
    ['/pooling', { input: { prompt: 'q', steps: ['x'.repeat(70_000)] } }],
  ])('%s refuses what no context has place for before anybody reads it', async (path, body) => {
    await using served = await serveScripted({ prm: 'judge' });
    const { status, json } = await served.ask(path, body);
    expect(status).toBe(400);
    expect(json['error']).toMatchObject({ message: expect.stringMatching(/at most 65536 (characters|token ids)/) });
  });

  it('score steps with a process reward model', async () => {
    const score = ({ steps }: { steps: readonly string[] }) => steps.map((_, j) => 0.9 - j / 10);
    await using served = await serveScripted({ prm: 'judge' }, { score });
    expect(served.server.models).toEqual(['base', 'judge']);
    const input = [
      { prompt: 'q', steps: ['a', 'b'] },
      { prompt: 'q', steps: ['c'] },
    ];
    const { json } = await served.ask('/pooling', { model: 'judge', input });
    expect(json['data']).toEqual([
      { index: 0, object: 'pooling', data: [0.9, 0.8] },
      { index: 1, object: 'pooling', data: [0.9] },
    ]);
    expect((await served.ask('/pooling', { input: input[1] })).json['data']).toHaveLength(1);
    await using without = await serveScripted();
    expect((await without.ask('/pooling', { input })).status).toBe(404);
  });

  it('load and unload adapters, below the folder that the user named alone', async () => {
    const root = join(folder, 'adapters');
    for (const name of ['inside', 'second']) {
      mkdirSync(join(root, name), { recursive: true });
      writeFileSync(join(root, name, 'scripted.json'), JSON.stringify({ hash: name, skill: 1 }));
    }
    mkdirSync(join(folder, 'outside'));
    writeFileSync(join(folder, 'outside', 'scripted.json'), JSON.stringify({ hash: 'x', skill: 1 }));
    symlinkSync(join(folder, 'outside'), join(root, 'link'));
    let begin = () => {};
    const begun = new Promise<void>((resolve) => (begin = resolve));
    await using served = await serveScripted(
      { adapterRoot: root, adapters: new Map([['first', join(root, 'inside')]]) },
      { write: () => 'x'.repeat(3000), onWork: (what) => what.startsWith('completion') && begin() },
    );
    const load = (lora_name: string, lora_path: string) =>
      served.ask('/v1/load_lora_adapter', { lora_name, lora_path });
    for (const path of ['../outside', join(folder, 'outside'), 'link', 'nowhere', '.', '/etc', ''])
      expect((await load('a', path)).status, path).toBeGreaterThanOrEqual(400);
    expect(await load('a', 'second')).toMatchObject({ status: 200, text: expect.stringContaining("'a' added") });
    expect((await load('a', 'second')).status).toBe(400);
    expect((await load('base', 'second')).status).toBe(400);
    const list = (await served.ask('/v1/models')).json['data'] as Record<string, unknown>[];
    expect(list.map(({ id, parent }) => [id, parent])).toEqual([
      ['base', null],
      ['first', 'base'],
      ['a', 'base'],
    ]);
    // What runs on it ends as it would.
    const running = served.ask('/v1/completions', { model: 'a', prompt: 'x', max_tokens: 2000, n: 8, stream: true });
    await begun;
    expect((await served.ask('/v1/unload_lora_adapter', { lora_name: 'a' })).status).toBe(200);
    expect(eventsOf((await running).text).at(-1)).toMatchObject({ choices: [{ finish_reason: 'length' }] });
    expect((await served.ask('/v1/completions', { model: 'a', prompt: 'x' })).status).toBe(404);
    expect((await served.ask('/v1/unload_lora_adapter', { lora_name: 'base' })).status).toBe(404);
    await expect(serveScripted({ adapterRoot: join(folder, 'nowhere') })).rejects.toThrow('nothing there');
    await using closed = await serveScripted();
    expect((await closed.ask('/v1/load_lora_adapter', { lora_name: 'a', lora_path: root })).status).toBe(403);
  });
});

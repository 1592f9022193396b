// Servers that differ -> the table of what each can, and those that have another model or tokenizer.
import { describe, expect, it } from 'vitest';
import type { Completion, Policy } from '../../src/backend.ts';
import { createScriptedBackend } from '../../src/backends/scripted.ts';
import { ServerRequests } from '../../src/remote/server-requests.ts';
import { PROBE_TEXT } from '../../src/remote/server-tokens.ts';
import { type Capabilities, type Probed, probe } from '../../src/samplers/capabilities.ts';
import { openCompletionServer, type ServerSettings } from '../completion-server.ts';
import { letters, serveScripted } from '../serve-scripted.ts';

/** One character is one token, as the scripted model reads. */
const idsOf = (text: string) => [...text].map((character) => character.codePointAt(0)!);

function ask(url: string, more: Partial<Probed> = {}, ids = idsOf(PROBE_TEXT)): Promise<Capabilities> {
  const wait = () => new Promise<void>(() => {});
  const requests = new ServerRequests(
    { setting: 'engine.sampler', locate: async () => url, retries: 0, timeout: 9 },
    { apiKey: null, random: () => 0, now: () => 0, wait },
  );
  const { signal } = new AbortController();
  return probe({ requests, model: 'served', dialect: 'auto', prompts: 'ids', signal, ...more }, ids);
}

async function tableOf(settings: Partial<ServerSettings>, more: Partial<Probed> = {}): Promise<Capabilities> {
  const policy = await createScriptedBackend({ write: letters }).openPolicy({ model: 'base' });
  await using server = await openCompletionServer({ policy, ...settings });
  return await ask(server.url, more);
}

/** Every token that it draws has the log-probability -1, every token that it is given `given`. */
async function telling(given: number): Promise<Policy> {
  const policy = await createScriptedBackend({ write: letters }).openPolicy({ model: 'base' });
  const told = (completion: Completion) => ({ ...completion, logps: completion.tokenIds?.map(() => -1) ?? null });
  const generate: Policy['generate'] = (requests, onFinished) =>
    policy.generate(requests, (finished) => onFinished(finished.map(told)));
  const logps: Policy['logps'] = async (items) => items.map(({ completion }) => [...completion].map(() => given));
  return Object.assign(Object.create(policy) as Policy, { generate, logps });
}

const card = { id: 'served', owned_by: 'vllm', max_model_len: 700 };

describe('what a server can', () => {
  it.each<[string, Partial<ServerSettings>, object]>([
    [
      'all of vLLM',
      { form: 'vllm', models: [card], tokenize: idsOf, given: 'echo' },
      { software: 'vllm', dialect: 'vllm', tokenIds: true, logps: true, tokenizer: 'token ids', contextLength: 700 },
    ],
    ['token ids of llama.cpp', { form: 'llama.cpp' }, { dialect: 'llama.cpp', tokenIds: true, logps: true }],
    [
      'nothing beyond the standard',
      { form: 'bare' },
      { software: 'unknown', models: null, dialect: 'openai', tokenIds: false, logps: false, contextLength: null },
    ],
    ['nothing, and no other fields', { form: 'strict' }, { dialect: 'openai', tokenIds: false, seeds: 'heard' }],
    ['those of transformers', { form: 'transformers' }, { dialect: 'transformers', tokenIds: false, seeds: 'heard' }],
    ['the length of a text alone', { form: 'bare' }, { tokenizer: 'length', given: null }],
    [
      'vLLM before it told token ids',
      { form: 'bare', models: [{ ...card, max_model_len: null }] },
      { dialect: 'vllm', tokenIds: false, contextLength: null },
    ],
  ])('is seen: %s', async (_name, settings, expected) => {
    expect(await tableOf(settings)).toMatchObject(expected);
  });

  it.each(['echo', 'prompt_logprobs'] as const)('is seen: log-probabilities of prompts by %s', async (given) => {
    await using server = await openCompletionServer({ policy: await telling(-1), form: 'vllm', given });
    expect((await ask(server.url)).given?.name).toBe(given);
  });

  it('is not believed where the log-probability of a drawn token is another, given', async () => {
    await using server = await openCompletionServer({ policy: await telling(-9), form: 'vllm', given: 'echo' });
    expect((await ask(server.url)).given).toBeNull();
  });

  it('is asked in given words where the settings say so', async () => {
    expect(await tableOf({ form: 'vllm' }, { dialect: 'openai' })).toMatchObject({ dialect: 'openai', tokenIds: true });
  });

  it('is seen: that it answers greedily, whatever it is asked', async () => {
    const policy = await createScriptedBackend({ write: () => 'always this' }).openPolicy({ model: 'base' });
    await using server = await openCompletionServer({ policy, form: 'vllm' });
    expect((await ask(server.url)).seeds).toBe('one text');
  });

  it('is seen: that a seed gives another text each time', async () => {
    const drawn = { next: 0 };
    const policy = await createScriptedBackend({ write: () => `text ${drawn.next++}` }).openPolicy({ model: 'base' });
    await using server = await openCompletionServer({ policy, form: 'vllm' });
    expect((await ask(server.url)).seeds).toBe('not heard');
  });

  it('of sipf serve: everything', async () => {
    await using served = await serveScripted();
    const table = await ask(`${served.server.url}/v1`, { model: 'base' });
    expect(table).toMatchObject({
      software: 'sipf',
      models: ['base'],
      dialect: 'vllm',
      tokenIds: true,
      logps: true,
      tokenizer: 'token ids',
      contextLength: 4096,
    });
  });
});

describe('a server that is not the configuration’s', () => {
  it.each<[string, Partial<ServerSettings>, Partial<Probed>, RegExp]>([
    ['has no such model', { models: [{ ...card, id: 'other' }] }, {}, /lists \("other"\), got "served"/],
    ['has another tokenizer', { tokenize: (text) => idsOf(text.toUpperCase()) }, {}, /differ from place 1 on/],
    [
      'begins texts otherwise, as prompts of text show',
      { tokenize: (text) => [1, ...idsOf(text)] },
      { prompts: 'text' },
      /differ/,
    ],
  ])('%s', async (_name, settings, more, message) => {
    await expect(tableOf({ form: 'vllm', ...settings }, more)).rejects.toMatchObject({
      code: 'bad-config',
      message: expect.stringMatching(message),
    });
  });

  it('has a tokenizer of another number of tokens, where it tells no ids', async () => {
    const policy = await createScriptedBackend({ write: letters }).openPolicy({ model: 'base' });
    await using server = await openCompletionServer({ policy, form: 'bare' });
    const fewer = idsOf(PROBE_TEXT).slice(3);
    await expect(ask(server.url, {}, fewer)).rejects.toThrow(
      /got another one: a text has 7\d tokens here and 7\d there/,
    );
  });

  it('may have its own rule for how a text begins, where prompts are token ids', async () => {
    expect((await tableOf({ form: 'vllm', tokenize: (text) => [1, ...idsOf(text)] })).tokenizer).toBe('token ids');
  });

  it('llama.cpp hears no name', async () => {
    const models = [{ id: 'file.gguf', owned_by: 'llamacpp' }];
    expect((await tableOf({ form: 'llama.cpp', models })).models).toEqual(['file.gguf']);
  });
});

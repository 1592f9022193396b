// A real server on scripted texts -> the contract of a sampler, and what it does at failures.
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Backend, Completion, GenerateRequest, Policy } from '../../src/backend.ts';
import { composeBackends } from '../../src/backends/compose.ts';
import { openBackend } from '../../src/backends/index.ts';
import { createScriptedBackend, type ScriptedOptions } from '../../src/backends/scripted.ts';
import { parseConfig } from '../../src/config/load.ts';
import { runLoop } from '../../src/pipeline/run-loop.ts';
import { hash32 } from '../../src/random.ts';
import { openSampler, type SamplerOptions } from '../../src/samplers/samplers.ts';
import { type CompletionServer, type Fault, openCompletionServer, type ServerSettings } from '../completion-server.ts';
import { scoreSum, sumsTask, writeSum } from '../scripted-sums.ts';
import { request, samplerContract } from './backend-suite.ts';

const letters: ScriptedOptions['write'] = ({ random }) =>
  Array.from({ length: 20 }, (_, i) => String.fromCharCode((i % 2 === 0 ? 97 : 110) + random.int(0, 12))).join('');

/** Sums of a prompt and what follows it in one text: a server hears of no other boundary. */
const sums: ScriptedOptions['write'] = (args) => {
  const text = args.prompt + args.prefix;
  const question = text.lastIndexOf('Q: ');
  return writeSum({ ...args, prompt: text, prefix: text.slice(text.indexOf('\n', question) + 1) });
};

const source = { model: 'base' };

interface Opened extends AsyncDisposable {
  readonly server: CompletionServer;
  readonly backend: Backend;
  readonly policy: Policy;
  /** The waits between tries, in milliseconds; none takes time. */
  readonly waits: readonly number[];
  /** Ends the time that the request sent last has for its answer; it ends in no other way. */
  readonly expire: () => void;
  readonly logged: readonly string[];
}

interface Opening extends Omit<Partial<ServerSettings>, 'policy'> {
  readonly options?: Partial<SamplerOptions>;
  readonly write?: ScriptedOptions['write'];
  readonly apiKey?: string;
}

/** Seconds that a request has for its answer: no wait between two tries is as long. */
const TIMEOUT = 100;

/** A scripted backend whose texts come from a server of the same script. */
async function open({ options, write = letters, apiKey, ...settings }: Opening = {}): Promise<Opened> {
  const local = createScriptedBackend({ write, score: scoreSum });
  const server = await openCompletionServer({ ...settings, policy: await local.openPolicy(source) });
  const waits: number[] = [];
  let expire = () => {};
  let time = Date.parse('2026-01-01T00:00:00Z');
  const wait = async (ms: number) => {
    if (ms !== 1000 * TIMEOUT) {
      waits.push(ms);
      time += ms;
    } else await new Promise<void>((resolve) => (expire = resolve));
  };
  const logged: string[] = [];
  const defaults = { kind: 'openai', url: server.url, model: 'served', serves: source } as const;
  const apiKeyFrom = apiKey === undefined ? null : 'KEY';
  const sampler = openSampler(
    { ...defaults, concurrency: 8, retries: 3, timeout: TIMEOUT, apiKeyFrom, ...options },
    {
      local,
      env: { KEY: apiKey },
      random: () => 0.5,
      now: () => time,
      wait,
      log: (message) => void logged.push(message),
    },
  );
  const backend = composeBackends({ sampler, scorer: local, trainer: local, store: local });
  const policy = await backend.openPolicy(source);
  return {
    server,
    backend,
    policy,
    waits,
    expire: () => expire(),
    logged,
    async [Symbol.asyncDispose]() {
      await policy[Symbol.asyncDispose]();
      await backend[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

async function draw(policy: Policy, requests: readonly GenerateRequest[], signal?: AbortSignal): Promise<Completion[]> {
  const drawn: Completion[] = [];
  const onFinished = (finished: readonly Completion[]) => {
    drawn.push(...finished);
    return [];
  };
  await policy.generate(requests, onFinished, { signal });
  return drawn;
}

samplerContract('a server with token ids', async () => {
  const { backend, server } = await open();
  const close = async () => {
    await backend[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  };
  return { sampler: { openPolicy: backend.openPolicy, [Symbol.asyncDispose]: close }, source };
});

describe('what is sent', () => {
  const sampling = { temperature: 0.7, topP: 0.9, topK: 5, maxTokens: 6, stopStrings: ['z'] };
  const common = { model: 'served', n: 1, temperature: 0.7, top_p: 0.9, max_tokens: 6, logprobs: 1, stop: ['z'] };

  it.each([
    ['vllm', { top_k: 5, min_p: 0, repetition_penalty: 1, return_token_ids: true }],
    ['llama.cpp', { top_k: 5, min_p: 0, repeat_penalty: 1, cache_prompt: true }],
  ] as const)('to %s: the raw distribution, whatever its defaults are', async (dialect, own) => {
    await using opened = await open({ options: { dialect }, apiKey: 'secret' });
    await draw(opened.policy, [{ ...request('a'), context: ['one', ' two'], sampling }]);
    const prompt = [...'one two'].map((character) => character.codePointAt(0));
    expect(opened.server.asked[0]).toMatchObject({ ...common, ...own, prompt, seed: hash32('a') >>> 1 });
    expect(opened.server.headers[0]).toMatchObject({ authorization: 'Bearer secret' });
  });

  it('to any other: the standard alone, and texts where it takes no token ids', async () => {
    await using opened = await open({ options: { dialect: 'openai', prompts: 'text' }, form: 'bare' });
    const own = { ...sampling, topK: 0 };
    const [drawn] = await draw(opened.policy, [{ ...request('a'), context: ['one', ' two'], sampling: own }]);
    expect(drawn).toMatchObject({ tokens: drawn?.text.length, tokenIds: null, logps: null });
    expect(opened.server.asked[0]).toMatchObject({ ...common, prompt: 'one two' });
    expect(opened.server.asked[0]).not.toHaveProperty('top_k');
    expect(opened.server.headers[0]).not.toHaveProperty('authorization');
    const refused = draw(opened.policy, [{ ...request('a'), sampling }]);
    await expect(refused).rejects.toMatchObject({ code: 'unsupported', message: expect.stringContaining('top_k') });
    const ids = draw(opened.policy, [{ ...request('a'), context: [[1, 2]], sampling: own }]);
    await expect(ids).rejects.toMatchObject({ code: 'unsupported', message: expect.stringContaining('prompts ids') });
  });

  it('to transformers: whether it draws at all, and from how many tokens', async () => {
    await using opened = await open({ options: { dialect: 'transformers', prompts: 'text' }, form: 'transformers' });
    const [drawn] = await draw(opened.policy, [{ ...request('a'), context: ['one', ' two'], sampling }]);
    expect(drawn).toMatchObject({ tokens: drawn?.text.length, tokenIds: null, logps: null });
    const [asked] = opened.server.asked;
    expect(asked).toMatchObject({ ...common, prompt: 'one two' });
    expect(JSON.parse(String(asked?.['generation_config']))).toMatchObject({ do_sample: true, top_k: 5 });
  });

  it('nothing where the context leaves no room', async () => {
    await using opened = await open();
    const long = draw(opened.policy, [{ ...request('a'), context: ['x'.repeat(5000)] }]);
    await expect(long).rejects.toMatchObject({ code: 'bad-input', message: expect.stringContaining('got 5000') });
    await draw(opened.policy, [{ ...request('a', { maxTokens: 20 }), context: ['x'.repeat(4090)] }]);
    expect(opened.server.asked.map(({ max_tokens }) => max_tokens)).toEqual([6]);
  });
});

it('takes no ids and log-probabilities where some of the drawn tokens are left out', async () => {
  const without = (answer: Record<string, unknown>) => {
    const { choices } = answer as { choices: { logprobs: { content: object[] } }[] };
    choices[0]?.logprobs.content.splice(1, 1);
    return answer;
  };
  await using opened = await open({ form: 'llama.cpp', faultOf: (n) => (n === 1 ? { change: without } : null) });
  const drawn = await draw(opened.policy, [request('a'), request('b')]);
  const [first, second] = drawn;
  expect(first).toMatchObject({ tokens: first?.text.length, tokenIds: null, logps: null });
  expect(second?.tokenIds).toHaveLength(second?.text.length ?? 0);
  expect(second?.logps).toHaveLength(second?.text.length ?? 0);
});

it('ends a text before its first stop string, which some servers leave there', async () => {
  const withStop = (answer: Record<string, unknown>) => ({
    ...answer,
    choices: [{ index: 0, text: 'one\n\ntwo\n', finish_reason: 'stop' }],
  });
  await using opened = await open({ form: 'bare', faultOf: () => ({ change: withStop }) });
  const sampling = { temperature: 1, maxTokens: 6, stopStrings: ['two', '\n'] };
  expect(await draw(opened.policy, [{ ...request('a'), sampling }])).toMatchObject([{ text: 'one' }]);
});

it.each(['vllm', 'llama.cpp'] as const)('reads token ids and log-probabilities of %s', async (form) => {
  await using opened = await open({ form });
  await using scripted = await createScriptedBackend({ write: letters }).openPolicy(source);
  const own = { ...request('a'), key: String(hash32('a') >>> 1) };
  expect(await draw(opened.policy, [request('a')])).toEqual(await draw(scripted, [own]));
});

/** Faults that another try may not have, and what the last one is called. */
const PASSING: readonly (readonly [string, Fault, RegExp])[] = [
  ['too many requests', { status: 429, body: 'slow down' }, /status 429: slow down/],
  ['an error of the server', { status: 500 }, /status 500/],
  ['no server behind the proxy', { status: 503 }, /status 503/],
  ['a connection that ends', 'cut', /other side closed|ECONNRESET|socket/i],
  ['an answer that ends halfway', 'cut-within', /terminated|aborted|closed|socket/i],
  ['text that is not JSON', { change: () => '<html>oops</html>' }, /not JSON: <html>oops/],
  [
    'a completion that was given up',
    { change: (answer) => ({ ...answer, choices: [{ text: '5', finish_reason: 'abort' }] }) },
    /ended by "abort"/,
  ],
  [
    'an error of the server in an answer',
    { change: () => ({ error: { message: 'no GPU', code: 503 } }) },
    /code 503: no GPU/,
  ],
  ['a limit in an answer', { change: () => ({ error: { message: 'slow down', code: '429' } }) }, /code 429: slow down/],
  ['a completion without an end', { change: (answer) => ({ ...answer, choices: [{ text: '5' }] }) }, /ended by null/],
];

describe.each(PASSING)('%s', (_name, fault, problem) => {
  it('is tried again, and changes no text', async () => {
    await using sound = await open();
    await using opened = await open({ faultOf: (n) => (n % 3 === 1 ? fault : null) });
    const requests = ['a', 'b', 'c', 'd'].map((key) => request(key));
    expect(await draw(opened.policy, requests)).toEqual(await draw(sound.policy, requests));
    expect(opened.server.asked.length).toBeGreaterThan(4);
  });

  it('is an error after the last try, never a text', async () => {
    await using opened = await open({ faultOf: () => fault });
    const failing = draw(opened.policy, [request('a')]);
    await expect(failing).rejects.toMatchObject({ code: 'unreachable', message: expect.stringMatching(problem) });
    expect(opened.server.asked).toHaveLength(4);
    expect(opened.waits).toEqual([375, 750, 1500]);
  });
});

describe('an answer that no further try changes', () => {
  it.each<[string, Fault, RegExp]>([
    ['a field that it does not know', { status: 400, body: 'unknown field top_k' }, /unknown field top_k.*dialect/],
    ['a missing key', { status: 401 }, /status 401.*apiKeyFrom/],
    [
      'a redirect to itself',
      { status: 307, headers: { location: '/v1/completions' } },
      /status 307: a redirect to \/v1\/completions/,
    ],
    ['a redirect to nowhere', { status: 302 }, /status 302: not now/],
    ['an unknown model', { status: 404, body: 'no such model' }, /no such model/],
    ['another form', { change: () => ({ content: 'text' }) }, /choices/],
    ['an error in an answer', { change: () => ({ error: { message: 'too long', code: 400 } }) }, /code 400: too long/],
    ['an error of other words', { change: () => ({ error: 'no such model' }) }, /got an error: no such model/],
    [
      'two choices',
      { change: (answer) => ({ ...answer, choices: [answer.choices, answer.choices].flat() }) },
      /choices.*Too big/,
    ],
    ['no choice', { change: (answer) => ({ ...answer, choices: [] }) }, /choices/],
  ])('%s', async (_name, fault, message) => {
    await using opened = await open({ faultOf: () => fault });
    await expect(draw(opened.policy, [request('a')])).rejects.toMatchObject({
      code: 'bad-config',
      message: expect.stringMatching(message),
    });
    expect(opened.server.asked).toHaveLength(1);
  });

  it('token ids and log-probabilities of unequal number', async () => {
    const change = (answer: Record<string, unknown>) => {
      const [choice] = answer.choices as Record<string, unknown>[];
      return { ...answer, choices: [{ ...choice, token_ids: [1, 2, 3], logprobs: { token_logprobs: [-1, -2] } }] };
    };
    await using opened = await open({ form: 'vllm', faultOf: () => ({ change }) });
    await expect(draw(opened.policy, [request('a')])).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('got 3 and 2'),
    });
  });

  it('a completion of unknown length', async () => {
    const change = (answer: Record<string, unknown>) => ({ ...answer, usage: null });
    await using opened = await open({ form: 'bare', faultOf: () => ({ change }) });
    await expect(draw(opened.policy, [request('a')])).rejects.toMatchObject({ code: 'unsupported' });
  });
});

describe('time', () => {
  it.each([
    ['7', 7350],
    ['Thu, 01 Jan 2026 00:01:00 GMT', 63_000],
    ['soon', 375],
    ['0', 375],
  ])('Retry-After %s waits %d ms, spread by a tenth', async (after, ms) => {
    const fault = { status: 429, headers: { 'retry-after': after } };
    await using opened = await open({ faultOf: (n) => (n === 1 ? fault : null) });
    await draw(opened.policy, [request('a')]);
    expect(opened.waits).toEqual([ms]);
  });

  it('a request without an answer is sent again', async () => {
    const faultOf = (n: number) => {
      if (n > 1) return null;
      opened.expire();
      return 'mute';
    };
    await using opened = await open({ faultOf });
    expect(await draw(opened.policy, [request('a')])).toHaveLength(1);
    expect(opened.server.asked).toHaveLength(2);
  });

  it('no server at all', async () => {
    const options = { url: 'http://127.0.0.1:9/v1' };
    await expect(open({ options })).rejects.toMatchObject({ code: 'unreachable' });
  });

  it('at most so many requests are open, and as many', async () => {
    await using opened = await open({ delay: 10, options: { concurrency: 3 } });
    await Promise.all(
      ['x', 'y'].map((name) =>
        draw(
          opened.policy,
          Array.from({ length: 8 }, (_, i) => request(`${name}${i}`)),
        ),
      ),
    );
    expect(opened.server.most).toBe(3);
    expect(opened.server.asked).toHaveLength(16);
  });

  it('stops requests that are open', async () => {
    const controller = new AbortController();
    const faultOf = (n: number) => {
      if (n === 2) controller.abort();
      return 'mute' as const;
    };
    await using opened = await open({ faultOf });
    const waiting = draw(opened.policy, [request('a'), request('b')], controller.signal);
    await expect(waiting).rejects.toMatchObject({ code: 'aborted' });
  });
});

describe('another model', () => {
  it('is refused, with what to do', async () => {
    await using opened = await open();
    await expect(opened.backend.openPolicy({ model: 'trained' })).rejects.toThrow(
      /engine\.sampler\.others adapter to load .*, or local to draw/,
    );
    await expect(opened.backend.openPolicy({ ...source, adapter: 'a' })).rejects.toThrow(
      /serves \(.*base\), got .*base with .*a\./,
    );
  });

  it('draws here where the settings say so, which is told once', async () => {
    await using opened = await open({ options: { others: 'local' } });
    await using policy = await opened.backend.openPolicy({ model: 'trained' });
    await using again = await opened.backend.openPolicy({ model: 'trained' });
    expect((await draw(policy, [request('a')]))[0]?.text).toBe((await draw(again, [request('a')]))[0]?.text);
    expect(opened.server.asked).toEqual([]);
    expect(opened.logged).toEqual([expect.stringMatching(/does not serve .*trained: it draws here/)]);
  });
});

it('several servers draw each what they have', async () => {
  const local = createScriptedBackend({ write: letters });
  const [first, second] = await Promise.all(
    ['base', 'large'].map(async (model) => openCompletionServer({ policy: await local.openPolicy({ model }) })),
  );
  const common = { kind: 'openai', model: 'served' } as const;
  const parts = { local, env: {}, random: () => 0, now: () => 0, wait: () => new Promise(() => {}), log: () => {} };
  await using sampler = openSampler(
    [
      { ...common, url: first!.url, serves: source },
      { ...common, url: second!.url, serves: { model: 'large' } },
    ],
    parts,
  );
  await draw(await sampler.openPolicy({ model: 'large' }), [request('a'), request('b')]);
  await draw(await sampler.openPolicy(source), [request('c')]);
  expect([first!.asked.length, second!.asked.length]).toEqual([1, 2]);
  await expect(sampler.openPolicy({ model: 'other' })).rejects.toThrow(/serves \(.*base, .*large\), got .*other/);
  await Promise.all([first, second].map((server) => server?.[Symbol.asyncDispose]()));
});

it('computes log-probabilities of given texts here where the server tells none, which is told once', async () => {
  await using opened = await open();
  await using here = await createScriptedBackend({ write: letters }).openPolicy(source);
  const items = [{ context: ['Q'], completion: 'one' }];
  for (let time = 0; time < 2; time += 1) expect(await opened.policy.logps(items)).toEqual(await here.logps(items));
  expect(opened.logged).toEqual([expect.stringMatching(/tells no log-probabilities .* computed here/)]);
});

it('needs the key that the settings name', async () => {
  const module = join(import.meta.dirname, '..', 'e2e', 'scripted-model.mjs');
  const sampler = {
    kind: 'openai',
    url: 'http://localhost:9/v1',
    model: 'm',
    serves: source,
    apiKeyFrom: 'MY_KEY',
  } as const;
  await expect(openBackend({ module, sampler }, { env: {} })).rejects.toMatchObject({
    code: 'bad-config',
    message: expect.stringContaining('MY_KEY'),
  });
  await using backend = await openBackend({ module, sampler }, { env: { MY_KEY: 'secret' } });
  expect((await backend.describe(source)).architecture).toBe('scripted');
});

describe('a run that draws from a server', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sipf-openai-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const config = parseConfig({
    model: 'base',
    task: { name: 'sums', limit: 8 },
    iterations: 2,
    sft: { enabled: false },
    sampling: { samples: 4, unit: 4 },
    labels: { K: 2, heldOut: 0.3, unit: 4, lookahead: 1 },
    score: { unit: 4 },
    pairs: { eta: 0.01, chosenGate: 'none' },
    evaluate: { sets: [{ split: 'valid', limit: 6 }], final: [], control: 'none', unit: 4, logpPairs: 4 },
  });

  /** The scripted backend alone, with the random numbers that a server has. */
  function alone(): Backend {
    const local = createScriptedBackend({ write: sums, score: scoreSum });
    const seeded = (one: GenerateRequest) => ({ ...one, key: String(hash32(one.key) >>> 1) });
    return {
      ...local,
      async openPolicy(opened) {
        const policy = await local.openPolicy(opened);
        if (opened.model !== 'base' || opened.adapter !== undefined) return policy;
        const { hash, contextLength, warnings } = policy;
        return {
          hash,
          contextLength,
          warnings,
          generate: (requests, onFinished) =>
            policy.generate(requests.map(seeded), async (finished) => (await onFinished(finished)).map(seeded)),
          encode: (contexts) => policy.encode(contexts),
          logps: (items) => policy.logps(items),
          chatPrompt: (messages) => policy.chatPrompt(messages),
          countTokens: (texts) => policy.countTokens(texts),
          [Symbol.asyncDispose]: () => policy[Symbol.asyncDispose](),
        };
      },
    };
  }

  function artefacts(dir: string): Record<string, string> {
    const entries = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const files = entries.map(({ parentPath, name }) => join(parentPath, name));
    const kept = files.filter((path) => !/events\.jsonl$/.test(path));
    return Object.fromEntries(kept.map((path) => [path.slice(dir.length), readFileSync(path, 'utf8')]));
  }

  it('leaves the artefacts of one that draws by itself, faults or not', async () => {
    const out = join(folder, 'alone');
    await using backend = alone();
    await runLoop({ config, out, backend, tasks: () => sumsTask });
    const faults: readonly Fault[] = ['cut', { status: 503 }, 'cut-within', { status: 429 }];
    const faultOf = (n: number) => (n % 5 === 0 ? (faults[(n / 5) % 4] ?? null) : null);
    await using opened = await open({ write: sums, faultOf, options: { others: 'local', retries: 20 } });
    const served = join(folder, 'served');
    await runLoop({ config, out: served, backend: opened.backend, tasks: () => sumsTask });
    expect(artefacts(served)).toEqual(artefacts(out));
    expect(opened.server.answered.length).toBeGreaterThan(50);
  });

  it('draws nothing again that is stored', async () => {
    const controller = new AbortController();
    const out = join(folder, 'stopped');
    const faultOf = (n: number) => {
      if (n === 40) controller.abort();
      return null;
    };
    await using first = await open({ write: sums, faultOf, options: { others: 'local' } });
    const stopped = runLoop({ config, out, backend: first.backend, tasks: () => sumsTask, signal: controller.signal });
    await expect(stopped).rejects.toMatchObject({ code: 'aborted' });
    cpSync(out, join(folder, 'kept'), { recursive: true });
    await using second = await open({ write: sums, options: { others: 'local' } });
    await runLoop({ config, out, backend: second.backend, tasks: () => sumsTask });
    expect(artefacts(out)).toEqual(artefacts(join(folder, 'alone')));
    const keyOf = ({ seed, prompt }: { seed: number; prompt: string | number[] }) => `${seed} ${prompt}`;
    const before = new Set(first.server.asked.map(keyOf));
    const again = second.server.asked.filter((asked) => before.has(keyOf(asked)));
    // Of the unit that was not whole: four questions of four samples, or their rollouts.
    expect(again.length).toBeLessThanOrEqual(16);
    const total = first.server.asked.length + second.server.asked.length - again.length;
    expect(total).toBe(new Set([...first.server.asked, ...second.server.asked].map(keyOf)).size);
  });
});

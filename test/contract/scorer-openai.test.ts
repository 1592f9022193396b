// Real servers that score a script's texts -> the scores that the script has here, or an error.
import { describe, expect, it } from 'vitest';
import type { ProcessRewardModel, StepPath } from '../../src/backend.ts';
import { createScriptedBackend } from '../../src/backends/scripted.ts';
import { keyedUniform } from '../../src/random.ts';
import type { Fact } from '../../src/remote/fact.ts';
import { openScorer, type ScorerOptions } from '../../src/scorers/scorers.ts';
import type { Fault } from '../completion-server.ts';
import { openPoolingServer, type PoolingServer, type PoolingSettings } from '../pooling-server.ts';

const source = { model: 'prm' };
const scoreOf = (text: string): number => keyedUniform(text)(0);
const local = createScriptedBackend({
  write: () => '',
  score: ({ prompt, steps }) => steps.map((_, j) => scoreOf(prompt + steps.slice(0, j + 1).join(''))),
});
const hash = (await local.openPrm(source)).hash;
const idsOf = (text: string) => [...text].map((character) => character.codePointAt(0)!);

const PATHS: readonly StepPath[] = Array.from({ length: 12 }, (_, n) => ({
  prompt: `Q: ${n}+1?\n`,
  steps: [`${n}+1=${n + 1}\n`, 'so\n', `The answer is ${n + 1}`].slice(0, 1 + (n % 3)),
}));
const SCORES = await (await local.openPrm(source)).score(PATHS);

interface Opened extends AsyncDisposable {
  readonly server: PoolingServer;
  readonly prm: ProcessRewardModel;
  readonly waits: readonly number[];
  readonly expire: () => void;
  readonly table: () => Promise<readonly Fact[]>;
}

interface Opening extends Partial<PoolingSettings> {
  readonly options?: Partial<ScorerOptions>;
  readonly without?: boolean;
}

/** What is told before a server starts. */
const starts: string[] = [];

/** Seconds that a request has for its answer: no wait between two tries is as long. */
const TIMEOUT = 100;

async function open({ options, form = 'tokens', without, ...settings }: Opening = {}): Promise<Opened> {
  const server = await openPoolingServer({ form, scoreOf, hash, ...settings });
  const waits: number[] = [];
  let expire = () => {};
  const wait = async (ms: number) => {
    if (ms !== 1000 * TIMEOUT) waits.push(ms);
    else await new Promise<void>((resolve) => (expire = resolve));
  };
  const given = {
    kind: 'openai',
    url: server.url,
    serves: 'prm',
    concurrency: 4,
    retries: 3,
    timeout: TIMEOUT,
  } as const;
  const openPrm: typeof local.openPrm = async (opened) => {
    const { encodePaths, ...rest } = await local.openPrm(opened).then((prm) => ({
      hash: prm.hash,
      contextLength: prm.contextLength,
      warnings: prm.warnings,
      countTokens: prm.countTokens.bind(prm),
      score: prm.score.bind(prm),
      encodePaths: prm.encodePaths?.bind(prm),
      [Symbol.asyncDispose]: prm[Symbol.asyncDispose].bind(prm),
    }));
    return without || encodePaths === undefined ? rest : { ...rest, encodePaths };
  };
  const scorer = openScorer(
    { ...given, ...options },
    {
      local: { openPrm, exportModel: local.exportModel },
      env: { KEY: 'secret' },
      log: () => {},
      random: () => 0.5,
      now: () => 0,
      wait,
      starts: async () => void starts.push('start'),
    },
  );
  try {
    const prm = await scorer.openPrm(source);
    const close = async () => {
      await prm[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    };
    return { server, prm, waits, expire: () => expire(), table: () => scorer.table(), [Symbol.asyncDispose]: close };
  } catch (error) {
    await server[Symbol.asyncDispose]();
    throw error;
  }
}

describe.each(['tokens', 'steps'] as const)('a server that scores %s', (form) => {
  it('gives the scores of the same model here', async () => {
    await using opened = await open({ form, options: { apiKeyFrom: 'KEY' } });
    expect(await opened.prm.score(PATHS)).toEqual(SCORES);
    expect(opened.server.asked).toHaveLength(PATHS.length);
    expect(opened.server.headers[0]).toMatchObject({ authorization: 'Bearer secret' });
    expect(opened.prm).toMatchObject({ hash, contextLength: 4096, warnings: [] });
    expect(await opened.prm.countTokens(['abc'])).toEqual([3]);
  });

  it('is asked by at most so many requests at a time, and as many', async () => {
    await using opened = await open({ form, delay: 10 });
    await Promise.all([opened.prm.score(PATHS), opened.prm.score(PATHS)]);
    expect(opened.server.most).toBe(4);
  });

  it.each<[string, Fault, RegExp]>([
    ['too many requests', { status: 429, body: 'slow down' }, /status 429: "slow down"/],
    ['an error of the server', { status: 500 }, /status 500/],
    ['a connection that ends', 'cut', /other side closed|ECONNRESET|socket/i],
    ['an answer that ends halfway', 'cut-within', /terminated|aborted|closed|socket/i],
    ['an error in an answer', { change: () => ({ error: { message: 'no GPU', code: 503 } }) }, /code 503: no GPU/],
  ])('is asked again after %s, and an error in the end', async (_name, fault, problem) => {
    const faultOf = (n: number) => (n % 3 === 1 ? fault : null);
    await using opened = await open({ form, faultOf, options: { retries: 20 } });
    expect(await opened.prm.score(PATHS)).toEqual(SCORES);
    await using broken = await open({ form, faultOf: () => fault });
    await expect(broken.prm.score(PATHS.slice(0, 1))).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringMatching(problem),
    });
    expect(broken.waits).toEqual([375, 750, 1500]);
  });

  it.each<[string, Fault, RegExp]>([
    ['a refusal', { status: 400, body: 'too long' }, /status 400: "too long"/],
    ['one score too few', { change: () => ({ hash, data: [{ data: [] }] }) }, /Expected scores of all \d+ \w+, got 0/],
    [
      'what is no probability',
      { change: () => ({ hash, data: [{ data: form === 'steps' ? [2] : [[2]] }] }) },
      /data\.0/,
    ],
    ['another form', { change: () => ({ text: 'x' }) }, /hash|data/],
  ])('never scores by %s', async (_name, fault, message) => {
    await using opened = await open({ form, faultOf: () => fault });
    const scored = opened.prm.score(PATHS.slice(0, 1));
    await expect(scored).rejects.toMatchObject({ code: 'unsupported', message: expect.stringMatching(message) });
    expect(opened.server.asked).toHaveLength(1);
  });

  it('is asked again where no answer comes in time', async () => {
    const faultOf = (n: number): Fault | null => {
      if (n > 1) return null;
      opened.expire();
      return 'mute';
    };
    const opened = await open({ form, faultOf });
    await using _opened = opened;
    expect(await opened.prm.score(PATHS.slice(0, 1))).toEqual(SCORES.slice(0, 1));
  });

  it('stops with its caller', async () => {
    const controller = new AbortController();
    const faultOf = (n: number) => {
      if (n === 2) controller.abort();
      return 'mute' as const;
    };
    await using opened = await open({ form, faultOf });
    await expect(opened.prm.score(PATHS, { signal: controller.signal })).rejects.toMatchObject({ code: 'aborted' });
  });

  it('has no more room than it says, and then the error of a model here', async () => {
    await using opened = await open({ form, models: [{ id: 'prm', owned_by: 'vllm', max_model_len: 30 }] });
    expect(opened.prm.contextLength).toBe(30);
    const long = { prompt: 'x'.repeat(31), steps: ['y'] };
    await expect(opened.prm.score([PATHS[0]!, long])).rejects.toMatchObject({
      code: 'bad-input',
      message: "Expected at most 30 tokens (the model's context length) in path 1, got 32. Leave that path out.",
    });
    expect(opened.server.asked).toEqual([]);
  });
});

describe('a server that is not the configuration’s', () => {
  it.each<[string, Opening, string, RegExp]>([
    ['has another model', { form: 'steps', hash: 'ffff' }, 'bad-config', /the process reward model .* got ffff/],
    [
      'has another tokenizer',
      { tokenize: (text) => idsOf(text.toUpperCase()) },
      'bad-config',
      /differ from place 1 on/,
    ],
    [
      'has no model of that name',
      { models: [{ id: 'other' }], options: { model: 'mine' } },
      'bad-config',
      /lists \("other"\), got "mine"/,
    ],
    ['is away', { options: { url: 'http://127.0.0.1:9/v1' } }, 'unreachable', /correct engine\.scorer\.url/],
    ['reads tokens alone, which the engine does not tell', { without: true }, 'unsupported', /encodePaths/],
    ['has another folder’s model', { options: { serves: 'other' } }, 'unsupported', /has \(other\), got prm/],
  ])('%s', async (_name, opening, code, message) => {
    await expect(open(opening)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });
});

it('tells what it found', async () => {
  await using opened = await open({ tokenize: idsOf, models: [{ id: 'prm', owned_by: 'vllm', max_model_len: 512 }] });
  expect(Object.fromEntries((await opened.table()).map(({ name, value }) => [name, value]))).toEqual({
    address: opened.server.url,
    server: 'vllm',
    scores: 'tokens at /pooling, as vLLM has them',
    'context length': '512 tokens',
    tokenizer: 'equal by token ids of a text',
  });
});

it('makes room before it starts a server; one that does not start is an error', async () => {
  const options = { url: null, serves: null, launch: [process.execPath, '-e', 'process.exit(1)', '{prm}'] };
  await expect(open({ options })).rejects.toMatchObject({
    code: 'unreachable',
    message: expect.stringMatching(/the command of engine\.scorer\.launch to start a server .* got it ended/),
  });
  expect(starts).toEqual(['start']);
});

it.each<[Partial<ScorerOptions>, RegExp]>([
  [{ url: null, serves: null }, /Expected engine\.scorer\.url or engine\.scorer\.launch, got neither/],
  [{ launch: ['x'] }, /got both/],
  [{ serves: null }, /engine\.scorer\.serves with engine\.scorer\.url/],
  [{ url: null, launch: ['serve', '{model}'] }, /serves null for a server of launch, got prm/],
  [{ url: null, serves: null, launch: ['/no/such', '{prm}'] }, /launch, got "\/no\/such", which is not here/],
  [{ url: null, serves: null, launch: ['no-such-program', '{prm}'] }, /got "no-such-program", which is not here/],
  [{ url: null, serves: null, launch: ['serve'] }, /\{model\} or \{prm\} in engine\.scorer\.launch, got serve/],
  [{ apiKeyFrom: 'NO_KEY' }, /NO_KEY \(engine\.scorer\.apiKeyFrom\)/],
])('refuses %o', async (options, message) => {
  await expect(open({ options })).rejects.toMatchObject({
    code: 'bad-config',
    message: expect.stringMatching(message),
  });
});

// A backend -> the contract of every backend, part by part; an engine runs its parts' suites.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type {
  Backend,
  Completion,
  DrawnToken,
  GenerateRequest,
  ModelInit,
  Policy,
  Sampler,
  TrainJob,
  TrainStep,
} from '../../src/backend.ts';
import type { ModelSource } from '../../src/records.ts';
import { fixtures } from '../tiny-model.ts';

/** A model of one layer with the fixtures' tokenizer. */
export const TINY: ModelInit = {
  config: {
    hidden_size: 32,
    intermediate_size: 48,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    max_position_embeddings: 128,
    tie_word_embeddings: true,
    initializer_range: 0.2,
  },
  tokenizer: JSON.parse(readFileSync(join(fixtures, 'tokenizer', 'tokenizer.json'), 'utf8')) as object,
  seed: 1,
};

/** A request for a text; its id is its key. */
export function request(key: string, more: Partial<GenerateRequest['sampling']> = {}): GenerateRequest {
  return {
    id: key,
    context: ['one plus one'],
    key,
    sampling: { temperature: 1, maxTokens: 12, ignoreEos: true, ...more },
  };
}

/** Draws `requests`, and what `next` asks for: all groups that finished, in turn. */
async function groupsOf(
  policy: Policy,
  requests: readonly GenerateRequest[],
  next: (finished: readonly Completion[]) => readonly GenerateRequest[] = () => [],
): Promise<Completion[][]> {
  const groups: Completion[][] = [];
  const stats = await policy.generate(requests, (finished) => {
    groups.push([...finished]);
    return next(finished);
  });
  const drawn = groups.flat().reduce((sum, { tokens }) => sum + tokens, 0);
  expect(stats.generatedTokens).toBe(drawn);
  expect(stats.promptTokens).toBeGreaterThan(0);
  return groups;
}

async function drawOne(policy: Policy, one: GenerateRequest): Promise<Completion> {
  const [[completion] = []] = await groupsOf(policy, [one]);
  if (completion === undefined) throw new Error('Nothing was drawn');
  return completion;
}

interface OpenSampler {
  readonly sampler: Sampler;
  readonly source: ModelSource;
}

/** Registers the tests of a sampler. `open` is called once. */
export function samplerContract(name: string, open: () => Promise<OpenSampler>): void {
  describe(`${name} keeps the contract of a sampler`, () => {
    let opened: OpenSampler;
    let policy: Policy;
    beforeAll(async () => {
      opened = await open();
      policy = await opened.sampler.openPolicy(opened.source);
    });
    afterAll(async () => {
      await policy?.[Symbol.asyncDispose]();
      await opened?.sampler[Symbol.asyncDispose]();
    });

    it('says what it is', () => {
      expect(policy.hash).toMatch(/^[0-9a-f]{16,}$/);
      expect(policy.contextLength).toBeGreaterThanOrEqual(128);
      expect(policy.warnings).toEqual([]);
    });

    it('draws every request once, and what is asked for meanwhile, in the same order each time', async () => {
      const keys = ['a', 'b', 'c', 'd', 'e'];
      const draw = () =>
        groupsOf(
          policy,
          keys.map((key) => request(key)),
          (finished) => finished.filter(({ id }) => id.length === 1).map(({ id }) => request(`${id}-more`)),
        );
      const groups = await draw();
      const ids = groups.flat().map(({ id }) => id);
      expect([...ids].sort()).toEqual(keys.flatMap((key) => [key, `${key}-more`]));
      expect(await draw()).toEqual(groups);
    });

    it('draws by key alone, with anything else drawn', async () => {
      const alone = await drawOne(policy, request('a'));
      const among = (
        await groupsOf(
          policy,
          ['x', 'a', 'y'].map((key) => request(key)),
        )
      ).flat();
      expect(among.find(({ id }) => id === 'a')?.text).toBe(alone.text);
      expect(new Set(among.map(({ text }) => text)).size).toBe(3);
    });

    it('draws one text at temperature 0, for any key', async () => {
      const greedy = await Promise.all(['a', 'b'].map((key) => drawOne(policy, request(key, { temperature: 0 }))));
      expect(greedy[1]?.text).toBe(greedy[0]?.text);
    });

    it('gives a token id and a log-probability of each token', async () => {
      const { tokens, tokenIds, logps } = await drawOne(policy, request('a'));
      expect(tokens).toBeGreaterThan(0);
      expect([tokenIds?.length, logps?.length]).toEqual([tokens, tokens]);
      for (const logp of logps ?? []) expect(logp).toBeLessThanOrEqual(0);
    });

    it('tells the tokens of given texts as it reads them, or leaves that out', async () => {
      const items = [
        { context: ['Q: 3*4?\n'], completion: ['3*4=<<3*4=12>>12\n', 'so 12'], calculator: true, ended: true },
        { context: ['one', [50, 51]], completion: [52, 53, 54] },
      ];
      const given = await policy.encodeGiven?.(items);
      if (given === undefined) return;
      const contexts = await policy.encode(items.map(({ context }) => context));
      expect(given.map(({ context }) => context)).toEqual(contexts);
      expect(given[1]).toMatchObject({ completion: [52, 53, 54], forced: [] });
      for (const [n, logps] of (await policy.logps(items)).entries()) {
        expect(logps).toHaveLength(given[n]!.completion.length);
        const none = logps.flatMap((logp, place) => (logp === null ? [place] : []));
        expect(given[n]?.forced).toEqual(none);
      }
    });

    it('tells where the text of each token ends, or leaves that out', async () => {
      const whole = await drawOne(policy, request('a'));
      expect(whole.ends).toBeUndefined();
      const stop = whole.text.slice(4, 6);
      for (const stopStrings of [[], [stop]]) {
        const { text, ends, tokens } = await drawOne(policy, request('a', { ends: true, stopStrings }));
        if (ends === undefined) continue;
        expect([ends.length, ends.at(-1)]).toEqual([tokens, text.length]);
        expect(ends).toEqual([...ends].sort((a, b) => a - b));
      }
    });

    it('ends at the length that is asked for', async () => {
      const { tokens, finishReason } = await drawOne(policy, request('a', { maxTokens: 3 }));
      expect({ tokens, finishReason }).toEqual({ tokens: 3, finishReason: 'length' });
    });

    it('ends before a stop string', async () => {
      const whole = await drawOne(policy, request('a'));
      const stop = whole.text.slice(4, 6);
      const cut = await drawOne(policy, request('a', { stopStrings: [stop] }));
      expect(cut.text).toBe(whole.text.slice(0, whole.text.indexOf(stop)));
      expect(cut.finishReason).toBe('stop');
    });

    it('draws with a calculator, or refuses', async () => {
      const { text } = await drawOne(policy, request('a'));
      // Nothing here is to be computed.
      await drawOne(policy, request('a', { calculator: true })).then(
        (drawn) => expect(drawn.text).toBe(text),
        (refused) => expect(refused).toMatchObject({ code: 'unsupported' }),
      );
    });

    it('tells all of a text before it is finished', async () => {
      const told = new Map<string, string>();
      const onText = (drawn: readonly { id: string; text: string }[]) => {
        for (const { id, text } of drawn) told.set(id, (told.get(id) ?? '') + text);
      };
      const finished: Completion[] = [];
      const onFinished = (group: readonly Completion[]) => {
        for (const { id, text } of group) expect(told.get(id) ?? '').toBe(text);
        finished.push(...group);
        return [];
      };
      await policy.generate(
        ['a', 'b'].map((key) => request(key)),
        onFinished,
        { onText },
      );
      expect(finished).toHaveLength(2);
    });

    it('gives the token ids of a context, which it reads like its texts', async () => {
      const [ids = []] = await policy.encode([['one plus one']]);
      const fromIds = await drawOne(policy, { ...request('a'), context: [ids] });
      expect(fromIds.text).toBe((await drawOne(policy, request('a'))).text);
    });

    it('ends with what the caller throws', async () => {
      const own = new Error('mine');
      const throwing = policy.generate([request('a'), request('b')], () => {
        throw own;
      });
      await expect(throwing).rejects.toBe(own);
      expect((await drawOne(policy, request('a'))).id).toBe('a');
    });

    it('stops when it is asked to', async () => {
      const controller = new AbortController();
      const endless = policy.generate(
        [request('0')],
        ([last]) => {
          if (last?.id === '3') controller.abort();
          return [request(String(Number(last?.id) + 1))];
        },
        { signal: controller.signal },
      );
      await expect(endless).rejects.toMatchObject({ code: 'aborted' });
      await expect(policy.generate([request('a')], () => [], { signal: AbortSignal.abort() })).rejects.toMatchObject({
        code: 'aborted',
      });
    });

    it('draws for several callers at a time what each gets alone, or serves one caller', async () => {
      if (policy.draw === undefined) return expect(policy.vocabulary).toBeUndefined();
      const told = new Map<string, string>();
      const onTokens = (drawn: readonly DrawnToken[]) => {
        for (const { id, text } of drawn) told.set(id, (told.get(id) ?? '') + text);
      };
      const calls = ['ab', 'c', 'de'].map((keys) => [...keys].map((key) => request(key)));
      const stop = new AbortController();
      const stopped = policy.draw!([request('f', { maxTokens: 60 })], {
        signal: stop.signal,
        onTokens: () => stop.abort(),
      });
      const refused = expect(stopped).rejects.toMatchObject({ code: 'aborted' });
      const drawn = await Promise.all(calls.map((some, n) => policy.draw!(some, { caller: String(n), onTokens })));
      await refused;
      for (const { id, text } of drawn.flat()) {
        expect(text).toBe((await drawOne(policy, request(id))).text);
        expect(told.get(id)).toBe(text);
      }
      expect(drawn.flat().map(({ id }) => id)).toEqual([...'abcde']);
    });

    it('tells what a text is made of to a server, or serves one caller', async () => {
      if (policy.vocabulary === undefined) return expect(policy.readTokens).toBeUndefined();
      const vocabulary = await policy.vocabulary();
      const completion = ' two two';
      const item = { context: ['one plus one is'], completion };
      const [read = []] = await policy.readTokens!([item], { likeliest: 1 });
      const [logps = []] = await policy.logps([item]);
      for (const [n, { token, logp, likeliest }] of read.entries()) {
        expect(token).toBeLessThan(vocabulary.size);
        expect(logp).toBeCloseTo(logps[n]!, 4);
        expect(likeliest).toHaveLength(1);
        expect(likeliest[0]!.logp).toBeGreaterThanOrEqual(logp);
      }
      expect(await policy.decode!([read.map(({ token }) => token), []])).toEqual([completion, '']);
      const { likeliest, logps: drawn } = await drawOne(policy, request('a', { temperature: 0, likeliest: 1 }));
      expect(likeliest?.map(([best]) => best?.logp)).toEqual(drawn);
    });

    it('draws nothing once it is closed', async () => {
      const closed = await opened.sampler.openPolicy(opened.source);
      await closed[Symbol.asyncDispose]();
      await expect(closed.generate([request('a')], () => [])).rejects.toThrow();
    });

    it('tells hidden states of its layers at step ends, or has no layers to tell of', async () => {
      if (policy.stepStates === undefined) return expect(policy.layers).toBeUndefined();
      expect(policy.layers).toBeGreaterThanOrEqual(1);
      const path = { prompt: 'one plus one', steps: [' one', ' two two', ' three'] };
      const short = { ...path, steps: path.steps.slice(0, 2) };
      const last = policy.layers!;
      const [whole = [], cut = []] = await policy.stepStates([path, short], [last]);
      expect([whole.length, cut.length]).toEqual([3, 2]);
      for (const [j, state] of cut.entries())
        for (const [i, value] of state.entries()) expect(value).toBeCloseTo(whole[j]![i]!, 4);
      const [twice = []] = await policy.stepStates([short], [last, last]);
      expect(twice[0]?.length).toBe(2 * whole[0]!.length);
      expect(new Set(whole.map(String)).size).toBe(3);
    });

    it('gives log-probabilities of given completions, and counts tokens', async () => {
      const counts = await policy.countTokens([' two', ' two two']);
      const logps = await policy.logps([
        { context: ['one plus one is'], completion: [' two'] },
        { context: ['one plus one is'], completion: [' two two'] },
      ]);
      expect(logps.map(({ length }) => length)).toEqual(counts);
      for (const logp of logps.flat()) expect(logp).toBeLessThanOrEqual(0);
    });
  });
}

const EXAMPLES = ['two', 'three', 'four', 'five'].map((word) => ({
  kind: 'sft' as const,
  prompt: 'one plus one is',
  completion: [` ${word}`],
}));

const OPTIONS: TrainJob['options'] = {
  objective: { kind: 'sft', scope: 'completion' },
  lora: null,
  learningRate: 1e-2,
  schedule: 'constant',
  warmup: 0,
  weightDecay: 0,
  clip: 1,
  betas: [0.9, 0.999],
  eps: 1e-8,
  batchSize: 1,
  epochs: 1,
  maxSteps: 6,
  tokensPerPass: 64,
  activationsGiB: 8,
  maxLength: 64,
  seed: 1,
  shuffle: true,
  checkpointEverySteps: 2,
};

interface OpenTrainer {
  readonly backend: Pick<Backend, 'train' | 'describe' | 'openPolicy'>;
  /** To train from. */
  readonly source: ModelSource;
  /** For what is trained. */
  readonly folder: string;
}

/** Registers the tests of a trainer, whose models the rest of the backend opens. */
export function trainerContract(name: string, open: () => Promise<OpenTrainer>): void {
  const opened = async () => {
    const { backend, source, folder } = await open();
    return { backend, source, folder, job: jobsOf(source, folder) };
  };

  describe(`${name} keeps the contract of a trainer`, () => {
    it('tells each step and names what it made', async () => {
      const { backend, job } = await opened();
      const steps: TrainStep[] = [];
      const result = await backend.train(job('sft'), (step) => steps.push(step));
      expect(steps).toEqual(result.steps);
      expect(steps.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4, 5]);
      expect((await backend.describe(result.source)).hash).toBe(result.hash);
      await using policy = await backend.openPolicy(result.source);
      expect(policy.hash).toBe(result.hash);
    });

    it('makes an adapter', async () => {
      const { backend, source, folder, job } = await opened();
      const lora = { rank: 2, alpha: 4, dropout: 0, targets: ['q_proj'] };
      const { source: made, hash } = await backend.train(job('lora', { lora }), () => undefined);
      expect(made).toEqual({ model: source.model, adapter: join(folder, 'lora') });
      expect((await backend.describe(made)).hash).toBe(hash);
    });

    it('continues from its checkpoint to the same result', async () => {
      const { backend, job } = await opened();
      const whole = await backend.train(job('whole'), () => undefined);
      const controller = new AbortController();
      const stopped = backend.train(job('parts'), ({ step }) => step === 2 && controller.abort(), {
        signal: controller.signal,
      });
      await expect(stopped).rejects.toMatchObject({ code: 'aborted' });
      const again: number[] = [];
      const { steps, hash, tokens } = await backend.train(job('parts'), ({ step }) => again.push(step));
      expect({ steps, hash, tokens }).toEqual({ steps: whole.steps, hash: whole.hash, tokens: whole.tokens });
      expect(again[0]).toBeGreaterThanOrEqual(2);
    });

    it('ends with what the caller throws', async () => {
      const { backend, job } = await opened();
      const own = new Error('mine');
      const throwing = backend.train(job('thrown'), () => {
        throw own;
      });
      await expect(throwing).rejects.toBe(own);
    });

    it('names examples that are too long', async () => {
      const { backend, job } = await opened();
      const long = { ...EXAMPLES[0]!, prompt: 'one plus one '.repeat(1000) };
      const { dropped } = await backend.train({ ...job('long'), examples: [...EXAMPLES, long] }, () => undefined);
      expect(dropped).toEqual([EXAMPLES.length]);
    });
  });
}

/** Jobs of a few examples by the folder that they write to. */
const jobsOf =
  (source: ModelSource, folder: string) =>
  (out: string, more: Partial<TrainJob['options']> = {}): TrainJob => ({
    source,
    examples: EXAMPLES,
    out: join(folder, out),
    options: { ...OPTIONS, ...more },
  });

/** Registers the tests of all four parts. `open` is called once, with a folder for what the backend keeps. */
export function backendContract(name: string, open: (folder: string) => Promise<Backend>): void {
  const folder = mkdtempSync(join(tmpdir(), 'sipf-backend-'));
  const source = { model: join(folder, 'model') };
  let backend: Backend;
  const opened = async () => {
    backend ??= await open(folder);
    await backend.initModel(source.model, TINY);
    return backend;
  };
  afterAll(async () => {
    await backend?.[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true, force: true });
  });

  samplerContract(name, async () => {
    const { openPolicy } = await opened();
    return { sampler: { openPolicy, [Symbol.asyncDispose]: async () => undefined }, source };
  });

  describe(`${name} keeps the contract of a store`, () => {
    it('makes a model that depends on its seed alone, and describes it', async () => {
      await opened();
      const again = await backend.initModel(join(folder, 'again'), TINY);
      const other = await backend.initModel(join(folder, 'other'), { ...TINY, seed: 2 });
      expect(await backend.describe(source)).toEqual(again);
      expect(again.parameters).toBeGreaterThan(0);
      expect(other.hash).not.toBe(again.hash);
    });
  });

  trainerContract(name, async () => ({ backend: await opened(), source, folder }));

  describe(`${name} keeps the contract of a scorer`, () => {
    const path = { prompt: 'one plus one', steps: ['one\n', 'two\n', 'three'] };
    const prmJob = (out: string): TrainJob => ({
      ...jobsOf(source, folder)(out, { objective: { kind: 'prm' } }),
      examples: [{ kind: 'prm', ...path, targets: [1, 0, null] }],
    });

    it('scores each step of a path', async () => {
      await opened();
      const { source: made, hash } = await backend.train(prmJob('prm'), () => undefined);
      await using prm = await backend.openPrm(made);
      expect(prm.hash).toBe(hash);
      const [scores, short] = await prm.score([path, { ...path, steps: ['one'] }]);
      expect([scores?.length, short?.length]).toEqual([3, 1]);
      for (const score of scores ?? []) expect(score >= 0 && score <= 1).toBe(true);
      expect((await prm.countTokens(['one two']))[0]).toBeGreaterThan(0);
    });

    it('tells the tokens of paths as it reads them, and its errors, or leaves that out', async () => {
      await opened();
      const { source: made } = await backend.train(prmJob('told'), () => undefined);
      await using prm = await backend.openPrm(made);
      if (prm.encodePaths === undefined) return;
      const [whole, cut] = await prm.encodePaths([path, { ...path, steps: path.steps.slice(0, 2) }]);
      const counts = await prm.countTokens(path.steps.map((step) => step.replace(/\n$/, '')));
      expect(whole?.ends.map((end, j) => end - (whole.ends[j - 1] ?? end))).toEqual([0, counts[1]! + 1, counts[2]]);
      expect(whole?.ends.at(-1)).toBe(whole!.ids.length - 1);
      expect(cut).toEqual({ ids: whole?.ids.slice(0, cut?.ids.length), ends: whole?.ends.slice(0, 2) });
      const long = { ...path, steps: ['one\n', 'two '.repeat(2 * prm.contextLength)] };
      const [told, scored] = await Promise.allSettled([prm.encodePaths([path, long]), prm.score([path, long])]);
      expect(told.status).toBe(scored.status);
      if (told.status === 'fulfilled') return;
      expect(told.reason).toEqual((scored as PromiseRejectedResult).reason);
      expect(told.reason).toMatchObject({ message: expect.stringMatching(/context length\) in path 1, got/) });
    });
  });
}

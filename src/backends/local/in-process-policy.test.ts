// Fixture models -> a policy and a PRM in this process: draws, scores, what is refused.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeModelFolder } from '../../../test/model-folder.ts';
import type { Completion, DrawnText } from '../../backend.ts';
import { Engine } from '../../engine/runtime/session.ts';
import { checkpointHash } from '../../hashing.ts';
import { openInProcessPolicy } from './in-process-policy.ts';
import { openInProcessPrm } from './in-process-prm.ts';

const fixtures = join(import.meta.dirname, '../../../test/fixtures');
const engine = new Engine({ provider: 'cpu', threads: 1 });
let root: string;
let model: string;
let prm: string;
const options = () => ({ cache: join(root, 'cache'), slots: 4 });

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sipf-policy-'));
  model = await makeModelFolder(root, { from: 'models/llama' });
  prm = await makeModelFolder(root, { from: 'prm' });
});
afterAll(() => rm(root, { recursive: true }));

it('converts no weights and merges no adapter before it computes', async () => {
  const cache = join(root, 'untouched');
  const adapter = join(fixtures, 'models/llama/adapter');
  const policy = await openInProcessPolicy(engine, { model, adapter }, { cache, slots: 4 });
  expect((await policy.encode([['x'], ['y']])).length + (await policy.countTokens(['x'])).length).toBe(3);
  const before = await readdir(cache, { recursive: true }).catch(() => []);
  expect(await policy.logps([{ context: ['x'], completion: [50] }])).toHaveLength(1);
  expect((await readdir(cache, { recursive: true })).length).toBeGreaterThan(before.length);
  await policy[Symbol.asyncDispose]();
});

it('draws, scores and counts texts', async () => {
  const policy = await openInProcessPolicy(engine, { model }, options());
  const finished: Completion[] = [];
  const sampling = { temperature: 1, maxTokens: 12 };
  const context = ['Tom has 3 apples.\n', 'He eats one.\n'];
  const requests = ['a', 'b', 'c', 'd', 'e', 'f'].map((id) => ({ id, context, key: id, sampling }));
  const told = new Map<string, string[]>();
  const onText = (drawn: readonly DrawnText[]) => {
    for (const { id, text } of drawn) told.set(id, [...(told.get(id) ?? []), text]);
  };
  const stats = await policy.generate(
    requests,
    (group) => {
      finished.push(...group);
      return [];
    },
    { onText },
  );
  for (const { id, text } of finished) {
    expect(told.get(id)?.join('')).toBe(text);
    expect(told.get(id)?.length).toBeGreaterThan(3);
  }
  expect(finished.map(({ id }) => id).sort()).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
  const [first, second] = await policy.countTokens(context);
  expect(stats.promptTokens).toBe((first as number) + (second as number) - 1);
  const logps = await policy.logps(finished.map(({ tokenIds }) => ({ context, completion: tokenIds ?? [] })));
  finished.forEach((completion, n) => {
    for (const [i, logp] of (completion.logps ?? []).entries()) expect(logps[n]?.[i]).toBeCloseTo(logp as number, 4);
  });
  expect(
    await policy.logps([
      { context: ['x'], completion: '' },
      { context: ['x'], completion: 'yz' },
    ]),
  ).toMatchObject([[], (await policy.logps([{ context: ['x'], completion: 'yz' }]))[0]]);
  const pieces = ['2 apples ', '', 'are left.\n'];
  const [whole] = await policy.logps([{ context: ['How many?'], completion: pieces }]);
  const [head] = await policy.logps([{ context: ['How many?'], completion: '2 apples ' }]);
  const [tail] = await policy.logps([{ context: ['How many?', '2 apples '], completion: 'are left.\n' }]);
  expect(whole).toHaveLength((await policy.countTokens(pieces)).reduce((sum, count) => sum + count, 0));
  for (const [i, logp] of [...(head ?? []), ...(tail ?? [])].entries())
    expect(whole?.[i]).toBeCloseTo(logp as number, 4);
  await expect(policy.logps([{ context: [''], completion: 'x' }])).rejects.toThrow('item 0');
  expect(await policy.chatPrompt([{ role: 'user', content: 'hello' }])).toContain('hello');
  await policy[Symbol.asyncDispose]();
});

it('runs units that are asked for at once one after another', async () => {
  const policy = await openInProcessPolicy(engine, { model }, options());
  const unit = async (id: string) => {
    const texts: string[] = [];
    const request = { id, context: ['one two'], key: id, sampling: { temperature: 1, maxTokens: 20 } };
    await policy.generate([request], (group) => {
      texts.push(...group.map(({ text }) => text));
      return [];
    });
    return texts;
  };
  const together = await Promise.all(['x', 'y', 'z'].map(unit));
  expect(await Promise.all(['x'].map(unit))).toEqual([together[0]]);
  expect(new Set(together.map(String)).size).toBe(3);
  await policy[Symbol.asyncDispose]();
});

it('is another model with an adapter, and leaves no file', async () => {
  const adapter = join(fixtures, 'models/llama/adapter');
  const [plain, adapted] = await Promise.all([
    openInProcessPolicy(engine, { model }, options()),
    openInProcessPolicy(engine, { model, adapter }, options()),
  ]);
  const items = [{ context: ['one'], completion: ' two three' }];
  expect(await adapted.logps(items)).not.toEqual(await plain.logps(items));
  expect(adapted.hash).not.toBe(plain.hash);
  expect(checkpointHash(plain.hash, null)).toBe(plain.hash);
  await plain[Symbol.asyncDispose]();
  await adapted[Symbol.asyncDispose]();
  expect(await readdir(join(root, 'cache', 'merged'))).toEqual([]);
});

it('scores steps, the same in any company', async () => {
  const verifier = await openInProcessPrm(engine, { model: prm }, options());
  const paths = [
    { prompt: 'Tom has 3 apples.\n', steps: ['3 - 1 = 2\n', 'The answer is 2'] },
    { prompt: 'Tom has 3 apples.\n', steps: ['3 + 1 = 4\n'] },
    { prompt: 'Ann runs.\n', steps: ['a\n', 'b\n', 'c\n', 'd\n'] },
  ];
  const scores = await verifier.score(paths);
  expect(scores.map((row) => row.length)).toEqual([2, 1, 4]);
  for (const [n, path] of paths.entries()) {
    const [alone] = await verifier.score([path]);
    for (const [i, score] of alone?.entries() ?? []) expect(score).toBeCloseTo(scores[n]?.[i] as number, 4);
  }
  expect(scores.flat().every((score) => score > 0 && score < 1)).toBe(true);
  await expect(verifier.score([...paths, { prompt: 'x', steps: ['ten more words '.repeat(60)] }])).rejects.toThrow(
    'path 3',
  );
  await expect(verifier.score([{ prompt: 'x', steps: ['a', ''] }])).rejects.toThrow('none in step 1');
  await verifier[Symbol.asyncDispose]();
});

it('models of one shape share their sessions, which go with the engine', async () => {
  const { live } = engine.sessions;
  expect(live).toBeGreaterThan(0);
  const request = { id: 'a', context: ['one two'], key: 'a', sampling: { temperature: 1, maxTokens: 4 } };
  for (const source of [{ model }, { model, adapter: join(fixtures, 'models/llama/adapter') }]) {
    await using policy = await openInProcessPolicy(engine, source, options());
    await policy.generate([request], () => []);
    await policy.logps([{ context: ['x'], completion: 'yz' }]);
  }
  expect(engine.sessions.created).toBe(live);
  await engine[Symbol.asyncDispose]();
  expect(engine.sessions).toEqual({ live: 0, created: live });
});

it('says what is no process reward model', async () => {
  await expect(openInProcessPrm(engine, { model }, options())).rejects.toThrow('score.weight [2, 48]');
});

// One training accumulated, packed, padded or with shared prompts -> the same losses and gradients.
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Objective } from '../../src/objectives/objectives.ts';
import { createRandom } from '../../src/random.ts';
import { type Pass, packStep } from '../../src/training/batches.ts';
import { type TokenExample, tokensOf } from '../../src/training/examples.ts';
import { positionsOf } from '../../src/training/placed.ts';
import { isFull, sized } from '../tier.ts';
import {
  fixtures,
  gradientsOf,
  lossOf,
  modelWithTokenizer,
  relativeError,
  rowEach,
  tokenExample,
} from '../training-fixtures.ts';

const random = createRandom('invariant');
const ids = (length: number): number[] => Array.from({ length }, () => random.int(3, 511));
const lora = { rank: 4, alpha: 8, dropout: 0, targets: 'all-linear' } as const;
const adapter = join(fixtures, 'models/llama/adapter');

const sft: Objective = { kind: 'sft', scope: 'completion' };
const full: Objective = { kind: 'sft', scope: 'full' };
const prm: Objective = { kind: 'prm' };
const orpo: Objective = { kind: 'orpo', lambda: 0.7, nllScope: 'completion', normalise: 'step', maxLogp: null };

const dpo: Objective = { kind: 'dpo', beta: 0.1, nllWeight: 0 };

const lengths = [
  [5, 20],
  [9, 11],
  [3, 30],
  [12, 7],
  [1, 9],
  [8, 17],
] as const;
const singles = lengths.map(([p, c], index) => tokenExample(ids(p), [ids(c)], [], index));
const pairs = lengths.map(([p, c], index) =>
  // References are near what a random model says of so many tokens.
  tokenExample(
    ids(p),
    index === 2 ? [ids(c)] : [ids(c), ids(c - 3)],
    [],
    index,
    index === 2 ? [] : [-6 * c, 18 - 6 * c],
  ),
);
const paths = lengths.map(([p, c], index) =>
  tokenExample(
    ids(p),
    [ids(c)],
    [
      { at: 2, target: 1 },
      { at: c - 1, target: index % 3 === 0 ? 0.4 : 0 },
    ],
    index,
  ),
);

/** No loss on the second token of a completion, and on its last one. */
const silenced = (examples: readonly TokenExample[]): TokenExample[] =>
  examples.map((example) => ({
    ...example,
    silent: example.branches.map((ids) => ids.map((_, u) => u === 1 || u === ids.length - 1)),
  }));

const CASES: readonly (readonly [string, Objective, readonly TokenExample[]])[] = [
  ['sft on completions', sft, singles],
  ['sft with silent tokens', sft, silenced(singles)],
  ['sft on everything', full, singles],
  ['orpo', orpo, pairs],
  ['orpo with silent tokens', orpo, silenced(pairs)],
  ['orpo with the prompt in the likelihood', { ...orpo, nllScope: 'all' }, pairs],
  ['dpo', dpo, pairs],
  ['dpo with silent tokens', { ...dpo, nllWeight: 0.5 }, silenced(pairs)],
  ['dpo with the likelihood of the chosen path', { ...dpo, nllWeight: 0.5 }, pairs],
  ['prm', prm, paths],
];

/** One of each objective in `npm test`. */
const TELLING = CASES.filter(
  ([name]) =>
    isFull || ['sft on completions', 'orpo', 'dpo with the likelihood of the chosen path', 'prm'].includes(name),
);

const longest = (examples: readonly TokenExample[]): number => Math.max(...examples.map(tokensOf));
const oneByOne = (examples: readonly TokenExample[]): Pass[] =>
  examples.map((example) => rowEach([example], tokensOf(example)));
const packed = (examples: readonly TokenExample[], objective: Objective, tokensPerPass: number): Pass[] =>
  packStep(examples, {
    tokensPerPass,
    maxPositions: 1000,
    positionsOf: positionsOf(lossOf(objective)),
    // Long rows cost nothing here, so that examples share them.
    cost: { fixed: 100, token: 1, pair: 0 },
    inOrder: false,
  });

type Run = Awaited<ReturnType<Awaited<ReturnType<typeof gradientsOf>>['run']>>;

function expectSame(found: Run, expected: Run): void {
  expect(Math.abs(found.loss / expected.loss - 1)).toBeLessThan(1e-5);
  for (const [name, value] of Object.entries(expected.figures)) expect(found.figures[name], name).toBeCloseTo(value, 4);
  const errors = [...expected.gradients].map(([name, gradient]) => {
    return [name, relativeError(found.gradients.get(name) as Float32Array, gradient)] as const;
  });
  expect(errors.filter(([, error]) => !(error <= 1e-4))).toEqual([]);
}

describe.each(CASES)('%s', (_, objective, examples) => {
  const open = () =>
    gradientsOf({
      model: modelWithTokenizer('models/llama'),
      ...(objective.kind === 'prm' ? {} : { adapter }),
      objective,
      lora,
    });

  test('accumulated, padded and packed passes give the gradients of one pass with a row each', async () => {
    await using model = await open();
    const expected = await model.run([rowEach(examples, longest(examples))]);
    expectSame(await model.run(oneByOne(examples)), expected);
    expectSame(await model.run([rowEach(examples, longest(examples) + 37)]), expected);
    for (const budget of [64, 128, 512]) {
      const passes = packed(examples, objective, budget);
      const rows = passes.flatMap(({ placements }, n) => placements.map(({ row }) => `${n}/${row}`));
      if (budget === 512) expect(new Set(rows).size).toBeLessThan(examples.length);
      expectSame(await model.run(passes), expected);
    }
  });

  test('no cross-talk: a neighbour in the row changes nothing', async () => {
    await using model = await open();
    const [first, second] = examples as [TokenExample, TokenExample];
    const other = {
      ...second,
      prompt: second.prompt.map((id) => 514 - id),
      branches: second.branches.map((b) => b.map((id) => 514 - id)),
    };
    const together = (neighbour: TokenExample): Pass => ({
      batch: 1,
      seq: tokensOf(first) + tokensOf(second),
      placements: [
        { example: neighbour, row: 0, offset: 0 },
        { example: first, row: 0, offset: tokensOf(second) },
      ],
    });
    const logps = async (neighbour: TokenExample) => {
      const { perPosition } = await model.run([together(neighbour)]);
      const mine = positionsOf(lossOf(objective))(first);
      return [...(perPosition[0] as Float32Array)].slice(-mine);
    };
    const alone = await model.run([rowEach([first], tokensOf(first))]);
    expect(await logps(other)).toEqual(await logps(second));
    expect(relativeError(await logps(second), alone.perPosition[0] as Float32Array)).toBeLessThan(1e-5);
    const changed = await model.run([together(other)]);
    const unchanged = await model.run([together(second)]);
    expect(changed.loss).not.toBe(unchanged.loss);
  });
});

test.each([
  ['an adapter', 'models/llama', lora],
  ['every weight', 'models/llama', null],
  ['every weight, the output tied to the embedding', 'models/llama-tied', null],
] as const)('passes that save memory give the gradients of those that do not: %s', async (_, folder, trained) => {
  for (const [, objective, examples] of TELLING) {
    const args = { model: modelWithTokenizer(folder), objective, lora: trained };
    await using whole = await gradientsOf(args);
    const passes = [rowEach(examples, longest(examples))];
    const expected = await whole.run(passes);
    for (const saving of [{ maxPositions: sized(5, 1) }, { maxPositions: 64, maxActivationBytes: 0 }]) {
      await using model = await gradientsOf({ ...args, ...saving });
      const found = await model.run(passes);
      expectSame(found, expected);
      const [logps, all] = [found.perPosition[0], expected.perPosition[0]] as [Float32Array, Float32Array];
      expect(relativeError(logps, all)).toBeLessThan(1e-5);
    }
  }
});

test('dropout belongs to a token, wherever it was packed', async () => {
  const dropped = { ...lora, dropout: 0.3 };
  await using model = await gradientsOf({
    model: modelWithTokenizer('models/llama'),
    adapter,
    objective: sft,
    lora: dropped,
  });
  await using plain = await gradientsOf({ model: modelWithTokenizer('models/llama'), adapter, objective: sft, lora });
  const expected = await model.run([rowEach(singles, longest(singles))]);
  expectSame(await model.run(oneByOne(singles)), expected);
  expectSame(await model.run(packed(singles, sft, 512)), expected);
  await using saving = await gradientsOf({
    model: modelWithTokenizer('models/llama'),
    adapter,
    objective: sft,
    lora: dropped,
    maxActivationBytes: 0,
  });
  expectSame(await saving.run(oneByOne(singles)), expected);
  const { loss } = await plain.run(oneByOne(singles));
  expect(Math.abs(loss - expected.loss)).toBeGreaterThan(1e-3);
});

test('orpo: a prompt shared by both sides gives the log-probabilities of two separate sequences', async () => {
  await using shared = await gradientsOf({ model: modelWithTokenizer('models/llama'), adapter, objective: orpo, lora });
  await using apart = await gradientsOf({ model: modelWithTokenizer('models/llama'), adapter, objective: sft, lora });
  for (const example of pairs.filter(({ branches }) => branches.length === 2)) {
    const { perPosition } = await shared.run([rowEach([example], tokensOf(example))]);
    const separate: number[] = [];
    for (const branch of example.branches) {
      const alone = tokenExample(example.prompt, [branch]);
      separate.push(...((await apart.run([rowEach([alone], tokensOf(alone))])).perPosition[0] as Float32Array));
    }
    expect(relativeError(perPosition[0] as Float32Array, separate)).toBeLessThan(1e-5);
  }
});

test('the loss falls along its gradient as the gradient says (finite differences)', async () => {
  for (const [name, objective, examples] of CASES) {
    await using model = await gradientsOf({ model: modelWithTokenizer('models/llama'), objective });
    const pass = [rowEach(examples, longest(examples))];
    const { gradients } = await model.run(pass);
    const flat = new Float32Array(model.params.length);
    for (const tensor of model.layout.tensors) flat.set(gradients.get(tensor.name) as Float32Array, tensor.offset);
    const norm2 = flat.reduce((sum, g) => sum + g * g, 0);
    const step = 1e-2 / Math.sqrt(norm2);
    const at = async (sign: number) =>
      (
        await model.run(
          pass,
          model.params.map((p, i) => p + sign * step * (flat[i] as number)),
        )
      ).loss;
    const slope = ((await at(1)) - (await at(-1))) / (2 * step);
    expect(Math.abs(slope / norm2 - 1), name).toBeLessThan(1e-2);
  }
});

describe('silent tokens', () => {
  const silent = { sft: silenced(singles), orpo: silenced(pairs), dpo: silenced(pairs) };
  const otherEnds = (examples: readonly TokenExample[]): TokenExample[] =>
    examples.map((example) => ({
      ...example,
      branches: example.branches.map((ids) => ids.map((id, u) => (u === ids.length - 1 ? 514 - id : id))),
    }));

  test.each([
    ['sft', sft, silent.sft, singles],
    ['orpo', orpo, silent.orpo, pairs],
    ['dpo', { ...dpo, nllWeight: 0.5 }, silent.dpo, pairs],
  ] as const)('%s: what they are changes neither loss nor gradient', async (_, objective, examples, loud) => {
    await using model = await gradientsOf({ model: modelWithTokenizer('models/llama'), adapter, objective, lora });
    const run = (some: readonly TokenExample[]) => model.run([rowEach(some, longest(some))]);
    const [found, expected] = [await run(otherEnds(examples)), await run(examples)];
    expect(found.loss).toBe(expected.loss);
    expect(found.gradients).toEqual(expected.gradients);
    expect((await run(otherEnds(loud))).loss).not.toBe((await run(loud)).loss);
  });

  test('the mean is over the other tokens', async () => {
    await using model = await gradientsOf({ model: modelWithTokenizer('models/llama'), adapter, objective: sft, lora });
    const { perPosition } = await model.run([rowEach(singles, longest(singles))]);
    const heard = silent.sft.flatMap((example) => example.silent?.[0]?.map((isSilent) => !isSilent) ?? []);
    const logps = [...(perPosition[0] as Float32Array)].filter((_, n) => heard[n]);
    const { loss } = await model.run([rowEach(silent.sft, longest(silent.sft))]);
    expect(logps).toHaveLength(heard.filter(Boolean).length);
    expect(loss).toBeCloseTo(-logps.reduce((sum, logp) => sum + logp, 0) / logps.length, 5);
  });
});

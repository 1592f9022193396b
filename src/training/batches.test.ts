// Steps, their order, their division into passes: every example once, budgets kept, little padding.
import { describe, expect, test } from 'vitest';
import { createRandom } from '../random.ts';
import { countSteps, type PackOptions, packStep, stepExamples } from './batches.ts';
import { type TokenExample, tokensOf } from './examples.ts';

const random = createRandom('batches');
const example = (index: number, tokens: number): TokenExample => ({
  index,
  prompt: [1],
  branches: [Array<number>(tokens - 1).fill(2)],
  stepEnds: [],
  reference: [],
});
const examples = Array.from({ length: 50 }, (_, index) => example(index, random.int(20, 300)));
const order = { batchSize: 8, epochs: 3, maxSteps: undefined, seed: 1, shuffle: true };
const packing: PackOptions = {
  tokensPerPass: 1024,
  maxPositions: 600,
  positionsOf: ({ branches }) => branches[0]?.length ?? 0,
  cost: { fixed: 3e4, token: 1e3, pair: 1 },
  inOrder: false,
};

describe('order', () => {
  test('every epoch has every example once, in an order of its own; any step can be asked for alone', () => {
    expect(countSteps(50, order)).toBe(21);
    const at = stepExamples(examples, order);
    const epochs = [0, 1, 2].map((epoch) =>
      [0, 1, 2, 3, 4, 5, 6].flatMap((step) => at(7 * epoch + step).map(({ index }) => index)),
    );
    for (const epoch of epochs) expect([...epoch].sort((a, b) => a - b)).toEqual(examples.map(({ index }) => index));
    expect(epochs[0]).not.toEqual(epochs[1]);
    expect(stepExamples(examples, order)(17)).toEqual(at(17));
    expect(stepExamples(examples, { ...order, seed: 2 })(0)).not.toEqual(at(0));
  });

  test('as listed where shuffling is off; more steps than epochs go round again', () => {
    const at = stepExamples(examples, { ...order, shuffle: false });
    expect(at(0).map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(at(6).map(({ index }) => index)).toEqual([48, 49]);
    expect(at(7)).toEqual(at(0));
    expect(countSteps(50, { ...order, maxSteps: 4 })).toBe(4);
    expect(countSteps(50, { ...order, epochs: 0.5 })).toBe(4);
  });
});

describe('packing', () => {
  test('no example is lost, cut or overlapping, and budgets hold', () => {
    const passes = packStep(examples, packing);
    const placed = passes.flatMap(({ placements }) => placements.map(({ example: { index } }) => index));
    expect([...placed].sort((a, b) => a - b)).toEqual(examples.map(({ index }) => index));
    for (const { batch, seq, placements } of passes) {
      expect(batch * seq).toBeLessThanOrEqual(1024);
      expect(placements.reduce((sum, { example: e }) => sum + packing.positionsOf(e), 0)).toBeLessThanOrEqual(600);
      const used = new Set<number>();
      for (const { example: e, row, offset } of placements) {
        expect(row).toBeLessThan(batch);
        expect(offset + tokensOf(e)).toBeLessThanOrEqual(seq);
        for (let t = 0; t < tokensOf(e); t++) used.add(row * seq + offset + t);
      }
      expect(used.size).toBe(placements.reduce((sum, { example: e }) => sum + tokensOf(e), 0));
    }
    const real = examples.reduce((sum, e) => sum + tokensOf(e), 0);
    const run = passes.reduce((sum, { batch, seq }) => sum + batch * seq, 0);
    expect(real / run).toBeGreaterThan(0.85);
  });

  test('an example beyond the budget has a pass of its own', () => {
    const passes = packStep([example(0, 1500), example(1, 30)], packing);
    expect(passes.map(({ placements }) => placements.length)).toEqual([1, 1]);
  });

  test('dear attention makes short rows, cheap attention long ones', () => {
    const equal = Array.from({ length: 8 }, (_, index) => example(index, 96));
    const [dear] = packStep(equal, { ...packing, maxPositions: 10_000, cost: { fixed: 1e6, token: 1, pair: 1 } });
    expect(dear).toMatchObject({ batch: 8, seq: 96 });
    const odd = Array.from({ length: 8 }, (_, index) => example(index, 100));
    const [cheap] = packStep(odd, { ...packing, maxPositions: 10_000, cost: { fixed: 1e6, token: 1, pair: 0 } });
    expect(cheap).toMatchObject({ batch: 1, seq: 800 });
  });

  test('the time to divide a step grows at most with the square of its examples', () => {
    const cost = (count: number): number => {
      const many = Array.from({ length: count }, (_, index) => example(index, random.int(60, 140)));
      const start = process.cpuUsage();
      packStep(many, { ...packing, tokensPerPass: 8192, maxPositions: 10_000 });
      return process.cpuUsage(start).user / 1000;
    };
    cost(64);
    // Four times the examples: 16 times for the square, 64 for the cube, in every attempt.
    expect([1, 2, 3, 4, 5].some(() => cost(512) / Math.max(cost(128), 1) < 32)).toBe(true);
  });

  test('fixed groups keep the order given', () => {
    const passes = packStep(examples.slice(0, 7), { ...packing, examplesPerPass: 3, inOrder: true });
    expect(passes.map(({ placements }) => placements.map(({ example: e }) => e.index))).toEqual([
      [0, 1, 2],
      [3, 4, 5],
      [6],
    ]);
  });
});

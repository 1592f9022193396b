// Summaries written by hand -> rows, paired tests of every two, budgets of equal FLOPs.
import { describe, expect, it } from 'vitest';
import { NO_COST } from '../pipeline/cost.ts';
import { createRandom } from '../random.ts';
import type { Cell } from './cell.ts';
import type { CellRound, CellSummary } from './cell-summary.ts';
import { compareCells, type PairedTest } from './comparison.ts';
import { tokensForEqualFlops } from './equal-flops.ts';

interface Made extends Partial<Cell> {
  readonly method: string;
  readonly right: string;
  readonly sound?: string;
  readonly questions?: string;
  readonly optimizerTokens?: number;
  readonly flops?: number;
  readonly pairs?: number | null;
}

function round(iteration: number, pairs: number | null): CellRound {
  return {
    iteration,
    valid: null,
    optimizerTokens: 0,
    prmTokens: 0,
    cost: { ...NO_COST, flops: 0 },
    pairs: pairs === null ? null : { pairs },
    figures: null,
    warnings: [],
    seconds: 1,
  };
}

function summary(made: Made): CellSummary {
  const { method, variant = null, column = 'tokens', seed = 1, right, pairs = null } = made;
  const { questions = `of ${seed}`, optimizerTokens = 1000, flops = 6e6 } = made;
  return {
    method,
    variant,
    column,
    seed,
    settings: 's',
    runs: method,
    scorer: 'prm',
    parameters: 1000,
    lora: false,
    policies: { start: 'a', last: 'b' },
    sets: [
      { task: 'mini', split: 'test', questions, right, sound: made.sound ?? null },
      { task: 'svamp', split: 'test', questions: 'svamp', right: '10', sound: null },
    ],
    rounds: [round(1, pairs), round(2, pairs)],
    total: { optimizerTokens, flops, seconds: 2 },
  };
}

const asked = { tokens: 1000, reference: 'sipf' };
const test = (tests: readonly PairedTest[], a: string, b: string) => tests.find((one) => one.a === a && one.b === b);

describe('compareCells', () => {
  it('averages the seeds of a row, and pairs rows question by question', () => {
    const { rows, tests } = compareCells(
      [
        summary({ method: 'sipf', seed: 1, right: '1110', pairs: 10 }),
        summary({ method: 'sipf', seed: 2, right: '1100', pairs: 20 }),
        summary({ method: 'continued-sft', seed: 1, right: '1000' }),
        summary({ method: 'continued-sft', seed: 2, right: '0011' }),
      ],
      asked,
    );
    expect(rows.map(({ name }) => name)).toEqual(['sipf', 'continued-sft']);
    expect(rows[0]).toMatchObject({ accuracy: 0.625, pairs: 30, seconds: 2, otherSets: { 'svamp/test': 0.5 } });
    expect(rows[1]?.pairs).toBeNull();
    expect(tests).toHaveLength(1);
    const [found] = tests;
    expect(found).toMatchObject({ difference: 0.25, better: 4, worse: 2 });
    expect(found?.seeds.map(({ seed, difference }) => [seed, difference])).toEqual([
      [1, 0.5],
      [2, 0],
    ]);
    expect(found?.deviation).toBeCloseTo(Math.SQRT1_2 / 2, 12);
    // 4 won and 2 lost: 2 · (1 + 6 + 15) / 64.
    expect(found?.pValue).toBeCloseTo(44 / 64, 12);
    expect(found?.holm).toBe(found?.pValue);
  });

  it('pools the questions of all seeds for the exact test', () => {
    const random = createRandom('pooled');
    const outcomes = (n: number) => Array.from({ length: n }, () => random.int(0, 1)).join('');
    for (let trial = 0; trial < 20; trial += 1) {
      const sizes = [3, 5, 4];
      const of = (method: string) => sizes.map((n, seed) => summary({ method, seed, right: outcomes(n) }));
      const [a, b] = [of('sipf'), of('rft')];
      const [found] = compareCells([...a, ...b], asked).tests;
      let [won, lost] = [0, 0];
      for (const [i, { sets }] of a.entries())
        for (const [q, mark] of [...(sets[0]?.right ?? '')].entries()) {
          const other = b[i]?.sets[0]?.right[q];
          if (mark === '1' && other === '0') won += 1;
          if (mark === '0' && other === '1') lost += 1;
        }
      expect([found?.better, found?.worse]).toEqual([won, lost]);
      expect(found?.pValue).toBeCloseTo(exactSignTest(won, lost), 12);
    }
  });

  it('corrects for all its tests, and tests only rows with the same questions', () => {
    const cells = [
      summary({ method: 'sipf', right: '1111111100000000' }),
      summary({ method: 'siof', right: '0000000011110000' }),
      summary({ method: 'rft', right: '0000000000000000' }),
      summary({ method: 'sipf', variant: 'other', right: '1111', questions: 'others' }),
    ];
    const { tests } = compareCells(cells, asked);
    expect(tests.map(({ a, b }) => `${a} - ${b}`)).toEqual(['sipf - siof', 'sipf - rft', 'siof - rft']);
    const [p, q, r] = tests.map(({ pValue }) => pValue);
    expect(q).toBeCloseTo(2 / 256, 12);
    expect(tests.map((one) => one.holm)).toEqual([Math.max(2 * r!, p!), 3 * q!, 2 * r!]);
  });

  it('leaves out questions that a row has no grade for, and seeds that only one row has', () => {
    const { rows, tests } = compareCells(
      [
        summary({ method: 'sipf', seed: 1, right: '11-0' }),
        summary({ method: 'siof', seed: 1, right: '0111' }),
        summary({ method: 'sipf', seed: 2, right: '0000' }),
      ],
      asked,
    );
    expect(rows.find(({ name }) => name === 'sipf')?.seeds[0]).toMatchObject({ n: 3 });
    expect(test(tests, 'sipf', 'siof')).toMatchObject({ better: 1, worse: 1, difference: 0 });
    expect(test(tests, 'sipf', 'siof')?.seeds).toHaveLength(1);
  });

  it('compares sound answers where all rows have them, with a correction of their own', () => {
    const [sipf, rft] = [
      summary({ method: 'sipf', right: '1111', sound: '1110' }),
      summary({ method: 'rft', right: '1111', sound: '0000' }),
    ];
    const { rows, tests } = compareCells([sipf, rft], asked);
    expect(rows.map((row) => row.sound)).toEqual([0.75, 0]);
    expect(tests.map(({ measure, difference, holm: p }) => [measure, difference, Number(p.toFixed(9))])).toEqual([
      ['accuracy', 0, 1],
      ['sound', 0.75, 0.25],
    ]);
    const without = compareCells([sipf, summary({ method: 'rft', right: '1111' })], asked);
    expect(without.tests.map(({ measure }) => measure)).toEqual(['accuracy']);
  });

  it('says how far tokens and FLOPs are from what was asked', () => {
    const { rows, unequal } = compareCells(
      [
        summary({ method: 'sipf', right: '1100', flops: 100 }),
        summary({ method: 'continued-sft', right: '0000', flops: 10, optimizerTokens: 990 }),
        summary({ method: 'start', right: '0000', flops: 0, optimizerTokens: 0 }),
        summary({ method: 'continued-sft', column: 'flops', right: '1110', flops: 103, optimizerTokens: 9000 }),
      ],
      asked,
    );
    expect(rows.map(({ name }) => name)).toEqual(['sipf', 'continued-sft', 'start', 'continued-sft at equal FLOPs']);
    expect(unequal.tokens).toBeCloseTo(0.01, 12);
    expect(unequal.flops).toBeCloseTo(0.03, 12);
  });
});

/** Two-sided, every outcome counted. */
function exactSignTest(won: number, lost: number): number {
  const n = won + lost;
  let [asExtreme, all] = [0, 0];
  for (let outcome = 0; outcome < 2 ** n; outcome += 1) {
    const heads = outcome.toString(2).replaceAll('0', '').length;
    all += 1;
    if (Math.min(heads, n - heads) <= Math.min(won, lost)) asExtreme += 1;
  }
  return asExtreme / all;
}

describe('tokensForEqualFlops', () => {
  // 1,000 parameters, 6 FLOPs a parameter and optimizer token: 1,000 tokens cost 6e6.
  const sipf = summary({ method: 'sipf', right: '1', flops: 60e6, optimizerTokens: 1000 });

  it('spends on training what the reference spends on rollouts, its own sampling charged', () => {
    expect(tokensForEqualFlops(sipf, summary({ method: 'continued-sft', right: '1', flops: 6e6 }))).toBe(10_000);
    expect(tokensForEqualFlops(sipf, summary({ method: 'online-rft', right: '1', flops: 18e6 }))).toBe(8000);
  });

  it('is null for a method that costs as much already', () => {
    expect(tokensForEqualFlops(sipf, summary({ method: 'tallies', right: '1', flops: 60e6 }))).toBeNull();
    expect(tokensForEqualFlops(sipf, summary({ method: 'tallies', right: '1', flops: 90e6 }))).toBeNull();
  });
});

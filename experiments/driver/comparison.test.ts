// Summaries written by hand -> paired differences over seeds, coverage, budgets of equal FLOPs.
import { describe, expect, it } from 'vitest';
import { NO_COST } from '#sipf/pipeline/estimate.js';
import { createRandom } from '#sipf/random.js';
import type { ArmRound, ArmSummary } from './arm-summary.ts';
import { compareArms, tokensForEqualFlops } from './comparison.ts';
import { stratifiedMean } from './stratified-mean.ts';

interface Made {
  readonly arm: string;
  readonly seed?: number;
  readonly column?: ArmSummary['column'];
  readonly start?: string;
  readonly last: string;
  readonly optimizerTokens?: number;
  readonly flops?: number;
  readonly pairs?: number | null;
}

function round(iteration: number, pairs: number | null): ArmRound {
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

function summary(made: Made): ArmSummary {
  const {
    arm,
    seed = 1,
    column = 'tokens',
    start = '0000',
    last,
    optimizerTokens = 1000,
    flops = 6e6,
    pairs = null,
  } = made;
  return {
    arm,
    column,
    seed,
    method: arm,
    scorer: 'prm',
    parameters: 1000,
    lora: false,
    policies: { start: 'a', last: 'b' },
    test: { task: 'mini', split: 'test', questions: `of ${seed}`, start, last },
    rounds: [round(1, pairs), round(2, pairs)],
    total: { optimizerTokens, flops, seconds: 2 },
  };
}

describe('compareArms', () => {
  it('pairs arms question by question within a seed and averages the seeds', () => {
    const { rows } = compareArms([
      summary({ arm: 'sipf', seed: 1, last: '1110', pairs: 10 }),
      summary({ arm: 'sipf', seed: 2, last: '1100', pairs: 20 }),
      summary({ arm: 'continued-sft', seed: 1, last: '1000' }),
      summary({ arm: 'continued-sft', seed: 2, last: '0011' }),
    ]);
    expect(rows.map(({ arm }) => arm)).toEqual(['start', 'sipf', 'continued-sft']);
    const [start, sipf, control] = rows;
    expect(start?.accuracy).toBe(0);
    expect(sipf?.accuracy).toBe(0.625);
    expect(sipf?.pairs).toBe(30);
    expect(sipf?.seconds).toBe(2);
    expect(sipf?.sipfAgainst).toBeNull();
    expect(sipf?.againstStart?.value).toBe(0.625);
    expect(sipf?.againstContinuedSft?.seeds.map(({ seed, value }) => [seed, value])).toEqual([
      [1, 0.5],
      [2, 0],
    ]);
    expect(sipf?.againstContinuedSft?.value).toBe(0.25);
    expect(sipf?.againstContinuedSft?.deviation).toBeCloseTo(Math.SQRT1_2 / 2, 12);
    expect(control?.sipfAgainst?.value).toBe(0.25);
    expect(control?.againstContinuedSft).toBeNull();
    expect(control?.pairs).toBeNull();
  });

  it('leaves out questions that either side has no grade for, and seeds that only one side has', () => {
    const { rows } = compareArms([
      summary({ arm: 'sipf', seed: 1, last: '11-0' }),
      summary({ arm: 'siof', seed: 1, last: '01-1' }),
      summary({ arm: 'sipf', seed: 2, last: '0000' }),
    ]);
    const siof = rows.find(({ arm }) => arm === 'siof');
    expect(siof?.sipfAgainst?.seeds).toHaveLength(1);
    expect(siof?.sipfAgainst?.seeds[0]).toMatchObject({ seed: 1, value: 0, n: 3 });
    expect(siof?.accuracy).toBeCloseTo(2 / 3, 12);
  });

  it('compares the columns with their own controls, and all with sipf at equal tokens', () => {
    const { rows, unequal } = compareArms([
      summary({ arm: 'sipf', last: '1100', flops: 100, optimizerTokens: 1000 }),
      summary({ arm: 'continued-sft', last: '0000', flops: 10, optimizerTokens: 990 }),
      summary({ arm: 'continued-sft', column: 'flops', last: '1110', flops: 103, optimizerTokens: 9000 }),
      summary({ arm: 'online-rft', column: 'flops', last: '1111', flops: 100, optimizerTokens: 5000 }),
    ]);
    const of = (arm: string, column: string) => rows.find((row) => row.arm === arm && row.column === column);
    expect(of('online-rft', 'flops')?.againstContinuedSft?.value).toBe(0.25);
    expect(of('online-rft', 'flops')?.sipfAgainst?.value).toBe(-0.5);
    expect(of('continued-sft', 'flops')?.sipfAgainst?.value).toBe(-0.25);
    expect(of('continued-sft', 'tokens')?.sipfAgainst?.value).toBe(0.5);
    expect(unequal.tokens).toBeCloseTo(0.01, 12);
    expect(unequal.flops).toBeCloseTo(0.03, 12);
  });

  it('refuses arms that did not answer the same questions from the same start', () => {
    const sipf = summary({ arm: 'sipf', last: '1100' });
    expect(() => compareArms([sipf, summary({ arm: 'siof', start: '0001', last: '1100' })])).toThrow(
      /share their start/,
    );
    const others = summary({ arm: 'siof', last: '1100' });
    expect(() => compareArms([sipf, { ...others, test: { ...others.test, questions: 'others' } }])).toThrow(RangeError);
  });
});

describe('stratifiedMean', () => {
  it('holds the mean of the strata, each counting alike, and nothing where one is too small', () => {
    const random = createRandom('test');
    expect(
      stratifiedMean(
        [
          [1, 1, 1, 1],
          [0, 0],
        ],
        { random },
      ),
    ).toEqual({ value: 0.5, ci95: [0.5, 0.5], n: 6 });
    expect(stratifiedMean([[1, 0], [1]], { random })).toBeNull();
    expect(stratifiedMean([], { random })).toBeNull();
  });

  it('covers the true mean about 95 times in a hundred, with the width of the normal interval', () => {
    const random = createRandom('coverage');
    const draw = (n: number, p: number) => Array.from({ length: n }, () => Number(random.next() < p));
    let covered = 0;
    let width = 0;
    for (let i = 0; i < 300; i++) {
      const figure = stratifiedMean([draw(200, 0.2), draw(200, 0.6)], { random, resamples: 400 });
      if (figure === null) throw new Error('Expected a figure.');
      const [low, high] = figure.ci95;
      if (low <= 0.4 && high >= 0.4) covered += 1;
      width += (high - low) / 300;
    }
    expect(covered / 300).toBeGreaterThan(0.9);
    expect(covered / 300).toBeLessThan(0.985);
    const expected = 2 * 1.96 * Math.sqrt((0.2 * 0.8 + 0.6 * 0.4) / 200 / 4);
    expect(Math.abs(width / expected - 1)).toBeLessThan(0.05);
  });
});

describe('tokensForEqualFlops', () => {
  // 1,000 parameters, 6 FLOPs a parameter and optimizer token: 1,000 tokens cost 6e6.
  const sipf = summary({ arm: 'sipf', last: '1', flops: 60e6, optimizerTokens: 1000 });

  it('spends on training what sipf spends on rollouts, its own sampling charged', () => {
    expect(tokensForEqualFlops(sipf, summary({ arm: 'continued-sft', last: '1', flops: 6e6 }))).toBe(5000);
    expect(tokensForEqualFlops(sipf, summary({ arm: 'online-rft', last: '1', flops: 18e6 }))).toBe(4000);
  });

  it('is null for an arm that costs as much already', () => {
    expect(tokensForEqualFlops(sipf, summary({ arm: 'tallies', last: '1', flops: 60e6 }))).toBeNull();
    expect(tokensForEqualFlops(sipf, summary({ arm: 'tallies', last: '1', flops: 90e6 }))).toBeNull();
  });
});

// Rows drawn from known rules -> gradients, the rules again, and what a slow search finds.
import { describe, expect, it } from 'vitest';
import { createRandom, type Random } from '../random.ts';
import {
  crossEntropy,
  logisticLoss,
  logisticRegression,
  probability,
  standardised,
  standardOf,
  type TargetRows,
} from './logistic-regression.ts';

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const normal = (random: Random) => Array.from({ length: 12 }, () => random.next()).reduce((a, b) => a + b, -6);

/** Rows whose target is drawn with P = sigmoid(intercept + weights · features), or is that P itself. */
function drawn(count: number, weights: readonly number[], intercept: number, isSoft = false): TargetRows {
  const random = createRandom(`rows ${count} ${weights}`);
  const values: number[] = [];
  const targets = Array.from({ length: count }, () => {
    const row = weights.map(() => normal(random));
    values.push(...row);
    const p = sigmoid(row.reduce((z, value, j) => z + value * weights[j]!, intercept));
    return isSoft ? p : Number(random.next() < p);
  });
  return { width: weights.length, values: Float32Array.from(values), targets: Float32Array.from(targets) };
}

describe('logisticLoss', () => {
  it('has the gradient that finite differences show', () => {
    const random = createRandom('differences');
    for (const [ridge, isSoft] of [
      [0, false],
      [0.1, true],
      [2, false],
    ] as const) {
      const loss = logisticLoss(drawn(40, [1, -2, 0.5], 0.3, isSoft), ridge);
      const x = Float64Array.from({ length: 4 }, () => 2 * random.next() - 1);
      const gradient = new Float64Array(4);
      loss(x, gradient);
      for (const i of x.keys()) {
        const at = (by: number) => loss(x.with(i, x[i]! + by), new Float64Array(4));
        expect(gradient[i]).toBeCloseTo((at(1e-5) - at(-1e-5)) / 2e-5, 8);
      }
    }
  });

  it('is the cross-entropy by hand', () => {
    const rows = { width: 1, values: Float32Array.of(0, 2), targets: Float32Array.of(1, 0.25) };
    const byHand = (-Math.log(sigmoid(1)) - 0.25 * Math.log(sigmoid(7)) - 0.75 * Math.log(1 - sigmoid(7))) / 2;
    expect(crossEntropy(rows, { weights: [3], intercept: 1 })).toBeCloseTo(byHand, 9);
    expect(logisticLoss(rows, 0.5)(Float64Array.of(3, 1), new Float64Array(2))).toBeCloseTo(byHand + 0.25 * 9, 9);
  });
});

describe('logisticRegression', () => {
  it.each([false, true])('finds the rule that targets come from (soft: %s)', (isSoft) => {
    const rule = [1.5, -1, 0, 0.5];
    const { weights, intercept } = logisticRegression(drawn(20_000, rule, -0.7, isSoft), 1e-6);
    const most = isSoft ? 1e-3 : 0.1;
    for (const [j, weight] of rule.entries()) expect(Math.abs(weights[j]! - weight)).toBeLessThan(most);
    expect(Math.abs(intercept + 0.7)).toBeLessThan(most);
  });

  it('ends where plain gradient descent ends, from any start', () => {
    for (const ridge of [1, 0.1, 0.01]) {
      const rows = drawn(60, [1, 0, -1], 0.5);
      const loss = logisticLoss(rows, ridge);
      const x = new Float64Array(4);
      const gradient = new Float64Array(4);
      for (let step = 0; step < 20_000; step += 1) {
        loss(x, gradient);
        for (const i of x.keys()) x[i]! -= 0.1 * gradient[i]!;
      }
      for (const from of [undefined, { weights: [5, 5, 5], intercept: -5 }]) {
        const { weights, intercept } = logisticRegression(rows, ridge, from);
        for (const [i, value] of [...weights, intercept].entries()) expect(value).toBeCloseTo(x[i]!, 4);
      }
    }
  });

  it('stays finite where a feature separates the targets', () => {
    const rows = { width: 1, values: Float32Array.of(-1, -1, 1, 1), targets: Float32Array.of(0, 0, 1, 1) };
    const [weak, strong] = [logisticRegression(rows, 1e-3), logisticRegression(rows, 1)];
    expect(weak.weights[0]).toBeGreaterThan(strong.weights[0]!);
    expect(Number.isFinite(weak.weights[0])).toBe(true);
  });
});

describe('standardised rows', () => {
  it('have mean 0 and deviation 1, but for a feature that does not vary, which stays out', () => {
    const random = createRandom('standard');
    const [width, count] = [3, 500];
    const values = Float32Array.from({ length: width * count }, (_, i) =>
      i % width === 2 ? 1e4 / 3 : 40 + (i % width) * normal(random),
    );
    const targets = Float32Array.from({ length: count }, () => Number(random.next() < 0.5));
    const rows = { width, values, targets };
    const standard = standardOf(rows);
    expect(standard.scales[0]).toBe(1);
    expect(standard.scales[2]).toBe(1);
    const own = standardised(rows, standard);
    const column = (j: number) => Array.from({ length: count }, (_, i) => own.values[i * width + j]!);
    expect(column(1).reduce((a, b) => a + b, 0) / count).toBeCloseTo(0, 5);
    expect(column(1).reduce((a, b) => a + b * b, 0) / count).toBeCloseTo(1, 4);
    const fit = logisticRegression(own, 0.01);
    expect(Math.abs(fit.weights[0]!) + Math.abs(fit.weights[2]!)).toBeLessThan(1e-6);
    const [a, b] = [own.values.subarray(0, width), values.subarray(0, width)];
    const z = a.reduce((total, value, j) => total + value * fit.weights[j]!, fit.intercept);
    expect(probability(b, { ...standard, ...fit })).toBeCloseTo(sigmoid(z), 5);
  });
});

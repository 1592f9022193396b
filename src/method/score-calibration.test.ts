// Step evidence and labels -> the weights of PRM and log-probability.
import { describe, expect, it } from 'vitest';
import { createRandom } from '../random.ts';
import { calibratedScore, type LabelledStep, scoreCalibration } from './score-calibration.ts';

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

/** Steps whose label is drawn from known weights. */
function drawn(n: number, [intercept, prmLogit, meanLogp, minLogp]: [number, number, number, number]): LabelledStep[] {
  const random = createRandom('calibration');
  return Array.from({ length: n }, () => {
    const prm = 0.05 + 0.9 * random.next();
    const logps = Array.from({ length: 4 }, () => -2 * random.next());
    const mean = logps.reduce((sum, logp) => sum + logp, 0) / 4;
    const logit = intercept + prmLogit * Math.log(prm / (1 - prm)) + meanLogp * mean + minLogp * Math.min(...logps);
    return { evidence: { prm, logps }, correct: random.next() < sigmoid(logit) };
  });
}

describe('score calibration', () => {
  it('is the PRM itself where nothing was labelled', () => {
    const calibration = scoreCalibration([]);
    expect(calibration).toMatchObject({ steps: 0, correct: 0, intercept: 0, prmLogit: 1, meanLogp: 0, minLogp: 0 });
    expect(calibratedScore({ prm: 0.3, logps: [-5, -1] }, calibration)).toBeCloseTo(0.3, 12);
  });

  it('finds the weights that labels were drawn from', () => {
    const steps = drawn(20_000, [1, 0.5, 0.8, 1.5]);
    const found = scoreCalibration(steps);
    expect(found.steps).toBe(20_000);
    expect(found.correct).toBe(steps.filter(({ correct }) => correct).length);
    expect(found.intercept).toBeCloseTo(1, 0);
    expect(Math.abs(found.prmLogit - 0.5)).toBeLessThan(0.1);
    expect(Math.abs(found.meanLogp - 0.8)).toBeLessThan(0.3);
    expect(Math.abs(found.minLogp - 1.5)).toBeLessThan(0.2);
  });

  it('ends at a point where the penalised likelihood has no slope', () => {
    const steps = drawn(200, [0.2, 0, 1, 1]);
    const found = scoreCalibration(steps);
    const weights = [found.intercept, found.prmLogit, found.meanLogp, found.minLogp];
    const loss = (at: readonly number[]) => {
      const [intercept, prmLogit, meanLogp, minLogp] = at as [number, number, number, number];
      const fit = { ...found, intercept, prmLogit, meanLogp, minLogp };
      const nll = steps.reduce((sum, { evidence, correct }) => {
        const p = calibratedScore(evidence, fit);
        return sum - Math.log(correct ? p : 1 - p);
      }, 0);
      return nll + 0.5 * at.reduce((sum, weight, i) => sum + (weight - [0, 1, 0, 0][i]!) ** 2, 0);
    };
    for (const i of weights.keys()) {
      const nudged = (by: number) => loss(weights.map((weight, j) => weight + (i === j ? by : 0)));
      expect(Math.abs((nudged(1e-4) - nudged(-1e-4)) / 2e-4)).toBeLessThan(1e-4);
    }
  });

  it('stays finite where a feature separates the labels, and where a PRM is certain', () => {
    const separated = Array.from({ length: 50 }, (_, i) => ({
      evidence: { prm: i % 2, logps: [i % 2 === 0 ? -8 : -0.01] },
      correct: i % 2 === 1,
    }));
    const found = scoreCalibration(separated);
    expect(Object.values(found).every(Number.isFinite)).toBe(true);
    expect(calibratedScore({ prm: 1, logps: [-0.01] }, found)).toBeGreaterThan(0.99);
    expect(calibratedScore({ prm: 0, logps: [-8] }, found)).toBeLessThan(0.01);
  });

  it('takes a step without tokens as one that surprised nobody', () => {
    const found = scoreCalibration(drawn(500, [0, 1, 0, 1]));
    expect(calibratedScore({ prm: 0.5, logps: [] }, found)).toBeCloseTo(sigmoid(found.intercept), 12);
  });
});

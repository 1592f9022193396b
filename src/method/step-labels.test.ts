// Tallies by hand -> hard and soft step labels.
import { expect, test } from 'vitest';
import type { StepLabels } from '../records.ts';
import { hardLabels, softLabels } from './step-labels.ts';

const step = (
  correct: number,
  run: number,
  stop: 'full' | 'first-success' = 'full',
  impliedBy: number | null = null,
) => ({ correct, run, stop, impliedBy });
const record = (steps: StepLabels['steps'], outcomeRight: boolean): StepLabels => ({
  sampleId: 's',
  questionId: 'q',
  iteration: 1,
  simulator: 'h',
  K: 4,
  steps: [...steps, step(Number(outcomeRight), 0)],
  outcomeRight,
  rolloutTokens: 0,
});
const rule = { delta: 0, closure: 'monotone', ownWitness: false } as const;

test('closes over rollouts, not over the outcome', () => {
  const mixed = record([step(0, 4), step(1, 4), step(0, 4)], true);
  expect(hardLabels(mixed, rule)).toEqual([true, true, false, true]);
  expect(hardLabels(mixed, { ...rule, closure: 'none' })).toEqual([false, true, false, true]);
  expect(hardLabels(mixed, { ...rule, ownWitness: true })).toEqual([true, true, true, true]);
  expect(hardLabels(mixed, { ...rule, delta: 1 })).toEqual([false, false, false, true]);
  expect(softLabels(mixed)).toEqual([0, 0.25, 0, 1]);
});

test('refuses what early-stopped records cannot tell', () => {
  const scanned = record([step(0, 0, 'first-success', 1), step(1, 2, 'first-success')], false);
  expect(hardLabels(scanned, rule)).toEqual([true, true, false]);
  expect(() => softLabels(scanned)).toThrow(/labels\.mode full/);
  expect(() => hardLabels(scanned, { ...rule, closure: 'none' })).toThrow(/closure none/);
  expect(() => hardLabels(scanned, { ...rule, delta: 1 })).toThrow(/delta 1/);
});

test('a false equation makes a step wrong, whatever its rollouts, the outcome or the closure say', () => {
  const settled = { ...step(0, 0), settledBy: 'false-equation' } as const;
  const checked = record([step(1, 4), settled, settled], true);
  const whole = { ...checked, steps: [...checked.steps.slice(0, -1), settled] };
  expect(hardLabels(checked, rule)).toEqual([true, false, false, true]);
  expect(hardLabels(whole, { ...rule, ownWitness: true })).toEqual([true, false, false, false]);
  expect(softLabels(whole)).toEqual([0.25, 0, 0, 0]);
});

// Inputs of a stage, before and now -> their differences, and the lines that say them.
import { expect, it } from 'vitest';
import { jsonDifference } from '../hashing.ts';
import { changesOf, inputChanges } from './marker.ts';

it('a setting that is gone has no value', () => {
  const [before, now] = [{ loss: { kind: 'dpo', beta: 0.1 } }, { loss: { kind: 'orpo' } }];
  expect(changesOf(jsonDifference(before, now))).toBe('  loss.kind: "dpo" -> "orpo"\n  loss.beta: 0.1 -> none');
});

it('a setting that came after the marker changes nothing where it is off', () => {
  const marker = { stage: '2-step-labels', inputs: { options: { K: 4 }, gone: false }, outputs: {}, result: null };
  const now = (options: Record<string, unknown>) =>
    inputChanges(marker, { options: { K: 4, ...options }, gone: false });
  expect(now({ exactChecks: false, denoise: null })).toEqual([]);
  expect(now({ exactChecks: true })).toEqual([{ key: 'options.exactChecks', from: undefined, to: true }]);
  expect(now({ K: 8 })).toEqual([{ key: 'options.K', from: 4, to: 8 }]);
  expect(inputChanges(marker, { options: { K: 4 } })).toEqual([{ key: 'gone', from: false, to: undefined }]);
});

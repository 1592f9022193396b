// Differences -> the lines that say them.
import { expect, it } from 'vitest';
import { jsonDifference } from '../hashing.ts';
import { changesOf } from './marker.ts';

it('a setting that is gone has no value', () => {
  const [before, now] = [{ loss: { kind: 'dpo', beta: 0.1 } }, { loss: { kind: 'orpo' } }];
  expect(changesOf(jsonDifference(before, now))).toBe('  loss.kind: "dpo" -> "orpo"\n  loss.beta: 0.1 -> none');
});

// Random rollout results -> the scan and the complete tally agree on every hard label.
import { expect, test } from 'vitest';
import { createRandom } from '../random.ts';
import { fullTally, type RolloutResults, scan, stillNeeded } from './tallies.ts';

const random = createRandom('tallies');

/** All results of a prefix, with errors among them: as many as full mode would ask for. */
function complete(K: number, pRight: number, pError: number): RolloutResults {
  const results: (boolean | null)[] = [];
  for (let need = stillNeeded(results, K); typeof need === 'number'; need = stillNeeded(results, K))
    for (let i = 0; i < need; i += 1) results.push(random.next() < pError ? null : random.next() < pRight);
  return results;
}

test.each([0, 0.2])('a scan settles a step as all K rollouts do, share of errors %s', (pError) => {
  for (let round = 0; round < 500; round += 1) {
    const K = random.int(1, 8);
    const delta = random.int(0, K);
    const results = complete(K, random.next(), pError);
    if (stillNeeded(results, K) === 'failed') continue;
    const full = fullTally(results, K);
    const { state, used, tally } = scan(results, { K, delta });
    expect(full.run).toBe(K);
    expect(state).toBe('done');
    expect(tally.correct > delta).toBe(full.correct > delta);
    expect(tally.correct).toBeLessThanOrEqual(full.correct);
    // One result fewer does not settle it: a scan asks for no rollout in vain.
    expect(scan(results.slice(0, used - 1), { K, delta }).state).toBe('open');
    if (tally.stop === 'first-success') expect(tally.correct).toBe(delta + 1);
  }
});

test('a scan stops at the first result that still runs, and at more than K errors', () => {
  const rule = { K: 2, delta: 0 };
  expect(scan([false, undefined, true], rule)).toMatchObject({ state: 'open', used: 1, tally: { run: 1, correct: 0 } });
  expect(scan([null, null], rule).state).toBe('open');
  expect(scan([null, null, null], rule).state).toBe('failed');
  expect(stillNeeded([null, null, null], 2)).toBe('failed');
  expect(stillNeeded([null, true], 2)).toBe(1);
});

// Random rollout results -> the scan and the complete tally agree on every hard label.
import { expect, test } from 'vitest';
import { createRandom } from '../random.ts';
import { type RolloutResults, scan } from './tallies.ts';

const random = createRandom('tallies');

const scanAll = (results: RolloutResults, K: number) => scan(results, { K, delta: K });

/** All results of a prefix, with errors among them: as many as full mode would ask for. */
function complete(K: number, pRight: number, pError: number): RolloutResults {
  const results: (boolean | null)[] = [];
  for (let all = scanAll(results, K); all.state === 'open'; all = scanAll(results, K))
    for (let i = all.tally.run; i < K; i += 1) results.push(random.next() < pError ? null : random.next() < pRight);
  return results;
}

test.each([0, 0.2])('a scan settles a step as all K rollouts do, share of errors %s', (pError) => {
  for (let round = 0; round < 500; round += 1) {
    const K = random.int(1, 8);
    const delta = random.int(0, K);
    const results = complete(K, random.next(), pError);
    const { state: end, used: all, tally: full } = scanAll(results, K);
    if (end === 'failed') continue;
    expect(full).toMatchObject({ run: results.filter((result) => result !== null).length, stop: 'full' });
    expect(all).toBe(results.length);
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
  expect(scanAll([null, true], 2)).toMatchObject({ state: 'open', tally: { run: 1 } });
});

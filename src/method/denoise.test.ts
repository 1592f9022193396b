// Labelled paths by hand -> which questions and labels teach a PRM that denoises.
import { expect, test } from 'vitest';
import { labelledSums, sumPrompt } from '../../test/labelled-sums.ts';
import { sumsTask } from '../../test/scripted-sums.ts';
import { parseConfig } from '../config/load.ts';
import type { Sample, StepLabels, StepTally } from '../records.ts';
import { DenoiseOptions, denoisedTargets, isHopeless } from './denoise.ts';
import { prmRows } from './prm-rows.ts';

const rule = { delta: 0, closure: 'none', ownWitness: false } as const;

function record(correct: readonly number[], outcomeRight: boolean, change: Partial<StepTally> = {}): StepLabels {
  const steps = correct.map((n): StepTally => ({ correct: n, run: 4, stop: 'full', impliedBy: null, ...change }));
  const last: StepTally = { correct: Number(outcomeRight), run: 0, stop: 'full', impliedBy: null };
  const given = { sampleId: 's', questionId: 'q', iteration: 1, simulator: 'h', K: 4, rolloutTokens: 0 };
  return { ...given, steps: [...steps, last], outcomeRight };
}

test.each([
  [0, [1, 1, 0, 1, 0, 0]],
  [1, [1, 0.75, 0, 0.25, 0, 0]],
  [2, [0.5, 0.75, 0, 0.25, 0, 0]],
])('a wrong path is soft within %d steps of its first wrong label', (distance, expected) => {
  const wrong = record([2, 3, 0, 1, 0], false);
  expect(denoisedTargets(wrong, { rule, targets: 'hard', distance })).toEqual(expected);
});

test('a right path is correct throughout, whatever its rollouts say, save for false equations', () => {
  const args = { rule, targets: 'hard', distance: 1 } as const;
  expect(denoisedTargets(record([0, 0], true), args)).toEqual([1, 1, 1]);
  expect(denoisedTargets(record([0, 0], true, { run: 0, settledBy: 'false-equation' }), args)).toEqual([0, 0, 1]);
});

test('soft targets stay soft everywhere on a wrong path; scans that stopped early are refused', () => {
  expect(denoisedTargets(record([2, 3, 0, 0], false), { rule, targets: 'soft', distance: 0 })).toEqual([
    0.5, 0.75, 0, 0, 0,
  ]);
  const cut = record([1, 0], false, { stop: 'first-success' });
  expect(() => denoisedTargets(cut, { rule, targets: 'hard', distance: 0 })).toThrow(/labels\.mode full/);
  expect(parseConfig({ prm: { denoise: {} } }).labels.mode).toBe('full');
  expect(() => parseConfig({ prm: { denoise: {} }, labels: { mode: 'first-success' } })).toThrow(/prm\.denoise/);
});

test('questions with too few right samples teach nothing, and are counted', async () => {
  const labelled = await labelledSums();
  const shares = labelled.map(({ samples }) => {
    const drawn = samples.filter(({ source }) => source === 'policy');
    return drawn.filter(({ outcome }) => outcome.kind === 'right').length / Math.max(1, drawn.length);
  });
  const denoise = DenoiseOptions.parse({ minRight: 0.4 });
  const hopeless = labelled.filter(({ samples }) => isHopeless(samples, denoise));
  expect(hopeless).toHaveLength(shares.filter((share) => share < 0.4).length);
  expect(hopeless.length).toBeGreaterThan(0);
  const told = hopeless[0]!.samples.map((one) => ({ ...one, outcome: { kind: 'right' }, hinted: true }) as const);
  expect(isHopeless([...hopeless[0]!.samples, ...told], denoise)).toBe(true);
  const args = {
    task: sumsTask,
    prompt: sumPrompt,
    targets: 'hard',
    rule,
    gold: true,
    heldOut: 0,
    calibrates: false,
  } as const;
  const [all, kept] = [await prmRows(labelled, args), await prmRows(labelled, { ...args, denoise })];
  const paths = hopeless.flatMap(({ labels }) => labels).length;
  expect(kept.counts).toMatchObject({ hopelessPaths: paths, paths: all.counts.paths - paths });
  expect(all.counts).not.toHaveProperty('hopelessPaths');
  const worked = (samples: readonly Sample[]) => samples.some(({ source }) => source === 'gold');
  expect(worked(hopeless[0]!.samples)).toBe(true);
});

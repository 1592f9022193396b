// Labelled paths -> the rows of a PRM, and which questions give none.
import { expect, test } from 'vitest';
import { labelledSums, sumPrompt as prompt } from '../../test/labelled-sums.ts';
import { sumsTask } from '../../test/scripted-sums.ts';
import { isForCalibration, isHeldOut } from '../hashing.ts';
import { checkPrmRows, prmRows } from './prm-rows.ts';

const rule = { delta: 0, closure: 'monotone', ownWitness: false } as const;

test('no held-out question trains the PRM, nor one for calibration; labels need their samples', async () => {
  const items = await labelledSums();
  const args = { task: sumsTask, prompt, rule, gold: true, heldOut: 0.3, calibrates: false };
  const rows = await prmRows(items, { ...args, targets: 'soft' });
  const heldOut = items.filter(({ question }) => isHeldOut(question.id, 0.3));
  expect(heldOut.length).toBeGreaterThan(2);
  expect(rows.counts.heldOutPaths).toBe(heldOut.reduce((sum, { labels }) => sum + labels.length, 0));
  const prompts = new Set(rows.examples.map((example) => example.prompt));
  for (const { question } of heldOut) expect(prompts.has(prompt(question))).toBe(false);
  const without = await prmRows(items, { ...args, targets: 'soft', calibrates: true });
  const weighing = items.filter(({ question }) => isForCalibration(question.id, 0.3));
  expect(weighing.length).toBeGreaterThan(2);
  expect(without.counts.calibrationPaths).toBe(weighing.reduce((sum, { labels }) => sum + labels.length, 0));
  const left = new Set(without.examples.map((example) => example.prompt));
  for (const { question } of [...heldOut, ...weighing]) expect(left.has(prompt(question))).toBe(false);
  expect(checkPrmRows(rows)).toEqual([]);
  expect(() => checkPrmRows({ examples: [], counts: { ...rows.counts, paths: 0 } })).toThrow(/Raise labels\.paths/);
  await expect(
    prmRows(
      items.map((item) => ({ ...item, samples: [] })),
      { ...args, targets: 'hard' },
    ),
  ).rejects.toThrow(/Expected the sample/);
});

test('a path without text teaches nothing', async () => {
  const items = await labelledSums();
  const args = { task: sumsTask, prompt, rule, gold: false, heldOut: 0, calibrates: false, targets: 'soft' } as const;
  const mute = items.map((item) => ({
    ...item,
    samples: item.samples.map((sample, i) => (i === 1 ? { ...sample, steps: [''] } : sample)),
  }));
  const { counts } = await prmRows(items, args);
  expect((await prmRows(mute, args)).counts.paths).toBe(counts.paths - items.length);
});

// Labelled paths and scorers -> step scores, what is too long, figures of good and bad scores.
import { expect, test } from 'vitest';
import { sumsBackend as backend, labelledSums, sumPrompt as prompt } from '../../test/labelled-sums.ts';
import { sumsTask } from '../../test/scripted-sums.ts';
import type { StepScores } from '../records.ts';
import { scoreFigures } from '../statistics/prm-figures.ts';
import { figureWarnings } from '../statistics/warnings.ts';
import { figurePaths } from './figure-paths.ts';
import { stepScoresById } from './path-score.ts';
import { scoreUnit, shuffleScores } from './score.ts';
import { scoreCalibration } from './score-calibration.ts';
import { openScorer, type ScorerName, type ScorerSource } from './scorers.ts';

test('shuffles scores among paths of equal outcome only', () => {
  const samples = Array.from({ length: 12 }, (_, i) => ({
    id: `${i}`,
    outcome: i < 6 ? ({ kind: 'right' } as const) : ({ kind: 'wrong', reason: 'no-answer' } as const),
  }));
  const scores = new Map(samples.map(({ id }, i) => [id, i]));
  const shuffled = shuffleScores(scores, samples, 'k');
  expect([...shuffled.values()].slice(0, 6).sort()).toEqual([0, 1, 2, 3, 4, 5]);
  expect([...shuffled.values()]).not.toEqual([...scores.values()]);
});

const openPrm = () => backend.openPrm({ model: 'base' });
const openPolicy = () => backend.openPolicy({ model: 'base' });
const items = await labelledSums();
const samples = items.flatMap((item) => item.samples);

async function score(name: ScorerName, source: ScorerSource = {}) {
  await using scorer = await openScorer(name, { prm: openPrm, policy: openPolicy, ...source });
  return await scoreUnit(items, { scorer, task: sumsTask, prompt });
}

test('prm-logprob with the weights of the PRM alone is the PRM; a weight of the least likely token lowers it', async () => {
  const scored = await score('prm');
  expect(scored.records.map(({ sampleId }) => sampleId)).toEqual(samples.map(({ id }) => id));
  const prior = scoreCalibration([]);
  const weighed = await score('prm-logprob', { calibration: prior });
  expect(weighed.counts.scoredTokens).toBeGreaterThan(1.5 * (scored.counts.scoredTokens ?? 0));
  const lower = await score('prm-logprob', { calibration: { ...prior, minLogp: 2 } });
  for (const [i, { scores }] of weighed.records.entries()) {
    for (const [j, value] of (scores ?? []).entries()) {
      expect(value).toBeCloseTo(scored.records[i]?.scores?.[j] ?? -1, 5);
      expect(lower.records[i]?.scores?.[j]).toBeLessThan(value);
    }
  }
});

test('what a model reads is charged by its texts, whatever records say: prompts once, rollouts with the steps they continue', async () => {
  const [item] = items;
  const [drawn] = item!.samples;
  const rollout = { ...drawn!, id: `${drawn!.id}/1.0.0`, source: 'rollout' as const, tokens: 1 };
  const own = { ...drawn!, id: 'own', tokens: 0 };
  const empty = { ...items[1]!, samples: [{ ...items[1]!.samples[0]!, steps: [''] }] };
  await using scorer = await openScorer('prm', { prm: openPrm });
  const given = [{ ...item!, samples: [drawn!, rollout, own] }, empty];
  const { counts } = await scoreUnit(given, { scorer, task: sumsTask, prompt });
  // The scripted model's tokens are characters.
  const path = sumsTask.pieces(drawn!.steps).join('').length;
  expect(counts['scoredTokens']).toBe(prompt(item!.question).length + 3 * path);
});

test('a path that is too long for the model has no scores; all others have theirs', async () => {
  const lengths = items.flatMap((item) =>
    item.samples.map(({ steps }) => prompt(item.question).length + sumsTask.pieces(steps).join('').length),
  );
  await using prm = await openPrm();
  const small: typeof prm = {
    ...prm,
    contextLength: Math.max(...lengths),
    score: (paths) => prm.score(paths),
    countTokens: (texts) => prm.countTokens(texts),
    [Symbol.asyncDispose]: async () => {},
  };
  const [scored, cut] = [await score('prm'), await score('prm', { prm: async () => small })];
  expect(cut.counts.pathsTooLong).toBeGreaterThan(0);
  const known = cut.records.filter(({ scores }) => scores !== null);
  expect(cut.counts).toMatchObject({ paths: known.length, unscored: cut.counts.pathsTooLong });
  expect(cut.records.map(({ sampleId }) => sampleId)).toEqual(scored.records.map(({ sampleId }) => sampleId));
  expect(scored.records).toEqual(expect.arrayContaining(known));
  expect(stepScoresById(cut.records).size).toBe(known.length);
});

test.each(['prm', 'prm-logprob', 'tallies', 'logprob', 'oracle', 'outcome'] as const)(
  'a path without text has no record: %s',
  async (name) => {
    const mute = items.map((item) => ({
      ...item,
      samples: item.samples.map((sample, i) => (i === 1 ? { ...sample, steps: [' '] } : sample)),
    }));
    const calibration = scoreCalibration([]);
    await using scorer = await openScorer(name, { prm: openPrm, policy: openPolicy, calibration });
    const { records, counts } = await scoreUnit(mute, { scorer, task: sumsTask, prompt });
    expect(records.map(({ sampleId }) => sampleId)).toEqual(
      mute.flatMap((item) => item.samples.filter((_, i) => i !== 1).map(({ id }) => id)),
    );
    expect(counts).toMatchObject({ paths: samples.length - mute.length, unscored: mute.length });
  },
);

test('tallies and outcomes score without a model', async () => {
  const tallied = await score('tallies');
  expect(tallied.counts).toMatchObject({ unscored: 0, scoredTokens: 0 });
  expect(tallied.records.find(({ sampleId }) => !sampleId.endsWith('gold'))?.scores?.[0]).toBe(0.5);
  const outcome = await score('outcome');
  expect(new Set(outcome.records.flatMap(({ scores }) => scores))).toEqual(new Set([0, 1]));
});

test('a scorer that gives too few scores, or none that is a number, is an error that names the path', async () => {
  await using prm = await openPrm();
  for (const given of [[], [Number.NaN, 1, 1, 1, 1, 1]]) {
    const wrong = {
      ...prm,
      contextLength: 4096,
      countTokens: prm.countTokens.bind(prm),
      score: async () => samples.map(() => given),
    };
    const source = { prm: async () => ({ ...wrong, [Symbol.asyncDispose]: async () => {} }) };
    await expect(score('prm', source)).rejects.toThrow(`finite step scores for ${samples[0]?.id}`);
  }
});

test('good scores have good figures, and noise a warning', async () => {
  const rule = { delta: 0, closure: 'monotone', ownWitness: false } as const;
  const figuresOf = (records: readonly StepScores[]) => {
    const scores = new Map(records.map((one) => [one.sampleId, one.scores ?? []]));
    const rules = { task: sumsTask, labels: rule, score: { path: 'mean', value: 'state' } } as const;
    return scoreFigures(items.map((item) => figurePaths(item, scores, rules)));
  };
  const { records } = await score('prm');
  const figures = await figuresOf(records);
  expect(figures.aucOutcome.scores?.value).toBeGreaterThan(0.8);
  expect(figures.trueSteps?.scores?.value).toBeGreaterThan(0.9);
  expect(figures.calibration.bins).toHaveLength(10);
  const noise = records.map((one, i) => ({
    ...one,
    scores: (one.scores ?? []).map((_, j) => ((i * 7 + j * 3) % 10) / 10),
  }));
  expect(figureWarnings(await figuresOf(noise)).join('\n')).toMatch(/better than chance/);
});

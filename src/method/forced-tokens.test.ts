// Paths whose sums a calculator wrote -> records that count its tokens, figures without them.
import { expect, it } from 'vitest';
import { scoreSum, sumQuestion, sumSteps, sumsTask } from '../../test/scripted-sums.ts';
import { createScriptedBackend, type WriteArgs } from '../backends/scripted.ts';
import { parseConfig } from '../config/load.ts';
import type { PreferencePair, Sample } from '../records.ts';
import { CHEAP_RANKS } from './cheap-ranks.ts';
import { tokensOf } from './drawn-tokens.ts';
import { answerUnit } from './evaluate.ts';
import { labelUnit } from './label.ts';
import { pairQuestion } from './pair.ts';
import { pairLogps } from './pair-logps.ts';
import { referenceUnit, rowsToCompare } from './reference-logps.ts';
import { sampleUnit } from './sample.ts';
import { scoreUnit } from './score.ts';
import { stepEvidence } from './score-calibration.ts';
import { openScorer } from './scorers.ts';

/** Steps of the sum with annotations, each result ten times too large but for the calculator. */
function annotate(steps: readonly string[]): string[] {
  return steps.map((step) => step.replace(/^(.+)=(\d+)/, (_, term, result) => `<<${term}=${result}0>>`));
}

function write({ prompt, prefix, random }: WriteArgs): string {
  const numbers = /Q: (.*)\nA:/.exec(prompt)?.[1]?.split('+').map(Number) ?? [];
  const rest = annotate(sumSteps(numbers)).slice(prefix.split('\n').length - 1);
  // Paths differ, and some are wrong.
  return `${random.pick(['So ', 'Then ', ''])}${rest.join('\n')}${random.pick(['', '', '0'])}`;
}

const backend = createScriptedBackend({ write, score: scoreSum });
const policy = await backend.openPolicy({ model: 'base' });
const task = sumsTask;
const prompt = task.prompt;
const question = sumQuestion('train', 3);
const context = { task, prompt, seed: 1, iteration: 1 };

async function samplesWith(calculator: boolean, keepLogps = false): Promise<readonly Sample[]> {
  const sampling = { calculator, keepLogps, samples: 12, gold: false, distinct: false };
  const options = parseConfig({ sampling }).sampling;
  const items = [{ question, known: [], addGold: false }];
  return (await sampleUnit(items, { ...context, policy, options })).records;
}

/** What is between `=` and the end of its annotation. */
const resultTexts = (steps: readonly string[]): string[] =>
  [...steps.join('\n').matchAll(/=(\d+>>)/g)].map(([, result = '']) => result);

/** As many tokens. */
const resultsOf = (steps: readonly string[]): number => resultTexts(steps).join('').length;

it('samples count the tokens, and their log-probabilities are sums over the others', async () => {
  const [plain, calculated] = [await samplesWith(false), await samplesWith(true)];
  for (const sample of plain) expect(sample).not.toHaveProperty('forced');
  for (const sample of calculated) {
    expect(sample.steps.join('\n')).not.toEqual(plain[sample.index]?.steps.join('\n'));
    expect(sample.forced).toBe(resultsOf(sample.steps));
    expect(sample.tokens).toBeGreaterThan(sample.forced ?? 0);
    // A scripted token has a log-probability from -1.05 to -0.05.
    const drawn = sample.tokens - (sample.forced ?? 0);
    expect(CHEAP_RANKS.meanLogp({ sample })).toBe((sample.sumLogp ?? 0) / drawn);
    expect(sample.sumLogp).toBeLessThan(-0.05 * drawn);
    expect(sample.sumLogp).toBeGreaterThan(-1.05 * drawn);
  }
});

it('samples that keep their tokens have null for them', async () => {
  for (const sample of await samplesWith(true, true)) {
    const written = (tokensOf(sample) ?? []).flatMap(({ text, logp }) => (logp === null ? [text] : []));
    expect(written).toHaveLength(sample.forced ?? 0);
    expect(written.join('')).toBe(resultTexts(sample.steps).join(''));
  }
});

it('answers count them', async () => {
  const options = { maxTokens: null, gradeRetries: 0, calculator: true };
  const items = [{ set: { task, split: 'valid', prompt, questions: [question] }, question }];
  const { records } = await answerUnit(items, { policy, options });
  expect(records[0]?.forced).toBe(resultsOf([records[0]?.completion ?? '']));
  const without = await answerUnit(items, { policy, options: { ...options, calculator: false } });
  expect(without.records[0]).not.toHaveProperty('forced');
});

it('rollouts continue with the calculator', async () => {
  const samples = (await samplesWith(true)).slice(0, 4);
  const counts = async (calculator: boolean) => {
    const options = parseConfig({ labels: { calculator, K: 4, mode: 'full' } }).labels;
    return (await labelUnit([{ question, samples }], { ...context, simulator: policy, options })).counts;
  };
  expect((await counts(true))['generatedTokens']).not.toBe((await counts(false))['generatedTokens']);
});

it('scores by log-probability are means over the drawn tokens', async () => {
  const samples = await samplesWith(true);
  await using scorer = await openScorer('logprob', { policy: () => backend.openPolicy({ model: 'base' }) });
  const { records } = await scoreUnit([{ question, samples, labels: [] }], { scorer, task, prompt });
  for (const [i, { steps }] of samples.entries()) {
    const completion = task.pieces(steps).join('');
    const [all = []] = await policy.logps([{ context: [prompt(question)], completion }]);
    const [some = []] = await policy.logps([{ context: [prompt(question)], completion, calculator: true }]);
    const drawn = some.filter((logp) => logp !== null);
    expect(drawn).toHaveLength(all.length - resultsOf(steps));
    const mean = drawn.reduce((sum, logp) => sum + logp, 0) / drawn.length;
    expect(records[i]?.scores?.[0]).toBeCloseTo(Math.exp(mean), 12);
  }
});

it('the evidence of a step is what was drawn of it', async () => {
  const samples = await samplesWith(true);
  const prm = await backend.openPrm({ model: 'base' });
  const paths = samples.map((sample) => ({ question, sample, labels: undefined }));
  const evidence = await stepEvidence(paths, { prm, policy, task, prompt });
  for (const [i, { steps }] of samples.entries()) {
    const pieces = task.pieces(steps);
    expect(evidence[i]?.map(({ logps }) => logps.length)).toEqual(
      pieces.map((piece) => piece.length - resultsOf([piece])),
    );
  }
});

it('pairs carry the count, and their figures leave the tokens out', async () => {
  const samples = await samplesWith(true);
  const scores = new Map(samples.map(({ id }, n) => [id, n]));
  const options = parseConfig({ pairs: { chosenGate: 'none' } }).pairs;
  const { pairs } = pairQuestion({ question, samples, scores }, options, 'key');
  const [pair] = pairs as [PreferencePair];
  expect(pair.chosen.forced).toBe(resultsOf(pair.chosen.steps));
  const [logps = []] = await policy.logps([
    { context: [prompt(question)], completion: task.pieces(pair.chosen.steps).join(''), calculator: true },
  ]);
  const drawn = logps.filter((logp) => logp !== null);
  const [own] = await pairLogps(policy, [pair], { task, prompt });
  expect(own?.chosen).toBeCloseTo(drawn.reduce((sum, logp) => sum + logp, 0) / drawn.length, 12);
});

it('a reference counts results where training does', async () => {
  const [first, second] = (await samplesWith(true)) as [Sample, Sample];
  const [chosen, rejected] = [first, second].map(({ steps }) => task.pieces(steps)) as [string[], string[]];
  const rows = rowsToCompare([{ kind: 'preference', prompt: prompt(question), chosen, rejected }], {
    kind: 'dpo',
    beta: 0.1,
    nllWeight: 0,
  });
  const sums = async (calculatorLoss: boolean) =>
    (await referenceUnit(rows, { policy, calculatorLoss })).records[0]?.logps?.chosen ?? 0;
  const item = { context: [prompt(question)], completion: chosen, ended: true };
  const [all = []] = await policy.logps([item]);
  const [drawn = []] = await policy.logps([{ ...item, calculator: true }]);
  const total = (logps: typeof all) => logps.reduce<number>((sum, logp) => sum + (logp ?? 0), 0);
  expect(await sums(true)).toBeCloseTo(total(all), 12);
  expect(await sums(false)).toBeCloseTo(total(drawn), 12);
  expect(total(all)).toBeLessThan(total(drawn));
});

// The table of scorers: what each opens, what configurations may name, what is closed.
import { expect, test } from 'vitest';
import { scoreSum, sumQuestion, sumsTask, writeSum } from '../../test/scripted-sums.ts';
import { createScriptedBackend } from '../backends/scripted.ts';
import { parseConfig } from '../config/load.ts';
import { type Question, type Sample, StepScores } from '../records.ts';
import { METHODS, needs, scorerOf } from './methods.ts';
import type { Probe } from './probe.ts';
import { scoreUnit } from './score.ts';
import { scoreCalibration } from './score-calibration.ts';
import { isConfiguredScorer, openScorer, type ScorerSource, scorerInputs, scorerNeeds } from './scorers.ts';

const NAMES = StepScores.shape.scorer.options;
const backend = createScriptedBackend({ write: writeSum, score: scoreSum });
const { hash: model } = await backend.openPolicy({ model: 'base' });
/** Reads what the scripted model knows of a step: the first number of its state. */
const probe: Probe = {
  model,
  layers: [2],
  means: [0.5, 0, 0, 0, 0, 0],
  scales: [0.25, 1, 1, 1, 1, 1],
  weights: [2, 0, 0, 0, 0, 0],
  intercept: 0,
  ridge: 0.1,
  steps: 9,
  correct: 5,
  calibrationSteps: 0,
  calibrationLoss: null,
};

/** A source that notes what is opened and closed. */
function watched(): { source: Required<ScorerSource>; log: string[] } {
  const log: string[] = [];
  const noting = async <M extends AsyncDisposable>(name: string, opening: Promise<M>): Promise<M> => {
    const model = await opening;
    log.push(name);
    const close = model[Symbol.asyncDispose].bind(model);
    return Object.assign(model, {
      [Symbol.asyncDispose]: async () => {
        log.push(`closes ${name}`);
        await close();
      },
    });
  };
  return {
    log,
    source: {
      prm: () => noting('prm', backend.openPrm({ model: 'base' })),
      policy: () => noting('policy', backend.openPolicy({ model: 'base' })),
      calibration: scoreCalibration([]),
      probe,
    },
  };
}

test.each(NAMES)('%s opens what the table says that it needs, once, and closes it', async (name) => {
  const { source, log } = watched();
  const models = (['prm', 'policy'] as const).filter((need) => scorerNeeds(name, need));
  const scorer = await openScorer(name, source);
  expect(log).toEqual(models);
  expect(scorer.models).toHaveLength(models.length);
  expect(scorer.prm === null).toBe(!scorerNeeds(name, 'prm'));
  await scorer[Symbol.asyncDispose]();
  expect(log.filter((entry) => entry.startsWith('closes'))).toEqual(models.map((model) => `closes ${model}`));
});

/** A question with its worked solution. */
function goldPath() {
  const question = sumQuestion('train', 3);
  const sample: Sample = {
    id: 's',
    questionId: question.id,
    source: 'gold',
    iteration: 0,
    index: -1,
    policy: null,
    steps: question.solution ?? [],
    finishReason: 'stop',
    tokens: 9,
    sumLogp: -1,
    extracted: question.answer,
    outcome: { kind: 'right' },
  };
  return { question, sample };
}

test.each(NAMES)('%s scores each step of a path between 0 and 1', async (name) => {
  const { question, sample } = goldPath();
  await using scorer = await openScorer(name, watched().source);
  const prompt = sumsTask.prompt;
  const { records } = await scoreUnit([{ question, samples: [sample], labels: [] }], {
    scorer,
    task: sumsTask,
    prompt,
  });
  expect(records).toHaveLength(1);
  expect(records[0]).toMatchObject({ sampleId: 's', scorer: name, prm: scorer.prm });
  expect(records[0]?.scores).toHaveLength(sample.steps.length);
  for (const score of records[0]?.scores ?? []) expect(score >= 0 && score <= 1).toBe(true);
});

test('a probe opens on the model alone that it was trained on, with its layers', async () => {
  const { source, log } = watched();
  await expect(openScorer('probe', { ...source, probe: { ...probe, model: 'other' } })).rejects.toThrow(
    /^Expected the model that the probe was trained on \(other\)/,
  );
  expect(log).toEqual(['policy', 'closes policy']);
  await expect(openScorer('probe', { ...source, probe: { ...probe, layers: [9] } })).rejects.toThrow(
    /^Expected layers from 1 to 4 in the probe, got 9\./,
  );
});

test('a source that lacks a model, or weights, is an error that names the scorer', async () => {
  const { source, log } = watched();
  await expect(openScorer('prm-logprob', { ...source, calibration: undefined })).rejects.toMatchObject({
    code: 'bad-input',
    message: expect.stringContaining('a calibration for the scorer prm-logprob'),
  });
  expect(log).toEqual(['prm', 'policy', 'closes prm', 'closes policy']);
  await expect(openScorer('logprob', {})).rejects.toMatchObject({
    code: 'bad-input',
    message: expect.stringContaining('a policy for the scorer logprob'),
  });
});

test('models that were open are closed where a later one does not open', async () => {
  const { source, log } = watched();
  const failing = { ...source, policy: () => Promise.reject(new Error('no such model')) };
  await expect(openScorer('prm-logprob', failing)).rejects.toThrow('no such model');
  expect(log).toEqual(['prm', 'closes prm']);
});

test('a configuration may name the scorers that the table leaves to it', () => {
  for (const name of NAMES) {
    const parse = () => parseConfig({ score: { scorer: name as 'prm' } });
    if (isConfiguredScorer(name)) expect(parse().score.scorer).toBe(name);
    else expect(parse).toThrow(/score\.scorer/);
  }
  expect(() => parseConfig({ score: { scorer: 'tallies' }, labels: { mode: 'first-success' } })).toThrow(
    /labels\.mode/,
  );
});

test('a method needs what its scorer reads', () => {
  expect(scorerOf(METHODS.sipf, 'prm')).toBe('prm');
  expect(scorerOf(METHODS.siof, 'prm')).toBe('outcome');
  expect(scorerOf(METHODS.rft, 'prm')).toBe(null);
  const none = { labels: false, prm: false, probe: false, calibration: false };
  expect(needs(scorerOf(METHODS.sipf, 'prm-logprob'))).toEqual({ ...none, labels: true, prm: true, calibration: true });
  expect(needs(scorerOf(METHODS.sipf, 'probe'))).toEqual({ ...none, labels: true, probe: true });
  expect(needs(scorerOf(METHODS.sipf, 'tallies'))).toEqual({ ...none, labels: true });
  expect(needs(scorerOf(METHODS.sipf, 'logprob'))).toEqual(none);
  expect(needs(scorerOf(METHODS.siof, 'prm-logprob'))).toEqual(none);
});

test("a stage's inputs name the models that a scorer reads, and no others", () => {
  const hashes = { prm: 'p', policy: 'q', calibration: null, probe: null };
  expect(scorerInputs('prm', hashes)).toEqual({ model: 'p' });
  expect(scorerInputs('logprob', hashes)).toEqual({ model: 'q' });
  expect(scorerInputs('tallies', hashes)).toEqual({ model: null });
  expect(scorerInputs('prm-logprob', hashes)).toEqual({ model: null, prm: 'p', policy: 'q', calibration: null });
});

/** A right path with these steps. */
const rightPath = ({ id, answer }: Question, steps: readonly string[], index = 0): Sample => ({
  id: `${id}/1/${index}`,
  questionId: id,
  source: 'policy',
  iteration: 1,
  index,
  policy: null,
  steps: [...steps],
  finishReason: 'stop',
  tokens: 1,
  sumLogp: null,
  extracted: answer,
  outcome: { kind: 'right' },
});

test('likelihood counts what it reads: the prompt and the steps once, and the line of the answer for each', async () => {
  const [question, other] = [sumQuestion('train', 3), sumQuestion('train', 4)];
  const samples = [question, other].map((one) => rightPath(one, one.solution ?? []));
  await using scorer = await openScorer('likelihood', watched().source);
  const items = [question, other].map((one, i) => ({ question: one, samples: [samples[i]!], labels: [] }));
  const { records, counts } = await scoreUnit(items, { scorer, task: sumsTask, prompt: sumsTask.prompt });
  // The scripted model's tokens are characters.
  const read = items.map(({ question: { question: text, answer, solution = [] } }) => {
    const before = solution.slice(0, -1);
    return (
      sumsTask.prompt({ question: text }).length +
      `${before.join('\n')}\n`.length +
      before.length * `The answer is ${answer}`.length
    );
  });
  expect(counts.scoredTokens).toBe(read.reduce((sum, one) => sum + one, 0));
  expect(records.map(({ scores }) => scores?.at(-1))).toEqual([1, 1]);
});

test('likelihood reads the steps that paths of a question share once, and scores each as if it were alone', async () => {
  const question = sumQuestion('train', 3);
  const [first = '', ...rest] = question.solution ?? [];
  const paths = [
    [first, ...rest],
    [first, 'Another way.', ...rest],
  ].map((steps, i) => rightPath(question, steps, i));
  await using scorer = await openScorer('likelihood', watched().source);
  const scored = (samples: readonly Sample[]) =>
    scoreUnit([{ question, samples, labels: [] }], { scorer, task: sumsTask, prompt: sumsTask.prompt });
  const [together, alone] = [await scored(paths), [await scored(paths.slice(0, 1)), await scored(paths.slice(1))]];
  expect(together.records).toEqual(alone.flatMap(({ records }) => records));
  // One read less after the first step: the line of the answer. The second path is read from its prompt for the other places.
  const line = `The answer is ${question.answer}`.length;
  expect(together.counts['scoredTokens']).toBe(
    alone.reduce((sum, { counts }) => sum + (counts['scoredTokens'] ?? 0), 0) - line,
  );
});

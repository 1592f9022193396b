// Labelled sums and the scripted model's states -> a probe: what it learns, from what, at what cost.
import { beforeAll, describe, expect, it } from 'vitest';
import { labelledSums, sumPrompt, sumsBackend } from '../../test/labelled-sums.ts';
import { sumsTask } from '../../test/scripted-sums.ts';
import { isForCalibration, isHeldOut } from '../hashing.ts';
import { createRandom } from '../random.ts';
import { withinGroupAuc } from '../statistics/auc.ts';
import { textsOf } from './context-length.ts';
import { probeLayers, probeScores, stateReader } from './probe.ts';
import type { LabelledQuestion } from './step-labels.ts';
import { trainProbe } from './train-probe.ts';

const HELD_OUT = 0.2;
let questions: LabelledQuestion[];
beforeAll(async () => {
  questions = (await labelledSums()).map(withTruth);
});

/** Labels as many sure rollouts give them: a step is correct where it is true. */
function withTruth({ question, samples, labels }: LabelledQuestion): LabelledQuestion {
  const sure = labels.map((record) => {
    const { steps } = samples.find(({ id }) => id === record.sampleId)!;
    const truth = sumsTask.trueSteps!(question, steps)!;
    return { ...record, steps: record.steps.map((tally, j) => ({ ...tally, correct: truth[j] ? tally.run : 0 })) };
  });
  return { question, samples, labels: sure };
}

/** The labels of the questions that `chosen` names, turned round. */
function withWrongLabels(chosen: (id: string) => boolean): LabelledQuestion[] {
  return questions.map((item) => {
    if (!chosen(item.question.id)) return item;
    const labels = item.labels.map((record) => ({
      ...record,
      outcomeRight: !record.outcomeRight,
      steps: record.steps.map((tally) => ({ ...tally, correct: tally.run - tally.correct })),
    }));
    return { ...item, labels };
  });
}

async function train(of: readonly LabelledQuestion[], change: Partial<Parameters<typeof trainProbe>[1]> = {}) {
  await using policy = await sumsBackend.openPolicy({ model: 'base' });
  return await trainProbe(() => of, {
    model: stateReader(policy),
    layers: [1, 4],
    task: sumsTask,
    prompt: sumPrompt,
    targets: 'hard',
    gold: true,
    denoise: null,
    rule: { delta: 0, closure: 'monotone', ownWitness: false },
    heldOut: HELD_OUT,
    unit: 7,
    ...change,
  });
}

describe('trainProbe', () => {
  it('finds what the states know of a step, for questions that it never saw', async () => {
    const { probe, warnings } = await train(questions);
    expect(probe.layers).toEqual([1, 4]);
    expect(probe.weights).toHaveLength(2 * 4 + 2);
    const strongest = [...probe.weights.keys()].sort(
      (a, b) => Math.abs(probe.weights[b]!) - Math.abs(probe.weights[a]!),
    );
    expect(strongest.slice(0, 2).sort()).toEqual([0, 4]);
    expect(probe.correct).toBeLessThan(probe.steps);
    expect(warnings.filter((text) => !/choose how strongly/.test(text))).toEqual([]);
    await using policy = await sumsBackend.openPolicy({ model: 'base' });
    const groups = [];
    for (const { question, samples } of questions.filter((item) => isHeldOut(item.question.id, HELD_OUT))) {
      const texts = textsOf(
        samples.map((sample) => ({ question, sample })),
        { task: sumsTask, prompt: sumPrompt },
      );
      const scores = await probeScores(texts, policy, { probe });
      groups.push(
        samples.flatMap(({ steps }, i) =>
          sumsTask.trueSteps!(question, steps)!.map((positive, j) => ({ score: scores[i]![j]!, positive })),
        ),
      );
    }
    const auc = withinGroupAuc(groups, { random: createRandom('probe') });
    expect(auc?.value).toBeGreaterThan(0.9);
  });

  it('learns nothing of held-out questions, and no weight of those for calibration at one penalty', async () => {
    const { probe, counts } = await train(questions);
    const unseen = await train(withWrongLabels((id) => isHeldOut(id, HELD_OUT)));
    expect(unseen.probe).toEqual(probe);
    const turned = await train(withWrongLabels((id) => isForCalibration(id, HELD_OUT)));
    expect(turned.probe.calibrationLoss).toBeGreaterThan(probe.calibrationLoss!);
    expect(turned.probe.ridge).toBeGreaterThan(probe.ridge);
    expect(turned.probe.means).toEqual(probe.means);
    expect((await train(questions)).probe).toEqual(probe);
    const trains = questions.filter(({ question: { id } }) => !isHeldOut(id, 2 * HELD_OUT));
    expect(counts.paths).toBe(trains.flatMap(({ labels }) => labels).length);
    expect(counts.gold).toBe(trains.filter(({ labels }) => labels.length > 0).length);
  });

  it('counts each token that the model reads, for states and for log-probabilities', async () => {
    const { counts } = await train(questions, { unit: 1000, gold: false });
    const read = questions.filter(({ question: { id } }) => !isHeldOut(id, HELD_OUT));
    const trained = read.filter(({ question: { id } }) => !isForCalibration(id, HELD_OUT));
    expect(read.length).toBeGreaterThan(trained.length);
    const lengthOf = ({ question, samples, labels }: LabelledQuestion) => {
      const known = new Set(labels.map(({ sampleId }) => sampleId));
      const texts = samples.filter(({ id }) => known.has(id)).map(({ steps }) => sumsTask.pieces(steps).join(''));
      return sumPrompt(question).length + texts.join('').length;
    };
    expect(counts.scoredTokens).toBe(2 * read.reduce((sum, item) => sum + lengthOf(item), 0));
    expect(counts.pathsTooLong).toBe(0);
  });

  it('takes soft targets', async () => {
    const { probe } = await train(await labelledSums(), { targets: 'soft' });
    expect(probe.correct).not.toBe(Math.round(probe.correct));
  });

  it('leaves out what the context does not hold', async () => {
    await using policy = await sumsBackend.openPolicy({ model: 'base' });
    const lengths = questions.flatMap(({ question, samples, labels }) =>
      samples
        .filter(({ id }) => labels.some(({ sampleId }) => sampleId === id))
        .map(({ steps }) => sumPrompt(question).length + sumsTask.pieces(steps).join('').length),
    );
    const model = Object.assign(stateReader(policy), { contextLength: Math.max(...lengths) });
    const { counts, probe } = await train(questions, { model, gold: false, heldOut: 0 });
    const tooLong = lengths.filter((length) => length + 2 >= model.contextLength).length;
    expect(counts.pathsTooLong).toBe(tooLong);
    expect(tooLong).toBeLessThan(lengths.length);
    expect(probe.steps).toBeLessThan(counts.steps!);
  });

  it('says so where nothing chooses the penalty, or little', async () => {
    const { probe, warnings } = await train(questions, { heldOut: 0 });
    expect(probe).toMatchObject({ calibrationSteps: 0, calibrationLoss: null });
    expect(warnings).toContainEqual(expect.stringMatching(/^Only 0 labelled steps choose how strongly/));
  });

  it('refuses steps that are all alike, and no steps at all', async () => {
    const alike = questions.map(({ question, samples, labels }) => ({
      question,
      samples,
      labels: labels.map((record) => ({
        ...record,
        outcomeRight: false,
        steps: record.steps.map((tally) => ({ ...tally, correct: 0 })),
      })),
    }));
    await expect(train(alike, { gold: false })).rejects.toMatchObject({
      code: 'nothing-left',
      message: expect.stringMatching(/got \d+ steps that are all wrong/),
    });
    await expect(train([])).rejects.toMatchObject({
      code: 'nothing-left',
      message: expect.stringContaining('labelled paths to train the probe'),
    });
  });

  it('stops on request', async () => {
    await expect(train(questions, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' });
  });
});

describe('the layers of a probe', () => {
  it.each([
    [1, [1]],
    [2, [2]],
    [4, [3]],
    [30, [23]],
  ])('are one late one of %i where none is named', (count, layers) => {
    expect(probeLayers({ layers: null }, count)).toEqual(layers);
  });

  it('are refused where the model has them not', () => {
    expect(probeLayers({ layers: [3, 1] }, 3)).toEqual([3, 1]);
    expect(() => probeLayers({ layers: [2, 5] }, 4)).toThrow(/from 1 to 4 in probe\.layers, got \[2,5\]\. Change 5/);
    expect(() => probeLayers({ layers: [2, 2] }, 4)).toThrow(/different layers/);
  });

  it('cannot be read where the engine tells no states', async () => {
    await using policy = await sumsBackend.openPolicy({ model: 'base' });
    const { hash, contextLength, warnings } = policy;
    const silent = { ...policy, hash, contextLength, warnings } as typeof policy;
    expect(() => stateReader(Object.assign(Object.create(null), silent, { layers: undefined }))).toThrow(
      /engine that tells hidden states/,
    );
  });
});

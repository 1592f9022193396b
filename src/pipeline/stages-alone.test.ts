// Stages as functions: sampling with quotas, labels and scores derived, PRM rows, prompts, costs.

import { describe, expect, it } from 'vitest';
import { judgeSum, sumQuestion, sumsTask, writeSum } from '../../test/scripted-sums.ts';
import { createScriptedBackend } from '../backends/scripted.ts';
import { loadConfig, parseConfig } from '../config/load.ts';
import { isForCalibration, isHeldOut } from '../hashing.ts';
import { choosePaths } from '../method/choose-paths.ts';
import { figurePaths } from '../method/evaluate.ts';
import { checkPrmRows, prmRows } from '../method/prm-rows.ts';
import { makePrompter, PromptOptions } from '../method/prompt.ts';
import { chooseQuestions, SampleOptions, samplePaths, sampleUnit } from '../method/sample.ts';
import { scoreUnit, shuffleScores } from '../method/score.ts';
import { scoreCalibration } from '../method/score-calibration.ts';
import { openScorer, type ScorerName, type ScorerSource } from '../method/scorers.ts';
import { hardLabels, pathScore, pathScores, softLabels } from '../method/step-labels.ts';
import type { Question, Sample, StepLabels } from '../records.ts';
import { byQuestion, inUnits, joinQuestions } from '../run/units.ts';
import { scoreFigures } from '../statistics/prm-figures.ts';
import { figureWarnings } from '../statistics/warnings.ts';
import { estimate, flopsOf } from './estimate.ts';
import { loadShots } from './shots.ts';

const backend = createScriptedBackend({ write: writeSum, score: judgeSum });
const questions = Array.from({ length: 30 }, (_, i) => sumQuestion('train', i));
const prompt = (question: Pick<Question, 'question'>) => sumsTask.prompt(question);

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function samplesWith(
  change: Partial<SampleOptions>,
  extra: { iteration?: number; slots?: number } = {},
): Promise<Sample[]> {
  const own = extra.slots === undefined ? backend : createScriptedBackend({ write: writeSum, slots: extra.slots });
  await using policy = await own.openPolicy({ model: 'base' });
  const options = SampleOptions.parse({ samples: 6, ...change });
  return await collect(
    samplePaths(questions, { policy, task: sumsTask, prompt, options, seed: 3, iteration: extra.iteration ?? 1 }),
  );
}

describe('samplePaths', () => {
  it('gives the same samples whatever the units and the slots', async () => {
    const reference = await samplesWith({ unit: 16 });
    expect(await samplesWith({ unit: 1 })).toEqual(reference);
    expect(await samplesWith({ unit: 7 }, { slots: 3 })).toEqual(reference);
    expect(await samplesWith({ unit: 16 }, { iteration: 2 })).not.toEqual(reference);
  });

  it('draws until each question has its quota or its budget', async () => {
    await using policy = await backend.openPolicy({ model: 'base' });
    const options = SampleOptions.parse({
      samples: 2,
      quota: { right: 1, wrong: 3, round: 2, budget: 20 },
      gold: false,
    });
    const items = questions.map((question) => ({ question, known: [], addGold: false }));
    const { records, counts } = await sampleUnit(items, {
      policy,
      task: sumsTask,
      prompt,
      options,
      seed: 1,
      iteration: 1,
    });
    const groups = await collect(byQuestion(records));
    const unmet = groups.filter(({ records: paths }) => {
      const right = paths.filter(({ outcome }) => outcome.kind === 'right').length;
      return right < 1 || paths.length - right < 3;
    });
    expect(counts.quotaUnmet ?? 0).toBe(unmet.length);
    expect(unmet.length).toBeLessThan(10);
    expect(counts.drawn).toBeGreaterThan(120);
    expect(counts.drawn).toBeLessThanOrEqual(600);
    for (const { records: paths } of unmet) expect(Math.max(...paths.map(({ index }) => index))).toBeLessThan(20);
  });

  it('drops duplicates of its own and of earlier rounds, and counts them', async () => {
    await using policy = await backend.openPolicy({ model: 'base' });
    const context = { policy, task: sumsTask, prompt, options: SampleOptions.parse({}), seed: 1 };
    const items = questions.map((question) => ({ question, known: [] as Sample[], addGold: true }));
    const first = await sampleUnit(items, { ...context, iteration: 1 });
    const known = new Map((await collect(byQuestion(first.records))).map((group) => [group.questionId, group.records]));
    const again = items.map(({ question }) => ({ question, known: known.get(question.id) ?? [], addGold: false }));
    const second = await sampleUnit(again, { ...context, iteration: 2 });
    const texts = (samples: readonly Sample[]) =>
      samples
        .filter(({ source }) => source === 'policy')
        .map(({ questionId, steps }) => `${questionId} ${steps.join('|')}`);
    const all = [...texts(first.records), ...texts(second.records)];
    expect(new Set(all).size).toBe(all.length);
    const { drawn, kept, duplicates, right, 'wrong:other-answer': wrong } = second.counts;
    expect((kept ?? 0) + (duplicates ?? 0)).toBe(drawn);
    expect((right ?? 0) + (wrong ?? 0)).toBe(drawn);
    expect(first.records.filter(({ source }) => source === 'gold')).toHaveLength(30);
  });

  it('counts completions that cannot be graded and keeps them out', async () => {
    await using policy = await backend.openPolicy({ model: 'base' });
    const grade = () => ({ extracted: null, outcome: { kind: 'error', reason: 'outage' } as const });
    const items = questions.slice(0, 2).map((question) => ({ question, known: [], addGold: false }));
    const { records, counts } = await sampleUnit(items, {
      policy,
      task: { ...sumsTask, grade },
      prompt,
      options: SampleOptions.parse({}),
      seed: 1,
      iteration: 1,
    });
    expect(records).toEqual([]);
    expect(counts.error).toBe(16);
  });
});

describe('choosing', () => {
  it('rotates questions through the rounds without repeating before all were seen', () => {
    const options = { questions: 10, rotate: true };
    const seen = [1, 2, 3].flatMap((k) => chooseQuestions(questions, options, 1, k).map(({ id }) => id));
    expect(new Set(seen).size).toBe(30);
    expect(chooseQuestions(questions, options, 1, 4)).toEqual(chooseQuestions(questions, options, 1, 1));
    const same = { questions: 10, rotate: false };
    expect(chooseQuestions(questions, same, 1, 2)).toEqual(chooseQuestions(questions, same, 1, 1));
  });

  it('balances right and wrong paths and covers questions before repeating one', () => {
    const path = (q: number, i: number) => ({
      id: `${q}/${i}`,
      questionId: `${q}`,
      source: 'policy' as const,
      outcome: i < 2 ? ({ kind: 'right' } as const) : ({ kind: 'wrong', reason: 'other-answer' } as const),
    });
    const all = Array.from({ length: 20 }, (_, q) => Array.from({ length: 8 }, (_, i) => path(q, i))).flat();
    const chosen = all.filter(({ id }) => choosePaths(all, 40, 'k').has(id));
    expect(chosen.filter(({ outcome }) => outcome.kind === 'right')).toHaveLength(20);
    expect(new Set(chosen.map(({ questionId }) => questionId)).size).toBe(20);
    expect(choosePaths(all, 100, 'k').size).toBe(100);
    expect(choosePaths(all, null, 'k').size).toBe(160);
    expect(choosePaths([...all].reverse(), 40, 'k')).toEqual(choosePaths(all, 40, 'k'));
  });

  it('takes a right and a wrong path of one question before paths of questions that have one kind only', () => {
    const path = (q: number, i: number, kind: 'right' | 'wrong') => ({
      id: `${q}/${i}`,
      questionId: `${q}`,
      source: 'policy' as const,
      outcome: kind === 'right' ? ({ kind } as const) : ({ kind, reason: 'other-answer' } as const),
    });
    // Questions 0-9 have both kinds, 10-19 right paths only, 20-29 wrong ones only.
    const all = Array.from({ length: 30 }, (_, q) =>
      [0, 1, 2].map((i) => path(q, i, q < 10 ? (i === 0 ? 'right' : 'wrong') : q < 20 ? 'right' : 'wrong')),
    ).flat();
    const questionsOf = (paths: number, kind: string) => {
      const chosen = choosePaths(all, paths, 'k');
      return all
        .filter(({ id, outcome }) => chosen.has(id) && outcome.kind === kind)
        .map(({ questionId }) => questionId);
    };
    expect(questionsOf(12, 'right')).toHaveLength(6);
    expect(questionsOf(12, 'right')).toEqual(questionsOf(12, 'wrong'));
    const mixed = Array.from({ length: 10 }, (_, q) => `${q}`);
    expect(questionsOf(20, 'right')).toEqual(mixed);
    expect(questionsOf(20, 'wrong')).toEqual(mixed);
    expect(new Set(questionsOf(40, 'right')).size).toBe(20);
    expect(new Set(questionsOf(40, 'wrong')).size).toBe(20);
  });
});

describe('labels and scores', () => {
  const step = (
    correct: number,
    run: number,
    stop: 'full' | 'first-success' = 'full',
    impliedBy: number | null = null,
  ) => ({ correct, run, stop, impliedBy });
  const record = (steps: StepLabels['steps'], outcomeRight: boolean): StepLabels => ({
    sampleId: 's',
    questionId: 'q',
    iteration: 1,
    simulator: 'h',
    K: 4,
    steps: [...steps, step(Number(outcomeRight), 0)],
    outcomeRight,
    rolloutTokens: 0,
  });
  const rule = { delta: 0, closure: 'monotone', ownWitness: false } as const;

  it('closes over rollouts, not over the outcome', () => {
    const mixed = record([step(0, 4), step(1, 4), step(0, 4)], true);
    expect(hardLabels(mixed, rule)).toEqual([true, true, false, true]);
    expect(hardLabels(mixed, { ...rule, closure: 'none' })).toEqual([false, true, false, true]);
    expect(hardLabels(mixed, { ...rule, ownWitness: true })).toEqual([true, true, true, true]);
    expect(hardLabels(mixed, { ...rule, delta: 1 })).toEqual([false, false, false, true]);
    expect(softLabels(mixed)).toEqual([0, 0.25, 0, 1]);
  });

  it('refuses what early-stopped records cannot tell', () => {
    const scanned = record([step(0, 0, 'first-success', 1), step(1, 2, 'first-success')], false);
    expect(hardLabels(scanned, rule)).toEqual([true, true, false]);
    expect(() => softLabels(scanned)).toThrow(/labels\.mode full/);
    expect(() => hardLabels(scanned, { ...rule, closure: 'none' })).toThrow(/closure none/);
    expect(() => hardLabels(scanned, { ...rule, delta: 1 })).toThrow(/delta 1/);
  });

  it('derives path scores', () => {
    const scores = [0.5, 0.25, 1];
    expect([
      pathScore(scores, 'mean'),
      pathScore(scores, 'min'),
      pathScore(scores, 'product'),
      pathScore(scores, 'last'),
    ]).toEqual([1.75 / 3, 0.25, 0.125, 1]);
  });

  it('shuffles scores among paths of equal outcome only', () => {
    const samples = Array.from({ length: 12 }, (_, i) => ({
      id: `${i}`,
      outcome: i < 6 ? ({ kind: 'right' } as const) : ({ kind: 'wrong', reason: 'no-answer' } as const),
    }));
    const scores = new Map(samples.map(({ id }, i) => [id, i]));
    const shuffled = shuffleScores(scores, samples, 'k');
    expect([...shuffled.values()].slice(0, 6).sort()).toEqual([0, 1, 2, 3, 4, 5]);
    expect([...shuffled.values()]).not.toEqual([...scores.values()]);
  });

  it('trains the PRM on no held-out question and scores with what it is told to', async () => {
    const samples = await samplesWith({});
    const byId = new Map(questions.map((question) => [question.id, question]));
    const groups = await collect(byQuestion(samples));
    const items = groups.map(({ questionId, records }) => {
      const paths = records.filter(({ source }) => source === 'policy');
      const labels = paths.map(
        (path): StepLabels => ({
          ...record(
            path.steps.slice(0, -1).map(() => step(2, 4)),
            path.outcome.kind === 'right',
          ),
          sampleId: path.id,
          questionId,
        }),
      );
      return { question: byId.get(questionId) ?? questions[0] ?? sumQuestion('train', 0), samples: records, labels };
    });
    const args = { task: sumsTask, prompt, rule, gold: true, heldOut: 0.3, calibrates: false };
    const rows = await prmRows(items, { ...args, targets: 'soft' });
    const held = items.filter(({ question }) => isHeldOut(question.id, 0.3));
    expect(held.length).toBeGreaterThan(2);
    expect(rows.counts.heldOutPaths).toBe(held.reduce((sum, { labels }) => sum + labels.length, 0));
    const prompts = new Set(rows.examples.map((example) => example.prompt));
    for (const { question } of held) expect(prompts.has(prompt(question))).toBe(false);
    const without = await prmRows(items, { ...args, targets: 'soft', calibrates: true });
    const weighing = items.filter(({ question }) => isForCalibration(question.id, 0.3));
    expect(weighing.length).toBeGreaterThan(2);
    expect(without.counts.calibrationPaths).toBe(weighing.reduce((sum, { labels }) => sum + labels.length, 0));
    const left = new Set(without.examples.map((example) => example.prompt));
    for (const { question } of [...held, ...weighing]) expect(left.has(prompt(question))).toBe(false);
    expect(checkPrmRows(rows)).toEqual([]);
    expect(() => checkPrmRows({ examples: [], counts: { ...rows.counts, paths: 0 } })).toThrow(/Raise labels\.paths/);
    await expect(
      prmRows(
        items.map((item) => ({ ...item, samples: [] })),
        { ...args, targets: 'hard' },
      ),
    ).rejects.toThrow(/Expected the sample/);

    const openPrm = () => backend.openPrm({ model: 'base' });
    const openPolicy = () => backend.openPolicy({ model: 'base' });
    const score = async (name: ScorerName, source: ScorerSource = {}) => {
      await using scorer = await openScorer(name, { prm: openPrm, policy: openPolicy, ...source });
      return await scoreUnit(items, { scorer, task: sumsTask, prompt });
    };
    const scored = await score('prm');
    expect(scored.records).toHaveLength(samples.length);
    const prior = scoreCalibration([]);
    const weighed = await score('prm-logprob', { calibration: async () => prior });
    expect(weighed.counts.scoredTokens).toBeGreaterThan(1.5 * (scored.counts.scoredTokens ?? 0));
    for (const [i, { scorer, scores }] of weighed.records.entries()) {
      expect(scorer).toBe('prm-logprob');
      for (const [j, value] of scores!.entries()) expect(value).toBeCloseTo(scored.records[i]!.scores![j] ?? -1, 5);
    }
    const lower = await score('prm-logprob', { calibration: async () => ({ ...prior, minLogp: 2 }) });
    for (const [i, { scores }] of lower.records.entries())
      for (const [j, value] of scores!.entries()) expect(value).toBeLessThan(weighed.records[i]!.scores![j] ?? 0);
    const longest = Math.max(
      ...items.flatMap((item) =>
        item.samples.map(({ steps }) => prompt(item.question).length + sumsTask.pieces(steps).join('').length),
      ),
    );
    await using prm = await openPrm();
    const small: typeof prm = {
      ...prm,
      contextLength: longest,
      score: (paths) => prm.score(paths),
      countTokens: (texts) => prm.countTokens(texts),
      [Symbol.asyncDispose]: async () => {},
    };
    const cut = await score('prm', { prm: async () => small });
    expect(cut.counts.pathsTooLong).toBeGreaterThan(0);
    const known = cut.records.filter(({ scores }) => scores !== null);
    expect(cut.counts).toMatchObject({ paths: known.length, unscored: cut.counts.pathsTooLong });
    expect(cut.records.map(({ sampleId }) => sampleId)).toEqual(scored.records.map(({ sampleId }) => sampleId));
    expect(scored.records).toEqual(expect.arrayContaining(known));
    expect(pathScores(cut.records, 'mean').size).toBe(known.length);
    const tallied = await score('tallies');
    expect(tallied.counts.unscored).toBe(0);
    expect(tallied.records.find(({ sampleId }) => !sampleId.endsWith('gold'))?.scores?.[0]).toBe(0.5);
    const outcome = await score('outcome');
    expect(new Set(outcome.records.flatMap(({ scores }) => scores))).toEqual(new Set([0, 1]));

    const figuresOf = (records: typeof scored.records) => {
      const scores = new Map(records.map((one) => [one.sampleId, one.scores ?? []]));
      return scoreFigures(
        items.map((item) => figurePaths(item, scores, { task: sumsTask, labels: rule, path: 'mean' })),
      );
    };
    const figures = figuresOf(scored.records);
    expect(figures.aucOutcome.scores?.value).toBeGreaterThan(0.8);
    expect(figures.trueSteps?.scores?.value).toBeGreaterThan(0.9);
    expect(figures.calibration.bins).toHaveLength(10);
    const noise = scored.records.map((one, i) => ({
      ...one,
      scores: one.scores!.map((_, j) => ((i * 7 + j * 3) % 10) / 10),
    }));
    const poor = figuresOf(noise);
    expect(figureWarnings(poor).join('\n')).toMatch(/better than chance/);
  });
});

describe('prompts', () => {
  const openPolicy = () => backend.openPolicy({ model: 'base' });
  const build = (change: Partial<PromptOptions>, shots: Awaited<ReturnType<typeof loadShots>> = []) =>
    makePrompter({ task: sumsTask, options: PromptOptions.parse(change), shots, openPolicy });

  it('builds plain, few-shot and chat prompts in one place', async () => {
    const shots = await loadShots({ task: sumsTask, count: 2, file: null, fallback: questions });
    const question = { question: '1+2+3' };
    expect((await build({}))(question)).toBe('Q: 1+2+3\nA:\n');
    expect((await build({ shots: 2 }, shots))(question)).toMatch(
      /^Q: .*The answer is \d+\n\nQ: .*\n\nQ: 1\+2\+3\nA:\n$/s,
    );
    const chat = (await build({ style: 'chat', system: 'Be right.', instruction: 'Do sums.' }, shots))(question);
    expect(chat).toMatch(
      /^<system>Be right\.<\/system>\n<user>Do sums\.\n\n.*<assistant>.*The answer is \d+<\/assistant>\n<user>Do sums\.\n\n1\+2\+3<\/user>\n<assistant>$/s,
    );
  });

  it('asks for as many shots as were wanted', async () => {
    await expect(loadShots({ task: sumsTask, count: 99, file: null, fallback: questions })).rejects.toMatchObject({
      code: 'bad-input',
    });
    await expect(
      loadShots({ task: sumsTask, count: 1, file: '/no/such/file', fallback: questions }),
    ).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('streams', () => {
  it('joins by question and notices records out of order', async () => {
    const rows = (...ids: string[]) => ids.map((questionId) => ({ questionId }));
    const joined = await collect(joinQuestions(['a', 'b', 'c'], [rows('a', 'a', 'c'), rows('b')]));
    expect(joined.map(({ groups }) => groups.map(({ length }) => length))).toEqual(
      [
        [2, 0],
        [0, 1],
        [0, 0],
      ].map((pair, i) => (i === 2 ? [1, 0] : pair)),
    );
    await expect(collect(joinQuestions(['a', 'b'], [rows('b', 'a')]))).rejects.toThrow(/out of place/);
    expect(await collect(inUnits([1, 2, 3], 2))).toEqual([[1, 2], [3]]);
  });
});

describe('estimate', () => {
  const facts = {
    hash: 'h',
    architecture: 'llama',
    parameters: 135e6,
    contextLength: 2048,
    hasChatTemplate: false,
    warnings: [],
  };

  it('adds up stages and gives time only with a calibration', async () => {
    const config = await loadConfig({ preset: 'gsm8k-smollm2', flags: { model: 'm' } });
    const plain = estimate(config, facts);
    expect(plain.total.seconds).toBeNull();
    const speeds = { generatedTokensPerSecond: 800, promptTokensPerSecond: 1500, trainTokensPerSecond: 450 };
    const timed = estimate(config, facts, { ...speeds, secondsPerGrade: 0 });
    expect(timed.total.seconds).toBeCloseTo(timed.stages.reduce((sum, { seconds }) => sum + (seconds ?? 0), 0));
    expect(timed.stages.find(({ stage, iteration }) => stage === '6-policy' && iteration === 0)?.trainTokens).toBe(
      200_000,
    );
    const names = timed.stages.map(({ stage, iteration }) => `${iteration}/${stage}`);
    for (const name of ['1/1-samples', '2/2-step-labels', '2/3-prm', '1/4-scores', '2/6-policy', '0/final'])
      expect(names).toContain(name);
    // The samples of a round are judged, and each rollout, and each answer.
    const judged = estimate(config, facts, { ...speeds, secondsPerGrade: 0.1 });
    for (const [i, { stage, iteration, graded, seconds, rollouts }] of judged.stages.entries()) {
      expect((seconds ?? 0) - (timed.stages[i]?.seconds ?? 0)).toBeCloseTo(0.1 * graded);
      if (stage === '1-samples') expect(graded).toBe(220 * 8);
      if (stage === '2-step-labels') expect(graded).toBe(rollouts);
      if (stage === '7-eval' && iteration === 0) expect(graded).toBe(500);
    }
    expect(timed.memoryBytes).toBeGreaterThan(4e9);
    expect(timed.memoryBytes).toBeLessThan(8e9);
  });

  it('charges scans less than full tallies and nothing that a method does not do', () => {
    const rollouts = (labels: object, method: 'sipf' | 'siof' | 'sft' = 'sipf') =>
      estimate(parseConfig({ model: 'm', method, labels }), facts).total.rollouts;
    expect(rollouts({})).toBeLessThan(rollouts({ mode: 'full' }) / 3);
    expect(rollouts({}, 'siof')).toBe(0);
    expect(
      estimate(parseConfig({ model: 'm', method: 'sft', iterations: 3 }), facts).stages.map(
        ({ iteration }) => iteration,
      ),
    ).toEqual([0, 0]);
  });

  it('counts 2 FLOPs a parameter forward, 6 in training, 4 with LoRA', () => {
    const cost = { promptTokens: 1, generatedTokens: 2, scoredTokens: 3, trainTokens: 10 };
    expect(flopsOf(cost, 100, false)).toBe(100 * (12 + 60));
    expect(flopsOf(cost, 100, true)).toBe(100 * (12 + 40));
  });
});

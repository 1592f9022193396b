// A scripted run -> rounds, scores, training and comparison, each as a slow reading says.
import { appendFile, cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sumsTask } from '../../../test/scripted-sums.ts';
import { openViewerRun, viewerRun } from '../../../test/viewer-run.ts';
import { isHeldOut } from '../../hashing.ts';
import { compareSets } from '../../method/compare.ts';
import { answeredSets } from '../../method/set-reports.ts';
import { hardLabels } from '../../method/step-labels.ts';
import { type RunView, readRun } from '../../pipeline/run-reader.ts';
import type { Answer } from '../../records.ts';
import type { LogEvent } from '../../run/events.ts';
import { mean } from '../../statistics/intervals.ts';
import { type Answers, answersFrom } from '../answers.ts';
import type { OpenRun } from '../open-run.ts';
import { answersOf } from './compare.ts';
import { heldOutPaths, scoresReply } from './scores.ts';

let folder = '';
let run: OpenRun;
let view: RunView;
let answers: Answers;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-run-queries-'));
  await viewerRun(join(folder, 'run'));
  view = await readRun(join(folder, 'run'));
  run = await openViewerRun(join(folder, 'run'), { cache: join(folder, 'cache') });
  answers = answersFrom([run]);
});
afterAll(async () => {
  await run[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** The labelled and scored paths of held-out questions, question by question, read the slow way. */
async function slowPaths(round: number) {
  const share = view.config.labels.heldOut;
  const ids = (await all(view.questions())).map(({ id }) => id).filter((id) => isHeldOut(id, share));
  const questions = await Promise.all(ids.map((id) => view.question(round, id)));
  return questions.map((question) =>
    (question?.paths ?? []).flatMap(({ sample, labels, scores }) =>
      labels === null || scores === null || scores.scores === null
        ? []
        : [{ sample, scores: scores.scores, labels: hardLabels(labels, view.config.labels) }],
    ),
  );
}

describe('scores', () => {
  it.each([1, 2])('of round %i are those of its evaluation', async (round) => {
    const reply = await answers.scores({ run: 0, round });
    const report = view.rounds[round]?.report?.scores;
    expect(report?.questions).toBeGreaterThan(1);
    expect(reply.figures).toEqual(report);
    const rules = { task: sumsTask, labels: view.config.labels, score: view.config.score };
    const share = view.config.labels.heldOut;
    const computed = await scoresReply(await heldOutPaths(run, { round, share, rules }));
    expect(computed).toEqual({ ...reply, human: undefined });
    expect(reply.scorers.map(({ name, auc }) => [name, auc])).toEqual([
      ['scores', report?.aucOutcome.scores],
      ['tallies', report?.aucOutcome.tallies],
      ['meanLogp', report?.aucOutcome.meanLogp],
      ['shortness', report?.aucOutcome.shortness],
      ['majority', null],
    ]);
    expect(reply.scorers[0]?.stepAccuracy).toEqual(report?.stepAccuracy);
    expect(reply.scorers[4]?.stepAccuracy?.value).toBeCloseTo(report?.majority ?? Number.NaN, 12);
  });

  it('have curves with the area of the AUC', async () => {
    const { scorers } = await answers.scores({ run: 0, round: 2 });
    for (const { auc, roc } of scorers.slice(0, 4)) {
      expect(auc).not.toBeNull();
      const area = roc.reduce((sum, [x, y], n) => {
        const [from, low] = roc[n - 1] ?? [0, 0];
        return sum + ((x - from) * (y + low)) / 2;
      }, 0);
      expect(area).toBeCloseTo(auc?.value ?? Number.NaN, 10);
    }
  });

  it('are grouped by position and by length, each step once', async () => {
    const { figures, byPosition, byLength } = await answers.scores({ run: 0, round: 2 });
    const paths = (await slowPaths(2)).flat();
    const steps = paths.flatMap(({ sample, scores, labels }) =>
      scores.map((score, j) => ({ score, label: labels[j], place: j, length: sample.steps[j]?.length ?? 0 })),
    );
    expect(steps.length).toBe(figures?.steps);
    const figuresOf = (some: typeof steps) => ({
      n: some.length,
      score: mean(some.map(({ score }) => score)),
      frequency: some.filter(({ label }) => label).length / some.length,
      accuracy: some.filter(({ score, label }) => score >= 0.5 === label).length / some.length,
    });
    const plain = (groups: typeof byPosition) =>
      groups.map(({ label, n, score, frequency, accuracy }) => ({
        label,
        n,
        score,
        frequency,
        accuracy: accuracy?.value,
      }));
    const places = [...new Set(steps.map(({ place }) => place))].sort();
    const close = (value: number) => expect.closeTo(value, 10);
    const expected = (label: string, some: typeof steps) => {
      const { n, score, frequency, accuracy } = figuresOf(some);
      return { label, n, score: close(score), frequency: close(frequency), accuracy: close(accuracy) };
    };
    expect(plain(byPosition)).toEqual(
      places.map((place) =>
        expected(
          String(place + 1),
          steps.filter((step) => step.place === place),
        ),
      ),
    );
    const short = steps.filter(({ length }) => length <= 20);
    const long = steps.filter(({ length }) => length > 20);
    expect(Math.min(short.length, long.length)).toBeGreaterThan(0);
    expect(plain(byLength)).toEqual([expected('0 to 20', short), expected('21 to 40', long)]);
  });

  it('give other requests their turn between two figures', async () => {
    const { config } = view;
    const rules = { task: sumsTask, labels: config.labels, score: config.score };
    const paths = await heldOutPaths(run, { round: 2, share: config.labels.heldOut, rules });
    const reply = scoresReply(paths);
    let isDone = false;
    reply.finally(() => {
      isDone = true;
    });
    let turns = 0;
    while (!isDone) {
      await setImmediate();
      turns += 1;
    }
    const { scorers, byPosition, byLength } = await reply;
    const auc = scorers.filter((scorer) => scorer.auc !== null);
    // Each AUC and each curve, each group, and the two of first errors.
    expect(turns).toBeGreaterThanOrEqual(2 * auc.length + byPosition.length + byLength.length + 2);
  });

  it('are empty where nothing is labelled', async () => {
    expect(await answers.scores({ run: 0, round: 0 })).toEqual({
      ...{ figures: null, scorers: [], byPosition: [], byLength: [] },
      human: expect.anything(),
    });
  });
});

describe('training', () => {
  it('has each training with the steps that were logged, in order', async () => {
    const { trainings } = await answers.training({ run: 0 });
    expect(trainings.map(({ iteration, stage }) => `${iteration}/${stage}`)).toEqual([
      '0/6-policy',
      '1/3-prm',
      '1/6-policy',
      '2/3-prm',
      '2/6-policy',
      '0/continued-sft',
    ]);
    for (const { steps, series } of trainings) {
      expect(series.map(({ step }) => step)).toEqual(Array.from({ length: steps }, (_, step) => step));
      // As the scripted trainer writes it.
      for (const { step, loss } of series) expect(Math.abs(loss - 1 / (step + 1))).toBeLessThan(0.011);
      const seconds = series.map((step) => step.seconds ?? Number.NaN);
      expect(seconds).toEqual([...seconds].sort((a, b) => a - b));
      expect(seconds[0]).toBeGreaterThanOrEqual(0);
    }
  });
});

describe('rounds', () => {
  it('have the reports, each warning once, and the costs that the reports sum up', async () => {
    const { rounds, final, warnings, onlyCheck } = await answers.rounds({ run: 0 });
    expect(rounds.map(({ report }) => report)).toEqual(view.rounds.map(({ report }) => report));
    expect(final).toEqual(view.final);
    expect(onlyCheck).toBe(false);
    const given = view.rounds.flatMap(({ report, iteration }) =>
      (report?.warnings ?? []).map((text) => [iteration, text]),
    );
    const told = warnings.flatMap(({ text, where }) =>
      where.filter((one) => one !== 'final').map((one) => [one, text]),
    );
    expect(told.sort()).toEqual(given.sort());
    for (const { report, stages } of rounds) {
      const spent = stages.filter(({ stage }) => stage !== '7-answers');
      const sum = (of: (stage: (typeof spent)[number]) => number) =>
        spent.reduce((total, stage) => total + of(stage), 0);
      expect(sum(({ generatedTokens }) => generatedTokens)).toBe(report?.cost.generatedTokens);
      expect(sum(({ promptTokens }) => promptTokens)).toBe(report?.cost.promptTokens);
      expect(sum(({ scoredTokens }) => scoredTokens)).toBe(report?.cost.scoredTokens);
      expect(sum(({ trainTokens }) => trainTokens)).toBe(report?.cost.trainTokens);
    }
  });

  it("have an estimate of the same stages, exact where lengths and success are the round's own", async () => {
    const { rounds } = await answers.rounds({ run: 0 });
    for (const { iteration, stages, estimated } of rounds) {
      expect(estimated.map(({ stage }) => stage).sort()).toEqual(stages.map(({ stage }) => stage).sort());
      const of = (name: string) => [stages, estimated].map((list) => list.find(({ stage }) => stage === name));
      const [answered, answering] = of('7-answers');
      expect(answered?.generatedTokens).toBeGreaterThan(0);
      if (iteration === 0) expect(answering?.generatedTokens).toBeCloseTo(answered?.generatedTokens ?? 0, 6);
      if (iteration === 0) continue;
      const [sampled, sampling] = of('1-samples');
      expect(sampling?.generatedTokens).toBeCloseTo(sampled?.generatedTokens ?? 0, 6);
      expect(sampling?.promptTokens).toBeCloseTo(sampled?.promptTokens ?? 0, 6);
      const [labelled, labelling] = of('2-step-labels');
      expect(labelling?.generatedTokens).toBeGreaterThan((labelled?.generatedTokens ?? 0) / 3);
      expect(labelling?.generatedTokens).toBeLessThan((labelled?.generatedTokens ?? 0) * 3);
      for (const { seconds } of stages) expect(seconds).not.toBeNull();
    }
  });
});

describe('a comparison', () => {
  const side = (policy: number | 'start' | 'last' | 'continued-sft') => ({ run: 0, policy });

  it.each([
    [side(2), side(0)],
    [side('last'), side('start')],
    [side('continued-sft'), side('last')],
  ])('of %j and %j has the sets of `sipf compare`, and who is right where', async (first, second) => {
    const page = { offset: 0, limit: 100 };
    const [one, other] = [await answersOf(view, first.policy), await answersOf(view, second.policy)];
    const reply = await answers.compare({ first, second, ...page });
    expect(reply.sets).toEqual(compareSets(await answeredSets(one), await answeredSets(other)));
    const right = (list: readonly Answer[]) =>
      new Set(list.filter(({ outcome }) => outcome.kind === 'right').map(({ questionId }) => questionId));
    const [own, others] = [right(one), right(other)];
    const gained = await answers.compare({ first, second, change: 'gained', ...page });
    const lost = await answers.compare({ first, second, change: 'lost', ...page });
    expect(gained.answers.map(({ questionId }) => questionId)).toEqual([...own].filter((id) => !others.has(id)));
    expect(lost.answers.map(({ questionId }) => questionId)).toEqual(
      other.map(({ questionId }) => questionId).filter((id) => others.has(id) && !own.has(id)),
    );
    const [set] = reply.sets;
    expect([gained.total, lost.total]).toEqual([set?.accuracy?.better, set?.accuracy?.worse]);
    expect(reply.total).toBe(set?.accuracy?.n);
    const rest = await answers.compare({ first, second, offset: 5, limit: 3 });
    expect(rest.answers).toEqual(reply.answers.slice(5, 8));
  });

  it('of sets without a common question has none', async () => {
    const reply = await answers.compare({ first: side(1), second: side('last'), offset: 0, limit: 9 });
    expect(reply).toEqual({ sets: [], total: 0, answers: [] });
  });
});

it('follow a run that goes on', async () => {
  const out = join(folder, 'live');
  const stop = new AbortController();
  const log = ({ type, stage, iteration }: LogEvent) => {
    if (type === 'stage-end' && stage === '2-step-labels' && iteration === 2) stop.abort();
  };
  await viewerRun(out, {}, { log, signal: stop.signal }).catch(() => undefined);
  await using live = await openViewerRun(out, { cache: join(folder, 'cache') });
  const own = answersFrom([live]);
  const { runs: before } = await own.runs();
  expect(before).toMatchObject([{ finished: false, rounds: 3 }]);
  const begun = await own.rounds({ run: 0 });
  expect(begun.rounds.map(({ report }) => report !== null)).toEqual([true, true, false]);
  expect(begun.rounds[2]?.stages.map(({ stage }) => stage)).toEqual(['1-samples', '2-step-labels']);
  expect(begun.rounds[2]?.estimated.map(({ stage }) => stage)).toEqual(['1-samples', '2-step-labels']);
  expect((await own.scores({ run: 0, round: 2 })).figures).toBeNull();
  const scores = await own.scores({ run: 0, round: 1 });
  await appendFile(join(out, 'events.jsonl'), '{"time":"2026-11-30T08:00:00.000Z","type":"warning"}\n');
  expect((await own.runs()).runs[0]?.version).toBeGreaterThan(before[0]?.version ?? 0);
  // The very same: figures of records are not computed again for an event.
  expect(await own.scores({ run: 0, round: 1 })).toBe(scores);
  expect((await own.training({ run: 0 })).trainings).toHaveLength(3);
  await viewerRun(out);
  const { runs: after } = await own.runs();
  expect(after).toMatchObject([{ finished: true }]);
  expect(after[0]?.version).toBeGreaterThan(before[0]?.version ?? 0);
  await live.ready();
  expect((await own.rounds({ run: 0 })).rounds.map(({ report }) => report)).toEqual(
    (await answers.rounds({ run: 0 })).rounds.map(({ report }) => report),
  );
  expect((await own.scores({ run: 0, round: 2 })).figures).toEqual(view.rounds[2]?.report?.scores);
  expect((await own.training({ run: 0 })).trainings).toHaveLength(6);
});

it('estimate a run that was opened before its questions were there', async () => {
  const [out, early] = [join(folder, 'run'), join(folder, 'early')];
  const questions = join('iteration-0', '0-questions.jsonl');
  await cp(out, early, { recursive: true });
  await rm(join(early, questions));
  await using opened = await openViewerRun(early, { cache: join(folder, 'cache') });
  const own = answersFrom([opened]);
  await own.rounds({ run: 0 });
  await cp(join(out, questions), join(early, questions));
  const estimates = async (all: Answers) => (await all.rounds({ run: 0 })).rounds.map(({ estimated }) => estimated);
  expect(await estimates(own)).toEqual(await estimates(answers));
});

it('no reply holds what JSON does not', async () => {
  const replies = [
    await answers.runs(),
    await answers.rounds({ run: 0 }),
    await answers.scores({ run: 0, round: 2 }),
    await answers.training({ run: 0 }),
    await answers.compare({ first: { run: 0, policy: 2 }, second: { run: 0, policy: 0 }, offset: 0, limit: 9 }),
  ];
  for (const reply of replies) expect(JSON.parse(JSON.stringify(reply))).toEqual(reply);
  expect(await readFile(join(folder, 'run', 'config.json'), 'utf8')).toContain(sumsTask.name);
});

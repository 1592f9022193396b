// Open runs -> what the server and the report answer: one function for each address.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { SipfError } from '../errors.ts';
import type {
  ComparedSide,
  CompareReply,
  HumanLabel,
  LabelReply,
  PairReply,
  PairsReply,
  QuestionReply,
  QuestionsReply,
  RolloutsReply,
  RoundsReply,
  RunsReply,
  ScoresReply,
  TokensReply,
  TrainingReply,
} from './api.ts';
import { Memo } from './memo.ts';
import type { OpenRun, PairsAsk, QuestionsAsk } from './open-run.ts';
import { answersOf, type CompareAsk, type Comparison, compareReply, comparisonOf } from './queries/compare.ts';
import type { QuestionCounts } from './queries/estimated-costs.ts';
import { countQuestions, roundsReply } from './queries/rounds.ts';
import { heldOutPaths, scoresReply } from './queries/scores.ts';
import { trainingReply } from './queries/training.ts';

interface OfRun {
  /** Place among the runs. */
  readonly run: number;
}

interface OfRound extends OfRun {
  readonly round: number;
}

/** @throws SipfError 'not-found', from each, for a run, round or record that is not there. */
export interface Answers {
  runs(): Promise<RunsReply>;
  rounds(ask: OfRun): Promise<RoundsReply>;
  questions(ask: OfRun & QuestionsAsk): Promise<QuestionsReply>;
  question(ask: OfRound & { readonly id: string }): Promise<QuestionReply>;
  rollouts(ask: OfRound & { readonly sample: string; readonly step: number }): Promise<RolloutsReply>;
  tokens(ask: OfRound & { readonly sample: string }): Promise<TokensReply>;
  pairs(ask: OfRun & PairsAsk): Promise<PairsReply>;
  pair(ask: OfRound & { readonly index: number }): Promise<PairReply>;
  scores(ask: OfRound): Promise<ScoresReply>;
  training(ask: OfRun): Promise<TrainingReply>;
  compare(ask: CompareAsk): Promise<CompareReply>;
  label(ask: OfRun & Omit<HumanLabel, 'time'>): Promise<LabelReply>;
}

/** Figures that take long are kept for each version of a run. */
export function answersFrom(runs: readonly OpenRun[]): Answers {
  const runAt = (place: number): OpenRun => {
    const run = runs[place];
    if (run !== undefined) return run;
    throw new SipfError('not-found', `Expected a run from 0 to ${runs.length - 1}, got ${place}. Choose one of them.`);
  };
  const versionOf = async (run: OpenRun) => (await run.head()).version;
  const policyAnswers = async ({ run, policy }: ComparedSide) => answersOf(await runAt(run).view(), policy);
  const [rounds, scores, trainings] = [new Memo<RoundsReply>(), new Memo<ScoresReply>(), new Memo<TrainingReply>()];
  const questions = new Memo<QuestionCounts>();
  // Answers are long: those of the list that is looked at are kept.
  const comparisons = new Memo<Comparison>(1);
  const comparisonFor = async ({ first, second }: Pick<CompareAsk, 'first' | 'second'>): Promise<Comparison> => {
    const [own, other] = [await versionOf(runAt(first.run)), await versionOf(runAt(second.run))];
    return comparisons.get(JSON.stringify([first, second]), own + other, async () =>
      comparisonOf(await policyAnswers(first), await policyAnswers(second)),
    );
  };
  const roundsOf = async (run: OpenRun, place: number): Promise<RoundsReply> => {
    const view = await run.view();
    // Its size tells whether they are there, and whose.
    const { size } = await stat(join(run.dir, 'iteration-0', '0-questions.jsonl')).catch(() => ({ size: 0 }));
    const counts = await questions.get(place, size, () => countQuestions(view));
    return roundsReply(view, run.events().seconds, counts);
  };
  return {
    runs: async () => ({ runs: await Promise.all(runs.map((run) => run.head())) }),
    rounds: async ({ run: place }) => {
      const run = runAt(place);
      return rounds.get(place, await versionOf(run), () => roundsOf(run, place));
    },
    questions: async ({ run, ...ask }) => runAt(run).questions(ask),
    question: async ({ run, ...ask }) => runAt(run).question(ask),
    rollouts: async ({ run, ...ask }) => runAt(run).rollouts(ask),
    tokens: async ({ run, ...ask }) => runAt(run).tokens(ask),
    pairs: async ({ run, ...ask }) => runAt(run).pairs(ask),
    pair: async ({ run, ...ask }) => runAt(run).pair(ask),
    scores: async ({ run: place, round }) => {
      const run = runAt(place);
      return scores.get(`${place} ${round}`, await run.recordsVersion(), () => scoresOf(run, round));
    },
    training: async ({ run: place }) => {
      const run = runAt(place);
      return trainings.get(place, await versionOf(run), async () =>
        trainingReply(await run.view(), run.events().trainings),
      );
    },
    compare: async (ask) => compareReply(await comparisonFor(ask), ask),
    label: async ({ run, ...label }) => runAt(run).label(label),
  };
}

async function scoresOf(run: OpenRun, round: number): Promise<ScoresReply> {
  const { config, rounds } = await run.view();
  const rules = { task: run.task, labels: config.labels, score: config.score };
  const paths = await heldOutPaths(run, { round, share: config.labels.heldOut, rules });
  const known = rounds[round]?.report?.scores ?? null;
  return { ...(await scoresReply(paths, known)), human: await run.humanAgreement(round) };
}

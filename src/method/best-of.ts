// Greedy answers, samples and their scores -> accuracy of majority vote and of best-of-N.
import { createRandom } from '../random.ts';
import type { Answer, Question, Sample } from '../records.ts';
import type { BestOfReport, Estimate } from '../reports.ts';
import { bootstrap, mean, pairedDifference, sum, wilson } from '../statistics/intervals.ts';
import { type Task, taskOf } from '../task.ts';
import { CHEAP_RANKS } from './cheap-ranks.ts';
import type { ScorerName } from './scorers.ts';
import { checksSteps } from './set-reports.ts';
import { isSound } from './step-truth.ts';

/** What ranks samples: scorers by name, and ranks that need no model. */
export type RankName = ScorerName | 'shortness';

/** Of each sample, by what ranks; null: it has none. */
export type SampleScores = Readonly<Partial<Record<RankName, readonly (number | null)[]>>>;

/** A question's answers. */
export interface SampledQuestion {
  readonly task: Pick<Task, 'sameAnswer'>;
  readonly greedy: Answer;
  readonly samples: readonly Answer[];
  readonly scores: SampleScores;
}

/** An answer as the path that scorers read. */
export function pathOf(
  answer: Answer,
  { task, question }: { readonly task: Task; readonly question: Question },
): Sample {
  const {
    questionId,
    completion,
    finishReason,
    tokens,
    forced,
    sumLogp = null,
    extracted,
    outcome,
    sample = 0,
  } = answer;
  const steps = taskOf(task, question).split(completion);
  const known = { questionId, steps, finishReason, tokens, forced, sumLogp, extracted, outcome };
  return { id: `${questionId}/${sample}`, source: 'policy', iteration: 0, index: sample, policy: null, ...known };
}

/** Ranks of samples that need no model. There is no `logprob` where the place that drew the samples tells no log-probabilities. */
export function cheapScores(samples: readonly Answer[]): SampleScores {
  const ranked = samples.map(({ sumLogp = null, tokens, forced }) => ({ sample: { sumLogp, tokens, forced } }));
  const isTold = ranked.every(({ sample }) => sample.sumLogp !== null);
  const shortness = ranked.map(CHEAP_RANKS.shortness);
  return isTold ? { logprob: ranked.map(CHEAP_RANKS.meanLogp), shortness } : { shortness };
}

/** The index of the highest score; of equal ones the first drawn. A sample without a score comes after all others. */
export function bestOf(scores: readonly (number | null)[]): number {
  const values = scores.map((score) => score ?? Number.NEGATIVE_INFINITY);
  return values.indexOf(Math.max(...values));
}

/**
 * The index of the first sample with the commonest answer; of answers as common as each other the first drawn. A sample without an answer
 * has no vote; null where none has one.
 */
export async function majorityOf(
  answers: readonly (string | null)[],
  sameAnswer: NonNullable<Task['sameAnswer']>,
): Promise<number | null> {
  const groups: { readonly answer: string; readonly first: number; votes: number }[] = [];
  for (const [index, answer] of answers.entries()) {
    if (answer === null) continue;
    const group = await findGroup(groups, answer, sameAnswer);
    if (group === undefined) groups.push({ answer, first: index, votes: 1 });
    else group.votes += 1;
  }
  const most = Math.max(...groups.map(({ votes }) => votes));
  return groups.find(({ votes }) => votes === most)?.first ?? null;
}

async function findGroup<G extends { readonly answer: string }>(
  groups: readonly G[],
  answer: string,
  sameAnswer: NonNullable<Task['sameAnswer']>,
): Promise<G | undefined> {
  for (const group of groups) if (group.answer === answer || (await sameAnswer(group.answer, answer))) return group;
  return undefined;
}

/** How right and how sound what a rule chose is: 0 or 1, or the mean of several samples. */
interface Chosen {
  readonly right: number;
  readonly sound: number;
}

const NOTHING: Chosen = { right: 0, sound: 0 };

const isRight = ({ outcome }: Answer): boolean => outcome.kind === 'right';

function chosen(answer: Answer | undefined): Chosen {
  if (answer === undefined) return NOTHING;
  return { right: Number(isRight(answer)), sound: Number(isSound(isRight(answer), answer.truth ?? [])) };
}

/** What each rule chooses among a question's answers, by its name and in the order of the report. */
async function choicesOf({ task, greedy, samples, scores }: SampledQuestion): Promise<Map<string, Chosen>> {
  const all = samples.map(chosen);
  const rules = new Map<string, Chosen>([
    ['greedy', chosen(greedy)],
    ['random', { right: mean(all.map(({ right }) => right)), sound: mean(all.map(({ sound }) => sound)) }],
  ]);
  if (task.sameAnswer !== undefined) {
    const answers = samples.map(({ extracted }) => extracted);
    rules.set('majority', all[(await majorityOf(answers, task.sameAnswer)) ?? -1] ?? NOTHING);
  }
  for (const [name, own] of Object.entries(scores)) rules.set(name, all[bestOf(own)] ?? NOTHING);
  const most = (of: (one: Chosen) => number) => Math.max(...all.map(of));
  return rules.set('any', { right: most(({ right }) => right), sound: most(({ sound }) => sound) });
}

/**
 * One report a set, in the order of the questions. A question with an answer that could not be graded is left out. A rule that some question
 * of a set cannot follow (no vote, no score) is left out there.
 */
export async function bestOfReports(questions: readonly SampledQuestion[], samples: number): Promise<BestOfReport[]> {
  const sets = new Map<string, SampledQuestion[]>();
  for (const one of questions) {
    if ([one.greedy, ...one.samples].some(({ outcome }) => outcome.kind === 'error')) continue;
    const name = `${one.greedy.task}/${one.greedy.split}`;
    const own = sets.get(name);
    if (own === undefined) sets.set(name, [one]);
    else own.push(one);
  }
  return Promise.all([...sets.values()].map((own) => reportOf(own, samples)));
}

async function reportOf(questions: readonly SampledQuestion[], samples: number): Promise<BestOfReport> {
  const [first] = questions;
  const choices = await Promise.all(questions.map(choicesOf));
  const names = [...(choices[0]?.keys() ?? [])].filter((name) => choices.every((own) => own.has(name)));
  const known = checksSteps(questions.flatMap(({ greedy, samples: drawn }) => [greedy, ...drawn]));
  const right = (rule: string) => choices.map((own) => own.get(rule)?.right ?? 0);
  const against = (other: string, rule: string): Estimate =>
    rule === other || !names.includes(other) ? null : differenceOf(right(rule), right(other));
  return {
    task: first?.greedy.task ?? '',
    split: first?.greedy.split ?? '',
    questions: questions.length,
    samples,
    rules: names.map((rule) => ({
      rule,
      accuracy: shareOf(right(rule)),
      sound: known ? shareOf(choices.map((own) => own.get(rule)?.sound ?? 0)) : null,
      againstGreedy: against('greedy', rule),
      againstMajority: against('majority', rule),
    })),
  };
}

const isYesOrNo = (values: readonly number[]): boolean => values.every((value) => value === 0 || value === 1);

/** Mean over questions. A bootstrap over a handful of right answers says that it is certain, so that it is for means of several samples alone. */
function shareOf(values: readonly number[]): Estimate {
  const n = values.length;
  if (!isYesOrNo(values)) return bootstrap(values, mean, resampling());
  return { value: mean(values), ci95: wilson(sum(values), n), n };
}

/** Mean difference over questions. */
function differenceOf(values: readonly number[], others: readonly number[]): Estimate {
  const n = values.length;
  if (!isYesOrNo(values) || !isYesOrNo(others))
    return bootstrap(
      values.map((value, i) => value - (others[i] ?? 0)),
      mean,
      resampling(),
    );
  const { difference, ci95 } = pairedDifference(values.map(Boolean), others.map(Boolean));
  return { value: difference, ci95, n };
}

/** The same resamples in every run. */
const resampling = () => ({ random: createRandom('best-of') });

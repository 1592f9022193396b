// Graded answers -> accuracy and sound answers of each question set, with paired differences.
import type { Answer } from '../records.ts';
import type { PairedDifference, SetReport } from '../reports.ts';
import { pairedDifference, wilson } from '../statistics/intervals.ts';
import { isSound } from './step-truth.ts';

type Answers = AsyncIterable<Answer> | Iterable<Answer>;

/** What is known of one graded answer. */
export interface Grade {
  readonly isRight: boolean;
  /** Absent: the file is older than step truth. */
  readonly truth: Answer['truth'];
  /** The question and its reference: what the answer was graded by. */
  readonly asked: string;
}

/** The answers to one question set. */
export interface AnsweredSet {
  readonly task: string;
  readonly split: string;
  readonly answers: number;
  readonly truncated: number;
  /** By question id. Answers that could not be graded are left out. */
  readonly grades: ReadonlyMap<string, Grade>;
}

/** Answers by set (task and split), in their order. */
export async function answeredSets(answers: Answers): Promise<AnsweredSet[]> {
  const sets = new Map<string, AnsweredSet & { answers: number; truncated: number; grades: Map<string, Grade> }>();
  for await (const { task, split, questionId, question, reference, outcome, truth, finishReason } of answers) {
    const name = `${task}/${split}`;
    const set = sets.get(name) ?? { task, split, answers: 0, truncated: 0, grades: new Map<string, Grade>() };
    sets.set(name, set);
    set.answers += 1;
    if (finishReason === 'length') set.truncated += 1;
    const asked = `${question}\n${reference}`;
    if (outcome.kind !== 'error') set.grades.set(questionId, { isRight: outcome.kind === 'right', truth, asked });
  }
  return [...sets.values()];
}

/** True where soundness says something: the truth of every answer is known, and some step could be checked. */
export function checksSteps(grades: Iterable<Pick<Answer, 'truth'>>): boolean {
  const truths = Array.from(grades, ({ truth }) => truth);
  return !truths.includes(undefined) && truths.some((truth) => truth?.some((one) => one !== null) === true);
}

/** One report a set, in the order of the answers, paired with `before` where it answered the same questions. */
export async function setReports(answers: Answers, before: Answers | null): Promise<SetReport[]> {
  const earlier = before === null ? [] : await answeredSets(before);
  return (await answeredSets(answers)).map((set) => {
    const old = earlier.find(({ task, split }) => task === set.task && split === set.split);
    return reportOf(set, old?.grades ?? new Map<string, Grade>());
  });
}

function reportOf({ task, split, answers, truncated, grades }: AnsweredSet, before: AnsweredSet['grades']): SetReport {
  const n = grades.size;
  const all = [...grades.values()];
  const correct = all.filter(({ isRight }) => isRight).length;
  const paired = pairedGrades(grades, before);
  return {
    task,
    split,
    n,
    correct,
    accuracy: n === 0 ? 0 : correct / n,
    ci95: wilson(correct, n),
    truncated,
    errors: answers - n,
    paired: paired.accuracy,
    sound: checksSteps(all) ? shareOf(all.map(soundIn)) : null,
    pairedSound: paired.sound,
    falseAmongRight: falseAmongRight(all),
  };
}

/** Sound answers count as such where `checksSteps` holds of their set. */
const soundIn = ({ isRight, truth = [] }: Grade): boolean => isSound(isRight, truth);

/** Of the right answers in which some step could be checked: those with a false step. null: there is none. */
function falseAmongRight(grades: readonly Grade[]): SetReport['falseAmongRight'] {
  const checked = grades.filter(({ isRight, truth }) => isRight && truth?.some((one) => one !== null));
  return checksSteps(grades) ? shareOf(checked.map((grade) => !soundIn(grade))) : null;
}

/** A share with Wilson's interval; null of nothing. */
function shareOf(outcomes: readonly boolean[]): SetReport['sound'] {
  const [count, n] = [outcomes.filter(Boolean).length, outcomes.length];
  return n === 0 ? null : { value: count / n, ci95: wilson(count, n), n };
}

/** Differences of `after` to `before` over the questions that both answered; null without one, or where soundness says nothing. */
export function pairedGrades(
  after: AnsweredSet['grades'],
  before: AnsweredSet['grades'],
): { readonly accuracy: PairedDifference | null; readonly sound: PairedDifference | null } {
  const both = [...after].flatMap(([id, grade]) => {
    const old = before.get(id);
    return old === undefined ? [] : [{ old, grade }];
  });
  if (both.length === 0) return { accuracy: null, sound: null };
  const difference = (of: (grade: Grade) => boolean) =>
    pairedDifference(
      both.map(({ grade }) => of(grade)),
      both.map(({ old }) => of(old)),
    );
  const known = checksSteps(before.values()) && checksSteps(after.values());
  return { accuracy: difference(({ isRight }) => isRight), sound: known ? difference(soundIn) : null };
}

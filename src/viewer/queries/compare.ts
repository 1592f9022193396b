// Answers of two policies -> paired differences on each set, and the questions won and lost.
import { SipfError } from '../../errors.ts';
import { compareSets } from '../../method/compare.ts';
import { answeredSets } from '../../method/set-reports.ts';
import type { RunView } from '../../pipeline/run-reader.ts';
import type { Answer } from '../../records.ts';
import type { ComparedAnswer, ComparedSide, CompareReply } from '../api.ts';
import type { Page } from '../open-run.ts';

export interface CompareAsk extends Page {
  readonly first: ComparedSide;
  readonly second: ComparedSide;
  /** gained: only the first policy is right; lost: only the second. Absent: all questions that both answered. */
  readonly change?: 'gained' | 'lost' | undefined;
}

/** The answers of a round's policy, or of a policy of the final evaluation. @throws SipfError 'not-found' where there are none. */
export async function answersOf(view: RunView, policy: ComparedSide['policy']): Promise<Answer[]> {
  const answers: Answer[] = [];
  for await (const answer of typeof policy === 'number' ? view.answers(policy) : view.finalAnswers(policy))
    answers.push(answer);
  if (answers.length > 0) return answers;
  const what = typeof policy === 'number' ? `round ${policy}` : `the policy ${policy} of the final evaluation`;
  throw new SipfError('not-found', `Expected answers of ${what} in ${view.dir}, got none. Choose another policy.`);
}

/** Two policies on all questions that both answered. */
export interface Comparison {
  readonly sets: CompareReply['sets'];
  readonly answers: readonly ComparedAnswer[];
}

export async function comparisonOf(first: readonly Answer[], second: readonly Answer[]): Promise<Comparison> {
  const sets = compareSets(await answeredSets(first), await answeredSets(second));
  return { sets, answers: commonAnswers(first, second) };
}

/** A part of the answers that `change` leaves. */
export function compareReply(
  { sets, answers: all }: Comparison,
  { change, offset, limit }: Pick<CompareAsk, 'change' | keyof Page>,
): CompareReply {
  const answers = all.filter((pair) => change === undefined || changeOf(pair) === change);
  return { sets, total: answers.length, answers: answers.slice(offset, offset + limit) };
}

/** Answers to the same question, as its text and its reference say, that could be graded; in the order of the first. */
function commonAnswers(first: readonly Answer[], second: readonly Answer[]): ComparedAnswer[] {
  const keyOf = ({ task, split, questionId, question, reference }: Answer) =>
    JSON.stringify([task, split, questionId, question, reference]);
  const others = new Map(second.filter(isGraded).map((answer) => [keyOf(answer), answer]));
  return first.filter(isGraded).flatMap((answer) => {
    const other = others.get(keyOf(answer));
    return other === undefined ? [] : [{ questionId: answer.questionId, first: answer, second: other }];
  });
}

const isGraded = ({ outcome }: Answer): boolean => outcome.kind !== 'error';

function changeOf({ first, second }: ComparedAnswer): CompareAsk['change'] {
  const [own, other] = [first.outcome.kind === 'right', second.outcome.kind === 'right'];
  return own === other ? undefined : own ? 'gained' : 'lost';
}

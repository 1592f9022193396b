// A path -> what is known of each of its steps, side by side, and which steps are disputed.

import type { StepTally } from '../../src/records.ts';
import type { HumanLabel, PathView } from '../../src/viewer/api.ts';

export interface StepFacts {
  readonly text: string;
  readonly score: number | null;
  readonly tally: StepTally | null;
  readonly hard: boolean | null;
  /** By exact checks. */
  readonly truth: boolean | null;
  /** What `truth` claims of the step. A true equation may be the wrong thing to do: it claims nothing. */
  readonly claim: boolean | null;
  readonly human: HumanLabel['label'];
  readonly leastLogp: number | null;
  readonly rollouts: number;
  readonly isLast: boolean;
  /** Of the last step, as its label would be: whether the path is right. null: of other steps, and where nothing graded it. */
  readonly outcome: boolean | null;
}

/**
 * The score says something else than the hard label, the exact check, or of the last step the outcome, at the threshold 0.5 of all step
 * accuracies.
 */
export function isDisputed(facts: StepFacts | undefined): boolean {
  if (facts === undefined || facts.score === null) return false;
  const { score, hard, claim, outcome } = facts;
  const says = score >= 0.5;
  return [hard, claim, outcome].some((other) => other !== null && other !== says);
}

export function factsOf(path: PathView): readonly StepFacts[] {
  const { outcome, steps } = path.sample;
  return steps.map((text, j) => ({
    text,
    score: path.scores?.scores?.[j] ?? null,
    tally: path.labels?.steps[j] ?? null,
    hard: path.hardLabels?.[j] ?? null,
    truth: path.truth[j] ?? null,
    claim: path.truth[j] === true && !path.knowsSteps ? null : (path.truth[j] ?? null),
    human: path.human[j]?.label ?? null,
    leastLogp: path.leastLogps?.[j] ?? null,
    rollouts: path.rollouts[j] ?? 0,
    isLast: j === steps.length - 1,
    outcome: j < steps.length - 1 || outcome.kind === 'error' ? null : outcome.kind === 'right',
  }));
}

/** Steps to look at: disputed ones, and the first that a label or a check calls false. */
export function errorsOf(path: PathView): readonly number[] {
  const facts = factsOf(path);
  const firstFalse = facts.findIndex(({ hard, truth }) => hard === false || truth === false);
  return facts.flatMap((fact, j) => (j === firstFalse || isDisputed(fact) ? [j] : []));
}

/** `text` fits a narrow column; `title` says it whole. */
export interface TallyWords {
  readonly text: string;
  readonly title: string;
}

export function tallyWords({ tally, isLast, hard }: StepFacts): TallyWords | null {
  if (tally === null) return null;
  const { correct, run, stop, impliedBy, assumed, settledBy } = tally;
  if (settledBy !== undefined) return { text: 'equation', title: 'a false equation settles this label; no rollouts' };
  if (impliedBy !== null) {
    return { text: `by ${impliedBy + 1}`, title: `right: a right rollout of step ${impliedBy + 1} settles this label` };
  }
  if (run > 0 && stop === 'full')
    return { text: `${correct}/${run}`, title: `${correct} of ${run} rollouts are right` };
  if (run > 0) {
    const title = `${correct} of ${run} rollouts are right; the scan stopped there, so this is no estimate of a probability`;
    return { text: `${correct}/${run}…`, title };
  }
  if (assumed !== undefined)
    return { text: 'assumed', title: `assumed ${assumed ? 'right' : 'wrong'}: other steps were rolled out` };
  if (isLast)
    return { text: 'outcome', title: `the last step's label is the outcome: ${hard === true ? 'right' : 'wrong'}` };
  return null;
}

/** What a screen reader says of a step. */
export function factWords(facts: StepFacts, number: number): string {
  const tally = tallyWords(facts);
  const words = [
    `Step ${number}`,
    facts.score === null ? 'no score' : `score ${facts.score.toFixed(2)}`,
    tally?.title,
    facts.hard === null ? null : `label ${facts.hard ? 'right' : 'wrong'}`,
    facts.truth === null ? null : `exact check ${facts.truth ? 'true' : 'false'}`,
    facts.leastLogp === null ? null : `least log-probability ${facts.leastLogp.toFixed(2)}`,
    facts.human === null ? null : `by hand ${facts.human}`,
    isDisputed(facts) ? 'disputed' : null,
  ];
  return words.filter((word) => word !== null && word !== undefined).join('; ');
}

/** What a path answers. Of a program nothing: its steps are the program. */
export function answerText({ extracted }: PathView['sample']): string {
  if (extracted === null) return 'no answer';
  return extracted.includes('\n') ? '' : extracted;
}

/** The sample's id without its question's. */
export function shortId({ sample }: Pick<PathView, 'sample'>): string {
  const { id, questionId } = sample;
  return id.startsWith(`${questionId}/`) ? id.slice(questionId.length + 1) : id;
}

// Monte-Carlo tallies of the steps of a path -> hard or soft step labels.
import { SipfError } from '../errors.ts';
import type { Question, Sample, StepLabels, StepTally } from '../records.ts';
import type { LabelOptions } from './label-options.ts';

/** A path; `labels`: its latest ones, where there are some. */
export interface LabelledPath {
  readonly question: Question;
  readonly sample: Sample;
  readonly labels: StepLabels | undefined;
}

/** The paths of a question, in the order of its samples. */
export function labelledPaths({ question, samples, labels }: LabelledQuestion): LabelledPath[] {
  const latest = latestLabels(labels);
  return samples.map((sample) => ({ question, sample, labels: latest.get(sample.id) }));
}

/** How hard labels are derived from tallies. */
export type LabelRule = Pick<LabelOptions, 'delta' | 'closure' | 'ownWitness'>;

/** What hard labels are made of. */
export type LabelFacts = Pick<StepLabels, 'sampleId' | 'steps' | 'outcomeRight' | 'answerLogps'>;

/** The rule alone, as part of a stage's inputs. */
export function labelRule({ delta, closure, ownWitness }: LabelRule): LabelRule {
  return { delta, closure, ownWitness };
}

/** A question with its samples so far, and their labels, latest last. */
export interface LabelledQuestion {
  readonly question: Question;
  readonly samples: readonly Sample[];
  readonly labels: readonly StepLabels[];
}

/** By sample id: a path labelled twice counts with its latest labels. */
export function latestLabels(labels: readonly StepLabels[]): Map<string, StepLabels> {
  return new Map(labels.map((record) => [record.sampleId, record]));
}

/**
 * Hard labels c_j = 1 if tally_j > delta, with the last step's label the outcome itself (docs/method.md, sections 1 and 5).
 * `closure: monotone` takes the max over the ROLLOUT labels of later steps: the path's own outcome joins it only with `ownWitness`.
 * A step that a false equation settles is wrong whatever else says. Labels by likelihood: see `likelihoodLabels`.
 * @throws SipfError 'bad-input' where the record's scan stopped too early to tell.
 * @example
 * const correct = hardLabels(record, { delta: 0, closure: 'monotone', ownWitness: false }); // [step] true or false
 */
export function hardLabels(record: LabelFacts, { delta, closure, ownWitness }: LabelRule): boolean[] {
  const last = record.steps.length - 1;
  const isSettled = ({ settledBy }: StepTally) => settledBy !== undefined;
  const read = record.answerLogps && likelihoodLabels(record.answerLogps);
  const labels = record.steps.map((tally, j) => {
    if (isSettled(tally)) return false;
    return j === last ? record.outcomeRight : (read?.[j] ?? isCorrect(record, tally, j, delta, closure));
  });
  if (ownWitness && record.outcomeRight) return record.steps.map((tally) => !isSettled(tally));
  if (read !== undefined || closure === 'none') return labels;
  for (let j = last - 2; j >= 0; j -= 1) labels[j] = labels[j] === true || labels[j + 1] === true;
  return labels;
}

/**
 * Hard labels of all steps but the last, from the log-probability of the right answer after 0, 1, ... steps.
 */
function likelihoodLabels(logps: readonly number[]): boolean[] {
  return logps.slice(1).map((logp, j) => logp >= logps[j]!);
}

function isCorrect(
  record: LabelFacts,
  { correct, run, stop, impliedBy, assumed }: StepTally,
  j: number,
  delta: number,
  closure: LabelRule['closure'],
): boolean {
  if (assumed !== undefined) return assumed;
  if (impliedBy !== null) {
    if (closure === 'monotone' || impliedBy === record.steps.length - 1) return true;
    throw new SipfError(
      'bad-input',
      `Expected rollouts at step ${j} of ${record.sampleId} for labels.closure none, got a step implied by step ${impliedBy}. Label again with closure none.`,
    );
  }
  if (stop === 'first-success' && correct <= delta) {
    throw new SipfError(
      'bad-input',
      `Expected complete tallies for labels.delta ${delta}, got step ${j} of ${record.sampleId} stopped at ${correct} of ${run} rollouts. Label again with that delta or labels.mode full.`,
    );
  }
  return correct > delta;
}

/**
 * Soft labels tally / K, `[step]` in [0, 1]; the last step's is the outcome. By likelihood: the geometric mean of the right answer's token
 * probabilities. A step that a false equation settles has 0.
 * @throws SipfError 'bad-input' for a record of an early-stopped scan: correct / run is no probability there.
 * @example
 * const targets = softLabels(record); // [0.25, 0, 1]
 */
export function softLabels(record: StepLabels): number[] {
  const last = record.steps.length - 1;
  return record.steps.map(({ correct, run, stop, settledBy }, j) => {
    if (settledBy !== undefined) return 0;
    if (j === last) return record.outcomeRight ? 1 : 0;
    const logp = record.answerLogps?.[j + 1];
    if (logp !== undefined) return Math.exp(logp);
    if (stop !== 'full' || run === 0) {
      throw new SipfError(
        'bad-input',
        `Expected complete tallies for soft labels, got step ${j} of ${record.sampleId} from a scan that stopped at the first success. Label with labels.mode full, or use prm.targets hard.`,
      );
    }
    return correct / run;
  });
}

// Step scores, labels and true steps of held-out paths -> how good the scores are.
import { createRandom } from '../random.ts';
import type { Estimate, ScoreFigures } from '../reports.ts';
import { type Scored, withinGroupAuc } from './auc.ts';
import { type BootstrapOptions, bootstrap, type Figure, type Interval, sum, wilson } from './intervals.ts';
import { reliability } from './reliability.ts';

/** One labelled path as the figures see it. */
export interface FigurePath {
  /** Its final answer is right. */
  readonly right: boolean;
  /** `[step]` P(step correct). */
  readonly scores: readonly number[];
  /** `[step]` hard labels. */
  readonly labels: readonly boolean[];
  /** `[step]` null: the task does not know. */
  readonly truth: readonly boolean[] | null;
  /** The path score, and what cheap scorers say of the path. */
  readonly ranks: Readonly<Record<keyof ScoreFigures['aucOutcome'], number>>;
}

/** Figures of paths by question, `[question][path]`; questions without paths do not count. */
export function scoreFigures(groups: readonly (readonly FigurePath[])[]): ScoreFigures {
  const questions = groups.filter(({ length }) => length > 0);
  const paths = questions.flat();
  const steps = paths.flatMap(({ scores, labels }) => scores.map((score, j) => ({ score, target: Number(labels[j]) })));
  const correct = sum(steps.map(({ target }) => target));
  const { ece, bins } = reliability(steps);
  return {
    questions: questions.length,
    paths: paths.length,
    steps: steps.length,
    stepAccuracy: stepAccuracy(
      byPath(questions, ({ scores, labels }) => against(scores, labels)),
      options(),
    ),
    majority: steps.length === 0 ? null : Math.max(correct, steps.length - correct) / steps.length,
    firstErrorAccuracy: firstErrors(questions),
    firstErrorF1: firstErrorF1(
      questions.map((own) => own.map(firstErrorOf)),
      options(),
    ),
    aucOutcome: aucs(questions, ({ right }) => right),
    ...trueFigures(questions),
    calibration: { ece, bins: bins.map((bin) => ({ ...bin })) },
  };
}

/** null where no task knows its true steps. */
function trueFigures(questions: readonly (readonly FigurePath[])[]): Pick<ScoreFigures, 'aucTrue' | 'trueSteps'> {
  const known = questions
    .map((paths) => paths.filter(({ truth }) => truth !== null))
    .filter(({ length }) => length > 0);
  if (known.length === 0) return { aucTrue: null, trueSteps: null };
  const accuracyOf = (values: (path: FigurePath) => readonly number[]) =>
    stepAccuracy(
      byPath(known, (path) => against(values(path), path.truth ?? [])),
      options(),
    );
  return {
    aucTrue: aucs(known, ({ truth }) => truth?.every(Boolean) === true),
    trueSteps: { scores: accuracyOf(({ scores }) => scores), labels: accuracyOf(({ labels }) => labels.map(Number)) },
  };
}

/** Intervals come from the same resamples in every run. */
function options(): BootstrapOptions {
  return { random: createRandom('prm-figures') };
}

function byPath(
  questions: readonly (readonly FigurePath[])[],
  steps: (path: FigurePath) => readonly Scored[],
): Scored[][] {
  return questions.map((paths) => paths.flatMap(steps));
}

function against(scores: readonly number[], known: readonly boolean[]): Scored[] {
  return scores.flatMap((score, j) => (known[j] === undefined ? [] : [{ score, positive: known[j] }]));
}

function firstErrorOf({ scores, labels }: FigurePath): FirstError {
  return { predicted: firstErrorAt(scores), label: labels.indexOf(false) };
}

function firstErrors(questions: readonly (readonly FigurePath[])[]): Estimate {
  const groups = questions.map((paths) => paths.map(firstErrorOf));
  const share = (chosen: readonly (readonly FirstError[])[]) => {
    const all = chosen.flat();
    return all.length === 0 ? null : all.filter(({ predicted, label }) => predicted === label).length / all.length;
  };
  const [value, ci95] = [share(groups), bootstrap(groups, share, options())];
  return value === null || ci95 === null ? null : { value, ci95, n: groups.length };
}

function aucs(
  questions: readonly (readonly FigurePath[])[],
  isGood: (path: FigurePath) => boolean,
): ScoreFigures['aucOutcome'] {
  const auc = (name: keyof FigurePath['ranks']) =>
    withinGroupAuc(
      questions.map((paths) => paths.map((path) => ({ score: path.ranks[name], positive: isGood(path) }))),
      options(),
    );
  return {
    scores: auc('scores'),
    tallies: auc('tallies'),
    meanLogp: auc('meanLogp'),
    shortness: auc('shortness'),
  };
}

/** Share of steps whose score is on the label's side of `threshold` (a score at the threshold says correct); interval over groups. */
export function stepAccuracy(
  groups: readonly (readonly Scored[])[],
  { threshold = 0.5, ...options }: BootstrapOptions & { readonly threshold?: number },
): Figure | null {
  const counted = groups
    .filter((group) => group.length > 0)
    .map((group) => ({
      hits: group.filter(({ score, positive }) => score >= threshold === positive).length,
      steps: group.length,
    }));
  const pooled = (chosen: readonly { hits: number; steps: number }[]): number =>
    sum(chosen.map(({ hits }) => hits)) / sum(chosen.map(({ steps }) => steps));
  const ci95 = bootstrap(counted, pooled, options);
  return ci95 === null ? null : { value: pooled(counted), ci95, n: counted.length };
}

/** Index of the first score below `threshold`; -1: none. */
export function firstErrorAt(scores: readonly number[], threshold = 0.5): number {
  return scores.findIndex((score) => score < threshold);
}

/** Where the first error of one path is, and where it is said to be. */
export interface FirstError {
  /** Index of the first step said to be wrong; -1: none. */
  readonly predicted: number;
  readonly label: number;
}

/** How well the first error is found. */
interface FirstErrorAccuracy {
  /** On paths with an error: the share where its very place was found. null: no such path. */
  wrong: { value: number; ci95: Interval; n: number } | null;
  /** On paths without: the share where none was claimed. */
  right: { value: number; ci95: Interval; n: number } | null;
  /** ProcessBench's F1: the harmonic mean of the two (Zheng et al. 2024). null where either kind of path is missing. */
  f1: number | null;
}

/** How well the first error is found, as ProcessBench counts it. Intervals are Wilson's, over paths. */
export function firstErrorAccuracy(paths: readonly FirstError[]): FirstErrorAccuracy {
  const share = (chosen: readonly FirstError[]): FirstErrorAccuracy['wrong'] => {
    const hits = chosen.filter(({ predicted, label }) => predicted === label).length;
    return chosen.length === 0
      ? null
      : { value: hits / chosen.length, ci95: wilson(hits, chosen.length), n: chosen.length };
  };
  const wrong = share(paths.filter(({ label }) => label >= 0));
  const right = share(paths.filter(({ label }) => label < 0));
  if (wrong === null || right === null) return { wrong, right, f1: null };
  const total = wrong.value + right.value;
  return { wrong, right, f1: total === 0 ? 0 : (2 * wrong.value * right.value) / total };
}

/** `firstErrorAccuracy`'s F1 with a bootstrap over questions: each group holds the paths of one. */
export function firstErrorF1(groups: readonly (readonly FirstError[])[], options: BootstrapOptions): Figure | null {
  const counted = groups.filter((group) => group.length > 0);
  const value = firstErrorAccuracy(counted.flat()).f1;
  const ci95 = bootstrap(counted, (chosen) => firstErrorAccuracy(chosen.flat()).f1, options);
  return value === null || ci95 === null ? null : { value, ci95, n: counted.length };
}

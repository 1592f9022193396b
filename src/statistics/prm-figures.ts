// Step scores, labels and true steps of held-out paths -> how good the scores are.
import { setImmediate } from 'node:timers/promises';
import { createRandom } from '../random.ts';
import type { Estimate, ScoreFigures } from '../reports.ts';
import { withinGroupAuc } from './auc.ts';
import { type BootstrapOptions, bootstrap, mean, type Part, pooledShare, sum } from './intervals.ts';
import { reliability } from './reliability.ts';

/** One labelled path as the figures see it. */
export interface FigurePath {
  /** Its final answer is right. */
  readonly right: boolean;
  /** `[step]` P(step correct). */
  readonly scores: readonly number[];
  /** `[step]` hard labels. */
  readonly labels: readonly boolean[];
  /** Model tokens that these labels rest on. */
  readonly labelTokens: number;
  /** `[step]` null: the task does not know. */
  readonly truth: readonly boolean[] | null;
  /** The path score, and what cheap scorers say of the path. */
  readonly ranks: Readonly<Record<keyof ScoreFigures['aucOutcome'], number>>;
}

/** Figures of paths by question, `[question][path]`; questions without paths do not count. Other work has its turn between two figures. */
export async function scoreFigures(groups: readonly (readonly FigurePath[])[]): Promise<ScoreFigures> {
  const questions = groups.filter(({ length }) => length > 0);
  const paths = questions.flat();
  const steps = paths.flatMap(({ scores, labels }) => scores.map((score, j) => ({ score, target: Number(labels[j]) })));
  const correct = sum(steps.map(({ target }) => target));
  const firstErrors = questions.map((own) => foundErrors(own.map(firstErrorOf)));
  return {
    questions: questions.length,
    paths: paths.length,
    steps: steps.length,
    labelTokens: paths.length === 0 ? null : mean(paths.map(({ labelTokens }) => labelTokens)),
    stepAccuracy: await stepAccuracy(questions, ({ scores, labels }) => areRight(scores, labels)),
    majority: steps.length === 0 ? null : Math.max(correct, steps.length - correct) / steps.length,
    firstErrorAccuracy: await inTurn(() => pooledShare(firstErrors.map(foundAmongAll), options())),
    firstErrorF1: await inTurn(() => bootstrap(firstErrors, f1Of, options())),
    aucOutcome: await aucs(questions, ({ right }) => right),
    ...(await trueFigures(questions)),
    calibration: reliability(steps),
  };
}

/** One interval is computed at once: 1,000 resamples of all questions. */
async function inTurn<T>(figure: () => T): Promise<T> {
  await setImmediate();
  return figure();
}

/** null where no task knows its true steps. */
async function trueFigures(
  questions: readonly (readonly FigurePath[])[],
): Promise<Pick<ScoreFigures, 'aucTrue' | 'trueSteps'>> {
  const known = questions
    .map((paths) => paths.filter(({ truth }) => truth !== null))
    .filter(({ length }) => length > 0);
  if (known.length === 0) return { aucTrue: null, trueSteps: null };
  return {
    aucTrue: await aucs(known, ({ truth }) => truth?.every(Boolean) === true),
    trueSteps: {
      scores: await stepAccuracy(known, ({ scores, truth }) => areRight(scores, truth ?? [])),
      labels: await stepAccuracy(known, ({ labels, truth }) => areRight(labels.map(Number), truth ?? [])),
    },
  };
}

/** Intervals come from the same resamples in every run. */
const options = (): BootstrapOptions => ({ random: createRandom('prm-figures') });

const partOf = (outcomes: readonly boolean[]): Part => ({
  part: outcomes.filter(Boolean).length,
  whole: outcomes.length,
});

/** A score of this and more says that the step is correct. */
export const THRESHOLD = 0.5;

/** Whether each score is on the side of what is known of its step. */
const areRight = (scores: readonly number[], known: readonly boolean[]): boolean[] =>
  scores.slice(0, known.length).map((score, j) => score >= THRESHOLD === known[j]);

function stepAccuracy(
  questions: readonly (readonly FigurePath[])[],
  rightSteps: (path: FigurePath) => readonly boolean[],
): Promise<Estimate> {
  return inTurn(() =>
    pooledShare(
      questions.map((paths) => partOf(paths.flatMap(rightSteps))),
      options(),
    ),
  );
}

/** Where the first error of one path is, and where it is said to be. */
export interface FirstError {
  /** Index of the first step said to be wrong; -1: none. */
  readonly predicted: number;
  readonly label: number;
}

function firstErrorOf({ scores, labels }: FigurePath): FirstError {
  return { predicted: scores.findIndex((score) => score < THRESHOLD), label: labels.indexOf(false) };
}

function foundIn(errors: readonly FirstError[]): Part {
  return partOf(errors.map(({ predicted, label }) => predicted === label));
}

/** Paths where the first error is found. */
interface FoundErrors {
  /** Of the paths with an error: those where its very place was found. */
  readonly wrong: Part;
  /** Of the paths without: those where none was claimed. */
  readonly right: Part;
}

/** How well the first error is found. */
interface FirstErrorAccuracy extends FoundErrors {
  /** ProcessBench's F1: the harmonic mean of the two shares (Zheng et al. 2024). null where either kind of path is missing. */
  readonly f1: number | null;
}

/** How well the first error is found, as ProcessBench counts it. */
export function firstErrorAccuracy(errors: readonly FirstError[]): FirstErrorAccuracy {
  const found = foundErrors(errors);
  return { ...found, f1: f1Of([found]) };
}

function foundErrors(errors: readonly FirstError[]): FoundErrors {
  return {
    wrong: foundIn(errors.filter(({ label }) => label >= 0)),
    right: foundIn(errors.filter(({ label }) => label < 0)),
  };
}

const foundAmongAll = ({ wrong, right }: FoundErrors): Part => together([wrong, right]);

/** Of several groups of paths together. */
function f1Of(groups: readonly FoundErrors[]): number | null {
  const [wrong, right] = [together(groups.map((one) => one.wrong)), together(groups.map((one) => one.right))];
  if (wrong.whole === 0 || right.whole === 0) return null;
  const [a, b] = [wrong.part / wrong.whole, right.part / right.whole];
  return a + b === 0 ? 0 : (2 * a * b) / (a + b);
}

function together(parts: readonly Part[]): Part {
  let [part, whole] = [0, 0];
  for (const own of parts) {
    part += own.part;
    whole += own.whole;
  }
  return { part, whole };
}

async function aucs(
  questions: readonly (readonly FigurePath[])[],
  isGood: (path: FigurePath) => boolean,
): Promise<ScoreFigures['aucOutcome']> {
  const auc = (name: keyof FigurePath['ranks']) =>
    inTurn(() =>
      withinGroupAuc(
        questions.map((paths) => paths.map((path) => ({ score: path.ranks[name], positive: isGood(path) }))),
        options(),
      ),
    );
  return {
    scores: await auc('scores'),
    tallies: await auc('tallies'),
    meanLogp: await auc('meanLogp'),
    shortness: await auc('shortness'),
  };
}

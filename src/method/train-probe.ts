// Labelled questions and a model -> a probe on its hidden states, with a penalty chosen apart.
import { setImmediate as nextEvents } from 'node:timers/promises';
import type { PrmExample } from '../backend.ts';
import { SipfError, throwIfAborted } from '../errors.ts';
import type { Counts } from '../reports.ts';
import { sum } from '../statistics/intervals.ts';
import {
  crossEntropy,
  type Logistic,
  logisticRegression,
  standardised,
  standardOf,
  type TargetRows,
} from '../statistics/logistic-regression.ts';
import { type ReadContext, withinContext } from './context-length.ts';
import { checkPrmRows, type PrmOptions, prmRows } from './prm-rows.ts';
import { PASSES, type Probe, type StateReader, type StepFeatures, stepFeatures } from './probe.ts';
import { calibrationItems } from './score-calibration.ts';
import type { LabelledQuestion, LabelRule } from './step-labels.ts';

interface ProbeContext extends ReadContext, Pick<PrmOptions, 'targets' | 'gold' | 'denoise'> {
  readonly model: StateReader;
  readonly layers: readonly number[];
  readonly rule: LabelRule;
  /** labels.heldOut: as many questions are for calibration. */
  readonly heldOut: number;
  /** Paths that are read together. */
  readonly unit: number;
  /** Called with how many paths are read, of how many. */
  readonly onDone?: ((done: number, total: number) => void) | undefined;
}

interface TrainedProbe {
  readonly probe: Probe;
  /** Those of `prmRows`, and calibrationSteps, scoredTokens, pathsTooLong. */
  readonly counts: Counts;
  readonly warnings: readonly string[];
}

/** Penalties to choose from, the strongest first: the search for each begins where the one before ended. */
const RIDGES = [1, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001];
/** Taken where no question is for calibration. */
const USUAL_RIDGE = 0.03;
/** Steps that choose a penalty without a warning. */
const FEW = 100;

/**
 * Trains a probe on the labels that would train a PRM. The questions for calibration train nothing: they choose the penalty.
 * @param questions the labelled questions, each time that it is called.
 * @throws SipfError 'nothing-left' where no labelled path is there to learn from, or all steps are alike; what the model throws.
 * @example
 * await using model = stateReader(await backend.openPolicy({ model: 'runs/first/iteration-0/6-policy' }));
 * const { labels: rule, prm } = config;
 * const options = { ...prm, rule, heldOut: 0.1, unit: 32 };
 * const { probe } = await trainProbe(() => labelled, { model, layers: probeLayers(config.probe, model.layers), task, prompt, ...options });
 */
export async function trainProbe(
  questions: () => AsyncIterable<LabelledQuestion> | Iterable<LabelledQuestion>,
  context: ProbeContext,
): Promise<TrainedProbe> {
  const { model, layers, heldOut, onDone = () => {}, signal } = context;
  const found = await prmRows(questions(), { ...context, calibrates: true });
  const warnings = checkPrmRows(found, 'probe');
  const apart = calibrationItems(questions(), heldOut);
  const chosen = await prmRows(apart, { ...context, gold: false, denoise: null, heldOut: 0, calibrates: false });
  const total = found.examples.length + chosen.examples.length;
  const train = await readRows(found.examples, context, (done) => onDone(done, total));
  const calibration = await readRows(chosen.examples, context, (done) => onDone(found.examples.length + done, total));
  checkKinds(train.rows);
  const fit = await fitRows(train.rows, calibration.rows, signal);
  const [steps, calibrationSteps] = [train.rows.targets.length, calibration.rows.targets.length];
  const correct = sum([...train.rows.targets]);
  if (calibrationSteps < FEW)
    warnings.push(
      `Only ${calibrationSteps} labelled steps choose how strongly the weights of the probe are held back. Raise labels.paths or labels.heldOut.`,
    );
  return {
    probe: { model: model.hash, layers: [...layers], ...fit, steps, correct, calibrationSteps },
    counts: {
      ...found.counts,
      calibrationSteps,
      scoredTokens: train.scoredTokens + calibration.scoredTokens,
      pathsTooLong: train.pathsTooLong + calibration.pathsTooLong,
    },
    warnings,
  };
}

/** The features of all steps that have a target. Paths that the model's context does not hold are counted and left out. */
async function readRows(
  examples: readonly PrmExample[],
  context: ProbeContext,
  onDone: (done: number) => void,
): Promise<{ readonly rows: TargetRows; readonly scoredTokens: number; readonly pathsTooLong: number }> {
  const { model, unit } = context;
  const steps: { features: StepFeatures; target: number }[] = [];
  let [scoredTokens, pathsTooLong] = [0, 0];
  for (let from = 0; from < examples.length; from += unit) {
    const some = examples.slice(from, from + unit);
    const within = await withinContext(model, some.map(textOf));
    const readable = some.filter((_, i) => within[i]);
    const features = await stepFeatures(readable, model, context);
    for (const [i, { targets }] of readable.entries())
      for (const [j, target] of targets.entries())
        if (target !== null) steps.push({ features: features[i]![j]!, target });
    scoredTokens += PASSES * (await tokensOf(readable, model));
    pathsTooLong += some.length - readable.length;
    onDone(from + some.length);
  }
  return { rows: rowsOf(steps), scoredTokens, pathsTooLong };
}

const textOf = ({ prompt, steps }: PrmExample): readonly string[] => [prompt, ...steps];

/** Paths of one prompt share its computation. */
async function tokensOf(examples: readonly PrmExample[], model: StateReader): Promise<number> {
  const prompts = [...new Set(examples.map(({ prompt }) => prompt))];
  return sum(await model.countTokens([...prompts, ...examples.flatMap(({ steps }) => steps)]));
}

function rowsOf(steps: readonly { readonly features: StepFeatures; readonly target: number }[]): TargetRows {
  const width = steps[0]?.features.length ?? 0;
  const values = new Float32Array(steps.length * width);
  for (const [i, { features }] of steps.entries()) values.set(features, i * width);
  return { width, values, targets: Float32Array.from(steps, ({ target }) => target) };
}

/** Targets that are all 0 or all 1 leave nothing to tell apart. */
function checkKinds({ targets }: TargetRows): void {
  const [first] = targets;
  if (targets.some((target) => target !== first || (target > 0 && target < 1))) return;
  throw new SipfError(
    'nothing-left',
    `Expected correct and wrong steps to train the probe on, got ${targets.length} steps that are all ${first === 1 ? 'correct' : 'wrong'}. Use questions of another difficulty, or raise labels.paths or sampling.temperature.`,
  );
}

type Fit = Pick<Probe, 'means' | 'scales' | 'weights' | 'intercept' | 'ridge' | 'calibrationLoss'>;

/** The fit whose penalty makes the calibration rows likeliest. The thread answers to others between two searches. */
async function fitRows(train: TargetRows, calibration: TargetRows, signal: AbortSignal | undefined): Promise<Fit> {
  const { means, scales } = standardOf(train);
  const rows = standardised(train, { means, scales });
  const apart = standardised(calibration, { means, scales });
  const chooses = calibration.targets.length > 0;
  let from: Logistic | undefined;
  let best: (Logistic & { readonly ridge: number; readonly calibrationLoss: number | null }) | undefined;
  for (const ridge of chooses ? RIDGES : [USUAL_RIDGE]) {
    throwIfAborted(signal);
    from = logisticRegression(rows, ridge, from);
    const calibrationLoss = chooses ? crossEntropy(apart, from) : null;
    if (best === undefined || (calibrationLoss ?? 0) < (best.calibrationLoss ?? 0))
      best = { ...from, ridge, calibrationLoss };
    await nextEvents();
  }
  return { means: [...means], scales: [...scales], ...best!, weights: [...best!.weights] };
}

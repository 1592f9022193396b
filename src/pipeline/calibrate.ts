// Labelled steps that trained no PRM, a PRM and a policy -> weights of the PRM and the log-probabilities, before scoring with `prm-logprob`. Leaves the fit itself to step-calibration.ts.
import { z } from 'zod';
import { isForCalibration } from '../hashing.ts';
import { type ScoreItem, tokensRead, withoutTooLong } from '../method/score.ts';
import { fitStepCalibration, type LabelledStep, StepCalibration } from '../method/step-calibration.ts';
import { type EvidenceContext, stepEvidence } from '../method/step-evidence.ts';
import { hardLabels, type LabelRule } from '../method/step-labels.ts';
import type { Checkpoint, Question, Sample, StepLabels } from '../records.ts';
import { inUnits } from '../run/units.ts';
import { COUNTS } from './stage-results.ts';
import { everything, type Loop, labelInputs, sourceIn, stageOf } from './stages.ts';

export const Calibrated = z.object({ calibration: StepCalibration, counts: COUNTS });
export type Calibrated = z.infer<typeof Calibrated>;

/** With fewer labelled steps than this the PRM's own scores outweigh what they say. */
const FEW = 100;

/** The loop's stage: fits the weights on the hard labels of rounds 1 .. k; writes them as 4-calibration.json. */
export async function calibrate(loop: Loop, k: number, policy: Checkpoint, prm: Checkpoint): Promise<Calibrated> {
  const { run, config, backend, task, prompt } = loop;
  const stage = stageOf(k, '4-calibration');
  const { delta, closure, ownWitness, heldOut } = config.labels;
  const rule = { delta, closure, ownWitness };
  const body = async (): Promise<Calibrated> => {
    await using opened = await backend.openPrm(sourceIn(loop, prm));
    await using writer = await backend.openPolicy(sourceIn(loop, policy));
    const context = { prm: opened, policy: writer, task, prompt, signal: run.signal };
    const labelled = everything(loop, k, { labels: true });
    const found = await fitCalibration(labelled, { ...context, rule, heldOut, unit: config.score.unit });
    const warning = fewSteps(found.calibration);
    if (warning !== null) run.warn(warning, stage);
    await run.writeJson(stage, '4-calibration.json', found.calibration);
    return found;
  };
  const inputs = {
    data: loop.data,
    policy: policy.hash,
    prm: prm.hash,
    unit: config.score.unit,
    options: { rule, heldOut },
    ...(await labelInputs(loop, k)),
  };
  return run.once({ stage, inputs, outputs: ['4-calibration.json'], result: Calibrated, body });
}

/** A warning where so few steps were labelled that the weights say little; null: enough. */
export function fewSteps({ steps }: StepCalibration): string | null {
  if (steps >= FEW) return null;
  return `Only ${steps} labelled steps weigh the PRM against log-probabilities: the scores stay near the PRM's own. Raise labels.paths or labels.heldOut.`;
}

export interface FitContext extends EvidenceContext {
  readonly rule: LabelRule;
  /** labels.heldOut: as many questions are for calibration. */
  readonly heldOut: number;
  /** Questions of one unit of work. */
  readonly unit: number;
}

/** A question with its paths so far and their labels, latest last. */
export interface Labelled {
  readonly question: Question;
  readonly samples: readonly Sample[];
  readonly labels: readonly StepLabels[];
}

/** Fits the weights on the labelled steps of the questions that are for calibration; the others are passed over. */
export async function fitCalibration(
  labelled: AsyncIterable<Labelled> | Iterable<Labelled>,
  context: FitContext,
): Promise<Calibrated> {
  const { prm, policy, prompt, rule, unit } = context;
  const steps: LabelledStep[] = [];
  const counts = { paths: 0, scoredTokens: 0 };
  for await (const items of inUnits(calibrationItems(labelled, context.heldOut), unit)) {
    const { fitting } = await withoutTooLong(items, [prm, policy], context);
    const paths = fitting.flatMap(({ question, samples, labels }) => {
      const latest = new Map(labels.map((record) => [record.sampleId, record]));
      return samples.map((sample) => ({ question, sample, record: latest.get(sample.id)! }));
    });
    const evidence = await stepEvidence(paths, context);
    for (const [index, { record }] of paths.entries()) {
      const correct = hardLabels(record, rule);
      for (const [j, own] of (evidence[index] ?? []).entries())
        steps.push({ evidence: own, correct: correct[j] === true });
    }
    counts.paths += paths.length;
    counts.scoredTokens += await tokensRead(fitting, [prm, policy], prompt);
  }
  return { calibration: fitStepCalibration(steps), counts };
}

/** The labelled paths of the questions for calibration. */
async function* calibrationItems(
  labelled: AsyncIterable<Labelled> | Iterable<Labelled>,
  heldOut: number,
): AsyncGenerator<ScoreItem> {
  for await (const { question, samples, labels } of labelled) {
    if (labels.length === 0 || !isForCalibration(question.id, heldOut)) continue;
    const known = new Set(labels.map(({ sampleId }) => sampleId));
    yield { question, samples: samples.filter(({ id }) => known.has(id)), labels };
  }
}

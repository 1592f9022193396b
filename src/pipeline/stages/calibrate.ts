// Labelled steps that trained no PRM -> weights of the PRM and of log-probabilities, before scoring with `prm-logprob`.
import { z } from 'zod';
import { isForCalibration } from '../../hashing.ts';
import { type ScoreItem, tokensRead, withoutTooLong } from '../../method/score.ts';
import { fitStepCalibration, type LabelledStep, StepCalibration } from '../../method/step-calibration.ts';
import { stepEvidence } from '../../method/step-evidence.ts';
import { hardLabels, type LabelRule } from '../../method/step-labels.ts';
import { inUnits } from '../../run/units.ts';
import { COUNTS } from '../stage-results.ts';
import { type Group, stageOf, type Work } from '../workspace.ts';
import { labelInputs } from './train-prm.ts';

const Calibrated = z.object({ calibration: StepCalibration, counts: COUNTS });
type Calibrated = z.infer<typeof Calibrated>;

/** With fewer labelled steps than this the PRM's own scores outweigh what they say. */
const FEW = 100;

/** Fits the weights on the hard labels of rounds 1 .. k, where the scorer needs them and the round has none. */
export async function calibrate(work: Work): Promise<void> {
  const { config, need, data, policy, space, k, found } = work;
  if (found.calibration !== null || !need.calibration) return;
  const { delta, closure, ownWitness, heldOut } = config.labels;
  const options = { rule: { delta, closure, ownWitness }, heldOut };
  const stage = stageOf(k, '4-calibration');
  const file = `${stage.name}.json`;
  const body = async (): Promise<Calibrated> => {
    const fitted = await fitWeights(work, options);
    const warning = fewSteps(fitted.calibration);
    if (warning !== null) space.warn(warning, stage);
    await space.writeJson(stage, file, fitted.calibration);
    return fitted;
  };
  const inputs = {
    data,
    policy: policy.hash,
    prm: found.prm?.checkpoint.hash,
    unit: config.score.unit,
    options,
    ...(await labelInputs(work)),
  };
  const { calibration, counts } = await space.once({ stage, inputs, outputs: [file], result: Calibrated, body });
  found.calibration = calibration;
  found.counts[stage.name] = counts;
}

async function fitWeights(work: Work, { rule, heldOut }: { rule: LabelRule; heldOut: number }): Promise<Calibrated> {
  const { config, task, prompt, space, k, found } = work;
  if (found.prm === null) throw new Error('Expected a PRM to calibrate.');
  await using prm = await space.openPrm(found.prm.checkpoint);
  await using policy = await space.openPolicy(work.policy);
  const context = { prm, policy, task, prompt, signal: space.signal };
  const steps: LabelledStep[] = [];
  const counts = { paths: 0, scoredTokens: 0 };
  const labelled = space.groups({ to: k, labels: true });
  for await (const items of inUnits(calibrationItems(labelled, heldOut), config.score.unit)) {
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

/** The labelled paths of the questions for calibration; the other questions are passed over. */
async function* calibrationItems(groups: AsyncIterable<Group>, heldOut: number): AsyncGenerator<ScoreItem> {
  for await (const { question, samples, labels } of groups) {
    if (labels.length === 0 || !isForCalibration(question.id, heldOut)) continue;
    const known = new Set(labels.map(({ sampleId }) => sampleId));
    yield { question, samples: samples.filter(({ id }) => known.has(id)), labels };
  }
}

/** A warning where so few steps were labelled that the weights say little; null: enough. */
function fewSteps({ steps }: StepCalibration): string | null {
  if (steps >= FEW) return null;
  return `Only ${steps} labelled steps weigh the PRM against log-probabilities: the scores stay near the PRM's own. Raise labels.paths or labels.heldOut.`;
}

// Between 3 and 4: labelled steps that trained no PRM -> the weights of the scorer prm-logprob.
import { z } from 'zod';
import { calibrateScores, fewSteps, ScoreCalibration } from '../../method/score-calibration.ts';
import { type LabelRule, labelRule } from '../../method/step-labels.ts';
import { Counts } from '../../reports.ts';
import { stageOf, type Work } from '../workspace.ts';
import { labelInputs } from './train-prm.ts';

const Calibrated = z.object({ calibration: ScoreCalibration, counts: Counts });
type Calibrated = z.infer<typeof Calibrated>;

/** Fits the weights on the hard labels of rounds 1 .. k, where the scorer needs them and the round has none. */
export async function calibrate(work: Work): Promise<void> {
  const { config, need, data, policy, store, k, found } = work;
  if (found.calibration !== null || !need.calibration) return;
  const options = { rule: labelRule(config.labels), heldOut: config.labels.heldOut };
  const stage = stageOf(k, '4-calibration');
  const file = `${stage.name}.json`;
  const body = async (): Promise<Calibrated> => {
    const fitted = await fitWeights(work, options);
    const warning = fewSteps(fitted.calibration);
    if (warning !== null) store.warn(warning, stage);
    await store.writeJson(stage, file, fitted.calibration);
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
  const { calibration, counts } = await store.once({ stage, inputs, outputs: [file], result: Calibrated, body });
  found.calibration = calibration;
  found.counts[stage.name] = counts;
}

async function fitWeights(work: Work, rules: { rule: LabelRule; heldOut: number }): Promise<Calibrated> {
  const { config, task, prompt, store, records, models, k, found } = work;
  if (found.prm === null) throw new Error('Expected a PRM to calibrate.');
  await using prm = await models.openPrm(found.prm.checkpoint);
  await using policy = await models.openPolicy(work.policy);
  const context = { prm, policy, task, prompt, signal: store.signal, ...rules, unit: config.score.unit };
  return await calibrateScores(records.groups({ to: k, labels: true }), context);
}

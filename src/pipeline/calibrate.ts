// The stage between 3 and 4: labelled steps that trained no PRM -> 4-calibration.json, for prm-logprob.
import { z } from 'zod';
import { calibrateScores, fewSteps, ScoreCalibration } from '../method/score-calibration.ts';
import type { Checkpoint } from '../records.ts';
import { Counts } from '../reports.ts';
import { everything, type Loop, labelInputs, sourceIn, stageOf } from './stages.ts';

export const Calibrated = z.object({ calibration: ScoreCalibration, counts: Counts });
export type Calibrated = z.infer<typeof Calibrated>;

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
    const found = await calibrateScores(labelled, { ...context, rule, heldOut, unit: config.score.unit });
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

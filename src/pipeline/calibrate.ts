// The loop's stage 4 before scoring with `prm-logprob`: labelled steps that trained no PRM -> weights of the PRM and the log-probabilities. Leaves the fit to step-calibration.ts.
import { z } from 'zod';
import type { Checkpoint } from '../records.ts';
import { inUnits } from './counts.ts';
import { isForCalibration } from './keys.ts';
import { type ScoreItem, tokensRead, withoutTooLong } from './score-paths.ts';
import { COUNTS } from './stage-results.ts';
import { everything, type Loop, labelInputs, sourceIn, stageOf } from './stages.ts';
import { fitStepCalibration, type LabelledStep, StepCalibration } from './step-calibration.ts';
import { stepEvidence } from './step-evidence.ts';
import { hardLabels } from './step-labels.ts';

export const Calibrated = z.object({ calibration: StepCalibration, counts: COUNTS });
export type Calibrated = z.infer<typeof Calibrated>;

/** With fewer labelled steps than this the PRM's own scores outweigh what they say. */
const FEW = 100;

/** Fits the weights on the hard labels of rounds 1 .. k; writes them as 4-calibration.json. */
export async function calibrate(loop: Loop, k: number, policy: Checkpoint, prm: Checkpoint): Promise<Calibrated> {
  const { run, config } = loop;
  const stage = stageOf(k, '4-calibration');
  const { delta, closure, ownWitness, heldOut } = config.labels;
  const rule = { delta, closure, ownWitness };
  const body = async (): Promise<Calibrated> => {
    const { steps, counts } = await labelledSteps(loop, k, { policy, prm });
    if (steps.length < FEW) {
      run.warn(
        `Only ${steps.length} labelled steps weigh the PRM against log-probabilities: the scores stay near the PRM's own. Raise labels.paths or labels.heldOut.`,
        stage,
      );
    }
    const calibration = fitStepCalibration(steps);
    await run.writeJson(stage, '4-calibration.json', calibration);
    return { calibration, counts };
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

interface Models {
  readonly policy: Checkpoint;
  readonly prm: Checkpoint;
}

async function labelledSteps(loop: Loop, k: number, models: Models) {
  const { backend, config, task, prompt, run } = loop;
  const steps: LabelledStep[] = [];
  const counts = { paths: 0, scoredTokens: 0 };
  await using prm = await backend.openPrm(sourceIn(loop, models.prm));
  await using policy = await backend.openPolicy(sourceIn(loop, models.policy));
  for await (const unit of inUnits(calibrationItems(loop, k), config.score.unit)) {
    const { fitting } = await withoutTooLong(unit, [prm, policy], { task, prompt });
    const paths = fitting.flatMap(({ question, samples, labels }) => {
      const latest = new Map(labels.map((record) => [record.sampleId, record]));
      return samples.map((sample) => ({ question, sample, record: latest.get(sample.id)! }));
    });
    const evidence = await stepEvidence(paths, { prm, policy, task, prompt, signal: run.signal });
    for (const [index, { record }] of paths.entries()) {
      const correct = hardLabels(record, config.labels);
      for (const [j, own] of (evidence[index] ?? []).entries())
        steps.push({ evidence: own, correct: correct[j] === true });
    }
    counts.paths += paths.length;
    counts.scoredTokens += await tokensRead(fitting, [prm, policy], prompt);
  }
  return { steps, counts };
}

/** The labelled paths of the questions for calibration. */
async function* calibrationItems(loop: Loop, k: number): AsyncGenerator<ScoreItem> {
  for await (const { question, samples, labels } of everything(loop, k, { labels: true })) {
    if (labels.length === 0 || !isForCalibration(question.id, loop.config.labels.heldOut)) continue;
    const labelled = new Set(labels.map(({ sampleId }) => sampleId));
    yield { question, samples: samples.filter(({ id }) => labelled.has(id)), labels };
  }
}

// 3: R, a process reward model, from all labels so far; from the policy or the verifier.
import { checkPrmRows, prmRows } from '../../method/prm-rows.ts';
import { labelRule } from '../../method/step-labels.ts';
import type { Checkpoint } from '../../records.ts';
import { stageOf, type Work } from '../workspace.ts';
import { training } from './stage.ts';

export const trainPrm = training({
  writes: '3-prm',
  finds: 'prm',
  settings: ['task', 'prompt', 'labels', 'prm', 'score'],
  needed: ({ need }) => need.prm,
  inputs: async (work) => ({ data: work.data, options: rowOptions(work), ...(await labelInputs(work)) }),
  start: verifierOf,
  train: ({ prm }) => prm.train,
  rows: async (work) => {
    const { task, prompt, store, records, k } = work;
    const found = await prmRows(records.groups({ to: k, labels: true }), { task, prompt, ...rowOptions(work) });
    for (const warning of checkPrmRows(found)) store.warn(warning, stageOf(k, '3-prm'));
    return { examples: found.examples, objective: { kind: 'prm' }, counts: found.counts };
  },
});

/** What learns the step labels, or is read for them. */
export function verifierOf({ verifier, policy }: Work): Checkpoint {
  return verifier ?? policy;
}

/** How labels become rows to learn from. */
export function rowOptions({ config, need }: Work) {
  const { labels, prm } = config;
  return {
    targets: prm.targets,
    gold: prm.gold,
    denoise: prm.denoise,
    heldOut: labels.heldOut,
    calibrates: need.calibration,
    rule: labelRule(labels),
  };
}

/** What the labels of rounds 1 .. k are: part of the inputs of all that reads them. */
export async function labelInputs({
  records,
  k,
}: Work): Promise<{ samples: readonly string[]; labels: readonly string[] }> {
  return { samples: await records.hashes('1-samples', k), labels: await records.hashes('2-step-labels', k) };
}

// 4: the paths so far, scored by the PRM, the tallies, the policy's log-probability or the outcome.
import { canPair } from '../../method/pair.ts';
import { withRollouts } from '../../method/rollout-paths.ts';
import { scoreUnit } from '../../method/score.ts';
import { openScorer, type Scorer, scorerInputs } from '../../method/scorers.ts';
import type { LabelledQuestion } from '../../method/step-labels.ts';
import type { Checkpoint } from '../../records.ts';
import type { Group, Work } from '../workspace.ts';
import { calibrate } from './calibrate.ts';
import { inUnitsOf } from './stage.ts';
import { labelInputs, verifierOf } from './train-prm.ts';

export const score = inUnitsOf<LabelledQuestion, Scorer>({
  writes: '4-scores',
  settings: ['task', 'prompt', 'labels', 'score'],
  needed: ({ method }) => method.feedback !== 'none',
  inputs: async (work) => {
    await calibrate(work);
    const { config, data, scorer, records, k } = work;
    const { chosenGate, gold } = config.pairs;
    return {
      data,
      scorer,
      unit: config.score.unit,
      pairs: { chosenGate, gold },
      ...scorerInputsOf(work),
      ...(work.need.labels ? await labelInputs(work) : { samples: await records.hashes('1-samples', k) }),
    };
  },
  counted: 'paths',
  items: async (work) => ({ total: await countPaths(work), items: itemsOf(work) }),
  sizeOf: ({ samples }) => samples.length,
  unit: (config) => config.score.unit,
  open: openScorerOf,
  each: (unit, scorer, { task, prompt, store }) => scoreUnit(unit, { scorer, task, prompt, signal: store.signal }),
});

/** What the scorer of a round is made of. */
export function scorerInputsOf(work: Work): Record<string, unknown> {
  const { scorer, found } = work;
  const prm = found.prm?.checkpoint.hash ?? null;
  return scorerInputs(scorer!, { ...found, prm, policy: readerOf(work).hash });
}

async function* itemsOf(work: Work): AsyncGenerator<LabelledQuestion> {
  for await (const group of work.records.groups({ to: work.k, labels: work.need.labels })) {
    const whole = { ...group, samples: withRollouts(group, work.task) };
    const samples = scoredOf(work, whole);
    if (samples.length > 0) yield { ...group, samples };
  }
}

/** All of a question that can give pairs, and the labelled ones of every question, on which held-out figures rest. */
function scoredOf({ config, scoresAll }: Work, { samples, labels }: Group): Group['samples'] {
  if (scoresAll || canPair(samples, config.pairs)) return samples;
  const labelled = new Set(labels.map(({ sampleId }) => sampleId));
  return samples.filter(({ id }) => labelled.has(id));
}

async function countPaths(work: Work): Promise<number> {
  let paths = 0;
  for await (const { samples } of itemsOf(work)) paths += samples.length;
  return paths;
}

/** The model whose log-probabilities or hidden states score. */
function readerOf(work: Work): Checkpoint {
  return work.need.probe ? verifierOf(work) : work.policy;
}

/** The scorer of a round, with the models that its round scored by. */
export function openScorerOf(work: Work): Promise<Scorer> {
  const { scorer, models, found } = work;
  const { prm, calibration, probe } = found;
  return openScorer(scorer!, {
    prm: prm === null ? undefined : () => models.openPrm(prm.checkpoint),
    policy: () => models.openPolicy(readerOf(work)),
    calibration: calibration ?? undefined,
    probe: probe ?? undefined,
  });
}

// 4: the paths so far, scored by the PRM, the tallies, the policy's log-probability or the outcome.
import { canPair } from '../../method/pair.ts';
import { type ScoreItem, type Scorer, scoreUnit } from '../../method/score.ts';
import type { StepCalibration } from '../../method/step-calibration.ts';
import type { Checkpoint } from '../../records.ts';
import type { Group, Work } from '../workspace.ts';
import { calibrate } from './calibrate.ts';
import { inUnitsOf } from './stage.ts';
import { labelInputs } from './train-prm.ts';

export const score = inUnitsOf<ScoreItem, OpenScorer>({
  writes: '4-scores',
  settings: ['task', 'prompt', 'labels', 'score'],
  needed: ({ method }) => method.feedback !== 'none',
  inputs: async (work) => {
    await calibrate(work);
    const { config, data, scorer, policy, space, k, found } = work;
    const { chosenGate, gold } = config.pairs;
    const prm = found.prm?.checkpoint.hash;
    return {
      data,
      scorer,
      unit: config.score.unit,
      pairs: { chosenGate, gold },
      model: scorer === 'prm' ? (prm ?? null) : scorer === 'logprob' ? policy.hash : null,
      ...(scorer === 'prm-logprob' ? { prm, policy: policy.hash, calibration: found.calibration } : {}),
      ...(work.need.labels ? await labelInputs(work) : { samples: await space.hashes('1-samples', k) }),
    };
  },
  counted: 'paths',
  items: async (work) => ({ total: await countPaths(work), items: itemsOf(work) }),
  sizeOf: ({ samples }) => samples.length,
  unit: (config) => config.score.unit,
  open: ({ found, ...work }) =>
    openScorer({ ...work, prm: found.prm?.checkpoint ?? null, calibration: found.calibration }),
  each: (unit, { scorer }, { task, prompt, space }) => scoreUnit(unit, { scorer, task, prompt, signal: space.signal }),
});

async function* itemsOf(work: Work): AsyncGenerator<ScoreItem> {
  for await (const group of work.space.groups({ to: work.k, labels: work.need.labels })) {
    const samples = scoredOf(work, group);
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

export interface OpenScorer extends AsyncDisposable {
  readonly scorer: Scorer;
}

export interface OpenScorerArgs extends Pick<Work, 'scorer' | 'space'> {
  readonly policy: Checkpoint | null;
  readonly prm: Checkpoint | null;
  readonly calibration: StepCalibration | null;
}

/** Opens what a scorer reads. */
export async function openScorer(args: OpenScorerArgs): Promise<OpenScorer> {
  const { scorer: kind, space, calibration } = args;
  if (kind === 'outcome' || kind === 'tallies' || kind === 'oracle') return { scorer: { kind }, ...closing() };
  if (kind === 'logprob') {
    const policy = await space.openPolicy(present(args.policy));
    return { scorer: { kind, policy }, ...closing(policy) };
  }
  const prm = await space.openPrm(present(args.prm));
  if (kind === 'prm') return { scorer: { kind, prm }, ...closing(prm) };
  const policy = await space.openPolicy(present(args.policy));
  return { scorer: { kind, prm, policy, calibration: present(calibration) }, ...closing(prm, policy) };
}

function present<T>(value: T | null): T {
  if (value === null) throw new Error('Expected what the scorer reads, got null.');
  return value;
}

function closing(...models: readonly AsyncDisposable[]): AsyncDisposable {
  return {
    async [Symbol.asyncDispose]() {
      for (const model of models) await model[Symbol.asyncDispose]();
    },
  };
}

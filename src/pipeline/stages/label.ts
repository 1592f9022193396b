// 2: K rollouts from each step of chosen paths of M_(k-1), or from the two that SAPO verifies.
import type { Policy, ProcessRewardModel } from '../../backend.ts';
import { choosePaths } from '../../method/choose-paths.ts';
import { isEmptyPath, type QuestionPaths } from '../../method/context-length.ts';
import { labelUnit } from '../../method/label.ts';
import { unitsAtOnce } from '../../method/units-at-once.ts';
import type { Checkpoint, Sample } from '../../records.ts';
import type { Want, Work } from '../workspace.ts';
import { inUnitsOf } from './stage.ts';

/** The models that label. Disposing it closes them. */
interface Labeller extends AsyncDisposable {
  readonly simulator: Policy;
  readonly prm: ProcessRewardModel | null;
}

export const label = inUnitsOf<QuestionPaths, Labeller>({
  writes: '2-step-labels',
  settings: ['task', 'prompt', 'labels'],
  needed: ({ need }) => need.labels,
  inputs: async (work) => ({
    data: work.data,
    seed: work.config.seed,
    options: work.config.labels,
    simulator: simulatorOf(work).hash,
    samples: await work.records.hashes('1-samples', work.k),
    ...(verifierOf(work) === null ? {} : { prm: verifierOf(work)?.hash }),
  }),
  counted: 'paths',
  items: async (work) => {
    const chosen = await chosenPaths(work);
    return { total: chosen.size, items: itemsOf(work, chosen) };
  },
  sizeOf: ({ samples }) => samples.length,
  unit: ({ labels }) => labels.unit,
  open,
  // A question has one path or more, and each path one rollout at a time.
  atOnce: ({ simulator }, { labels }) => unitsAtOnce(simulator.room, labels.unit),
  each: (unit, { simulator, prm }, work, onDone) => {
    const { config, task, simulatorPrompt: prompt, prompt: prmPrompt, store, k } = work;
    const { labels: options, seed } = config;
    const models = { simulator, prompt, prm, prmPrompt };
    return labelUnit(unit, { ...models, task, options, seed, iteration: k, signal: store.signal, onDone });
  },
});

async function open(work: Work): Promise<Labeller> {
  const simulator = await work.models.openPolicy(simulatorOf(work));
  const verifier = verifierOf(work);
  try {
    const prm = verifier === null ? null : await work.models.openPrm(verifier);
    return {
      simulator,
      prm,
      [Symbol.asyncDispose]: async () => {
        await prm?.[Symbol.asyncDispose]();
        await simulator[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await simulator[Symbol.asyncDispose]();
    throw error;
  }
}

/** What proposes first errors; null: every step is scanned, as in the first round. */
function verifierOf({ config, earlierPrm }: Work): Checkpoint | null {
  return config.labels.mode === 'verify' ? earlierPrm : null;
}

function simulatorOf({ simulator, policy }: Work): Checkpoint {
  return simulator ?? policy;
}

function wanted({ config, k }: Work): Want {
  return { from: config.labels.relabel ? 1 : k, to: k };
}

async function chosenPaths(work: Work): Promise<Set<string>> {
  const { labels, seed } = work.config;
  const brief: Pick<Sample, 'id' | 'questionId' | 'outcome' | 'source'>[] = [];
  for await (const { samples } of work.records.groups(wanted(work)))
    for (const sample of samples) {
      const { id, questionId, outcome, source } = sample;
      if (!isEmptyPath(sample)) brief.push({ id, questionId, outcome, source });
    }
  return choosePaths(brief, labels.paths, `label/${seed}/${work.k}`);
}

async function* itemsOf(work: Work, chosen: ReadonlySet<string>): AsyncGenerator<QuestionPaths> {
  for await (const { question, samples } of work.records.groups(wanted(work))) {
    const own = samples.filter(({ id }) => chosen.has(id));
    if (own.length > 0) yield { question, samples: own };
  }
}

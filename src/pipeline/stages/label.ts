// 2: K rollouts from each step of the chosen paths of M_(k-1): tally_j.
import type { Policy } from '../../backend.ts';
import { choosePaths } from '../../method/choose-paths.ts';
import { isEmptyPath, type QuestionPaths } from '../../method/context-length.ts';
import { labelUnit } from '../../method/label.ts';
import type { Checkpoint, Sample } from '../../records.ts';
import type { Want, Work } from '../workspace.ts';
import { inUnitsOf } from './stage.ts';

export const label = inUnitsOf<QuestionPaths, Policy>({
  writes: '2-step-labels',
  settings: ['task', 'prompt', 'labels'],
  needed: ({ need }) => need.labels,
  inputs: async (work) => ({
    data: work.data,
    seed: work.config.seed,
    options: work.config.labels,
    simulator: simulatorOf(work).hash,
    samples: await work.records.hashes('1-samples', work.k),
  }),
  counted: 'paths',
  items: async (work) => {
    const chosen = await chosenPaths(work);
    return { total: chosen.size, items: itemsOf(work, chosen) };
  },
  sizeOf: ({ samples }) => samples.length,
  unit: ({ labels }) => labels.unit,
  open: (work) => work.models.openPolicy(simulatorOf(work)),
  each: (unit, simulator, { config, task, simulatorPrompt: prompt, store, k }, onDone) => {
    const { labels: options, seed } = config;
    return labelUnit(unit, { simulator, task, prompt, options, seed, iteration: k, signal: store.signal, onDone });
  },
});

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

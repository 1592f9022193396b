// 1: N paths a question from M_(k-1), at high temperature, without duplicates of any round.
import type { Policy } from '../../backend.ts';
import { chooseQuestions, type SampleItem, sampleUnit } from '../../method/sample.ts';
import { unitsAtOnce } from '../../method/units-at-once.ts';
import type { Question } from '../../records.ts';
import type { Work } from '../workspace.ts';
import { inUnitsOf } from './stage.ts';

export const sample = inUnitsOf<SampleItem, Policy>({
  writes: '1-samples',
  settings: ['task', 'prompt', 'sampling'],
  needed: ({ method }) => method.samples,
  inputs: async ({ config, data, policy, records, k }) => ({
    data,
    seed: config.seed,
    options: config.sampling,
    policy: policy.hash,
    earlier: await records.hashes('1-samples', k - 1),
  }),
  counted: 'questions',
  items: async (work) => {
    const chosen = chooseQuestions(work.questions, work.config.sampling, work.config.seed, work.k);
    return { total: chosen.length, items: itemsOf(work, chosen) };
  },
  unit: ({ sampling }) => sampling.unit,
  open: ({ models, policy }) => models.openPolicy(policy),
  atOnce: ({ room }, { sampling }) => unitsAtOnce(room, sampling.unit * sampling.samples),
  each: (unit, policy, { config, task, prompt, store, k }, onDone) => {
    const { sampling: options, seed } = config;
    return sampleUnit(unit, { policy, task, prompt, options, seed, iteration: k, signal: store.signal, onDone });
  },
});

async function* itemsOf({ config, records, k }: Work, chosen: readonly Question[]): AsyncGenerator<SampleItem> {
  const ids = new Set(chosen.map(({ id }) => id));
  for await (const { question, samples: known } of records.groups({ to: k - 1 })) {
    // A worked solution becomes a sample once in a run.
    const addGold = config.sampling.gold && !known.some(({ source }) => source === 'gold');
    if (ids.has(question.id)) yield { question, known, addGold };
  }
}

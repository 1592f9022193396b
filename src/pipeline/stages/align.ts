// 6: M_k by a preference loss on the pairs; by SFT where the method says so.
import { alignRows } from '../../method/align-rows.ts';
import type { Checkpoint } from '../../records.ts';
import { stageOf, type Work } from '../workspace.ts';
import { pair } from './pair.ts';
import { withReference } from './reference.ts';
import { training } from './stage.ts';

const startOf = ({ config, base, sft, policy }: Work): Checkpoint =>
  ({ base, sft, previous: policy })[config.align.start];

export const align = training({
  writes: '6-policy',
  finds: 'trained',
  settings: ['task', 'prompt', 'align'],
  needed: () => true,
  inputs: async (work) => {
    const { data, config, method, records, k } = work;
    const { train: _train, start: _start, ...options } = config.align;
    const { scope, calculatorLoss } = config.sft;
    return {
      data,
      options: { ...options, scope, calculatorLoss, align: method.align },
      pairs: pair.needed(work) ? await records.hash('5-pairs', k) : null,
    };
  },
  start: startOf,
  train: ({ align: { train } }) => train,
  rows: async (work) => {
    const { config, method, questions, task, prompt, store, records, k } = work;
    const pairs = pair.needed(work) ? await records.pairs(k) : [];
    const context = { method, pairs, questions, task, prompt, key: `${config.seed}/${k}` };
    const rows = alignRows({ ...context, options: config.align, scope: config.sft.scope });
    for (const warning of rows.warnings) store.warn(warning, stageOf(k, '6-policy'));
    return withReference(work, startOf(work), rows);
  },
});

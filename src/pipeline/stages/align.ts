// 6: M_k by ORPO on the pairs; by SFT on right samples or on worked solutions where the method says so.
import { alignRows } from '../../method/align-rows.ts';
import { pair } from './pair.ts';
import { training } from './stage.ts';

export const align = training({
  writes: '6-policy',
  finds: 'trained',
  settings: ['task', 'prompt', 'align'],
  needed: () => true,
  inputs: async (work) => {
    const { data, config, method, records, k } = work;
    const { train: _train, start: _start, ...options } = config.align;
    return {
      data,
      options: { ...options, scope: config.sft.scope, align: method.align },
      pairs: pair.needed(work) ? await records.hash('5-pairs', k) : null,
    };
  },
  start: ({ config, base, sft, policy }) => ({ base, sft, previous: policy })[config.align.start],
  train: ({ align: { train } }) => train,
  rows: async (work) => {
    const { config, method, questions, task, prompt, records, k } = work;
    const pairs = pair.needed(work) ? await records.pairs(k) : [];
    const context = { method, pairs, questions, task, prompt, key: `${config.seed}/${k}` };
    return alignRows({ ...context, options: config.align, scope: config.sft.scope });
  },
});

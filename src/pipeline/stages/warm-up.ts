// 0: M_0 = SFT(base, D_org), and the control that trains M_0 on D_org as long as the rounds.
import { SipfError } from '../../errors.ts';
import { goldRows } from '../../method/align-rows.ts';
import type { TrainRows } from '../../method/train-options.ts';
import type { Trained } from '../../reports.ts';
import { CONTROL, type Work } from '../workspace.ts';
import { training } from './stage.ts';
import { train } from './training.ts';

export const warmUp = training({
  writes: '6-policy',
  finds: 'trained',
  settings: ['task', 'prompt', 'sft'],
  needed: ({ config }) => config.sft.enabled,
  inputs: async ({ data, config: { sft } }) => {
    const { rows, scope, calculatorLoss } = sft;
    return { data, options: { rows, scope, calculatorLoss } };
  },
  start: ({ base }) => base,
  train: ({ sft }) => sft.train,
  rows: async (work) => {
    const { rows } = work.config.sft;
    const found = goldOf(work, rows, `sft/${work.config.seed}`);
    if (found.examples.length > 0) return found;
    throw new SipfError(
      'nothing-left',
      `Expected worked solutions for the warm-up in ${work.task.name}, got ${work.questions.length} questions without one. Give data with solutions; or run without a warm-up: set sft.enabled false, and give prompt.shots or prompt.style chat.`,
    );
  },
});

/**
 * The control: M_0 trained on worked solutions for `tokens` optimizer tokens, with the alignment's settings.
 * @throws SipfError 'nothing-left' where there is no worked solution.
 */
export function continuedSft(work: Work, tokens: number): Promise<Trained> {
  const { config, data } = work;
  const { scope, calculatorLoss } = config.sft;
  return train(work, {
    place: CONTROL,
    writes: 'continued-sft',
    inputs: { data, options: { scope, calculatorLoss } },
    start: ({ sft }) => sft,
    train: ({ align }) => ({ ...align.train, tokens }),
    rows: async () => {
      const found = goldOf(work, null, 'control');
      if (found.examples.length > 0) return found;
      throw new SipfError(
        'nothing-left',
        'Expected worked solutions for the continued-sft control, got none. Set evaluate.control none.',
      );
    },
  });
}

function goldOf({ questions, config, ...context }: Work, rows: number | null, key: string): TrainRows {
  const examples = goldRows(questions, rows, key, context);
  return { examples, objective: { kind: 'sft', scope: config.sft.scope }, counts: { gold: examples.length } };
}

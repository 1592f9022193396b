// The one list of objectives: the port's options, settings, rows and training follow from it.
import { z } from 'zod';
import { dpo } from './dpo.ts';
import { orpo } from './orpo.ts';
import { prm } from './prm.ts';
import { sft } from './sft.ts';

/** Losses on preference pairs beside ORPO, the default. A further one is a file and a name here. */
const FURTHER_PAIR_LOSSES = { dpo };

export const OBJECTIVES = { sft, prm, orpo, ...FURTHER_PAIR_LOSSES };

type Kind = keyof typeof OBJECTIVES;

/** What a training learns, with its options. */
export type Objective = z.output<(typeof OBJECTIVES)[Kind]['options']>;

/** Settings of `align.loss`. */
export const PairLoss = z.discriminatedUnion('kind', [
  orpo.options,
  ...Object.values(FURTHER_PAIR_LOSSES).map(({ options }) => options),
]);

// The objectives there are: the one list from which the port's options, the settings, the rows and the training follow.
import type { z } from 'zod';
import { orpo } from './orpo.ts';
import { prm } from './prm.ts';
import { sft } from './sft.ts';

export const OBJECTIVES = { sft, prm, orpo };

type Kind = keyof typeof OBJECTIVES;

/** What a training learns, with its options. */
export type Objective = z.output<(typeof OBJECTIVES)[Kind]['options']>;

// The table of ops. Builders with typed arguments are in build.ts, derivatives in gradients.ts.

import { ELEMENTWISE } from './elementwise.ts';
import { LAYOUT } from './layout.ts';
import type { Op } from './op.ts';
import { QUANTISED } from './quantised.ts';
import { ROWS } from './rows.ts';

/** Every op there is, by name. */
export const OPS: Readonly<Record<string, Op>> = { ...ELEMENTWISE, ...LAYOUT, ...ROWS, ...QUANTISED };

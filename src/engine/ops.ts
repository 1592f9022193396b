// The table of ops. Builders with typed arguments are in build.ts, derivatives in gradients.ts.
import type { Op } from './op.ts';
import { ELEMENTWISE } from './ops-elementwise.ts';
import { LAYOUT } from './ops-layout.ts';
import { ROWS } from './ops-rows.ts';

/** Every op there is, by name. */
export const OPS: Readonly<Record<string, Op>> = { ...ELEMENTWISE, ...LAYOUT, ...ROWS };

// The op suite's table: for each op its inputs, variants and whether its gradient is checked.
import type { OpCase } from './engine-case.ts';
import { ELEMENTWISE } from './engine-cases-elementwise.ts';
import { LAYOUT } from './engine-cases-layout.ts';
import { ROWS } from './engine-cases-rows.ts';

/** Every case of the suite. */
export const CASES: readonly OpCase[] = [...ELEMENTWISE, ...LAYOUT, ...ROWS];

// A method, a variant, a seed and a column -> the names of their run.

/** One run of an experiment: a method of the grid, with a variant's settings, on a seed. */
export interface Cell {
  readonly method: string;
  /** null: the grid has none. */
  readonly variant: string | null;
  readonly seed: number;
  /** What was made equal: the optimizer tokens after the warm-up, or all model FLOPs after it. */
  readonly column: 'tokens' | 'flops';
}

/** The warm-up that all methods of a seed and a variant share, as if it were one of them. */
export const START = 'start';

/** How the folder of a run at equal FLOPs ends. */
export const EQUAL_FLOPS = '-equal-flops';

/** `sipf`, `sipf+few`, `sipf at equal FLOPs`: a row of the table. */
export function rowName({ method, variant, column }: Omit<Cell, 'seed'>): string {
  const name = variant === null ? method : `${method}+${variant}`;
  return column === 'flops' ? `${name} at equal FLOPs` : name;
}

/** `seed 11 sipf`: a run in messages. */
export function nameOf(cell: Cell): string {
  return `seed ${cell.seed} ${rowName(cell)}`;
}

/** The folder of a run within that of its seed. */
export function folderOf(cell: Cell): string {
  return rowName(cell).replace(' at equal FLOPs', EQUAL_FLOPS);
}

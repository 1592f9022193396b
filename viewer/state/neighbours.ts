// A long list and a place in it, as the address has it -> the rows before and after that place.
import { useEffect } from 'preact/hooks';
import { useApp } from './app.ts';
import { wholeIn } from './route.ts';
import type { Rows } from './rows.ts';

export interface Neighbours<Row> {
  /** null: the address names no place of the list. */
  readonly at: number | null;
  readonly total: number | null;
  /** null: there is none, or it is not here yet. */
  readonly before: Row | null;
  readonly after: Row | null;
}

/** Rows that are asked for around the place, so that a reader who walks fast does not wait. */
const AHEAD = 25;

export function useNeighbours<Row>(rows: Rows<Row>): Neighbours<Row> {
  const { router } = useApp();
  const { total } = rows;
  const named = wholeIn(router.route.value.query, 'at');
  const at = named !== null && (total === null || named < total) ? named : null;
  useEffect(() => {
    if (at !== null) rows.onDrawn(Math.max(0, at - AHEAD), at + AHEAD);
  }, [at]);
  if (at === null) return { at, total, before: null, after: null };
  return { at, total, before: rows.at(at - 1), after: rows.at(at + 1) };
}

/** Why there is no neighbour on that side. */
export function whyNoNeighbour({ at, total }: Neighbours<unknown>, change: 1 | -1, one: string): string {
  if (at === null) return `No list. Open a ${one} from its list to walk it.`;
  if (change === -1 && at === 0) return `No ${one} before this one.`;
  if (change === 1 && total !== null && at >= total - 1) return `No further ${one} in this list.`;
  return 'The list is not here yet. Press again.';
}

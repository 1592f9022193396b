// Roles of tables for rows that are placed by hand, which table elements do not allow.
import type { ComponentChildren } from 'preact';

const ROLES = { cell: 'cell', head: 'columnheader' } as const;

/** Attributes of the table; its head is one more row. */
export function tableOf(label: string, rows: number) {
  return { role: 'table', 'aria-label': label, 'aria-rowcount': rows + 1 } as const;
}

export const ROWS = { role: 'rowgroup' } as const;

/** Attributes of a row by its place, from 1; the head is the first. */
export function rowAt(place: number) {
  return { role: 'row', 'aria-rowindex': place } as const;
}

interface CellProps {
  /** Class of its column. */
  readonly of: string;
  readonly title?: string | undefined;
  readonly children: ComponentChildren;
}

export function Cell({ of, title, children }: CellProps) {
  return (
    <span role={ROLES.cell} class={of} title={title}>
      {children}
    </span>
  );
}

/** A row that has not come yet. */
export function WaitingCell() {
  return <Cell of="c-question dim">…</Cell>;
}

/** Class and name of each column. */
export type Columns = readonly (readonly [of: string, words: string])[];

export function HeadCells({ columns }: { readonly columns: Columns }) {
  return (
    <>
      {columns.map(([of, words]) => (
        <span role={ROLES.head} key={words} class={of}>
          {words}
        </span>
      ))}
    </>
  );
}

// A long list on the server -> its rows by index, asked for where the reader is.
import { useEffect, useRef, useState } from 'preact/hooks';
import { useApp } from './app.ts';
import type { Query } from './route.ts';
import { keyOf, wordsOf } from './server.ts';

export interface Rows<Row> {
  /** How many there are; null: not known yet. */
  readonly total: number | null;
  /** null: not here yet. */
  readonly at: (index: number) => Row | null;
  /** Told which rows are drawn. */
  readonly onDrawn: (first: number, end: number) => void;
  readonly error: string | null;
  /** A search that reads on: what it does now. null: no search, or done. */
  readonly searching: boolean;
}

/** Rows of one request, and how often a list that scrolls makes one. */
const PIECE = 100;
const EVERY_MS = 70;

export interface Piece<Row> {
  readonly total: number | null;
  readonly rows: readonly Row[];
  readonly next?: string | null;
}

/** A list whose length the server knows: any piece can be asked for. null: nothing to ask. */
export function useRows<Reply, Row>(path: string, query: Query | null, read: (reply: Reply) => Piece<Row>): Rows<Row> {
  const { server, live } = useApp();
  const version = live.version.value;
  const [wanted, setWanted] = useState<readonly number[]>([0]);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const kept = useRef({ key: '', pieces: new Map<number, Piece<Row>>() });
  const key = query === null ? '' : keyOf(path, query);
  if (kept.current.key !== key) kept.current = { key, pieces: new Map() };
  const { pieces } = kept.current;
  const errors: string[] = [];
  for (const piece of query === null ? [] : new Set([0, ...wanted])) {
    const asked = { ...query, offset: String(piece * PIECE), limit: String(PIECE) };
    const { data, error } = server.entry(path, asked, version).known.value;
    if (data !== null) pieces.set(piece, read(data as Reply));
    if (error !== null) errors.push(error);
  }
  const drawn = useRef({ first: 0, end: 0 });
  const onDrawn = useRef((first: number, end: number) => {
    drawn.current = { first, end };
    timer.current ??= setTimeout(() => {
      timer.current = undefined;
      setWanted(piecesBetween(drawn.current.first, drawn.current.end));
    }, EVERY_MS);
  });
  return {
    total: pieces.get(0)?.total ?? null,
    at: (index) => pieces.get(Math.floor(index / PIECE))?.rows[index % PIECE] ?? null,
    onDrawn: onDrawn.current,
    error: errors[0] ?? null,
    searching: false,
  };
}

function piecesBetween(first: number, end: number): readonly number[] {
  const from = Math.floor(first / PIECE);
  const to = Math.floor(Math.max(first, end - 1) / PIECE);
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** A search that the server does piece by piece: it reads on while the reader is near the end of what it found. null: no search. */
export function useSearch<Reply, Row>(
  path: string,
  query: Query | null,
  read: (reply: Reply) => Piece<Row>,
): Rows<Row> {
  const { server } = useApp();
  const [found, setFound] = useState<{ rows: readonly Row[]; next: string | null; error: string | null }>(
    NOTHING_FOUND,
  );
  const [end, setEnd] = useState(0);
  const key = query === null ? null : `${server.returns.value} ${keyOf(path, query)}`;
  useEffect(() => setFound(NOTHING_FOUND), [key]);
  const isWanted = query !== null && found.next !== null && found.error === null && found.rows.length < end + PIECE;
  useEffect(() => {
    if (!isWanted || query === null) return;
    const stop = new AbortController();
    const from = found.next === '' ? {} : { from: found.next ?? '' };
    server
      .ask<Reply>(path, { ...query, ...from, limit: String(PIECE) }, stop.signal)
      .then((reply) => {
        const { rows, next = null } = read(reply);
        if (!stop.signal.aborted) setFound({ rows: [...found.rows, ...rows], next, error: null });
      })
      .catch((error: unknown) => {
        if (!stop.signal.aborted) setFound({ ...found, error: wordsOf(error) });
      });
    return () => stop.abort();
  }, [key, found, isWanted]);
  const onDrawn = useRef((_: number, last: number) => setEnd(last));
  return {
    total: key === null ? null : found.rows.length,
    at: (index) => found.rows[index] ?? null,
    onDrawn: onDrawn.current,
    error: found.error,
    searching: found.next !== null && found.error === null,
  };
}

/** `next` is empty before the first request. */
const NOTHING_FOUND = { rows: [], next: '', error: null };

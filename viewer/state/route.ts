// The address after # <-> a page and its query; every state of the page is such an address.
import { type ReadonlySignal, signal } from '@preact/signals';

export const PAGES = ['rounds', 'questions', 'question', 'pairs', 'pair', 'scores', 'training', 'compare'] as const;
export type PageName = (typeof PAGES)[number];

/** Values of a query are texts; an absent one is not in the address. */
export type Query = Readonly<Record<string, string>>;

export interface Route {
  readonly page: PageName;
  readonly query: Query;
}

export interface Router {
  readonly route: ReadonlySignal<Route>;
  /** A new entry of the history. */
  go(route: Route): void;
  /** The same entry, changed. */
  replace(route: Route): void;
}

/** Names sorted, so that one state has one address. */
export function writeQuery(query: Query): string {
  const sorted = Object.entries(query).sort(([a], [b]) => (a < b ? -1 : 1));
  return new URLSearchParams(sorted.map(([name, value]) => [name, value.toWellFormed()])).toString();
}

export function hrefOf({ page, query }: Route): string {
  const text = writeQuery(query);
  return text === '' ? `#/${page}` : `#/${page}?${text}`;
}

export function parseHash(hash: string): Route {
  const [path = '', query = ''] = splitOnce(hash.replace(/^#\/?/, ''), '?');
  const page = PAGES.find((name) => name === path) ?? 'rounds';
  return { page, query: Object.fromEntries(new URLSearchParams(query)) };
}

function splitOnce(text: string, at: string): string[] {
  const index = text.indexOf(at);
  return index === -1 ? [text] : [text.slice(0, index), text.slice(index + 1)];
}

/** A whole number of the address; null: it has none, or another text. */
export function wholeIn(query: Query, name: string): number | null {
  const text = query[name] ?? '';
  return /^\d{1,15}$/.test(text) ? Number(text) : null;
}

/** `query` with some values changed; null takes one out. */
export function changed(query: Query, changes: Readonly<Record<string, string | null | undefined>>): Query {
  const kept = Object.entries({ ...query, ...changes }).filter(
    (entry): entry is [string, string] => entry[1] !== null && entry[1] !== undefined && entry[1] !== '',
  );
  return Object.fromEntries(kept);
}

/** Follows the address. Each entry of the history remembers where it was scrolled to. */
export function createRouter(window: Window): Router {
  const route = signal(parseHash(window.location.hash));
  window.history.scrollRestoration = 'manual';
  const follow = (): void => {
    route.value = parseHash(window.location.hash);
  };
  window.addEventListener('popstate', follow);
  window.addEventListener('hashchange', () => {
    if (hrefOf(route.value) !== hrefOf(parseHash(window.location.hash))) follow();
  });
  const put = (to: Route, write: 'pushState' | 'replaceState'): void => {
    const state = write === 'pushState' ? null : window.history.state;
    window.history[write](state, '', hrefOf(to));
    follow();
  };
  return {
    route,
    go: (to) => {
      if (hrefOf(to) !== hrefOf(route.value)) put(to, 'pushState');
    },
    replace: (to) => put(to, 'replaceState'),
  };
}

/** Where this entry of the history was scrolled to; 0: at the top, or new. */
export function scrollOf(window: Window): number {
  const state: unknown = window.history.state;
  if (typeof state !== 'object' || state === null || !('scroll' in state)) return 0;
  return typeof state.scroll === 'number' ? state.scroll : 0;
}

export function keepScroll(window: Window, scroll: number): void {
  window.history.replaceState({ scroll }, '');
}

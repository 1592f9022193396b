// What every part of the page reaches: router, server, runs, theme, announcements; as one context.
import type { Signal } from '@preact/signals';
import { createContext } from 'preact';
import { useContext, useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import type { RunHead } from '../../src/viewer/api.ts';
import type { HandLabels } from './hand-labels.ts';
import type { Live } from './live.ts';
import { type Query, type Router, wholeIn } from './route.ts';
import type { Known, Server } from './server.ts';
import type { Theme } from './theme.ts';

export interface App {
  readonly router: Router;
  readonly server: Server;
  readonly live: Live;
  readonly theme: Theme;
  readonly labels: HandLabels;
  /** What a screen reader is told. */
  readonly said: Signal<string>;
  readonly helpIsOpen: Signal<boolean>;
}

export const AppContext = createContext<App | null>(null);

export function useApp(): App {
  const app = useContext(AppContext);
  if (app === null) throw new Error('The page is not inside its App.');
  return app;
}

/** The reply to a request, asked for again whenever a run changed. null: nothing to ask. */
export function useReply<T>(path: string, query: Query | null): Known<T> {
  const { server, live } = useApp();
  const version = live.version.value;
  if (query === null) return { data: null, error: null, waiting: false };
  return server.entry(path, query, version).known.value as Known<T>;
}

/** The run that the address names (the first one by default), and its place. */
export function useRun(): { readonly run: RunHead | null; readonly place: string } {
  const { router, live } = useApp();
  const place = router.route.value.query['run'] ?? '0';
  return { run: live.runs.value?.[Number(place)] ?? null, place };
}

/** The round that the address names, else the latest one. */
export function useRound(): number {
  const { router } = useApp();
  const { run } = useRun();
  return wholeIn(router.route.value.query, 'round') ?? Math.max(0, (run?.rounds ?? 1) - 1);
}

export type Keys = Readonly<Record<string, (event: KeyboardEvent) => void>>;

/** Keys that are not typed into a field, from the moment that a part is drawn. Those of the pages inside the frame come before the frame's own. */
export function useKeys(keys: Keys, isInside = true): void {
  const { helpIsOpen } = useApp();
  const latest = useRef(keys);
  latest.current = keys;
  useLayoutEffect(() => {
    const listen = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || helpIsOpen.peek()) return;
      if (isTypedInto(event.target) && event.key !== 'Escape') return;
      if (event.key === 'Enter' && isPressed(event.target)) return;
      if (!Object.hasOwn(latest.current, event.key)) return;
      event.preventDefault();
      latest.current[event.key]?.(event);
    };
    document.addEventListener('keydown', listen, isInside);
    return () => document.removeEventListener('keydown', listen, isInside);
  }, []);
}

/** What Enter presses by itself. */
function isPressed(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && /^(a|button|summary)$/i.test(target.tagName);
}

function isTypedInto(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && /^(input|select|textarea)$/i.test(target.tagName);
}

/** The window's title, while this part is shown: what it is of, and of which run. */
export function useTitle(title: string): void {
  const { run } = useRun();
  const whole = [title, run?.name, 'sipf'].filter((part) => part !== undefined).join(' · ');
  useEffect(() => {
    document.title = whole;
  }, [whole]);
}

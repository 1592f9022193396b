// The reader's choice of light or dark -> the page's colour scheme; the system's by default.
import { type ReadonlySignal, signal } from '@preact/signals';

const SCHEMES = ['auto', 'light', 'dark'] as const;
export type Scheme = (typeof SCHEMES)[number];

export interface Theme {
  readonly scheme: ReadonlySignal<Scheme>;
  /** Grows whenever colours changed: what is drawn on a canvas is drawn again. */
  readonly drawn: ReadonlySignal<number>;
  next(): void;
}

export function createTheme(window: Window): Theme {
  const root = window.document.documentElement;
  const scheme = signal<Scheme>(stored(window));
  const drawn = signal(0);
  const apply = (): void => {
    root.style.colorScheme = scheme.value === 'auto' ? 'light dark' : scheme.value;
    drawn.value += 1;
  };
  apply();
  window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', apply);
  // Paper is light.
  window.addEventListener('beforeprint', () => {
    root.style.colorScheme = 'light';
    drawn.value += 1;
  });
  window.addEventListener('afterprint', apply);
  return {
    scheme,
    drawn,
    next: () => {
      scheme.value = SCHEMES[(SCHEMES.indexOf(scheme.value) + 1) % SCHEMES.length] ?? 'auto';
      store(window, scheme.value);
      apply();
    },
  };
}

const KEY = 'sipf-theme';

/** A file opened from disk, or a browser that keeps nothing, has no storage. */
function stored(window: Window): Scheme {
  try {
    return SCHEMES.find((name) => name === window.localStorage.getItem(KEY)) ?? 'auto';
  } catch {
    return 'auto';
  }
}

function store(window: Window, scheme: Scheme): void {
  try {
    window.localStorage.setItem(KEY, scheme);
  } catch {
    // The choice holds until the page is closed.
  }
}

// A number -> at most as many calls at a time, those of all that share the limit together.

/** Runs a call when there is room for it. */
export type Limit = <T>(call: () => Promise<T>) => Promise<T>;

/** At most `most` calls at a time, in the order in which they come. */
export function limiter(most: number): Limit {
  const waiting: (() => void)[] = [];
  let free = most;
  return async (call) => {
    if (free === 0) await new Promise<void>((start) => waiting.push(start));
    else free -= 1;
    try {
      return await call();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}

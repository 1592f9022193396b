// A key and a version -> a value that is computed once for each version.

/** Keeps the last value of each key while its version stands, of the `most` keys that were asked for last. A computation that fails is not kept. */
export class Memo<T> {
  readonly #kept = new Map<string | number, { readonly version: number; readonly value: Promise<T> }>();
  readonly #most: number;

  constructor(most = Number.POSITIVE_INFINITY) {
    this.#most = most;
  }

  get(key: string | number, version: number, compute: () => Promise<T>): Promise<T> {
    const kept = this.#kept.get(key);
    const value = kept?.version === version ? kept.value : compute();
    // Behind the others: the first is the one to go.
    this.#kept.delete(key);
    this.#kept.set(key, { version, value });
    for (const oldest of this.#kept.keys()) if (this.#kept.size > this.#most) this.#kept.delete(oldest);
    value.catch(() => {
      if (this.#kept.get(key)?.value === value) this.#kept.delete(key);
    });
    return value;
  }
}

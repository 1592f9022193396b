// A key and a version -> a value that is computed once for each version.

/** Keeps the last value of each key while its version stands. A computation that fails is not kept. */
export class Memo<T> {
  readonly #kept = new Map<string | number, { readonly version: number; readonly value: Promise<T> }>();

  get(key: string | number, version: number, compute: () => Promise<T>): Promise<T> {
    const kept = this.#kept.get(key);
    if (kept?.version === version) return kept.value;
    const value = compute();
    this.#kept.set(key, { version, value });
    value.catch(() => {
      if (this.#kept.get(key)?.value === value) this.#kept.delete(key);
    });
    return value;
  }
}

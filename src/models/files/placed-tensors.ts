// Where tensors are in a file -> the first two that share bytes.

interface Placed {
  readonly file: string;
  readonly offset: number;
  readonly length: number;
}

/** The names of two tensors of one file that share bytes; null: all are apart. */
export function overlapping(tensors: ReadonlyMap<string, Placed>): readonly [string, string] | null {
  const sorted = [...tensors].sort((a, b) => a[1].offset - b[1].offset || a[1].length - b[1].length);
  for (let i = 1; i < sorted.length; i++) {
    const [before, a] = sorted[i - 1] as [string, Placed];
    const [name, b] = sorted[i] as [string, Placed];
    if (a.offset + a.length > b.offset) return [before, name];
  }
  return null;
}

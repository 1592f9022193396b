// A mistyped name and the names there are -> the one that was most likely meant, by edit distance.

/** The candidate with the smallest edit distance: between the last parts among keys of the same section, a quarter more elsewhere. */
export function nearest(name: string, candidates: readonly string[]): string {
  const split = (key: string) => ({
    section: key.slice(0, Math.max(0, key.lastIndexOf('.'))),
    last: key.slice(key.lastIndexOf('.') + 1),
  });
  const own = split(name.toLowerCase());
  let best = { key: candidates[0] ?? '', distance: Number.POSITIVE_INFINITY };
  for (const key of candidates) {
    const { section, last } = split(key.toLowerCase());
    // A name that begins another one was most likely cut short; letters that differ count by their share of the longer name.
    const begun = own.last.length > 2 && last.startsWith(own.last);
    const names = begun ? 0 : editDistance(own.last, last);
    const distance = Math.min(
      names + (section === own.section ? 0 : 0.25),
      editDistance(name.toLowerCase(), key.toLowerCase()),
    );
    if (distance < best.distance) best = { key, distance };
  }
  return best.key;
}

/** Parts beyond this count for nothing: bounds the cost of a pair at its square. */
const MAX_PARTS = 256;

/** Levenshtein distance over letters or words, as a share of the longer text (0 to 1). Reads at most 256 parts of each. */
export function editDistance(a: ArrayLike<string>, b: ArrayLike<string>): number {
  const [m, n] = [Math.min(a.length, MAX_PARTS), Math.min(b.length, MAX_PARTS)];
  if (m === 0 || n === 0) return m === n ? 0 : 1;
  let row = Array.from({ length: n + 1 }, (_, j) => j);
  for (let i = 1; i <= m; i++) {
    const next = [i];
    for (let j = 1; j <= n; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return (row[n] ?? 0) / Math.max(m, n);
}

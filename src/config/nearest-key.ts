// A mistyped dotted key and those there are -> the one that was most likely meant.

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
    const names = begun ? 0 : editDistance(own.last, last) / Math.max(own.last.length, last.length);
    const distance = Math.min(
      names + (section === own.section ? 0 : 0.25),
      editDistance(name.toLowerCase(), key.toLowerCase()) / Math.max(name.length, key.length),
    );
    if (distance < best.distance) best = { key, distance };
  }
  return best.key;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

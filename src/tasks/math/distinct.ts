// The paths of one question -> those kept when paths with the same equations are one.
import { editDistance } from '../../nearest.ts';
import { equations } from './equations.ts';

/** What makes two paths duplicates: their equations in order, else their normalised text; null: nothing, it matches no other path. */
function keyOf(path: readonly string[]): string | null {
  const text = path.join('\n');
  const list = equations(text);
  if (list.length > 0) return `=${list.join(';')}`;
  const words = text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim();
  return words === '' ? null : words;
}

/**
 * Indices of the paths kept, in order (docs/method.md, section 4). Paths without a duplicate stay; then, group by group in order of appearance,
 * the path with the largest mean edit distance to those kept so far (the first among equals).
 */
export function distinctPaths(paths: readonly (readonly string[])[]): number[] {
  const groups = new Map<string, number[]>();
  for (const [index, path] of paths.entries()) {
    const key = keyOf(path) ?? `unique ${index}`;
    groups.set(key, [...(groups.get(key) ?? []), index]);
  }
  const words = paths.map((path) => path.join('\n').split(/\s+/));
  return oneOfEach([...groups.values()], words);
}

/** One index of each group of duplicates, in order: of several, the one whose words are farthest from those kept so far. */
export function oneOfEach(groups: readonly (readonly number[])[], words: readonly (readonly string[])[]): number[] {
  const kept = groups.filter((group) => group.length === 1).map((group) => group[0] ?? 0);
  for (const group of groups) {
    if (group.length === 1) continue;
    let best = { index: group[0] ?? 0, distance: -1 };
    for (const index of group) {
      const total = kept.reduce((sum, other) => sum + editDistance(words[index] ?? [], words[other] ?? []), 0);
      if (total > best.distance) best = { index, distance: total };
    }
    kept.push(best.index);
  }
  return kept.sort((a, b) => a - b);
}

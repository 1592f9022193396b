// Samples and a budget -> which of them get step labels.
import { keyedNumber, keyedOrder } from '../hashing.ts';
import type { Sample } from '../records.ts';

/**
 * Ids of the samples to label: at most `paths` (null: all), half of them right where there are enough. Gold and errors never.
 *
 * First comes one right and one wrong path of each question that has both, as far as the budget allows: a PRM learns to tell paths of
 * ONE question apart, and its AUC measures that. Then every question's first path of a kind comes before any question's second.
 * The order depends on `key` and the ids alone.
 * @example
 * const chosen = choosePaths(samples, 400, `label/${seed}/${iteration}`);
 * const toLabel = samples.filter(({ id }) => chosen.has(id));
 */
export function choosePaths(
  samples: Iterable<Pick<Sample, 'id' | 'questionId' | 'outcome' | 'source'>>,
  paths: number | null,
  key: string,
): Set<string> {
  const classes = { right: new Map<string, string[]>(), wrong: new Map<string, string[]>() };
  for (const { id, questionId, outcome, source } of samples) {
    if (source === 'gold' || outcome.kind === 'error') continue;
    const ofQuestion = classes[outcome.kind].get(questionId) ?? [];
    ofQuestion.push(id);
    classes[outcome.kind].set(questionId, ofQuestion);
  }
  const isMixed = (questionId: string) => classes.right.has(questionId) && classes.wrong.has(questionId);
  const [right, wrong] = [ranked(classes.right, isMixed, key), ranked(classes.wrong, isMixed, key)];
  const budget = paths ?? right.length + wrong.length;
  const fromRight = Math.min(right.length, Math.max(Math.ceil(budget / 2), budget - wrong.length));
  return new Set([...right.slice(0, fromRight), ...wrong.slice(0, Math.max(0, budget - fromRight))]);
}

/** Paths of one kind: a mixed question's first, then every question's first, second and so on. Both kinds rank questions alike. */
function ranked(
  byQuestion: ReadonlyMap<string, readonly string[]>,
  isMixed: (questionId: string) => boolean,
  key: string,
): string[] {
  const paths = [...byQuestion].flatMap(([questionId, ids]) =>
    keyedOrder(ids, key, (id) => id).map((id, place) => ({
      id,
      place: place === 0 && isMixed(questionId) ? -1 : place,
      question: keyedNumber(key, questionId),
    })),
  );
  paths.sort((a, b) => a.place - b.place || a.question - b.question);
  return paths.map(({ id }) => id);
}

// Samples and a budget -> which of them get step labels. Leaves labelling to label-steps.ts.

import { keyedNumber, keyedOrder } from '../hashing.ts';
import type { Sample } from '../records.ts';

/**
 * Ids of the samples to label: at most `paths`, half of them right. First one right and one wrong path of each question that has both, as many
 * such questions as the budget covers: what a PRM has to learn, and its held-out AUC to measure, is telling paths of ONE question apart. Then
 * every question's first path of a kind before any question's second. Order by hash; gold and errors never.
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
  const [right, wrong] = [inTurns(classes.right, isMixed, key), inTurns(classes.wrong, isMixed, key)];
  const budget = paths ?? right.length + wrong.length;
  const fromRight = Math.min(right.length, Math.max(Math.ceil(budget / 2), budget - wrong.length));
  return new Set([...right.slice(0, fromRight), ...wrong.slice(0, Math.max(0, budget - fromRight))]);
}

/** Paths of one kind: mixed questions first, then turn by turn; questions by hash, so that both kinds come in the same order. */
function inTurns(
  byQuestion: ReadonlyMap<string, readonly string[]>,
  isMixed: (questionId: string) => boolean,
  key: string,
): string[] {
  const ranked = [...byQuestion].flatMap(([questionId, ids]) =>
    keyedOrder(ids, key, (id) => id).map((id, turn) => ({
      id,
      turn: turn === 0 && isMixed(questionId) ? -1 : turn,
      number: keyedNumber(key, questionId),
    })),
  );
  ranked.sort((a, b) => a.turn - b.turn || a.number - b.number);
  return ranked.map(({ id }) => id);
}

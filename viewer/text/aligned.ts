// Two paths -> their steps side by side, with what differs inside a step marked.
import { diffArrays, diffWordsWithSpace } from 'diff';

export interface Part {
  readonly text: string;
  readonly isOwn: boolean;
}

/** A row of the diff. null: the other side has a step that this one lacks. */
export interface AlignedStep {
  readonly kind: 'equal' | 'changed';
  readonly left: readonly Part[] | null;
  readonly right: readonly Part[] | null;
}

/** Longer steps are compared as a whole: a diff of words takes the square of their number. */
const LONGEST = 5000;

export function alignSteps(left: readonly string[], right: readonly string[]): readonly AlignedStep[] {
  const rows: AlignedStep[] = [];
  let removed: readonly string[] = [];
  const flush = (added: readonly string[]): void => {
    rows.push(...sideBySide(removed, added));
    removed = [];
  };
  for (const change of diffArrays([...left], [...right])) {
    if (change.removed) removed = change.value;
    else if (change.added) flush(change.value);
    else {
      flush([]);
      rows.push(...change.value.map((text) => ({ kind: 'equal' as const, left: same(text), right: same(text) })));
    }
  }
  flush([]);
  return rows;
}

function same(text: string): readonly Part[] {
  return [{ text, isOwn: false }];
}

/** Changed steps in their order: the first beside the first. */
function sideBySide(left: readonly string[], right: readonly string[]): AlignedStep[] {
  return Array.from({ length: Math.max(left.length, right.length) }, (_, i) => changedStep(left[i], right[i]));
}

function changedStep(left: string | undefined, right: string | undefined): AlignedStep {
  if (left === undefined || right === undefined || left.length + right.length > LONGEST) {
    const whole = (text: string | undefined) => (text === undefined ? null : [{ text, isOwn: true }]);
    return { kind: 'changed', left: whole(left), right: whole(right) };
  }
  const changes = diffWordsWithSpace(left, right);
  const side = (skip: 'added' | 'removed'): readonly Part[] =>
    changes
      .filter((change) => !change[skip])
      .map(({ value, added, removed }) => ({ text: value, isOwn: added || removed }));
  return { kind: 'changed', left: side('added'), right: side('removed') };
}

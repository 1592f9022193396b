// Two scored paths by hand, and many by chance against a slow search -> where they fork.
import { describe, expect, it } from 'vitest';
import { createRandom } from '../random.ts';
import { type BadStepRule, forkOf, forkPath } from './fork.ts';

const RULE: BadStepRule = { drop: 0.2, below: 0.5, start: 0.75 };

/** `a.9 b.3`: the step a scores 0.9, then b 0.3. */
function path(text: string, rule = RULE) {
  const words = text.split(' ');
  return forkPath(
    words.map((word) => word.slice(0, word.indexOf('.'))),
    words.map((word) => Number(word.slice(word.indexOf('.')))),
    rule,
  );
}

describe('forkPath', () => {
  it.each([
    ['no step is bad', 'a.9 b.9 c.8', RULE, -1],
    ['one is below the threshold', 'a.7 b.55 c.45', RULE, 2],
    ['one drops far enough, and a later one is below', 'a.9 b.65 c.3', RULE, 1],
    ['the first drops from the value of the question', 'a.5 b.9', RULE, 0],
    ['that value is unknown', 'a.5 b.9', { ...RULE, start: null }, -1],
    ['only drops count', 'a.3 b.3 c.05', { drop: 0.2, below: null, start: null }, 2],
  ])('finds the first bad step: %s', (_, text, rule, bad) => {
    expect(path(text, rule).bad).toBe(bad);
  });
});

describe('forkOf', () => {
  it.each([
    ['after two shared steps', 'a.9 b.9 c.8', 'a.9 b.9 x.2 y.1', 2],
    ['at the first step', 'a.9', 'x.1 y.9', 0],
    ['where the chosen path has another bad step, but later', 'a.9 b.9 c.1', 'a.9 x.2', 1],
    ['not where the bad step is shared', 'a.9 b.2 c.9', 'a.9 b.2 x.1', null],
    ['not where the paths part before the bad step', 'a.9 b.9 c.9', 'a.9 x.9 y.1', null],
    ['not where the chosen path is bad before', 'a.3 b.9', 'a.9 x.1', null],
    ['not where the chosen path has ended', 'a.9', 'a.9 x.1', null],
    ['not without a bad step', 'a.9 b.9', 'a.9 x.8', null],
    ['not where the margin is too small', 'a.9 b.71', 'a.9 x.69', null],
  ])('forks %s', (_, chosen, rejected, shared) => {
    expect(forkOf(path(chosen), path(rejected), 0.1)).toBe(shared);
  });

  it('finds what a slow search finds', () => {
    const random = createRandom('forks');
    const pick = <T>(items: readonly T[]): T => items[random.int(0, items.length - 1)] as T;
    const found = new Map<number | null, number>();
    for (let n = 0; n < 4000; n += 1) {
      const rule = { drop: pick([0.1, 0.3]), below: pick([null, 0.4]), start: pick([null, 0.5]) };
      const draw = () => {
        const steps = Array.from({ length: random.int(1, 4) }, () => pick(['a', 'b']));
        return { steps, scores: steps.map(() => pick([0.1, 0.3, 0.5, 0.7, 0.9])) };
      };
      const [chosen, rejected, eta] = [draw(), draw(), pick([0, 0.3])];
      const shared = forkOf(
        forkPath(chosen.steps, chosen.scores, rule),
        forkPath(rejected.steps, rejected.scores, rule),
        eta,
      );
      expect(shared).toBe(slowFork(chosen, rejected, rule, eta));
      found.set(shared, (found.get(shared) ?? 0) + 1);
    }
    for (const shared of [null, 0, 1, 2]) expect(found.get(shared), `${shared}`).toBeGreaterThan(5);
  });
});

interface Drawn {
  readonly steps: readonly string[];
  readonly scores: readonly number[];
}

/** Tries every number of shared steps, and looks at each step on the way. */
function slowFork(chosen: Drawn, rejected: Drawn, { drop, below, start }: BadStepRule, eta: number): number | null {
  const isBad = ({ scores }: Drawn, j: number) => {
    const score = scores[j] as number;
    const before = j > 0 ? (scores[j - 1] as number) : start;
    if (below !== null && score < below) return true;
    return before !== null && before - score >= drop;
  };
  for (let j = 0; j < Math.min(chosen.steps.length, rejected.steps.length); j += 1) {
    if (isBad(chosen, j)) return null;
    if (isBad(rejected, j)) {
      const margin = (chosen.scores[j] as number) - (rejected.scores[j] as number);
      return chosen.steps[j] !== rejected.steps[j] && margin > 0 && margin >= eta ? j : null;
    }
    if (chosen.steps[j] !== rejected.steps[j]) return null;
  }
  return null;
}

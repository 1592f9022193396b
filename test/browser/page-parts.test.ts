// The page's pure parts -> long lists, trees, marks, diffs, addresses: by hand and by chance.
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../src/random.ts';
import type { PathView } from '../../src/viewer/api.ts';
import {
  MOST_PIXELS,
  offsetAt,
  offsetToSee,
  type Place,
  rowsAt,
  scrollAt,
  scrolled,
} from '../../viewer/parts/virtual-window.ts';
import { treeOf } from '../../viewer/paths/path-tree.ts';
import { errorsOf } from '../../viewer/paths/step-facts.ts';
import { tokensOf } from '../../viewer/paths/step-tokens.ts';
import { whyNoNeighbour } from '../../viewer/state/neighbours.ts';
import { hrefOf, parseHash, wholeIn } from '../../viewer/state/route.ts';
import { alignSteps } from '../../viewer/text/aligned.ts';
import { piecesOf, startOf } from '../../viewer/text/marks.ts';

function pathOf(id: string, steps: readonly string[], isRight: boolean, own: Partial<PathView> = {}): PathView {
  return {
    sample: {
      id: `q/${id}`,
      questionId: 'q',
      source: 'policy',
      iteration: 1,
      index: 0,
      policy: null,
      steps: [...steps],
      finishReason: 'stop',
      tokens: 9,
      sumLogp: null,
      extracted: null,
      outcome: isRight ? { kind: 'right' } : { kind: 'wrong', reason: 'other-answer' },
    },
    pathScore: null,
    scores: null,
    labels: null,
    hardLabels: null,
    truth: steps.map(() => null),
    knowsSteps: false,
    human: steps.map(() => null),
    leastLogps: null,
    rollouts: steps.map(() => 0),
    duplicateOf: null,
    ...own,
  };
}

describe('the window of a long list', () => {
  const sizes = { rows: 1_000_000, rowHeight: 30, viewport: 600 };

  it('reaches the first and the last row, whatever the height that browsers allow', () => {
    expect(sizes.rows * sizes.rowHeight).toBeGreaterThan(MOST_PIXELS);
    expect(rowsAt(offsetAt(0, sizes), sizes, 0)[0]).toBe(0);
    expect(rowsAt(offsetAt(MOST_PIXELS - 600, sizes), sizes, 0)[1]).toBe(1_000_000);
  });

  it('moves pixel by pixel under a wheel, and jumps under a scroll bar', () => {
    const at: Place = { scroll: 1_000_000, offset: offsetAt(1_000_000, sizes) };
    expect(scrolled(at, 1_000_100, sizes).offset).toBeCloseTo(at.offset + 100, 6);
    expect(scrolled(at, 4_000_000, sizes).offset).toBeCloseTo(offsetAt(4_000_000, sizes), 6);
  });

  it('brings every row into sight and comes back to its scroll position', () => {
    const random = createRandom('windows');
    for (let n = 0; n < 300; n += 1) {
      const row = random.int(0, sizes.rows);
      const offset = offsetToSee(row, random.int(0, 29_999_400), sizes);
      const [first, end] = rowsAt(offset, sizes, 0);
      expect(first <= row && row < end).toBe(true);
      expect(Math.abs(offsetAt(scrollAt(offset, sizes), sizes) - offset)).toBeLessThan(3);
    }
  });

  it('is the plain one where the list is short', () => {
    const short = { rows: 50, rowHeight: 30, viewport: 600 };
    expect(scrolled({ scroll: 0, offset: 0 }, 123, short)).toEqual({ scroll: 123, offset: 123 });
    expect(rowsAt(123, short, 2)).toEqual([2, 27]);
  });
});

describe('the tree of paths', () => {
  it('has one cell for steps that paths share, and says where right and wrong ones part', () => {
    const paths = [
      pathOf('0', ['a', 'b'], true),
      pathOf('1', ['c'], false),
      pathOf('2', ['a', 'd'], false),
      pathOf('3', ['a', 'b'], true),
    ];
    const { cells, paths: rows, depth } = treeOf(paths);
    expect(depth).toBe(2);
    expect(rows.map(({ sample }) => sample.id)).toEqual(['q/0', 'q/3', 'q/2', 'q/1']);
    expect(
      cells.map(({ step, row, span, text, isFork, isDecisive }) => [step, row, span, text, isFork, isDecisive]),
    ).toEqual([
      [0, 0, 3, 'a', true, true],
      [1, 0, 2, 'b', false, false],
      [1, 2, 1, 'd', false, false],
      [0, 3, 1, 'c', false, false],
    ]);
  });

  it('covers each step of each path with exactly one cell of its text', () => {
    const random = createRandom('trees');
    for (let n = 0; n < 100; n += 1) {
      const paths = Array.from({ length: random.int(1, 12) }, (_, i) =>
        pathOf(
          String(i),
          Array.from({ length: random.int(1, 5) }, () => 'abc'[random.int(0, 3)] ?? ''),
          random.next() < 0.5,
        ),
      );
      const { cells, paths: rows } = treeOf(paths);
      rows.forEach(({ sample }, row) => {
        const own = cells.filter((cell) => cell.row <= row && row < cell.row + cell.span);
        expect(own.map(({ step }) => step)).toEqual(sample.steps.map((_, j) => j));
        expect(own.map(({ text }) => text)).toEqual(sample.steps);
      });
    }
  });
});

it('errors are disputed steps and the first false one', () => {
  const scores = { sampleId: 'q/0', questionId: 'q', scorer: 'prm' as const, prm: null, scores: [0.9, 0.2, 0.1, 0.8] };
  const path = pathOf('0', ['a', 'b', 'c', 'd'], false, {
    scores,
    hardLabels: [true, false, false, false],
    truth: [null, true, null, true],
    knowsSteps: true,
  });
  expect(errorsOf(path)).toEqual([1, 3]);
  // A true equation is no claim that the step is right.
  const equations = { ...path, hardLabels: null, knowsSteps: false, truth: [null, true, null, null] };
  expect(errorsOf(equations)).toEqual([3]);
  expect(errorsOf({ ...equations, knowsSteps: true })).toEqual([1, 3]);
  // Without labels and checks, the outcome alone catches a score: of the last step.
  expect(errorsOf({ ...path, hardLabels: null, truth: [null, null, null, null] })).toEqual([3]);
  expect(errorsOf(pathOf('0', ['a'], true))).toEqual([]);
});

describe('marks in texts of a model', () => {
  const marksOf = (text: string) =>
    piecesOf(text).flatMap((piece) => (piece.kind === 'mark' ? [[piece.name, piece.count]] : []));

  it('stand for what is not seen and what turns text round', () => {
    expect(marksOf('a\u202Eb\u2066\u200B\u200B\uFEFF\u00AD')).toEqual([
      ['RLO', 1],
      ['LRI', 1],
      ['ZWSP', 2],
      ['BOM', 1],
      ['SHY', 1],
    ]);
    expect(marksOf('\u001B[31mred\u0000\r')).toEqual([
      ['ESC', 1],
      ['NUL', 1],
      ['CR', 1],
    ]);
    expect(marksOf('\uD800x\uDFFF')).toEqual([
      ['U+D800', 1],
      ['U+DFFF', 1],
    ]);
    expect(marksOf('\u{E0041}\u3164\u{1D173}')).toEqual([
      ['U+E0041', 1],
      ['U+3164', 1],
      ['U+1D173', 1],
    ]);
  });

  it('leave plain text, tabs, line feeds, Arabic, emoji and combining marks alone', () => {
    const text = 'a\tb\nc \u0634\u0643 \u2714\uFE0F \u{1F600} e\u0301 <b>&amp;</b>';
    expect(piecesOf(text)).toEqual([{ kind: 'text', text }]);
  });

  it('are not made by a cut inside an emoji', () => {
    expect(startOf('ab\u{1F600}c', 3)).toBe('ab\u{1F600}');
    expect([startOf('ab\u{1F600}c', 2), startOf('ab\uD83D', 3), startOf('ab', 3)]).toEqual(['ab', 'ab\uD83D', 'ab']);
  });

  it('join to the text, and end where there are too many of them', () => {
    const text = 'x\u202Ey\uD800z';
    expect(
      piecesOf(text)
        .map((piece) => (piece.kind === 'text' ? piece.text : '?'))
        .join(''),
    ).toBe('x?y?z');
    const many = piecesOf('\u202E\u200B'.repeat(200_000));
    expect(many.length).toBeLessThan(6000);
  });
});

describe('aligned steps', () => {
  it('put equal steps side by side and mark what differs inside the others', () => {
    const rows = alignSteps(['a', '3+4=7', 'end'], ['a', '3+4=8', 'more', 'end']);
    expect(rows.map(({ kind }) => kind)).toEqual(['equal', 'changed', 'changed', 'equal']);
    expect(rows[1]?.right?.filter(({ isOwn }) => isOwn).map(({ text }) => text)).toEqual(['8']);
    expect(rows[2]?.left).toBeNull();
  });

  it('join to both sides', () => {
    const random = createRandom('diffs');
    const steps = () =>
      Array.from({ length: random.int(1, 6) }, () => `step ${random.int(0, 3)} of ${random.int(0, 4)}`);
    for (let n = 0; n < 200; n += 1) {
      const [left, right] = [steps(), steps()];
      const rows = alignSteps(left, right);
      const side = (name: 'left' | 'right') =>
        rows.flatMap((row) => (row[name] === null ? [] : [row[name].map(({ text }) => text).join('')]));
      expect(side('left')).toEqual(left);
      expect(side('right')).toEqual(right);
    }
  });
});

it('tokens of a step are those that overlap its text', () => {
  const tokens = ['ab', '\n', 'c', 'd\ne', 'f'].map((text) => ({ text, logp: -1 }));
  const own = (step: number) => tokensOf(tokens, ['ab', 'cd', 'ef'], step).map(({ text }) => text);
  expect([own(0), own(1), own(2)]).toEqual([['ab'], ['c', 'd\ne'], ['d\ne', 'f']]);
});

it('the end of a list is told from a row that is not here yet', () => {
  const none = { before: null, after: null };
  expect(whyNoNeighbour({ at: 4, total: 5, ...none }, 1, 'pair')).toMatch(/^No further pair/);
  expect(whyNoNeighbour({ at: 0, total: 5, ...none }, -1, 'pair')).toMatch(/^No pair before/);
  expect(whyNoNeighbour({ at: 3, total: 5, ...none }, 1, 'pair')).toMatch(/not here yet/);
  expect(whyNoNeighbour({ at: null, total: 5, ...none }, 1, 'pair')).toMatch(/^No list/);
});

describe('addresses', () => {
  it('keep every query, whatever is in it', () => {
    const query = { id: 'a/b?c&d=e #%', text: '<script>\u202E"\n', run: '0' };
    expect(parseHash(hrefOf({ page: 'question', query }))).toEqual({ page: 'question', query });
  });

  it('of nothing known are the first page', () => {
    expect(parseHash('#/no-such-page?x=1').page).toBe('rounds');
    expect(parseHash('')).toEqual({ page: 'rounds', query: {} });
  });

  it('have whole numbers or none', () => {
    const numbers = ['12', '', 'abc', '-1', '0.5', '1e9', '99999999999999999999'];
    expect(numbers.map((at) => wholeIn({ at }, 'at'))).toEqual([12, null, null, null, null, null, null]);
    expect(wholeIn({}, 'at')).toBeNull();
  });

  it('carry a lone surrogate as a replacement character', () => {
    expect(() => hrefOf({ page: 'question', query: { id: '\uD800' } })).not.toThrow();
  });
});

// Pairs by the rules of docs/method.md, section 5.
import { describe, expect, it } from 'vitest';
import { sumsTask } from '../../test/scripted-sums.ts';
import { createRandom } from '../random.ts';
import { PreferencePair, type Question, type Sample } from '../records.ts';
import { AlignOptions, alignRows } from './align-rows.ts';
import { METHODS } from './methods.ts';
import { canPair, capPairs, PairOptions, pairCounts, pairInputs, pairQuestion, rightRows } from './pair.ts';

const question: Question = {
  id: 'q',
  task: 'sums',
  question: '1+1',
  answer: '2',
  solution: ['1+1=2\nThe answer is 2'],
};

function path(id: string, right: boolean, source: 'policy' | 'gold' = 'policy'): Sample {
  const outcome = right ? ({ kind: 'right' } as const) : ({ kind: 'wrong', reason: 'other-answer' } as const);
  return {
    id,
    questionId: 'q',
    source,
    iteration: 1,
    index: 0,
    policy: 'p',
    steps: [id],
    finishReason: 'stop',
    tokens: 1,
    sumLogp: -1,
    extracted: null,
    outcome,
  };
}

const samples = [
  path('r1', true),
  path('r2', true),
  path('r3', true),
  path('w1', false),
  path('w2', false),
  path('w3', false),
  path('gold', true, 'gold'),
];
const scores = new Map([
  ['r1', 0.9],
  ['r2', 0.8],
  ['r3', 0.2],
  ['w1', 0.5],
  ['w2', 0.1],
  ['w3', 0.85],
  ['gold', 0.99],
]);
const names = (rows: readonly { chosen: { sampleId: string }; rejected: { sampleId: string } | null }[]) =>
  rows.map(({ chosen, rejected }) => `${chosen.sampleId}>${rejected?.sampleId}`);

describe('pairQuestion', () => {
  it('takes all pairs with a margin of eta, right paths chosen only', () => {
    const { pairs, eligible } = pairQuestion(
      { question, samples, scores },
      PairOptions.parse({ eta: 0.3, perQuestion: null }),
      'k',
    );
    expect(names(pairs).sort()).toEqual(['r1>r3', 'r1>w1', 'r1>w2', 'r2>r3', 'r2>w1', 'r2>w2'].sort());
    expect(eligible).toBe(6);
  });

  it('chooses wrong paths too without the gate, and gold where asked', () => {
    const open = PairOptions.parse({ eta: 0.3, perQuestion: null, chosenGate: 'none', gold: true });
    const found = names(pairQuestion({ question, samples, scores }, open, 'k').pairs);
    expect(found).toContain('w3>w2');
    expect(found).toContain('gold>w1');
    expect(
      names(pairQuestion({ question, samples, scores }, PairOptions.parse({ perQuestion: null }), 'k').pairs).join(),
    ).not.toContain('gold');
  });

  it('lets every eligible chosen path appear before any repeats, each time with another partner', () => {
    for (let seed = 0; seed < 50; seed += 1) {
      const random = createRandom(`pairs ${seed}`);
      const some = Array.from({ length: 8 }, (_, i) => path(`p${i}`, random.next() < 0.6));
      const values = new Map(some.map(({ id }) => [id, random.next()]));
      const all = pairQuestion(
        { question, samples: some, scores: values },
        PairOptions.parse({ perQuestion: null }),
        `${seed}`,
      );
      const eligible = new Set(all.pairs.map(({ chosen }) => chosen.sampleId));
      const few = pairQuestion(
        { question, samples: some, scores: values },
        PairOptions.parse({ perQuestion: 4 }),
        `${seed}`,
      );
      expect(few.pairs).toHaveLength(Math.min(4, all.eligible));
      expect(new Set(few.pairs.slice(0, eligible.size).map(({ chosen }) => chosen.sampleId)).size).toBe(
        Math.min(eligible.size, few.pairs.length),
      );
      expect(new Set(names(few.pairs)).size).toBe(few.pairs.length);
      expect(names(few.pairs)).toEqual(names(all.pairs).slice(0, few.pairs.length));
    }
  });

  it('does not depend on the order of the samples', () => {
    const options = PairOptions.parse({ perQuestion: 2 });
    const turned = pairQuestion({ question, samples: [...samples].reverse(), scores }, options, 'k');
    expect(names(turned.pairs)).toEqual(names(pairQuestion({ question, samples, scores }, options, 'k').pairs));
  });

  it('makes NLL-only rows of right paths that found no partner', () => {
    const { nllRows, pairs } = pairQuestion({ question, samples, scores }, PairOptions.parse({ eta: 0.3 }), 'k');
    expect(names(nllRows)).toEqual(['r3>undefined']);
    expect(pairs.some(({ rejected }) => rejected?.sampleId === 'r3')).toBe(true);
    expect(
      pairQuestion({ question, samples, scores }, PairOptions.parse({ eta: 0.3, nllRows: false }), 'k').nllRows,
    ).toEqual([]);
  });

  it('never pairs equal scores, and leaves out paths without one', () => {
    const flat = new Map(samples.map(({ id }) => [id, 0.5]));
    expect(
      pairQuestion({ question, samples, scores: flat }, PairOptions.parse({ eta: 0, perQuestion: null }), 'k').pairs,
    ).toEqual([]);
    expect(pairQuestion({ question, samples, scores: new Map([['r1', 1]]) }, PairOptions.parse({}), 'k').pairs).toEqual(
      [],
    );
  });

  it('chooses no path that the gate refuses, nor trains on it by itself; it may be rejected', () => {
    const options = PairOptions.parse({ eta: 0, perQuestion: null, chosenGate: 'exact' });
    const item = { question, samples, scores, refused: new Set(['r1', 'r3']) };
    const { pairs, nllRows } = pairQuestion(item, options, 'k');
    expect(new Set(pairs.map(({ chosen }) => chosen.sampleId))).toEqual(new Set(['r2']));
    expect(pairs.map(({ rejected }) => rejected?.sampleId)).toContain('r3');
    expect(names(nllRows)).toEqual([]);
    expect(names(rightRows(item))).toEqual(['r2>undefined']);
    expect(() => pairQuestion({ question, samples, scores }, options, 'k')).toThrow(/refusedByGate/);
  });
});

describe('pairs of kind step', () => {
  const stepped = (id: string, right: boolean, steps: string[]): Sample => ({ ...path(id, right), steps });
  const paths = [
    stepped('good', true, ['a', 'b', 'c']),
    stepped('late', false, ['a', 'b', 'x', 'y']),
    stepped('early', false, ['a', 'z']),
    stepped('lucky', true, ['a', 'x', 'c']),
  ];
  const stepScores = new Map([
    ['good', [0.9, 0.9, 0.9]],
    ['late', [0.9, 0.9, 0.2, 0.1]],
    ['early', [0.9, 0.1]],
    ['lucky', [0.9, 0.3, 0.9]],
  ]);
  const item = { question, samples: paths, scores: new Map([...stepScores.keys()].map((id) => [id, 0.5])), stepScores };
  const rule = PairOptions.parse({ kind: 'step', perQuestion: null });

  it('fork at the first bad step, whatever the path scores', () => {
    const { pairs, nllRows, eligible } = pairQuestion(item, rule, 'k');
    const found = pairs.map(({ chosen, rejected, shared }) => `${chosen.sampleId}>${rejected?.sampleId}@${shared}`);
    expect(found.sort()).toEqual(['good>early@1', 'good>late@2', 'good>lucky@1']);
    expect(eligible).toBe(3);
    expect(nllRows.map(({ chosen, shared }) => [chosen.sampleId, shared])).toEqual([['lucky', undefined]]);
    expect(pairs.map((pair) => PreferencePair.parse(pair))).toEqual(pairs);
  });

  it('are drawn and capped as pairs of paths are', () => {
    const all = pairQuestion(item, rule, 'k').pairs;
    const few = pairQuestion(item, { ...rule, perQuestion: 2 }, 'k');
    expect(few.pairs).toEqual(all.slice(0, 2));
    expect(few.eligible).toBe(3);
    expect(pairQuestion({ ...item, samples: [...paths].reverse() }, rule, 'k').pairs).toEqual(all);
    expect(capPairs([few], 1, 'k')[0]?.pairs).toHaveLength(1);
  });

  it('count their forks, and need step scores', () => {
    const none = stepped('first', false, ['q']);
    const more = { ...item, samples: [...paths, none], stepScores: new Map([...stepScores, ['first', [0.1]]]) };
    const found = pairQuestion({ ...more, scores: new Map([...more.scores, ['first', 0]]) }, rule, 'k');
    expect(pairCounts([found], new Map(), rule)).toMatchObject({ pairs: 5, stepPairs: 3, meanSharedSteps: 0.8 });
    expect(pairCounts([], new Map(), rule)).toMatchObject({ pairs: 0, stepPairs: 0, meanSharedSteps: 0 });
    expect(pairCounts([found], new Map(), { kind: 'path' })).not.toHaveProperty('stepPairs');
    expect(() => pairQuestion({ question, samples: paths, scores }, rule, 'k')).toThrow(/Expected step scores/);
  });

  it('become rows whose shared steps are context', () => {
    const { pairs } = pairQuestion(item, rule, 'k');
    const args = { questions: [question], scope: 'completion', key: 'k', task: sumsTask } as const;
    const { examples } = alignRows({
      ...args,
      pairs: pairs.filter(({ rejected }) => rejected?.sampleId === 'late'),
      prompt: sumsTask.prompt,
      method: METHODS.sipf,
      options: AlignOptions.parse({}),
    });
    const [chosen, rejected] = [['c'], ['x\n', 'y']];
    expect(examples).toEqual([
      { kind: 'preference', prompt: 'Q: 1+1\nA:\n', shared: ['a\n', 'b\n'], chosen, rejected },
    ]);
  });

  it('leave the inputs of the other kind as they were', () => {
    const { kind: _kind, drop: _drop, below: _below, ...before } = PairOptions.parse({});
    expect(pairInputs(PairOptions.parse({ drop: 0.5 }))).toEqual(before);
    expect(pairInputs(rule)).toEqual(rule);
  });
});

describe('capPairs', () => {
  it("keeps every question's first pair before any second", () => {
    const each = ['a', 'b', 'c', 'd'].map((id) => {
      const own = { ...question, id };
      return pairQuestion({ question: own, samples, scores }, PairOptions.parse({ perQuestion: 3 }), id);
    });
    const capped = capPairs(each, 6, 'k');
    expect(capped.map(({ pairs }) => pairs.length).sort()).toEqual([1, 1, 2, 2]);
    expect(capPairs(each, null, 'k')).toEqual(each);
    const right = new Map(samples.map(({ id, outcome }) => [id, outcome.kind === 'right']));
    const counts = pairCounts(capped, right, { kind: 'path' });
    expect(counts).toMatchObject({ questions: 4, questionsWithPairs: 4, pairs: 6, chosenRight: 6 });
  });
});

describe('alignRows', () => {
  const args = {
    pairs: pairQuestion({ question, samples, scores }, PairOptions.parse({}), 'k').pairs,
    questions: [question],
    scope: 'completion',
    key: 'k',
    task: sumsTask,
    prompt: sumsTask.prompt,
  } as const;

  it('makes ORPO rows and mixes gold in', () => {
    const { examples, objective, counts } = alignRows({
      ...args,
      method: METHODS.sipf,
      options: AlignOptions.parse({ gold: 0.25, loss: { lambda: 0.2 } }),
    });
    expect(objective).toMatchObject({ kind: 'orpo', lambda: 0.2 });
    expect(counts).toEqual({ pairs: 4, nllRows: 0, gold: 1 });
    expect(examples.at(-1)).toMatchObject({ kind: 'preference', rejected: null, prompt: 'Q: 1+1\nA:\n' });
  });

  it('leaves rows without a rejected path out where the loss compares alone, and says so', () => {
    const rowsWith = (nllWeight: number) => {
      const options = AlignOptions.parse({ gold: 0.25, loss: { kind: 'dpo', nllWeight } });
      return alignRows({ ...args, method: METHODS.sipf, options });
    };
    expect(rowsWith(0)).toMatchObject({
      objective: { kind: 'dpo', beta: 0.1, nllWeight: 0 },
      counts: { pairs: 4, nllRows: 0, gold: 0, unpaired: 1 },
      warnings: [expect.stringMatching(/^1 rows without a rejected path/)],
    });
    expect(rowsWith(0).examples.every((row) => row.kind === 'preference' && row.rejected !== null)).toBe(true);
    expect(rowsWith(1)).toMatchObject({ counts: { pairs: 4, nllRows: 0, gold: 1 }, warnings: [] });
  });

  it('makes SFT rows of gold and right samples for RFT, of gold alone for continued-sft', () => {
    const rows = rightRows({ question, samples, scores });
    expect(rows.map(({ chosen }) => chosen.sampleId)).toEqual(['r1', 'r2', 'r3']);
    const rft = alignRows({ ...args, pairs: rows, method: METHODS.rft, options: AlignOptions.parse({}) });
    expect(rft.objective).toEqual({ kind: 'sft', scope: 'completion' });
    expect(rft.examples).toHaveLength(4);
    expect(
      alignRows({ ...args, pairs: [], method: METHODS['continued-sft'], options: AlignOptions.parse({}) }).examples,
    ).toHaveLength(1);
  });

  it('says what to do without pairs or rows', () => {
    const bare = { ...args, pairs: [], questions: [], options: AlignOptions.parse({}) };
    expect(() => alignRows({ ...bare, method: METHODS.sipf })).toThrow(/Lower pairs\.eta/);
    expect(() => alignRows({ ...bare, method: METHODS.rft })).toThrow(/Expected right samples or worked solutions/);
  });
});

describe('canPair', () => {
  const [right, wrong, gold] = [path('r', true), path('w', false), path('g', true, 'gold')];
  const rule = (change: Partial<PairOptions>) => PairOptions.parse(change);

  it('wants a path that may be chosen, and another one', () => {
    expect(canPair([right, wrong], rule({}))).toBe(true);
    expect(canPair([wrong, path('v', false)], rule({}))).toBe(false);
    expect(canPair([right], rule({}))).toBe(false);
    expect(canPair([wrong, path('v', false)], rule({ chosenGate: 'none' }))).toBe(true);
  });

  it('counts gold solutions only where they may be chosen', () => {
    expect(canPair([gold, wrong], rule({}))).toBe(false);
    expect(canPair([gold, wrong], rule({ gold: true }))).toBe(true);
  });

  it('never leaves out a question that gives a pair', () => {
    for (const some of [
      [right, wrong],
      [wrong, path('v', false)],
      [gold, wrong],
      [right, path('s', true)],
    ]) {
      for (const options of [rule({}), rule({ gold: true }), rule({ chosenGate: 'none' })]) {
        const scores = new Map(some.map(({ id }, n) => [id, 1 - 0.3 * n]));
        const { pairs } = pairQuestion({ question, samples: some, scores }, options, 'k');
        if (pairs.length > 0) expect(canPair(some, options)).toBe(true);
      }
    }
  });
});

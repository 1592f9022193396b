// Texts -> ids: pieces on their own, EOS where it belongs, bad rows refused by number.
import { expect, test } from 'vitest';
import type { TrainExample } from '../backend.ts';
import { reachOf, tokenise, tokensOf, withoutResults } from './examples.ts';

/** One id a character; the beginning of a text gets id 1 before it. */
const codes = (text: string): number[] => [...text].map((c) => c.charCodeAt(0));
const text = (id: number) => (id < 4 ? '' : String.fromCharCode(id));
const stream = () => ({ push: text, end: () => '' });
const tokenizer = { encode: (text: string) => [1, ...codes(text)], encodeContinuation: codes, eosIds: [2, 3], stream };

test('sft: the first EOS id ends the completion', () => {
  const { kept } = tokenise([{ kind: 'sft', prompt: 'ab', completion: ['c', 'd'] }], 'sft', tokenizer, 100);
  expect(kept).toEqual([{ index: 0, prompt: [1, 97, 98], branches: [[99, 100, 2]], stepEnds: [], reference: [] }]);
});

test('preferences: both sides end; a row without a rejected side has one branch; lengths count the prompt once', () => {
  const rows: TrainExample[] = [
    { kind: 'preference', prompt: 'a', chosen: ['bc'], rejected: ['d'] },
    { kind: 'preference', prompt: 'a', chosen: ['b'], rejected: null },
  ];
  const { kept } = tokenise(rows, 'orpo', tokenizer, 100);
  expect(kept.map(({ branches }) => branches)).toEqual([
    [
      [98, 99, 2],
      [100, 2],
    ],
    [[98, 2]],
  ]);
  expect(kept.map(tokensOf)).toEqual([7, 4]);
  expect(kept.map(reachOf)).toEqual([5, 4]);
});

test('preferences: shared steps follow the prompt, in pieces of their own; both sides follow them', () => {
  const row: TrainExample = { kind: 'preference', prompt: 'a', shared: ['b', 'c'], chosen: ['d'], rejected: ['e'] };
  const { kept } = tokenise([row], 'orpo', tokenizer, 100);
  expect(kept).toMatchObject([
    {
      prompt: [1, 97, 98, 99],
      branches: [
        [100, 2],
        [101, 2],
      ],
    },
  ]);
  expect(kept.map(reachOf)).toEqual([6]);
  expect(kept.map(tokensOf)).toEqual([8]);
});

test('dpo: references of both sides, asked for after the length is known; a row with one side needs none', () => {
  const pair = { kind: 'preference', prompt: 'a', chosen: ['bc'], rejected: ['d'] } as const;
  const rows: TrainExample[] = [
    { ...pair, reference: { chosen: -3, rejected: -4 } },
    { ...pair, rejected: null },
    { ...pair, chosen: ['too long'] },
  ];
  const { kept, dropped } = tokenise(rows, 'dpo', tokenizer, 5);
  expect(kept.map(({ reference }) => reference)).toEqual([[-3, -4], []]);
  expect(dropped).toEqual([2]);
  expect(() => tokenise([pair], 'dpo', tokenizer, 5)).toThrow(/reference policy.*example 0.*logps/);
});

test('prm: a step is read at its last token, no EOS, unknown steps have no loss', () => {
  const { kept } = tokenise(
    [{ kind: 'prm', prompt: '', steps: ['abc', 'd', 'ef'], targets: [1, null, 0.25] }],
    'prm',
    tokenizer,
    100,
  );
  expect(kept[0]).toMatchObject({
    branches: [[97, 98, 99, 100, 101, 102]],
    stepEnds: [
      { at: 2, target: 1 },
      { at: 5, target: 0.25 },
    ],
  });
});

test('longer examples are dropped by number', () => {
  const row = (completion: string): TrainExample => ({ kind: 'sft', prompt: 'a', completion: [completion] });
  expect(tokenise([row('bbbbb'), row('b')], 'sft', tokenizer, 5)).toMatchObject({ dropped: [0], kept: [{ index: 1 }] });
  expect(() => tokenise([row('bbbbb')], 'sft', tokenizer, 5)).toThrow(/1 longer/);
});

test('bad rows are named', () => {
  const good: TrainExample = { kind: 'prm', prompt: 'a', steps: ['b'], targets: [1] };
  const bad = (row: TrainExample) => () => tokenise([good, row], 'prm', tokenizer, 100);
  expect(bad({ kind: 'sft', prompt: 'a', completion: ['b'] })).toThrow(/example 1.*got sft/);
  expect(bad({ ...good, targets: [] })).toThrow(/example 1/);
  expect(bad({ ...good, targets: [1.5] })).toThrow(/step 0.*example 1.*1\.5/);
  expect(bad({ ...good, steps: [''] })).toThrow(/step 0/);
  expect(() =>
    tokenise([{ kind: 'sft', prompt: 'a', completion: ['b'] }], 'sft', { ...tokenizer, eosIds: [] }, 9),
  ).toThrow(/eos_token/);
});

test('results that a calculator would write are silent in every completion, false ones are not', () => {
  const pair = { chosen: ['a <<1+2=3>>3\n', '<<3/4=.75>>'], rejected: ['<<1+2=4>>4'] };
  const rows: TrainExample[] = [{ kind: 'preference', prompt: '<<1+2=3>>', ...pair }];
  const { kept } = tokenise(rows, 'orpo', tokenizer, 100);
  const [{ silent = [], branches } = kept[0]!] = withoutResults(kept, tokenizer);
  const textOf = (branch: number, wanted: boolean) =>
    (branches[branch] ?? []).map((id, n) => (silent[branch]?.[n] === wanted ? text(id) : '_')).join('');
  expect(textOf(0, true)).toBe(`${'_'.repeat(8)}3>>${'_'.repeat(8)}.75>>_`);
  expect(textOf(1, true)).toMatch(/^_*$/);
  expect(silent[0]).toHaveLength(branches[0]?.length ?? 0);
});

// Generated problems -> right solutions, disjoint splits, true grades, a whole tokenizer.
import { Tokenizer } from '@huggingface/tokenizers';
import { describe, expect, test } from 'vitest';
import { sized } from '../../../test/tier.ts';
import type { Split } from '../../task.ts';
import { checkEquations } from '../math/equations.ts';
import { splitOf } from './generated-task.ts';
import { createMini, miniProblem } from './mini.ts';
import { LARGEST, SKELETONS } from './mini-grammar.ts';
import { miniTokenizerJson } from './mini-tokenizer.ts';
import { wordTokenizerConfig } from './word-tokenizer.ts';

const SPLITS: readonly Split[] = ['train', 'valid', 'test'];
const task = createMini();

const many = (split: Split, count: number, seed = 1) =>
  Array.from({ length: count }, (_, index) => miniProblem(seed, split, index));

describe('problems', () => {
  test('are the same for the same seed, split and index, and others otherwise', () => {
    expect(miniProblem(1, 'train', 5)).toEqual(miniProblem(1, 'train', 5));
    const texts = new Set(
      [miniProblem(1, 'train', 5), miniProblem(2, 'train', 5), miniProblem(1, 'train', 6)].map((p) => p.question),
    );
    expect(texts.size).toBe(3);
  });

  test('hold: exact equations, duplicated in the annotation, answers that follow, numbers within bounds and all different', () => {
    for (const { question, solution, answer } of many('train', sized(300, 1500))) {
      const list = checkEquations(solution.join('\n'));
      expect(list).toHaveLength(solution.length);
      expect(list.every(({ holds }) => holds)).toBe(true);
      for (const step of solution) expect(step).toMatch(/ (\d+[-+*/]\d+=)<<\1(\d+)>>\2(\n|$)/);
      expect(
        task.grade({ id: '', task: 'mini', question, answer }, task.pieces(solution).join(''), 'stop'),
      ).toMatchObject({
        outcome: { kind: 'right' },
      });
      const numbers = [...question.matchAll(/\d+/g)].map(Number);
      const results = list.map(({ equation }) => Number(equation.split('=')[1]));
      expect(new Set([...numbers, ...results]).size).toBe(numbers.length + results.length);
      expect(Math.max(...numbers, ...results)).toBeLessThanOrEqual(LARGEST);
      expect(question).not.toMatch(/[{}]|undefined|null/);
    }
  });

  test('come in every type and length about evenly', () => {
    const problems = many('train', 3000);
    const types = new Map<string, number>();
    for (const { key } of problems) types.set(key.split(' ')[0]!, (types.get(key.split(' ')[0]!) ?? 0) + 1);
    expect([...types.keys()].sort()).toEqual(SKELETONS.map(({ id }) => id).sort());
    expect(Math.min(...types.values())).toBeGreaterThan(80);
    for (const length of [2, 3])
      expect(problems.filter((p) => p.solution.length === length).length).toBeGreaterThan(1400);
  });

  test('are apart by split, for every seed', () => {
    const keys = SPLITS.map((split) =>
      [1, 2].flatMap((seed) => many(split, sized(150, 700), seed).map(({ key }) => key)),
    );
    for (const [i, split] of SPLITS.entries())
      expect(keys[i]!.every((key) => splitOf('mini', key) === split)).toBe(true);
    const questions = SPLITS.map(
      (split) => new Set([1, 2].flatMap((seed) => many(split, sized(150, 700), seed).map((p) => p.question))),
    );
    expect([...questions[0]!].some((question) => questions[1]!.has(question) || questions[2]!.has(question))).toBe(
      false,
    );
  });

  test('are as short as asked', async () => {
    const short = await task.load({ split: 'valid', limit: 50, maxGoldSteps: 2 });
    expect(short).toHaveLength(50);
    expect(short.every(({ solution }) => solution!.length === 2)).toBe(true);
    await expect(task.load({ split: 'valid', maxGoldSteps: 1 })).rejects.toThrow(/at most 1 steps/);
  });
});

describe('true steps', () => {
  const question = { id: 'q', task: 'mini', question: '', answer: '16' };
  const shop = {
    ...question,
    question: 'Tom has $30. Tom buys 2 pens for $4 each and 3 cards for $5 each. How much money is left?',
    answer: '7',
    solution: [
      'Pens cost 2*4=<<2*4=8>>8',
      'Cards cost 3*5=<<3*5=15>>15',
      'Together 8+15=<<8+15=23>>23',
      'Left 30-23=<<30-23=7>>7\nThe answer is 7',
    ],
  };
  const grade = (steps: readonly string[]) => task.trueSteps!(shop, steps);

  test('accept the gold solution of every problem', async () => {
    for (const problem of await task.load({ split: 'test', limit: sized(160, 800) })) {
      expect(task.trueSteps!(problem, problem.solution!), problem.question).toEqual(problem.solution!.map(() => true));
    }
  });

  test('know a problem that is given without its solution by its id', async () => {
    const [problem] = await task.load({ split: 'train', limit: 1, seed: 9 });
    const { solution, ...given } = problem!;
    expect(task.trueSteps!(given, solution!)).toEqual(solution!.map(() => true));
    expect(task.trueSteps!(given, ['1+1=<<1+1=3>>3'])).toEqual([false]);
    expect(task.trueSteps!({ ...given, id: 'mini/train/9/1' }, solution!)).toBe(null);
  });

  test('accept any order and any equivalent plan', () => {
    expect(
      grade(['3*5=<<3*5=15>>15', '2*4=<<2*4=8>>8', '15+8=<<15+8=23>>23', '30-23=<<30-23=7>>7\nThe answer is 7']),
    ).toEqual([true, true, true, true]);
    expect(
      grade(['2*4=<<2*4=8>>8', '30-8=<<30-8=22>>22', '3*5=<<3*5=15>>15', '22-15=<<22-15=7>>7\nThe answer is 7']),
    ).toEqual([true, true, true, true]);
    expect(grade(['30-2*4=<<30-2*4=22>>22', '22-3*5=<<22-3*5=7>>7\nThe answer is 7'])).toEqual([true, true]);
    expect(grade(['2*4=8', '4*2=8'])).toEqual([true, true]);
  });

  test('reject false sums, unneeded results, unknown numbers and what is built on them', () => {
    expect(grade(['2*4=<<2*4=9>>9'])).toEqual([false]);
    expect(grade(['2*5=<<2*5=10>>10'])).toEqual([false]); // true, but no part of the price
    expect(grade(['2+4=<<2+4=6>>6', '30-6=<<30-6=24>>24'])).toEqual([false, false]);
    expect(grade(['2*4=<<2*4=8>>8', '8+16=<<8+16=24>>24'])).toEqual([true, false]);
    expect(grade(['2*4=<<2*4=9>>9', '30-9=<<30-9=21>>21', '3*5=<<3*5=15>>15'])).toEqual([false, false, true]);
    expect(grade(['2*4=<<2*4=8>>9'])).toEqual([false]);
    expect(grade(['2*5=<<2*4=8>>8'])).toEqual([false]);
    expect(grade(['2*4=<<2*4=8>>'])).toEqual([false]);
    expect(grade(['buys things', ''])).toEqual([false, false]);
  });

  test('an answer line must be right and computed', () => {
    const steps = shop.solution.slice(0, 3);
    expect(grade([...steps, '30-23=<<30-23=7>>7\nThe answer is 8'])?.at(-1)).toBe(false);
    expect(grade([...steps, '30-23=<<30-23=7>>7'])?.at(-1)).toBe(true);
    expect(grade(['The answer is 7'])).toEqual([false]);
    expect(grade([`${steps[0]}\nThe answer is 7`])).toEqual([false]);
  });

  test('divisions: shares of a sum, not of anything else', () => {
    const share = {
      ...question,
      question:
        'Tom has 14 pens and Ann has 10 pens. They share all pens equally among 2 friends. How many pens does each friend get?',
      answer: '12',
      solution: ['Together 14+10=<<14+10=24>>24', 'Each 24/2=<<24/2=12>>12\nThe answer is 12'],
    };
    expect(
      task.trueSteps!(share, ['14/2=<<14/2=7>>7', '10/2=<<10/2=5>>5', '7+5=<<7+5=12>>12\nThe answer is 12']),
    ).toEqual([true, true, true]);
    expect(task.trueSteps!(share, ['14-10=<<14-10=4>>4'])).toEqual([false]);
    expect(task.trueSteps!(share, ['14*2=<<14*2=28>>28'])).toEqual([false]);
  });

  test('null without a gold solution, or where that uses unknown numbers', () => {
    expect(task.trueSteps!({ ...shop, solution: undefined } as never, ['2*4=8'])).toBe(null);
    expect(task.trueSteps!({ ...shop, solution: ['7*9=<<7*9=63>>63\nThe answer is 63'] }, ['2*4=8'])).toBe(null);
  });
});

describe('tokenizer', () => {
  test('every text comes back exactly, without <unk>', () => {
    const tokenizer = new Tokenizer(miniTokenizerJson() as never, wordTokenizerConfig() as never);
    let [longestPrompt, longestSolution] = [0, 0];
    for (const { question, solution } of [...many('train', sized(800, 4000)), ...many('test', sized(100, 500))]) {
      const pieces = [task.prompt({ question }), ...task.pieces(solution)];
      const ids = pieces.map((piece) => tokenizer.encode(piece).ids);
      expect(ids.flat()).not.toContain(3);
      expect(ids.map((list) => tokenizer.decode(list)).join('|')).toBe(pieces.join('|'));
      expect(tokenizer.encode(pieces.join('')).ids.join()).toBe(ids.flat().join());
      longestPrompt = Math.max(longestPrompt, ids[0]!.length);
      longestSolution = Math.max(longestSolution, ids.slice(1).flat().length);
    }
    expect(longestPrompt).toBeLessThanOrEqual(60);
    expect(longestSolution).toBeLessThanOrEqual(60);
  });

  test('unknown text falls to <unk>; special tokens have fixed ids', () => {
    const tokenizer = new Tokenizer(miniTokenizerJson() as never, wordTokenizerConfig() as never);
    expect(tokenizer.encode('Zoë').ids).toEqual([3]);
    expect(tokenizer.decode(tokenizer.encode('1234').ids)).toBe('1234'); // digit by digit
    expect(['<pad>', '<s>', '</s>', '<unk>'].map((token) => tokenizer.encode(token).ids)).toEqual([[0], [1], [2], [3]]);
    expect(Object.keys((miniTokenizerJson() as { model: { vocab: object } }).model.vocab).length).toBeLessThan(320);
    expect(miniTokenizerJson()).toEqual(miniTokenizerJson());
  });
});

// Generated code problems -> the same by number, apart by split, with true steps and a tokenizer.
import { Tokenizer } from '@huggingface/tokenizers';
import { describe, expect, test } from 'vitest';
import { pythonSandbox } from '../../../test/python-sandbox.ts';
import { hasPython } from '../../../test/python3.ts';
import { sized } from '../../../test/tier.ts';
import { closing, type Split } from '../../task.ts';
import { splitOf } from './generated-task.ts';
import { createMiniCode, gradeCodeSteps, miniCodeProblem } from './mini-code.ts';
import { miniCodeTokenizerJson } from './mini-code-tokenizer.ts';
import { wordTokenizerConfig } from './word-tokenizer.ts';

const none = () => {
  throw new Error('No program is graded here.');
};
const task = createMiniCode(none);

const many = (split: Split, count: number) => Array.from({ length: count }, (_, i) => miniCodeProblem(1, split, i));

describe('problems', () => {
  test('depend on seed, split and index alone', async () => {
    expect(miniCodeProblem(3, 'train', 7)).toEqual(miniCodeProblem(3, 'train', 7));
    const texts = [miniCodeProblem(1, 'train', 5), miniCodeProblem(2, 'train', 5), miniCodeProblem(1, 'valid', 5)];
    expect(new Set(texts.map(({ question }) => question)).size).toBe(3);
    const [question] = await task.load({ split: 'train', limit: 1 });
    expect(question).toMatchObject({
      id: 'mini-code/train/1/0',
      task: 'mini-code',
      answer: '',
      tests: { setup: '', entryPoint: 'f' },
    });
    expect(await task.load({ split: 'test', limit: 3, seed: 2 })).not.toEqual(
      await task.load({ split: 'test', limit: 3 }),
    );
  });

  test('no split holds a function of another', () => {
    const keys = (['train', 'valid', 'test'] as const).map(
      (split) => new Set(many(split, sized(200, 800)).map(({ key }) => key)),
    );
    for (const [i, split] of (['train', 'valid', 'test'] as const).entries()) {
      for (const key of keys[i]!) expect(splitOf('mini-code', key)).toBe(split);
    }
    expect(keys[0]!.size).toBeGreaterThan(sized(195, 790));
  });

  test('say what the function is to do, in an order of their own', () => {
    const problems = many('train', 400);
    const shuffled = problems.filter(({ question }) => question.indexOf('Second') < question.indexOf('First'));
    expect(shuffled.length).toBeGreaterThan(60);
    expect(shuffled.length).toBeLessThan(200);
    for (const { question, solution } of problems) {
      expect(question).toMatch(/^Write f\([a-t](, [a-t])+\)\. \w+ has [a-t] \w+\. .*How many \w+ does \w+ have now\?$/);
      expect(question).not.toMatch(/[{}]/);
      expect(task.split(solution.join(''))).toEqual(solution);
      expect(solution.at(-1)).toBe('    return x\n');
    }
  });

  test('are as short as asked', async () => {
    const lengths = (await task.load({ split: 'train', limit: 100 })).map(({ solution }) => solution?.length);
    expect([...new Set(lengths)].sort()).toEqual([4, 5]);
    const few = await task.load({ split: 'train', limit: 20, maxGoldSteps: 4 });
    expect(few.every(({ solution }) => solution?.length === 4)).toBe(true);
    await expect(task.load({ split: 'train', maxGoldSteps: 3 })).rejects.toMatchObject({ code: 'nothing-left' });
  });
});

describe.skipIf(!hasPython)('tests', () => {
  test('every reference passes, and hardly any other program does', async () => {
    const graded = createMiniCode(pythonSandbox());
    await using _closing = closing(graded);
    const questions = [
      ...(await graded.load({ split: 'train', limit: sized(40, 300) })),
      ...(await graded.load({ split: 'test', limit: sized(20, 200) })),
    ];
    let [changed, fooled] = [0, 0];
    for (const question of questions) {
      const program = (question.solution ?? []).join('');
      expect((await graded.grade(question, program, 'stop')).outcome).toEqual({ kind: 'right' });
      const less = (question.solution ?? []).filter((_, i) => i !== 1).join('');
      for (const wrong of [less, program.replace(' + ', ' - ').replace(' // ', ' * ')]) {
        if (wrong === program) continue;
        changed += 1;
        fooled += Number((await graded.grade(question, wrong, 'stop')).outcome.kind === 'right');
      }
    }
    expect(changed).toBeGreaterThan(1.6 * questions.length);
    expect(fooled / changed).toBeLessThan(0.03);
  });
});

test('true steps: the solution in its order, sums in any', async () => {
  const gold = [
    'def f(a, b, c, d):\n    x = a\n',
    '    x = x + b\n',
    '    for i in range(d):\n        x = x + c\n',
    '    x = x * b\n',
    '    return x\n',
  ];
  const [head, sum, loop, times, end] = gold as [string, string, string, string, string];
  expect(gradeCodeSteps(gold, gold)).toEqual([true, true, true, true, true]);
  expect(gradeCodeSteps(gold, [head, loop, sum, times, end])).toEqual([true, true, true, true, true]);
  expect(gradeCodeSteps(gold, [head, sum, times, loop, end])).toEqual([true, true, false, false, false]);
  expect(gradeCodeSteps(gold, [head, sum, end])).toEqual([true, true, false]);
  expect(gradeCodeSteps(gold, [head, sum, sum])).toEqual([true, true, false]);
  expect(gradeCodeSteps(gold, [...gold, end])).toEqual([true, true, true, true, true, false]);
  const [question] = await task.load({ split: 'train', limit: 1 });
  const { solution, ...without } = question!;
  expect(task.trueSteps?.(without, solution!)).toEqual(solution!.map(() => true));
  expect(task.trueSteps?.({ ...without, id: 'own/1' }, solution!)).toBeNull();
});

test('the tokenizer gives every text back, a parameter is one token wherever it stands, and nothing is unknown', () => {
  const tokenizer = new Tokenizer(miniCodeTokenizerJson() as never, wordTokenizerConfig() as never);
  const idsOf = (text: string): number[] => tokenizer.encode(text, { add_special_tokens: false }).ids;
  let longest = 0;
  for (const { question, solution } of [...many('train', 300), ...many('test', 300)]) {
    const prompt = task.prompt({ question });
    const pieces = [prompt, ...solution];
    const ids = pieces.flatMap(idsOf);
    expect(ids).not.toContain(3);
    expect(pieces.map((piece) => tokenizer.decode(idsOf(piece))).join('')).toBe(pieces.join(''));
    expect(idsOf(solution.join(''))).toEqual(solution.flatMap(idsOf));
    longest = Math.max(longest, ids.length);
  }
  expect(longest).toBeLessThan(200);
  expect(idsOf('a')).toEqual(idsOf(' a').slice(1));
});

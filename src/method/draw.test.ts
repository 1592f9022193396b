// Prefixes and a scripted policy -> graded completions; grades that end in any order, or fail.
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { sumQuestion, sumsTask, writeSum } from '../../test/scripted-sums.ts';
import { createScriptedBackend } from '../backends/scripted.ts';
import type { Graded, Task } from '../task.ts';
import { ask, type Drawn, drawAndGrade, gradeBeside, type Prefix, prefixOf, samplingOf } from './draw.ts';

test('grades come in the order they were handed over, whichever ends first', async () => {
  const late = async (ms: number) => {
    await sleep(ms);
    return ms;
  };
  const { result, grades } = await gradeBeside<string, number>(async (hand) => {
    for (const ms of [30, 1, 15]) hand(late(ms));
    return 'written';
  });
  expect({ result, grades }).toEqual({ result: 'written', grades: [30, 1, 15] });
});

test('a failure ends the writing at the next grade, after all others have ended', async () => {
  let [written, ended] = [0, 0];
  const grade = async (n: number) => {
    await sleep(n === 1 ? 1 : 40);
    ended += 1;
    if (n === 1) throw new Error('no sandbox');
  };
  const writing = gradeBeside(async (hand) => {
    for (; written < 100; written += 1) {
      hand(grade(written));
      await sleep(5);
    }
  });
  await expect(writing).rejects.toThrow('no sandbox');
  expect(written).toBeLessThan(20);
  // The one that was handed over last is waited for, too.
  expect(ended).toBe(written + 1);
});

test('what ends the writing is thrown, a grade that fails later or not', async () => {
  const writing = gradeBeside(async (hand) => {
    hand(sleep(10).then(() => Promise.reject(new Error('late'))));
    throw new Error('stopped');
  });
  await expect(writing).rejects.toThrow('stopped');
});

const questions = Array.from({ length: 5 }, (_, i) => sumQuestion('train', i));

/** Draws `count` completions of each question; `more`: one further draw of each until it has so many. */
async function drawn(count: number, { more = 0, task = sumsTask, slots = 3, gradeRetries = 0, pieces = [''] } = {}) {
  await using policy = await createScriptedBackend({ write: writeSum, slots }).openPolicy({ model: 'base' });
  const own = pieces.filter((piece) => piece !== '');
  const prefixes = questions.map((question) => prefixOf(task, question, task.prompt(question), own));
  const taken: Drawn<Prefix>[] = [];
  const left: number[] = [];
  const tokens = await drawAndGrade(
    prefixes.flatMap((prefix) => ask(prefix, count)),
    {
      policy,
      key: { seed: 1, stage: 'test', iteration: 0 },
      sampling: { temperature: 1, maxTokens: null },
      gradeRetries,
    },
    {
      take: (one) => taken.push(one),
      next: more === 0 ? undefined : (prefix) => ask(prefix, prefix.asked < more ? 1 : 0),
      onEnded: () => left.push(prefixes.filter(({ pending }) => pending > 0).length),
    },
  );
  return { prefixes, taken, tokens, left };
}

/** Texts by question and index. */
function textsOf(taken: readonly Drawn<Prefix>[]): Map<string, string> {
  return new Map(taken.map(({ prefix, index, completion }) => [`${prefix.question.id}/${index}`, completion.text]));
}

test('each completion is taken once, with its prefix, index and grade, however many run at once', async () => {
  const { taken, tokens, left, prefixes } = await drawn(3);
  expect([...textsOf(taken).keys()].sort()).toEqual(questions.flatMap(({ id }) => [0, 1, 2].map((i) => `${id}/${i}`)));
  for (const { prefix, completion, graded } of taken)
    expect(graded).toEqual(await sumsTask.grade(prefix.question, completion.text, completion.finishReason));
  expect(textsOf((await drawn(3, { slots: 50 })).taken)).toEqual(textsOf(taken));
  expect(tokens.generatedTokens).toBe(taken.reduce((sum, { completion }) => sum + completion.tokens, 0));
  expect(left.at(-1)).toBe(0);
  for (const { asked, pending } of prefixes) expect([asked, pending]).toEqual([3, 0]);
});

test('what outcomes ask for is drawn as if it had been asked for at once', async () => {
  const later = await drawn(1, { more: 4 });
  expect(textsOf(later.taken)).toEqual(textsOf((await drawn(4)).taken));
  expect(new Set(textsOf(later.taken).values()).size).toBeGreaterThan(questions.length);
});

test('the text after a prefix is graded with it', async () => {
  const seen: string[] = [];
  const task: Task = {
    ...sumsTask,
    grade: (_, text) => {
      seen.push(text);
      return { extracted: null, outcome: { kind: 'right' } };
    },
  };
  await drawn(1, { task, pieces: ['1+1=2\n'] });
  expect(seen).toHaveLength(5);
  for (const text of seen) expect(text.startsWith('1+1=2\n')).toBe(true);
});

test('an error is graded again, as often as retries allow', async () => {
  let calls = 0;
  const grade = (): Graded => {
    calls += 1;
    return { extracted: null, outcome: { kind: 'error', reason: 'outage' } };
  };
  const { taken } = await drawn(1, { task: { ...sumsTask, grade }, gradeRetries: 2 });
  expect(calls).toBe(15);
  expect(taken.map(({ graded }) => graded.outcome.kind)).toEqual(Array(5).fill('error'));
});

test.each([0, 4])('a grade that throws ends the unit (%s draws that outcomes ask for)', async (more) => {
  const grade = () => Promise.reject(new Error('no sandbox'));
  await expect(drawn(2, { task: { ...sumsTask, grade }, more })).rejects.toThrow('no sandbox');
});

test('nothing to draw calls no policy and counts nothing', async () => {
  expect(await drawn(0)).toMatchObject({ taken: [], tokens: {}, left: [] });
});

test('programs are drawn without a calculator, which would write into a shift and a comparison', () => {
  const sampling = { temperature: 1, maxTokens: 9, calculator: true };
  expect(samplingOf(sampling, sumsTask)).toMatchObject({ calculator: true });
  expect(samplingOf(sampling, { ...sumsTask, gradedBy: 'tests' })).not.toHaveProperty('calculator');
});

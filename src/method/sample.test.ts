// Scripted samples -> checks of quotas, of duplicates, and of what the questions of a round are.
import { expect, test } from 'vitest';
import { sumQuestion, sumsTask, writeSum } from '../../test/scripted-sums.ts';
import { createScriptedBackend, type WriteArgs } from '../backends/scripted.ts';
import type { Question, Sample } from '../records.ts';
import { tokensOf } from './drawn-tokens.ts';
import { chooseQuestions, samplePaths, sampleUnit } from './sample.ts';
import { SampleOptions } from './sample-options.ts';

const backend = createScriptedBackend({ write: writeSum });
const questions = Array.from({ length: 30 }, (_, i) => sumQuestion('train', i));
const prompt = (question: Pick<Question, 'question'>) => sumsTask.prompt(question);

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function samplesWith(
  change: Partial<SampleOptions>,
  extra: { iteration?: number; slots?: number } = {},
): Promise<Sample[]> {
  const own = extra.slots === undefined ? backend : createScriptedBackend({ write: writeSum, slots: extra.slots });
  await using policy = await own.openPolicy({ model: 'base' });
  const options = SampleOptions.parse({ samples: 6, ...change });
  return await collect(
    samplePaths(questions, { policy, task: sumsTask, prompt, options, seed: 3, iteration: extra.iteration ?? 1 }),
  );
}

test('gives the same samples for any units and slots', async () => {
  const reference = await samplesWith({ unit: 16 });
  expect(await samplesWith({ unit: 1 })).toEqual(reference);
  expect(await samplesWith({ unit: 7 }, { slots: 3 })).toEqual(reference);
  expect(await samplesWith({ unit: 16 }, { iteration: 2 })).not.toEqual(reference);
});

test('keeps the tokens of what it drew, of nothing else, and changes nothing else', async () => {
  const plain = await samplesWith({});
  const kept = await samplesWith({ keepLogps: true });
  expect(kept.map(({ drawn: _, ...sample }) => sample)).toEqual(plain);
  for (const sample of kept) {
    const tokens = tokensOf(sample);
    expect(tokens === null).toBe(sample.source === 'gold');
    if (tokens === null) continue;
    expect(tokens).toHaveLength(sample.tokens);
    expect(tokens.map(({ text }) => text).join('')).toBe(sample.steps.join('\n'));
    const sum = tokens.reduce((total, { logp }) => total + (logp ?? 0), 0);
    expect(Math.abs(sum - (sample.sumLogp ?? 0))).toBeLessThan(0.0005 * tokens.length);
  }
});

test('draws until each question has its quota or its budget', async () => {
  await using policy = await backend.openPolicy({ model: 'base' });
  const options = SampleOptions.parse({
    samples: 2,
    quota: { right: 1, wrong: 3, round: 2, budget: 20 },
    gold: false,
  });
  const items = questions.map((question) => ({ question, known: [], addGold: false }));
  const { records, counts } = await sampleUnit(items, {
    policy,
    task: sumsTask,
    prompt,
    options,
    seed: 1,
    iteration: 1,
  });
  const groups = questions.map(({ id }) => records.filter(({ questionId }) => questionId === id));
  const unmet = groups.filter((paths) => {
    const right = paths.filter(({ outcome }) => outcome.kind === 'right').length;
    return right < 1 || paths.length - right < 3;
  });
  expect(counts.quotaUnmet ?? 0).toBe(unmet.length);
  expect(unmet.length).toBeLessThan(10);
  expect(counts.drawn).toBeGreaterThan(120);
  expect(counts.drawn).toBeLessThanOrEqual(600);
  for (const paths of unmet) expect(Math.max(...paths.map(({ index }) => index))).toBeLessThan(20);
});

test('drops duplicates of its own and of earlier rounds, and counts them', async () => {
  await using policy = await backend.openPolicy({ model: 'base' });
  const context = { policy, task: sumsTask, prompt, options: SampleOptions.parse({}), seed: 1 };
  const items = questions.map((question) => ({ question, known: [] as Sample[], addGold: true }));
  const first = await sampleUnit(items, { ...context, iteration: 1 });
  const knownOf = ({ id }: Question) => first.records.filter(({ questionId }) => questionId === id);
  const again = items.map(({ question }) => ({ question, known: knownOf(question), addGold: false }));
  const second = await sampleUnit(again, { ...context, iteration: 2 });
  const texts = (samples: readonly Sample[]) =>
    samples
      .filter(({ source }) => source === 'policy')
      .map(({ questionId, steps }) => `${questionId} ${steps.join('|')}`);
  const all = [...texts(first.records), ...texts(second.records)];
  expect(new Set(all).size).toBe(all.length);
  const { drawn, kept, duplicates, right, 'wrong:other-answer': wrong } = second.counts;
  expect((kept ?? 0) + (duplicates ?? 0)).toBe(drawn);
  expect((right ?? 0) + (wrong ?? 0)).toBe(drawn);
  expect(first.records.filter(({ source }) => source === 'gold')).toHaveLength(30);
});

test('counts completions that cannot be graded and keeps them out', async () => {
  await using policy = await backend.openPolicy({ model: 'base' });
  const grade = () => ({ extracted: null, outcome: { kind: 'error', reason: 'outage' } as const });
  const items = questions.slice(0, 2).map((question) => ({ question, known: [], addGold: false }));
  const { records, counts } = await sampleUnit(items, {
    policy,
    task: { ...sumsTask, grade },
    prompt,
    options: SampleOptions.parse({}),
    seed: 1,
    iteration: 1,
  });
  expect(records).toEqual([]);
  expect(counts.error).toBe(16);
});

test('rotates questions through the rounds without repeating before all were seen', () => {
  const options = { questions: 10, rotate: true };
  const seen = [1, 2, 3].flatMap((k) => chooseQuestions(questions, options, 1, k).map(({ id }) => id));
  expect(new Set(seen).size).toBe(30);
  expect(chooseQuestions(questions, options, 1, 4)).toEqual(chooseQuestions(questions, options, 1, 1));
  const same = { questions: 10, rotate: false };
  expect(chooseQuestions(questions, same, 1, 2)).toEqual(chooseQuestions(questions, same, 1, 1));
});

test('asks a question without a right path again, with its answer as a hint', async () => {
  const prompts: string[] = [];
  // Right only where the prompt tells the answer, or for questions of three numbers.
  const write = ({ prompt: given, prefix, random, ...rest }: WriteArgs) => {
    prompts.push(given);
    const numbers = given.slice(3).split('\n')[0]?.split('+').length ?? 0;
    const text = writeSum({ prompt: given, prefix, random, ...rest, skill: 1000 });
    return given.includes('The answer is') || numbers === 3 ? text : text.replace(/is (\d+)/, 'is 1$1');
  };
  await using policy = await createScriptedBackend({ write }).openPolicy({ model: 'base' });
  const options = SampleOptions.parse({ samples: 3, hint: true, distinct: false });
  const items = questions.map((question) => ({ question, known: [] as Sample[], addGold: true }));
  const context = { policy, task: sumsTask, prompt, options, seed: 1, iteration: 1 };
  const { records, counts } = await sampleUnit(items, context);
  const hard = questions.filter(({ question }) => question.split('+').length > 3);
  expect(hard.length).toBeGreaterThan(5);
  const hinted = prompts.filter((text) => text.includes('The answer is'));
  const wanted = hard.flatMap(({ question, answer }) => {
    const text = `Q: ${question}\nThe answer is ${answer}\nA:\n`;
    return [text, text, text];
  });
  expect(hinted.sort()).toEqual(wanted.sort());
  expect(prompts).toHaveLength(3 * questions.length + 3 * hard.length);
  expect(counts).toMatchObject({ drawn: prompts.length, hintedRight: 3 * hard.length });
  for (const { id } of questions) {
    const own = records.filter(({ questionId, source }) => questionId === id && source === 'policy');
    const isHard = hard.some((question) => question.id === id);
    expect(own.map(({ index }) => index)).toEqual(isHard ? [0, 1, 2, 3, 4, 5] : [0, 1, 2]);
    expect(own.map((sample) => sample.hinted === true)).toEqual(own.map(({ index }) => index > 2));
    expect(own.slice(3).every(({ outcome }) => outcome.kind === 'right')).toBe(true);
  }
  // What was right before needs no hint.
  prompts.length = 0;
  const knownOf = ({ id }: Question) => records.filter(({ questionId }) => questionId === id);
  const again = items.map(({ question }) => ({ question, known: knownOf(question), addGold: false }));
  await sampleUnit(again, { ...context, iteration: 2 });
  expect(prompts).toHaveLength(3 * questions.length);
});

test('hints need answers to tell', async () => {
  await using policy = await backend.openPolicy({ model: 'base' });
  const { answerLine: _none, ...task } = sumsTask;
  const options = SampleOptions.parse({ hint: true });
  const given = { policy, task, prompt, options, seed: 1, iteration: 1 };
  await expect(sampleUnit([], given)).rejects.toMatchObject({ code: 'unsupported' });
});

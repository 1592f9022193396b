// Questions of one file -> parts that are disjoint, large enough, and the same in any order.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Question } from '../../records.ts';
import { questionKey } from '../../same-question.ts';
import type { Split } from '../../task.ts';
import { taskNamed } from '../index.ts';
import { type CutQuestion, cutFor, LEAST_QUESTIONS } from './splits.ts';

const SPLITS: readonly Split[] = ['train', 'valid', 'test'];

function questions(count: number, text = (i: number) => `How much is ${i} and 1?`): CutQuestion[] {
  return Array.from({ length: count }, (_, i) => ({
    question: { id: `q${i}`, task: 'jsonl', question: text(i), answer: String(i) },
    ownId: true,
  }));
}

const parts = (all: readonly CutQuestion[], ways: 2 | 3) =>
  (ways === 3 ? SPLITS : SPLITS.slice(0, 2)).map((part) => cutFor(all, { part, ways, place: 'q.jsonl' }));
const ids = (part: readonly Question[]) => part.map(({ id }) => id);

describe('a file that is cut in three', () => {
  test.each([10, 11, 19, 20, 29, 30, 31, 99, 100, 101, 1000, 1003])('%d questions', (count) => {
    const all = questions(count);
    const [train = [], valid = [], other = []] = parts(all, 3);
    const tenth = Math.ceil(count / 10);
    expect([train.length, valid.length, other.length]).toEqual([count - 2 * tenth, tenth, tenth]);
    expect(new Set(ids([...train, ...valid, ...other])).size).toBe(count);
  });

  test.each([0, 1, 2, 9])('%d questions train nothing, saying how many it takes; all of them are test', (count) => {
    expect(cutFor(questions(count), { part: 'test', ways: 3, place: 'q.jsonl' })).toHaveLength(count);
    for (const part of ['train', 'valid'] as const) {
      expect(() => cutFor(questions(count), { part, ways: 3, place: 'q.jsonl' })).toThrow(
        `Expected at least ${LEAST_QUESTIONS} different questions in q.jsonl to cut train, valid and test from, got ${count}.`,
      );
    }
  });

  test('the same question under several ids is one question: it counts once and stays in one part', () => {
    expect(() =>
      parts(
        questions(40, (i) => `Q${i % 9}`),
        3,
      ),
    ).toThrow(/got 9/);
    for (const different of [10, 15, 25]) {
      const all = questions(60, (i) => (i % 2 ? `  What IS ${i % different}?` : `what is\n${i % different}? `));
      const texts = parts(all, 3).map((part) =>
        part.map(({ question }) => question.toLowerCase().replace(/\s+/g, ' ').trim()),
      );
      for (const [i, own] of texts.entries()) {
        expect(own.length).toBeGreaterThanOrEqual(6);
        for (const other of texts.slice(i + 1)) expect(own.filter((text) => other.includes(text))).toEqual([]);
      }
    }
  });

  test('a question that is there very often does not fill a part', () => {
    const all = questions(100, (i) => (i < 80 ? 'again' : `q${i}`));
    const [train = [], valid = [], other = []] = parts(all, 3);
    expect(valid.length).toBe(10);
    expect(other.length).toBe(10);
    expect(train.filter(({ question }) => question === 'again')).toHaveLength(80);
  });

  test('the order of lines does not matter, nor do ids that are only line numbers', () => {
    const all = questions(50);
    const cut = (list: readonly CutQuestion[]) => parts(list, 3).map((part) => part.map((q) => q.question).sort());
    expect(cut([...all].reverse())).toEqual(cut(all));
    const numbered = (list: readonly CutQuestion[]) =>
      list.map(({ question }, i) => ({ question: { ...question, id: `jsonl/q/${i}` }, ownId: false }));
    expect(cut(numbered([...all].reverse()))).toEqual(cut(numbered(all)));
    expect(cut(numbered(all))).not.toEqual(cut(all));
  });

  test('a corrected text stays where its id was, and one more line moves three questions across a border at most', () => {
    const all = questions(55);
    const where = (list: readonly CutQuestion[]) =>
      new Map(parts(list, 3).flatMap((part, i) => part.map(({ id }) => [id, i] as const)));
    const before = where(all);
    expect(
      where(all.map(({ question }) => ({ question: { ...question, question: `${question.id}!` }, ownId: true }))),
    ).toEqual(before);
    for (let count = 10; count < 130; count += 1) {
      const [small, large] = [where(questions(count)), where(questions(count + 1))];
      const moved = [...small].filter(([id, part]) => large.get(id) !== part);
      expect(moved.length).toBeLessThanOrEqual(count % 10 === 0 ? 3 : 2);
    }
  });

  test('parts keep the order of the file', () => {
    for (const part of parts(questions(40), 3)) {
      expect(ids(part)).toEqual([...ids(part)].sort((a, b) => Number(a.slice(1)) - Number(b.slice(1))));
    }
  });
});

test('code problems are cut alike: the tests that a question shows do not make it another one', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sipf-splits-'));
  const data = join(folder, 'problems.jsonl');
  const rows = Array.from({ length: 40 }, (_, i) => ({ prompt: `Add ${i % 20}.`, tests: [`assert f(${i}) == ${i}`] }));
  writeFileSync(data, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const loaded = await Promise.all(SPLITS.map((split) => taskNamed('code').load({ data, split })));
  const texts = loaded.map((part) => new Set(part.map((question) => questionKey(question))));
  expect(loaded.map(({ length }) => length)).toEqual([32, 4, 4]);
  expect(texts.reduce((sum, { size }) => sum + size, 0)).toBe(20);
  rmSync(folder, { recursive: true });
});

test('code to complete is told apart by its code', () => {
  const question = 'Complete the Python function f.';
  const keys = ['def f(x):', 'def f(x):  ', 'def f(y):'].map((prefix) => questionKey({ question, prefix }));
  expect(keys[0]).toBe(keys[1]);
  expect(keys[0]).not.toBe(keys[2]);
});

describe('a train file that valid is cut from', () => {
  test.each([2, 9, 10, 30, 31, 100, 200])('of %d questions valid has one in ten at least', (count) => {
    for (const prefix of ['a', 'b', 'c', 'd']) {
      const all = questions(count).map(({ question, ownId }) => ({
        question: { ...question, id: `${prefix}${question.id}` },
        ownId,
      }));
      const [train = [], valid = []] = parts(all, 2);
      expect(valid.length).toBeGreaterThanOrEqual(Math.ceil(count / 10));
      expect(train.length).toBeGreaterThan(0);
      expect(new Set(ids([...train, ...valid])).size).toBe(count);
    }
  });

  test('of a large one valid is what the hash of the id alone says', () => {
    const [, valid = []] = parts(questions(3000), 2);
    const more = parts(questions(4000), 2)[1] ?? [];
    expect(valid.length).toBeGreaterThan(150);
    expect(valid.length).toBeLessThan(250);
    expect(ids(more).slice(0, valid.length)).toEqual(ids(valid));
  });

  test('one question cannot be cut', () => {
    expect(() => parts(questions(1), 2)).toThrow(/at least 2 different questions in q.jsonl to cut valid from, got 1/);
  });
});

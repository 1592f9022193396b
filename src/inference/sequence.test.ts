// Tokens of one sequence -> its text, where it ends, and why.
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import type { SamplingOptions } from '../backend.ts';
import { loadTokenizer, type Tokenizer } from '../models/tokenizer/tokenizer.ts';
import { keyedUniform } from '../random.ts';
import { Sequence } from './sequence.ts';

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await loadTokenizer(join(import.meta.dirname, '../../test/fixtures/tokenizer'));
});

function start(sampling: Partial<SamplingOptions>, context: readonly number[] = [5], limit = 1000): Sequence {
  const request = { id: 'r', context: [context], key: 'k', sampling: { temperature: 1, maxTokens: 100, ...sampling } };
  return new Sequence(request, context, tokenizer, limit);
}

/** Pushes the tokens of `text` until the sequence ends; returns how many went in. */
function write(sequence: Sequence, text: string): number {
  const ids = tokenizer.encodeContinuation(text);
  for (const [n, id] of ids.entries()) {
    sequence.push(id, -n);
    if (sequence.finished) return n + 1;
  }
  return ids.length;
}

it('draws its random numbers by key and place in the completion, in any context', () => {
  const uniform = keyedUniform('k');
  for (const context of [[5], [5, 6, 7]]) {
    const sequence = start({}, context);
    expect(sequence.row()).toMatchObject({ token: context.at(-1), uniform: uniform(0) });
    sequence.push(9, -1);
    expect(sequence.row()).toMatchObject({ token: 9, uniform: uniform(1) });
  }
});

it('ends before the first stop string, also one that spans tokens', () => {
  const sequence = start({ stopStrings: ['zzz', '\n\nQ', 'apples'] });
  const text = 'Tom has three.\n\nQuestion: apples';
  const written = write(sequence, text);
  expect(sequence.completion()).toMatchObject({ text: 'Tom has three.', finishReason: 'stop' });
  expect(sequence.completion().tokenIds).toEqual(tokenizer.encodeContinuation(text).slice(0, written));
  expect(sequence.completion().logps?.length).toBe(written);
});

it('ends at an end token, at its own limit, and at the limit of the context', () => {
  const ended = start({});
  write(ended, 'naïve 🙂');
  ended.push(2, -1);
  expect(ended.completion()).toMatchObject({ text: 'naïve 🙂', finishReason: 'stop' });
  expect(ended.completion().tokenIds?.at(-1)).toBe(2);
  const going = start({ ignoreEos: true, maxTokens: 3 });
  for (const id of [2, 2]) going.push(id, -1);
  expect(going.finished).toBe(false);
  going.push(2, -1);
  expect(going.completion()).toMatchObject({ text: '', finishReason: 'length' });
  const full = start({}, [5, 6, 7], 5);
  full.push(9, -1);
  expect(full.finished).toBe(false);
  full.push(9, -1);
  expect(full.completion().finishReason).toBe('length');
});

it('shows an unfinished character as broken', () => {
  const ids = tokenizer.encodeContinuation('🙂');
  expect(ids.length).toBeGreaterThan(1);
  const sequence = start({ maxTokens: 1 });
  sequence.push(ids[0] as number, -1);
  expect(sequence.completion()).toMatchObject({ text: '\uFFFD', finishReason: 'length' });
});

it.each([
  ['Tom has three apples. 🙂 naïve', []],
  ['ab\n\nQuestion: x', ['\n\nQ']],
  ['ab\n\nno question\n\nQ', ['\n\nQ', 'zzz']],
  ['aaaab', ['aab']],
  ['one two', ['two three']],
  ['xyz', ['x']],
  ['日本語🙂🙃', ['🙃']],
  ['a🙂', ['🙂🙃']],
])('gives the text of %j with stops %j as it comes, and takes nothing back', (text, stopStrings) => {
  const sequence = start({ stopStrings });
  let given = '';
  for (const id of tokenizer.encodeContinuation(text)) {
    if (sequence.finished) break;
    sequence.push(id, -1);
    const piece = sequence.drawn();
    expect(piece).not.toContain('\uFFFD');
    given += piece;
    for (const stop of stopStrings) expect(given).not.toContain(stop);
  }
  if (!sequence.finished) {
    sequence.push(2, -1);
    given += sequence.drawn();
  }
  expect(given).toBe(sequence.completion().text);
  expect(sequence.drawn()).toBe('');
});

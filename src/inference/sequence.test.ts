// Tokens of one sequence -> its text, where it ends, and why.
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
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

it.each([
  ['Tom has three apples. 🙂 naïve', []],
  ['日本語🙂🙃', ['🙃']],
  ['ab\n\nQuestion: x', ['\n\nQ']],
])('says where the text of each token of %j ends with stops %j', (text, stopStrings) => {
  const sequence = start({ stopStrings, ends: true });
  write(sequence, text);
  if (!sequence.finished) sequence.push(2, -1);
  const { text: whole, ends = [], tokenIds } = sequence.completion();
  expect([ends.length, ends.at(-1)]).toEqual([tokenIds?.length, whole.length]);
  const texts = ends.map((end, n) => whole.slice(ends[n - 1] ?? 0, end));
  expect(texts.join('')).toBe(whole);
  // Half a character is nobody's: the token that ends it has the whole.
  for (const own of texts) expect(Buffer.from(own).toString()).toBe(own);
  // Where all of a token's text was drawn, it is what the tokenizer says of it.
  expect(texts[0]).toBe(tokenizer.decodeContinuation(tokenIds?.slice(0, 1) ?? []).replace('\uFFFD', ''));
});

describe('with a calculator', () => {
  /** A sequence that has drawn `text`, and then draws `9` whatever comes. */
  function calculating(text: string, sampling: Partial<SamplingOptions> = {}, own: Partial<Tokenizer> = {}): Sequence {
    const key = { id: 'r', context: [[5]], key: 'k' };
    const request = { ...key, sampling: { temperature: 1, maxTokens: 100, calculator: true, ...sampling } };
    const sequence = new Sequence(request, [5], { ...tokenizer, ...own }, 1000);
    write(sequence, text);
    const [nine = 0] = tokenizer.encodeContinuation('9');
    for (let n = 0; n < 20 && !sequence.finished; n++) sequence.push(nine, -1);
    return sequence;
  }
  const OPEN = 'is <<3*4=';
  const forcedIds = () => tokenizer.encodeContinuation('12>>');
  const opened = () => tokenizer.encodeContinuation(OPEN).length;

  it('writes the result of an annotation in place of what is drawn, and says which tokens those are', () => {
    const { text, tokenIds, logps, forced } = calculating(OPEN).completion();
    expect(text).toMatch(/^is <<3\*4=12>>9+$/);
    const places = forcedIds().map((_, n) => opened() + n);
    expect(forced).toEqual(places);
    expect(places.map((place) => tokenIds?.[place])).toEqual(forcedIds());
    expect(logps?.map((logp) => logp === null)).toEqual(tokenIds?.map((_, place) => places.includes(place)));
  });

  it.each(['is <<1/3=', 'is 3*4=', 'is <<3*x='])('leaves %j to the model', (text) => {
    const { text: whole, logps, ...rest } = calculating(text).completion();
    expect(whole.slice(text.length)).toMatch(/^9+$/);
    expect(logps).not.toContain(null);
    expect(rest).not.toHaveProperty('forced');
  });

  it('leaves a result that the vocabulary lacks to the model', () => {
    expect(calculating(OPEN, {}, { encodeContinuation: () => [9] }).completion().text).toMatch(/=9+$/);
  });

  it('asks for the random number of each position, as without', () => {
    const sequence = start({ calculator: true });
    const uniform = keyedUniform('k');
    for (const [n, id] of tokenizer.encodeContinuation(`${OPEN}99999`).entries()) {
      expect(sequence.row().uniform).toBe(uniform(n));
      sequence.push(id, -1);
    }
  });

  it('ends within a result at the length that is asked for', () => {
    const { tokens, finishReason, forced, text } = calculating(OPEN, { maxTokens: opened() + 1 }).completion();
    expect({ tokens, finishReason, forced }).toEqual({
      tokens: opened() + 1,
      finishReason: 'length',
      forced: [opened()],
    });
    expect('is <<3*4=12>>'.startsWith(text)).toBe(true);
  });

  it('ends before a stop string within a result', () => {
    const { text, finishReason } = calculating(OPEN, { stopStrings: ['2>'] }).completion();
    expect({ text, finishReason }).toEqual({ text: 'is <<3*4=1', finishReason: 'stop' });
  });

  it('ends at an end-of-text token within a result', () => {
    const eosIds = [forcedIds()[0] as number];
    const { text, tokens, finishReason } = calculating(OPEN, {}, { eosIds }).completion();
    expect({ tokens, finishReason }).toEqual({ tokens: opened() + 1, finishReason: 'stop' });
    expect(text.startsWith(OPEN)).toBe(true);
  });

  it('tells its text as it comes', () => {
    const sequence = start({ calculator: true });
    let told = '';
    for (const id of tokenizer.encodeContinuation(`${OPEN}999999999`)) {
      sequence.push(id, -1);
      told += sequence.drawn();
    }
    expect(told).toBe(sequence.completion().text);
    expect(told).toContain('<<3*4=12>>');
  });
});

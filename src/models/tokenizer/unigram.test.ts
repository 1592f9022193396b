// Small Unigram models -> the ids of sentencepiece, of Hugging Face, and of a slow search.
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sized } from '../../../test/tier.ts';
import { ggufTokenizerJson, ggufTokenizerSettings } from './gguf-tokenizer.ts';
import { ggufVocabulary } from './gguf-vocabulary.ts';
import { makeTokenizer, type Tokenizer } from './tokenizer.ts';
import type { Json } from './tokenizer-schema.ts';

interface Fixture {
  readonly texts: readonly string[];
  readonly models: Readonly<Record<'pieces' | 'bytes' | 'rules', FixtureModel>>;
}

interface FixtureModel {
  readonly metadata: Readonly<Record<string, string | number | boolean | readonly string[] | readonly number[]>>;
  /** tokenizer.json, without the vocabulary. */
  readonly tokenizer: Json;
  /** By sentencepiece, of each text. */
  readonly ids: readonly (readonly number[])[];
  /** By the tokenizers library, where they differ. */
  readonly huggingface: Readonly<Record<string, readonly number[]>>;
}

const fixture = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../../test/fixtures/unigram/models.json'), 'utf8'),
) as Fixture;
const NAMES = ['pieces', 'bytes', 'rules'] as const;
/** Read as Hugging Face does, where sentencepiece differs: the text of a byte's token is that token; a short grapheme has one rule. */
const AS_HUGGING_FACE = ['<0x41>', 'x\u0301\u0302\u0303y'];
const NONE = { bosId: null, eosIds: [], padId: null, addBos: null, chatTemplate: null };

function jsonOf({ metadata, tokenizer }: FixtureModel): Json {
  const tokens = metadata['tokenizer.ggml.tokens'] as readonly string[];
  const scores = metadata['tokenizer.ggml.scores'] as readonly number[];
  const vocab = tokens.map((token, id) => [token, scores[id]]);
  return { ...tokenizer, model: { ...(tokenizer['model'] as Json), vocab } };
}

describe('a Unigram tokenizer.json', () => {
  it.each(NAMES)('%s gives the ids of Hugging Face', (name) => {
    const model = fixture.models[name];
    const tokenizer = makeTokenizer(jsonOf(model), NONE, 'x');
    expect(fixture.texts).toHaveLength(200);
    for (const [n, text] of fixture.texts.entries())
      expect([text, tokenizer.encode(text)]).toEqual([text, model.huggingface[n] ?? model.ids[n]]);
  });
});

function fromGguf(metadata: FixtureModel['metadata']): Tokenizer {
  const gguf = { file: 'x.gguf', files: ['x.gguf'], metadata: new Map(Object.entries(metadata)), tensors: new Map() };
  return makeTokenizer(ggufTokenizerJson(gguf), ggufTokenizerSettings(gguf), 'x.gguf');
}

describe('Unigram metadata of a GGUF file', () => {
  it.each(NAMES)('%s gives the ids of sentencepiece, and the text back', (name) => {
    const { metadata, ids, huggingface } = fixture.models[name];
    const tokenizer = fromGguf(metadata);
    expect(tokenizer).toMatchObject({ leadingIds: [], bosId: 1, eosIds: [2] });
    for (const [n, text] of fixture.texts.entries()) {
      const read = tokenizer.encode(text, { special: false });
      const other = AS_HUGGING_FACE.includes(text) ? huggingface[n] : undefined;
      expect([text, read]).toEqual([text, other ?? ids[n]]);
      if (name === 'bytes' && !other) expect(tokenizer.decode(read)).toBe(text.replaceAll('▁', ' '));
    }
  });
});

describe('random Unigram vocabularies', () => {
  const ALPHABET = ['a', 'b', 'c', 'A', '1', '2', 'é', '\u0301', '🙂', '👍🏽', '世'];
  const SPECIAL = ['<unk>', '<s>', '</s>', '<0x41>'];
  const USER = ['<<', '[b]'];
  let root: string;
  let seed = 11;
  /** A whole number below `below`. */
  const draw = (below: number): number => {
    seed = (seed * 48271) % 2147483647;
    return seed % below;
  };
  const pick = <T>(list: readonly T[]): T => list[draw(list.length)] as T;
  const textOf = (parts: readonly string[], most: number): string =>
    Array.from({ length: draw(most + 1) }, () => pick(parts)).join('');
  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'sipf-unigram-'));
  });
  afterAll(() => rm(root, { recursive: true }));

  /** Scores are multiples of 1/8, exact in float32, so that ties are frequent. */
  function randomJson(): Json {
    const texts = new Set(['▁', ...ALPHABET.filter(() => draw(3) > 0)]);
    for (let n = 0; n < 40; n++) texts.add(textOf(['▁', ...ALPHABET], 4));
    texts.delete('');
    const bytes =
      draw(2) === 0
        ? []
        : Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
    const pieces: [string, number][] = [...SPECIAL.slice(0, 3), ...bytes].map((text) => [text, 0]);
    pieces.push(...[...texts].map((text): [string, number] => [text, -draw(80) / 8]));
    const added = (content: string, id: number, special: boolean): Json => ({
      id,
      content,
      special,
      normalized: false,
    });
    const user = USER.map((content, n) => added(content, pieces.length + n, false));
    const prefix = draw(2) === 0;
    const space = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };
    return {
      added_tokens: [...SPECIAL.slice(0, 3).map((content, id) => added(content, id, true)), ...user],
      normalizer: prefix ? { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, space] } : space,
      pre_tokenizer: null,
      decoder: null,
      model: { type: 'Unigram', unk_id: 0, byte_fallback: bytes.length > 0, vocab: pieces },
    };
  }

  it('are read from a GGUF file as from tokenizer.json', async () => {
    const parts = [...ALPHABET, ...ALPHABET, ' ', ' ', ...SPECIAL, ...USER, 'x', '\n'];
    for (let round = 0; round < sized(10, 40); round++) {
      const json = randomJson();
      await writeFile(join(root, 'tokenizer.json'), JSON.stringify(json));
      const { entries, warnings } = await ggufVocabulary(root, 400);
      const hasBytes = (json['model'] as Json)['byte_fallback'] === true;
      expect(warnings).toEqual(hasBytes ? [expect.stringContaining('the tokens for bytes')] : []);
      const metadata = Object.fromEntries([...entries].map(([key, { value }]) => [key, value]));
      const [from, back] = [makeTokenizer(json, NONE, 'x'), fromGguf(metadata as FixtureModel['metadata'])];
      expect(back.vocabSize).toBe(from.vocabSize);
      for (let n = 0; n < 25; n++) {
        const text = textOf(parts, 12);
        const all = ({ encode, encodeContinuation }: Tokenizer) =>
          [true, false].map((special) => [encode(text, { special }), encodeContinuation(text, { special })]);
        expect([text, all(back)]).toEqual([text, all(from)]);
      }
    }
  });

  it('of a published form are written where llama.cpp reads the same, and refused where a line feed at the end is lost', async () => {
    await writeFile(join(root, 'tokenizer.json'), JSON.stringify(jsonOf(fixture.models.rules)));
    const { entries, warnings } = await ggufVocabulary(root, 512);
    expect(warnings).toEqual([]);
    const { metadata } = fixture.models.rules;
    for (const key of ['precompiled_charsmap', 'add_space_prefix', 'remove_extra_whitespaces', 'unknown_token_id'])
      expect(entries.get(`tokenizer.ggml.${key}`)?.value).toEqual(metadata[`tokenizer.ggml.${key}`]);
    await writeFile(join(root, 'tokenizer.json'), JSON.stringify(jsonOf(fixture.models.pieces)));
    await expect(ggufVocabulary(root, 512)).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining(join(root, 'tokenizer.json')),
    });
  });

  it('are written with a warning where no space comes after a special token', async () => {
    const json = jsonOf(fixture.models.rules);
    const rules = { ...(json['pre_tokenizer'] as Json), prepend_scheme: 'first' };
    await writeFile(join(root, 'tokenizer.json'), JSON.stringify({ ...json, pre_tokenizer: rules }));
    const { warnings } = await ggufVocabulary(root, 512);
    expect(warnings).toEqual([expect.stringContaining('puts a space before a text that follows a special token')]);
  });

  it('give the best sum that any way to cut the text has', () => {
    for (let round = 0; round < sized(10, 40); round++) {
      const json = randomJson();
      const pieces = (json['model'] as Json)['vocab'] as readonly [string, number][];
      const tokenizer = makeTokenizer(
        { ...json, normalizer: null, model: { ...(json['model'] as Json), byte_fallback: false } },
        NONE,
        'x',
      );
      for (let n = 0; n < 10; n++) {
        const text = textOf(ALPHABET, 8);
        const found = tokenizer.encode(text).reduce((sum, id) => sum + (id === 0 ? 0 : (pieces[id]?.[1] as number)), 0);
        const best = bestCut(text, new Map(pieces.slice(3)));
        expect([text, found]).toEqual([text, best.score]);
      }
    }
  });

  it('never give a special token for ordinary text', () => {
    for (let round = 0; round < 10; round++) {
      const tokenizer = makeTokenizer(randomJson(), NONE, 'x');
      for (const text of ['<unk>', 'a</s>b', '<s>']) {
        const ids = tokenizer.encodeContinuation(text, { special: false });
        expect(ids.filter((id) => id === 1 || id === 2)).toEqual([]);
      }
    }
  });
});

interface Cut {
  readonly unknown: number;
  readonly score: number;
}

/** Tries every way to cut. Fewest unknown characters first: each costs more than any piece (10 below the worst). */
function bestCut(text: string, scores: ReadonlyMap<string, number>): Cut {
  if (text === '') return { unknown: 0, score: 0 };
  const characters = Array.from(text);
  const cost = ({ unknown, score }: Cut): number => score + unknown * (Math.min(0, ...scores.values()) - 10);
  const cuts = characters.flatMap((character, n): Cut[] => {
    const piece = characters.slice(0, n + 1).join('');
    const score = scores.get(piece);
    const isUnknown = n === 0 && !scores.has(character);
    if (score === undefined && !isUnknown) return [];
    const rest = bestCut(characters.slice(n + 1).join(''), scores);
    return [{ unknown: rest.unknown + (isUnknown ? 1 : 0), score: rest.score + (score ?? 0) }];
  });
  return cuts.reduce((best, cut) => (cost(cut) > cost(best) ? cut : best));
}

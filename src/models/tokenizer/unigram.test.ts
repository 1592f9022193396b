// Small Unigram models that sentencepiece trained -> the ids of sentencepiece, of Hugging Face, and of a slow search.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
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
const NONE = { bosId: null, eosIds: [], padId: null, addBos: null, chatTemplate: null };

function fromJson({ metadata, tokenizer }: FixtureModel): Tokenizer {
  const tokens = metadata['tokenizer.ggml.tokens'] as readonly string[];
  const scores = metadata['tokenizer.ggml.scores'] as readonly number[];
  const vocab = tokens.map((token, id) => [token, scores[id]]);
  return makeTokenizer({ ...tokenizer, model: { ...(tokenizer['model'] as Json), vocab } }, NONE, 'x');
}

describe('a Unigram tokenizer.json', () => {
  it.each(['pieces', 'bytes'] as const)('%s gives the ids of Hugging Face', (name) => {
    const model = fixture.models[name];
    const tokenizer = fromJson(model);
    expect(fixture.texts).toHaveLength(200);
    for (const [n, text] of fixture.texts.entries())
      expect([text, tokenizer.encode(text)]).toEqual([text, model.huggingface[n] ?? model.ids[n]]);
  });
});

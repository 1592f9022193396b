// Names of pre-tokenizers -> the ids that the published tokenizer.json of such models gives.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ggufTokenizerJson, ggufTokenizerSettings } from './gguf-tokenizer.ts';
import { PRE_TOKENIZERS } from './pre-tokenizers.ts';
import { makeTokenizer } from './tokenizer.ts';

interface Fixture {
  readonly tokens: readonly string[];
  readonly merges: readonly string[];
  readonly texts: readonly string[];
  /** By pre-tokenizer, of each text. */
  readonly ids: Readonly<Record<string, readonly (readonly number[])[]>>;
}

const { tokens, merges, texts, ids } = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../../test/fixtures/pre-tokenizers/splits.json'), 'utf8'),
) as Fixture;

/** Names of models that split as another name says. */
const SAME: Readonly<Record<string, string>> = {
  'phi-2': 'gpt-2',
  llama3: 'llama-bpe',
  'llama-v3': 'llama-bpe',
  'smaug-bpe': 'llama-bpe',
  dbrx: 'llama-bpe',
  'deepseek-r1-qwen': 'qwen2',
};

function named(pre: string) {
  const metadata = new Map<string, string | boolean | readonly string[] | readonly number[]>([
    ['tokenizer.ggml.model', 'gpt2'],
    ['tokenizer.ggml.pre', pre],
    ['tokenizer.ggml.tokens', tokens],
    ['tokenizer.ggml.token_type', tokens.map(() => 1)],
    ['tokenizer.ggml.merges', merges],
    ['tokenizer.ggml.add_bos_token', false],
  ]);
  const gguf = { file: 'x.gguf', files: ['x.gguf'], metadata, tensors: new Map() };
  return makeTokenizer(ggufTokenizerJson(gguf), ggufTokenizerSettings(gguf), 'x.gguf');
}

describe('a byte-level BPE of a GGUF file', () => {
  it.each(Object.keys(PRE_TOKENIZERS))('%s splits as the models of that name', (pre) => {
    const expected = ids[SAME[pre] ?? pre] ?? [];
    expect(expected).toHaveLength(texts.length);
    const tokenizer = named(pre);
    for (const [n, text] of texts.entries()) expect([text, tokenizer.encode(text)]).toEqual([text, expected[n]]);
  });

  it('is refused where the name is unknown, or is a word that all objects have', () => {
    for (const pre of ['default', 'mystery', 'constructor', ''])
      expect(() => named(pre)).toThrow(
        expect.objectContaining({ code: 'unsupported', message: expect.stringContaining(`got "${pre}" in x.gguf`) }),
      );
  });
});

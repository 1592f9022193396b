// Damaged or terse tokenizers of GGUF files -> an error that names file and key, or the right ids.
import { describe, expect, it } from 'vitest';
import { SipfError } from '../../errors.ts';
import type { GgufValue } from '../files/gguf.ts';
import { ggufTokenizerJson, ggufTokenizerSettings } from './gguf-tokenizer.ts';
import { makeTokenizer, type Tokenizer } from './tokenizer.ts';

type Metadata = Readonly<Record<string, GgufValue | undefined>>;

/** A tokenizer from the keys below `tokenizer.`; undefined leaves one out. */
function make(metadata: Metadata): Tokenizer {
  const stated = Object.entries(metadata).flatMap(([key, value]): [string, GgufValue][] =>
    value === undefined ? [] : [[`tokenizer.${key}`, value]],
  );
  const gguf = { file: 'x.gguf', files: ['x.gguf'], metadata: new Map(stated), tensors: new Map() };
  return makeTokenizer(ggufTokenizerJson(gguf), ggufTokenizerSettings(gguf), 'x.gguf');
}

const BYTES = {
  'ggml.model': 'gpt2',
  'ggml.pre': 'qwen2',
  'ggml.tokens': ['<|end|>', 'a', 'b', 'ab'],
  'ggml.token_type': [3, 1, 1, 1],
  'ggml.merges': ['a b'],
};
const PIECES = {
  'ggml.model': 'llama',
  'ggml.tokens': ['<unk>', '<s>', '</s>', '▁', '</s', '>', 'a', '<', '/', 's', '</'],
  'ggml.token_type': [2, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1],
  'ggml.scores': [0, 0, 0, -1, -2, -3, -4, -5, -6, -7, -8],
  'ggml.bos_token_id': 1,
};
const SCORES = { ...PIECES, 'ggml.model': 't5', 'ggml.unknown_token_id': 0 };
const CHARSMAP = 'ggml.precompiled_charsmap';

describe('what is damaged is refused, naming file and key', () => {
  it.each<[string, Metadata, string, GgufValue | undefined, string]>([
    ['bytes', BYTES, 'ggml.tokens', undefined, 'tokenizer.ggml.tokens'],
    ['bytes', BYTES, 'ggml.tokens', [1, 2, 3, 4], 'tokenizer.ggml.tokens'],
    ['bytes', BYTES, 'ggml.tokens', ['<|end|>', 'a', 'b', 'a'], 'got "a" as 1 and as 3'],
    ['bytes', BYTES, 'ggml.token_type', undefined, 'tokenizer.ggml.token_type'],
    ['bytes', BYTES, 'ggml.token_type', [1], '4 values of tokenizer.ggml.token_type'],
    ['bytes', BYTES, 'ggml.merges', undefined, 'tokenizer.ggml.merges'],
    ['bytes', BYTES, 'ggml.merges', ['a b', 'a c'], '"c" is not in tokenizer.ggml.tokens'],
    ['bytes', BYTES, 'ggml.merges', ['a b', 'b a'], 'merge 1 of tokenizer.ggml.merges'],
    ['bytes', BYTES, 'ggml.merges', ['ab'], 'no space in it'],
    ['bytes', BYTES, 'ggml.pre', undefined, 'tokenizer.ggml.pre'],
    ['bytes', BYTES, 'ggml.add_bos_token', 1, 'tokenizer.ggml.add_bos_token'],
    ['bytes', BYTES, 'ggml.add_bos_token', true, 'a BOS token'],
    ['pieces', PIECES, 'ggml.scores', undefined, 'tokenizer.ggml.scores'],
    ['pieces', PIECES, 'ggml.scores', [1, 2], '11 values of tokenizer.ggml.scores'],
    ['pieces', PIECES, 'ggml.add_space_prefix', 'yes', 'tokenizer.ggml.add_space_prefix'],
    ['pieces', PIECES, 'ggml.bos_token_id', undefined, 'a BOS token'],
    ['scores', SCORES, 'ggml.scores', undefined, 'tokenizer.ggml.scores'],
    ['scores', SCORES, 'ggml.scores', [0, 0, 0, -1, -2, -3], '11 values of tokenizer.ggml.scores'],
    ['scores', SCORES, 'ggml.scores', [0, 0, 0, -1, Number.NaN, ...Array(6).fill(-3)], 'id 4 in tokenizer.ggml.scores'],
    ['scores', SCORES, 'ggml.unknown_token_id', 11, 'tokenizer.ggml.unknown_token_id'],
    ['scores', SCORES, 'ggml.remove_extra_whitespaces', 1, 'tokenizer.ggml.remove_extra_whitespaces'],
    ['scores', SCORES, 'ggml.remove_extra_whitespaces', true, 'tokenizer.ggml.add_space_prefix true'],
    ['scores', SCORES, CHARSMAP, 'text', 'tokenizer.ggml.precompiled_charsmap'],
    ['scores', SCORES, CHARSMAP, [], 'tokenizer.ggml.precompiled_charsmap'],
    ['scores', SCORES, CHARSMAP, [4, 0, 0, 0, 0, 0, 0, 0], 'tokenizer.ggml.precompiled_charsmap'],
    ['scores', SCORES, CHARSMAP, [255, 255, 255, 255, 0, 0, 0, 0, 0], 'tokenizer.ggml.precompiled_charsmap'],
  ])('%s: %s %s = %j', (_, sound, key, value, named) => {
    const damaged = () => make({ ...sound, [key]: value });
    expect(() => make(sound)).not.toThrow();
    expect(damaged).toThrow(SipfError);
    expect(damaged).toThrow(named);
    expect(damaged).toThrow('x.gguf');
  });
});

describe('special tokens', () => {
  it('are never what ordinary text merges to', () => {
    const asText = make(PIECES).encode('</s>', { special: false });
    expect(asText).toEqual([1, 3, 4, 5]);
    expect(make(SCORES).encode('</s>', { special: false })).toEqual([4, 5]);
    expect(make(PIECES).encode('</s>')).toEqual([1, 2]);
  });

  it('end a turn where the chat template has them, though no key says so', () => {
    const turn = {
      ...BYTES,
      'ggml.tokens': ['<end_of_turn>', 'a', '<eos>', 'ab'],
      'ggml.eos_token_id': 2,
      'ggml.merges': [],
    };
    expect(make(turn).eosIds).toEqual([2]);
    expect(make({ ...turn, chat_template: '{{ "<end_of_turn>" }}' }).eosIds).toEqual([2, 0]);
    expect(make({ ...turn, chat_template: '{{ "<end_of_turn>" }}', 'ggml.eot_token_id': 0 }).eosIds).toEqual([2, 0]);
  });

  it('BOS comes as the key says, else as the kind of tokenizer does', () => {
    expect(make(PIECES).leadingIds).toEqual([1]);
    expect(make({ ...PIECES, 'ggml.add_bos_token': false }).leadingIds).toEqual([]);
    expect(make(SCORES).leadingIds).toEqual([]);
    expect(make({ ...SCORES, 'ggml.add_bos_token': true }).leadingIds).toEqual([1]);
    expect(make({ ...SCORES, 'ggml.add_eos_token': true }).encode('a')).toEqual([6]);
  });
});

it('a byte order mark that stands in bytes is text', () => {
  const bytes = {
    'ggml.tokens': ['<unk>', '<s>', '<0xEF>', '<0xBB>', '<0xBF>', 'a'],
    'ggml.token_type': [2, 3, 6, 6, 6, 1],
  };
  for (const kind of [PIECES, SCORES]) {
    const tokenizer = make({ ...kind, ...bytes, 'ggml.scores': [0, 0, 0, 0, 0, -1], 'ggml.add_space_prefix': false });
    const ids = tokenizer.encodeContinuation('\uFEFFa');
    expect(ids).toEqual([2, 3, 4, 5]);
    expect([tokenizer.decode(ids), tokenizer.decodeContinuation(ids)]).toEqual(['\uFEFFa', '\uFEFFa']);
    const stream = tokenizer.stream();
    expect(ids.map((id) => stream.push(id)).join('')).toBe('\uFEFFa');
  }
});

describe('a Unigram vocabulary', () => {
  const padded = {
    ...SCORES,
    'ggml.tokens': [...SCORES['ggml.tokens'], '[PAD7]', '[PAD8]'],
    'ggml.token_type': [...SCORES['ggml.token_type'], 5, 5],
    'ggml.scores': [...SCORES['ggml.scores'], -1000, -1000],
  };

  it('ends where its pieces end, so that padding does not change how bad an unknown character is', () => {
    expect(make(padded).vocabSize).toBe(11);
    const json = (metadata: Metadata) => make(metadata).encode('[PAD7] xa', { special: false });
    expect(json(padded)).toEqual(json(SCORES));
  });

  it('has the unknown token of its type where no key names it', () => {
    expect(make({ ...SCORES, 'ggml.unknown_token_id': undefined }).encode('xa')).toEqual([0, 6]);
    const none = {
      ...SCORES,
      'ggml.unknown_token_id': undefined,
      'ggml.token_type': [3, ...PIECES['ggml.token_type'].slice(1)],
    };
    expect(() => make(none).encode('xa')).toThrow('every character in the vocabulary of x.gguf');
  });
});

// Wrong fields of a tokenizer.json -> an error that names file and field, never the library's own.
import { describe, expect, it } from 'vitest';
import { PIECES, UNIGRAM } from '../../../test/mutations/small-tokenizers.ts';
import { SipfError } from '../../errors.ts';
import { makeTokenizer } from './tokenizer.ts';

const NONE = { bosId: null, eosIds: [], padId: null, addBos: null, chatTemplate: null };
const make = (json: object) => makeTokenizer(json as never, NONE, 'here/tokenizer.json');

/** A copy of `json` with the value at a dotted path replaced. */
function withValue(json: object, path: string, value: unknown): object {
  const copy = structuredClone(json) as Record<string, unknown>;
  const keys = path.split('.');
  const last = keys.pop() as string;
  const at = keys.reduce((inner, key) => inner[key] as Record<string, unknown>, copy);
  at[last] = value;
  return copy;
}

it('both sound tokenizers read and write what they were given', () => {
  for (const json of [PIECES, UNIGRAM]) {
    const tokenizer = make(json);
    expect(tokenizer.decode(tokenizer.encode('ab a'))).toBe('ab a');
  }
  expect(make(PIECES).decode(make(PIECES).encode('abé 12'))).toBe('abé 12');
});

it('a replacement is taken as it is written', () => {
  const json = withValue(PIECES, 'decoder.decoders.0.content', '$&');
  expect(make(json).decode([15, 15])).toBe('$&ab$&ab');
});

describe('of pieces', () => {
  it.each<[string, unknown, string]>([
    ['added_tokens', 5, 'added_tokens'],
    ['added_tokens', [null], 'added_tokens.0'],
    ['added_tokens.1.id', '1', 'added_tokens.1.id'],
    ['added_tokens.1.id', -1, 'added_tokens.1.id'],
    ['added_tokens.1.id', 1e12, 'added_tokens.1.id'],
    ['added_tokens.1.content', null, 'added_tokens.1.content'],
    ['added_tokens.1.special', 'yes', 'added_tokens.1.special'],
    ['normalizer', 5, 'normalizer'],
    ['normalizer', { type: 5 }, 'normalizer.type'],
    ['normalizer.normalizers', null, 'normalizer.normalizers'],
    ['normalizer.normalizers.1', null, 'normalizer.normalizers.1'],
    ['normalizer.normalizers.1.prepend', undefined, 'normalizer.normalizers.1.prepend'],
    ['normalizer.normalizers.2.pattern', null, 'normalizer.normalizers.2.pattern'],
    ['normalizer.normalizers.2.pattern', {}, 'normalizer.normalizers.2.pattern'],
    ['normalizer.normalizers.2.pattern', { Regex: '(' }, 'normalizer.normalizers.2.pattern'],
    ['normalizer.normalizers.2.pattern', { Regex: '[z-a]' }, 'normalizer.normalizers.2.pattern'],
    ['normalizer.normalizers.2.content', 7, 'normalizer.normalizers.2.content'],
    ['pre_tokenizer', [], 'pre_tokenizer'],
    ['pre_tokenizer.pretokenizers', {}, 'pre_tokenizer.pretokenizers'],
    ['pre_tokenizer.pretokenizers.0.pattern.Regex', 5, 'pre_tokenizer.pretokenizers.0.pattern'],
    ['pre_tokenizer.pretokenizers.0.behavior', 'Sideways', 'pre_tokenizer.pretokenizers.0.behavior'],
    ['pre_tokenizer.pretokenizers.0.invert', 'no', 'pre_tokenizer.pretokenizers.0.invert'],
    ['pre_tokenizer.pretokenizers.1.individual_digits', 1, 'individual_digits'],
    ['decoder', 'x', 'decoder'],
    ['decoder.decoders', null, 'decoder.decoders'],
    ['decoder.decoders.2', null, 'decoder.decoders.2'],
    ['decoder.decoders.0.pattern', undefined, 'decoder.decoders.0.pattern'],
    ['decoder.decoders.0.content', null, 'decoder.decoders.0.content'],
    ['decoder.decoders.3.content', 5, 'decoder.decoders.3.content'],
    ['decoder.decoders.3.content', 'ab', 'decoder.decoders.3.content'],
    ['decoder.decoders.3.start', 'a', 'decoder.decoders.3.start'],
    ['decoder.decoders.3.stop', 1e9, 'decoder.decoders.3.stop'],
    ['post_processor', 5, 'post_processor'],
    ['post_processor.processors', null, 'post_processor.processors'],
    ['post_processor.processors.0.single', null, 'post_processor.processors.0.single'],
    ['post_processor.processors.0.single', [null], 'post_processor.processors.0.single.0'],
    ['post_processor.processors.0.special_tokens', null, 'special_tokens'],
    ['post_processor.processors.0.special_tokens', {}, 'special_tokens'],
    ['post_processor.processors.0.special_tokens.<s>.ids', ['1'], 'ids.0'],
    ['post_processor.processors.0.special_tokens.<s>.ids', [999], 'post_processor'],
    ['model', 5, '"model"'],
    ['model.vocab', null, 'model.vocab'],
    ['model.vocab', 'x', 'model.vocab'],
    ['model.vocab.a', '4', 'model.vocab'],
    ['model.vocab.a', -4, 'model.vocab'],
    ['model.vocab.a', 1e12, 'model.vocab'],
    ['model.vocab.a', null, 'model.vocab'],
    ['model.merges', null, 'model.merges'],
    ['model.merges', ['ab'], 'model.merges.0'],
    ['model.merges', ['a b c'], 'model.merges.0'],
    ['model.merges', [['a', 'b'], 'a b'], 'model.merges.1'],
    ['model.merges', [['a']], 'model.merges.0'],
    ['model.merges', ['b a'], '"ba" is not in model.vocab'],
    ['model.unk_token', 0, 'model.unk_token'],
    ['model.byte_fallback', 'true', 'model.byte_fallback'],
    ['model.dropout', 0.1, 'model.dropout'],
    ['model.continuing_subword_prefix', '##', 'model.continuing_subword_prefix'],
  ])('%s = %j', (path, value, field) => {
    expect(() => make(withValue(PIECES, path, value))).toThrow(SipfError);
    expect(() => make(withValue(PIECES, path, value))).toThrow(field);
    expect(() => make(withValue(PIECES, path, value))).toThrow('here/tokenizer.json');
  });
});

describe('of scores', () => {
  it.each<[string, unknown, string]>([
    ['model.vocab', [], 'model.unk_id'],
    ['model.vocab', [null], 'model.vocab.0'],
    ['model.vocab.1', ['a', '0'], 'model.vocab.1'],
    ['model.vocab.1', 'a', 'model.vocab.1'],
    ['model.unk_id', 999, 'model.unk_id'],
    ['model.unk_id', 'x', 'model.unk_id'],
    ['decoder.replacement', 5, 'decoder.replacement'],
    ['decoder.replacement', '', 'decoder.replacement'],
    ['pre_tokenizer.prepend_scheme', 'sometimes', 'pre_tokenizer.prepend_scheme'],
    ['normalizer.strip_left', 1, 'normalizer.strip_left'],
  ])('%s = %j', (path, value, field) => {
    expect(() => make(withValue(UNIGRAM, path, value))).toThrow(field);
  });
});

it.each([
  ['normalizer', 'StripAccents'],
  ['pre_tokenizer', 'Punctuation'],
  ['decoder', 'WordPiece'],
  ['decoder', 'CTC'],
  ['decoder', 'constructor'],
  ['post_processor', 'RobertaProcessing'],
])('%s %s is not supported, by name', (part, type) => {
  expect(() => make({ ...PIECES, [part]: { type } })).toThrow(
    expect.objectContaining({ code: 'unsupported', message: expect.stringContaining(`${part} ${type}`) }),
  );
});

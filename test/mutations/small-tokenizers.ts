// Two small tokenizer.json objects with the components that SentencePiece models have, for tests.

const special = (id: number, content: string) => ({
  id,
  content,
  single_word: false,
  lstrip: false,
  rstrip: id === 2,
  normalized: id === 0,
  special: true,
});
const SPECIAL = [special(0, '<unk>'), special(1, '<s>'), special(2, '</s>')];
const TEMPLATE = {
  type: 'TemplateProcessing',
  single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
  pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
  special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
};
const BYTES = ['<0x0A>', '<0xC3>', '<0xA9>', '<0xE6>', '<0x97>', '<0xA5>'];
const TOKENS = ['<unk>', '<s>', '</s>', '▁', 'a', 'b', '1', '2', ...BYTES, 'ab', '▁ab', '▁a', '12'];

/** BPE over pieces with byte fallback, as Llama 2 has it. */
export const PIECES = {
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: SPECIAL,
  normalizer: {
    type: 'Sequence',
    normalizers: [
      { type: 'NFC' },
      { type: 'Prepend', prepend: '▁' },
      { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
    ],
  },
  pre_tokenizer: {
    type: 'Sequence',
    pretokenizers: [
      { type: 'Split', pattern: { Regex: '\\d' }, behavior: 'Isolated', invert: false },
      { type: 'Digits', individual_digits: false },
    ],
  },
  post_processor: { type: 'Sequence', processors: [TEMPLATE] },
  decoder: {
    type: 'Sequence',
    decoders: [
      { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
      { type: 'ByteFallback' },
      { type: 'Fuse' },
      { type: 'Strip', content: ' ', start: 1, stop: 0 },
    ],
  },
  model: {
    type: 'BPE',
    dropout: null,
    unk_token: '<unk>',
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: true,
    byte_fallback: true,
    ignore_merges: false,
    vocab: Object.fromEntries(TOKENS.map((token, id) => [token, id])),
    merges: ['a b', '▁ ab', '▁ a', '1 2'],
  },
};

/** Pieces with scores. */
export const UNIGRAM = {
  ...PIECES,
  normalizer: { type: 'Strip', strip_left: false, strip_right: true },
  pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first', split: true },
  post_processor: TEMPLATE,
  decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'first', split: true },
  model: {
    type: 'Unigram',
    unk_id: 0,
    byte_fallback: false,
    vocab: TOKENS.filter((token) => !BYTES.includes(token)).map((token, n) => [token, -n * 0.5]),
  },
};

// A pattern and texts -> a Hugging Face tokenizer.json with one token for each piece of them.

/** Special tokens of such models, ids from 0: `</s>` (2) ends a completion. */
const WORD_SPECIAL = { pad: '<pad>', bos: '<s>', eos: '</s>', unk: '<unk>' } as const;

/**
 * tokenizer.json: a BPE model without merges that takes whole pieces from its vocabulary (`ignore_merges`), isolated by one pattern, and
 * joins them again without spaces. The pieces are those of `texts`, then `last`. No token is added to a text; another piece is `<unk>`.
 */
export function wordTokenizerJson(pattern: string, texts: readonly string[], last: readonly string[] = []): object {
  const special = Object.values(WORD_SPECIAL);
  const found = new Set(texts.flatMap((text) => text.match(new RegExp(pattern, 'g')) ?? []));
  const pieces = [...found].filter((piece) => !last.includes(piece)).sort((a, b) => (a < b ? -1 : 1));
  const vocab = Object.fromEntries([...special, ...pieces, ...last].map((piece, id) => [piece, id]));
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: special.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false },
    post_processor: null,
    decoder: { type: 'Fuse' },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: WORD_SPECIAL.unk,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: false,
      ignore_merges: true,
      vocab,
      merges: [],
    },
  };
}

/** tokenizer_config.json beside it. */
export function wordTokenizerConfig(): object {
  const { pad, bos, eos, unk } = WORD_SPECIAL;
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    pad_token: pad,
    bos_token: bos,
    eos_token: eos,
    unk_token: unk,
    add_bos_token: false,
    clean_up_tokenization_spaces: false,
  };
}

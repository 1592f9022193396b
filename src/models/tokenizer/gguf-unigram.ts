// GGUF metadata of a Unigram model (llama.cpp's "t5") -> the parts of a tokenizer.json.
import { SipfError, shown } from '../../errors.ts';
import type { GgufFile } from '../files/gguf.ts';
import { charsmapNormalizer } from './charsmap.ts';
import { flagOf, type GgufTokens, list, TYPE } from './gguf-lists.ts';
import type { Json } from './tokenizer-schema.ts';

/** SentencePiece's space. */
export const SPACE = '▁';

/**
 * llama.cpp reads characters outside the vocabulary as the unknown token, also where there are tokens for bytes; this reads them as bytes, as the
 * model has learnt them.
 * @throws SipfError 'bad-input' naming the key that is missing or damaged; 'unsupported' for rules of spaces that llama.cpp and SentencePiece
 * read otherwise.
 */
export function unigramParts(gguf: GgufFile, { tokens, types }: GgufTokens): Json {
  const prefix = flagOf(gguf, 'tokenizer.ggml.add_space_prefix', false);
  const merge = flagOf(gguf, 'tokenizer.ggml.remove_extra_whitespaces', false);
  if (merge && !prefix)
    throw new SipfError(
      'unsupported',
      `Expected tokenizer.ggml.add_space_prefix true beside remove_extra_whitespaces true in ${gguf.file}, got false: readers differ there. Use the model's Hugging Face folder.`,
    );
  return {
    normalizer: { type: 'Sequence', normalizers: [...charsmap(gguf), ...normalizers(prefix, merge)] },
    pre_tokenizer: null,
    decoder: spacesDecoder(prefix),
    model: {
      type: 'Unigram',
      unk_id: unknownId(gguf, { tokens, types }),
      vocab: pieces(gguf, { tokens, types }),
      byte_fallback: types.includes(TYPE.byte),
    },
  };
}

function charsmap(gguf: GgufFile): Json[] {
  const key = 'tokenizer.ggml.precompiled_charsmap';
  if (!gguf.metadata.has(key)) return [];
  const bytes = Uint8Array.from(list(gguf, key, 'number'));
  charsmapNormalizer(bytes, `${key} in ${gguf.file}`);
  return [{ type: 'Precompiled', precompiled_charsmap: Buffer.from(bytes).toString('base64') }];
}

/** A run of spaces is one, and none is at the end, where `merge` says so. The prefix joins a run: a text that begins has one space before it. */
function normalizers(prefix: boolean, merge: boolean): Json[] {
  const replace = (pattern: Json, content: string): Json => ({ type: 'Replace', pattern, content });
  return [
    ...(merge ? [replace({ Regex: ' +\\z' }, '')] : []),
    ...(prefix ? [{ type: 'Prepend', prepend: ' ' }] : []),
    ...(merge ? [replace({ Regex: ' {2,}' }, ' ')] : []),
    replace({ String: ' ' }, SPACE),
  ];
}

/** Pieces back to text; `prefix`: the space before a text is not part of it. */
export function spacesDecoder(prefix: boolean): Json {
  const spaces = { type: 'Replace', pattern: { String: SPACE }, content: ' ' };
  const strip = { type: 'Strip', content: ' ', start: 1, stop: 0 };
  return {
    type: 'Sequence',
    decoders: [spaces, { type: 'ByteFallback' }, { type: 'Fuse' }, ...(prefix ? [strip] : [])],
  };
}

/**
 * Converters give ids without a piece a score far below all others. How bad an unknown character is follows from the worst score, so that these
 * ids are left out at the end of the vocabulary, and have the worst real score elsewhere.
 */
function pieces(gguf: GgufFile, { tokens, types }: GgufTokens): [string, number][] {
  const key = 'tokenizer.ggml.scores';
  const scores = list(gguf, key, 'number', tokens.length);
  const odd = scores.findIndex((score) => !Number.isFinite(score));
  if (odd >= 0) throw damaged(gguf, `a number for id ${odd} in ${key}`, scores[odd]);
  const normal = scores.filter((_, id) => types[id] === TYPE.normal);
  const worst = normal.reduce((least, score) => Math.min(least, score), 0);
  const end = types.findLastIndex((type) => type !== TYPE.unused) + 1;
  return tokens.slice(0, end).map((text, id) => {
    const score = scores[id] as number;
    if (types[id] === TYPE.normal) return [text, score];
    return [text, types[id] === TYPE.unused ? Math.max(score, worst) : 0];
  });
}

function unknownId(gguf: GgufFile, { tokens, types }: GgufTokens): number | null {
  const key = 'tokenizer.ggml.unknown_token_id';
  const stated = gguf.metadata.get(key);
  const byType = types.indexOf(TYPE.unknown);
  if (stated === undefined) return byType < 0 ? null : byType;
  if (typeof stated === 'number' && tokens[stated] !== undefined && types[stated] !== TYPE.unused) return stated;
  throw damaged(gguf, `an id of a token as ${key}`, stated);
}

function damaged({ file }: GgufFile, expected: string, got: unknown): SipfError {
  return new SipfError('bad-input', `Expected ${expected} in ${file}, got ${shown(got)}. Download the file again.`);
}

// GGUF tokenizer metadata -> a tokenizer.json and its settings.
import { SipfError, shown } from '../../errors.ts';
import type { GgufFile, GgufValue } from '../files/gguf.ts';
import { flagOf, type GgufTokens, ggufTokens, list, TYPE } from './gguf-lists.ts';
import { SPACE, spacesDecoder, unigramParts } from './gguf-unigram.ts';
import { PRE_TOKENIZERS, type PreTokenizer } from './pre-tokenizers.ts';
import type { TokenizerSettings } from './special-tokens.ts';
import { BYTES, CONTROL, isolate, sequence } from './tokenizer-json.ts';
import type { Json } from './tokenizer-schema.ts';

/** Tokens that llama.cpp knows by their text: each ends a turn or a text, and is read only where special tokens are. */
const ENDS = new Set([
  '</s>',
  '<|endoftext|>',
  '<|im_end|>',
  '<|end|>',
  '<|eot_id|>',
  '<|eom_id|>',
  '<end_of_turn>',
  '<EOT>',
]);
/**
 * @throws SipfError 'unsupported' for a tokenizer that is neither BPE nor Unigram, or whose rules are not known; 'bad-input' naming the key that is
 * missing or damaged.
 */
export function ggufTokenizerJson(gguf: GgufFile): Json {
  const vocabulary = ggufTokens(gguf);
  const model = gguf.metadata.get('tokenizer.ggml.model');
  const base = { version: '1.0', added_tokens: addedTokensOf(vocabulary), post_processor: null };
  if (model === 'gpt2') return { ...base, ...byteLevelParts(gguf, vocabulary.tokens) };
  if (model === 'llama') return { ...base, ...sentencePieceParts(gguf, vocabulary) };
  if (model === 't5') return { ...base, ...unigramParts(gguf, vocabulary) };
  throw new SipfError(
    'unsupported',
    `Expected tokenizer.ggml.model gpt2, llama or t5 in ${gguf.file}, got ${shown(model)}. Use a model whose tokenizer is BPE or Unigram.`,
  );
}

function addedTokensOf({ tokens, types }: GgufTokens): Json[] {
  return tokens.flatMap((content, id) => {
    const type = types[id];
    if (content === '' || (type !== TYPE.control && type !== TYPE.unknown && type !== TYPE.userDefined)) return [];
    const special = type !== TYPE.userDefined;
    return [
      {
        id,
        content,
        single_word: false,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special,
        [CONTROL]: special || ENDS.has(content),
      },
    ];
  });
}

function byteLevelParts(gguf: GgufFile, tokens: readonly string[]): Json {
  const pre = preTokenizer(gguf);
  const vocab = vocabulary(tokens);
  const merges = list(gguf, 'tokenizer.ggml.merges', 'string').map((merge, n) => splitMerge(gguf, vocab, merge, n));
  return {
    normalizer: pre.normalizer ?? null,
    pre_tokenizer: sequence([...pre.patterns.map(isolate), BYTES]),
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      vocab,
      merges,
      ignore_merges: pre.ignoreMerges ?? false,
      unk_token: null,
      byte_fallback: false,
    },
  };
}

function preTokenizer(gguf: GgufFile): PreTokenizer {
  const pre = gguf.metadata.get('tokenizer.ggml.pre');
  const found = typeof pre === 'string' && Object.hasOwn(PRE_TOKENIZERS, pre) ? PRE_TOKENIZERS[pre] : undefined;
  if (!found) {
    const known = Object.keys(PRE_TOKENIZERS).join(', ');
    throw new SipfError(
      'unsupported',
      `Expected tokenizer.ggml.pre in ${known}, got ${shown(pre)} in ${gguf.file}. Use the model's Hugging Face folder, with its tokenizer.json.`,
    );
  }
  return found;
}

function splitMerge(
  gguf: GgufFile,
  vocab: Readonly<Record<string, number>>,
  merge: string,
  n: number,
): [string, string] {
  const space = merge.indexOf(' ', 1);
  const parts: [string, string] = [merge.slice(0, space), merge.slice(space + 1)];
  const missing = [...parts, parts.join('')].find((token) => !Object.hasOwn(vocab, token));
  if (space > 0 && missing === undefined) return parts;
  const why = space > 0 ? `${shown(missing)} is not in tokenizer.ggml.tokens` : 'no space in it';
  throw new SipfError(
    'bad-input',
    `Expected two tokens in merge ${n} of tokenizer.ggml.merges in ${gguf.file}, got ${shown(merge)} (${why}). Download the file again.`,
  );
}

function vocabulary(tokens: readonly string[]): Record<string, number> {
  return Object.fromEntries(tokens.map((token, id) => [token, id]));
}

/** SentencePiece BPE: the best-scored piece merges first, which is a merge list sorted by score, as Hugging Face converts it. */
function sentencePieceParts(gguf: GgufFile, { tokens, types }: GgufTokens): Json {
  const scores = list(gguf, 'tokenizer.ggml.scores', 'number', tokens.length);
  const prefix = flagOf(gguf, 'tokenizer.ggml.add_space_prefix', true);
  const unknown = types.indexOf(TYPE.unknown);
  const space = { type: 'Replace', pattern: { String: ' ' }, content: SPACE };
  return {
    normalizer: prefix ? { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: SPACE }, space] } : space,
    pre_tokenizer: null,
    decoder: spacesDecoder(prefix),
    model: {
      type: 'BPE',
      vocab: vocabulary(tokens),
      merges: scoredMerges({ tokens, types }, scores),
      unk_token: unknown < 0 ? null : tokens[unknown],
      fuse_unk: true,
      byte_fallback: true,
    },
  };
}

/** No merge gives a special token: the text of one is ordinary where special tokens are not read. */
function scoredMerges({ tokens, types }: GgufTokens, scores: readonly number[]): [string, string][] {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const merges: { left: number; right: number; score: number }[] = [];
  tokens.forEach((token, id) => {
    if (types[id] === TYPE.control || types[id] === TYPE.unknown) return;
    const found: { left: number; right: number; score: number }[] = [];
    const characters = Array.from(token);
    for (let at = 1; at < characters.length; at++) {
      const left = ids.get(characters.slice(0, at).join(''));
      const right = ids.get(characters.slice(at).join(''));
      if (left !== undefined && right !== undefined) found.push({ left, right, score: scores[id] as number });
    }
    merges.push(...found.sort((a, b) => a.left - b.left || a.right - b.right));
  });
  return merges
    .sort((a, b) => b.score - a.score)
    .map(({ left, right }) => [tokens[left] as string, tokens[right] as string]);
}

/** @throws SipfError 'bad-input' for an id that is none. */
export function ggufTokenizerSettings(gguf: GgufFile): TokenizerSettings {
  const texts = list(gguf, 'tokenizer.ggml.tokens', 'string');
  const tokens = texts.length;
  const warnings: string[] = [];
  const id = (role: string): number | null => {
    const key = `tokenizer.ggml.${role}_token_id`;
    const value = gguf.metadata.get(key);
    if (value === undefined || value === NO_TOKEN) return null;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) throw noId(gguf, key, value);
    if (value < tokens) return value;
    warnings.push(`${gguf.file} has ${key} ${value}, but its ids end at ${tokens - 1}: it is left out.`);
    return null;
  };
  const template = gguf.metadata.get('tokenizer.chat_template');
  const chatTemplate = typeof template === 'string' ? template : null;
  const stated = [id('eos'), id('eot'), id('eom')].filter((value) => value !== null);
  const eosIds = [...stated, ...turnEnds(texts, chatTemplate ?? '')];
  return {
    bosId: id('bos'),
    eosIds: [...new Set(eosIds)],
    padId: id('padding'),
    addBos: addsBos(gguf),
    chatTemplate,
    warnings,
  };
}

/** Converters do not state the token that ends a turn where it is not the one that ends a text (Gemma 3): the chat template has it. */
function turnEnds(tokens: readonly string[], template: string): number[] {
  return tokens.flatMap((text, id) => (ENDS.has(text) && template.includes(text) ? [id] : []));
}

/** llama.cpp's -1, as an unsigned number. */
const NO_TOKEN = 0xffffffff;

function noId(gguf: GgufFile, key: string, value: GgufValue): SipfError {
  return new SipfError(
    'bad-input',
    `Expected a token id ${key} in ${gguf.file}, got ${shown(value)}. Download the file again.`,
  );
}

function addsBos(gguf: GgufFile): boolean {
  const model = gguf.metadata.get('tokenizer.ggml.model');
  const usual = model === 'llama' || (model === 'gpt2' && (preTokenizer(gguf).addBos ?? false));
  return flagOf(gguf, 'tokenizer.ggml.add_bos_token', usual);
}

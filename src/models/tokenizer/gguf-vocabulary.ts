// A tokenizer -> the `tokenizer.*` metadata of a GGUF file: the inverse of gguf-tokenizer.ts.
import { join } from 'node:path';
import { SipfError } from '../../errors.ts';
import type { CacheOptions } from '../../io/cache.ts';
import { readJsonObject } from '../../io/file-bytes.ts';
import { type GgufValue, readGguf } from '../files/gguf.ts';
import type { GgufEntries, GgufEntry, GgufType } from '../files/gguf-writer.ts';
import { resolveSource } from '../files/model-source.ts';
import { TYPE } from './gguf-lists.ts';
import { ggufTokenizerJson, ggufTokenizerSettings } from './gguf-tokenizer.ts';
import { PRE_TOKENIZERS } from './pre-tokenizers.ts';
import { loadTokenizer, makeTokenizer, type Tokenizer } from './tokenizer.ts';
import { addedTokens, isControl } from './tokenizer-json.ts';
import type { Json } from './tokenizer-schema.ts';

/** Of each key below `tokenizer.`, the type that readers expect. */
const TYPES: Readonly<Record<string, GgufType>> = {
  'ggml.model': 'text',
  'ggml.pre': 'text',
  'ggml.tokens': 'text',
  'ggml.token_type': 'i32',
  'ggml.scores': 'f32',
  'ggml.merges': 'text',
  'ggml.bos_token_id': 'u32',
  'ggml.eos_token_id': 'u32',
  'ggml.eot_token_id': 'u32',
  'ggml.eom_token_id': 'u32',
  'ggml.unknown_token_id': 'u32',
  'ggml.padding_token_id': 'u32',
  'ggml.add_bos_token': 'bool',
  'ggml.add_eos_token': 'bool',
  'ggml.add_space_prefix': 'bool',
  'ggml.remove_extra_whitespaces': 'bool',
  'ggml.precompiled_charsmap': 'u8',
  chat_template: 'text',
};

type Metadata = Readonly<Record<string, GgufValue | undefined>>;

export interface GgufVocabulary {
  readonly entries: GgufEntries;
  /** What llama.cpp reads otherwise, in words for the user. */
  readonly warnings: readonly string[];
}

/**
 * The metadata of the tokenizer of `source`, with `rows` tokens. That of a GGUF file is taken over. That of a folder is read back, and must give
 * the same ids for texts of every kind.
 * @throws SipfError 'not-found' where there is no tokenizer, 'unsupported' where llama.cpp knows none like it.
 */
export async function ggufVocabulary(
  source: string,
  rows: number,
  options: CacheOptions = {},
): Promise<GgufVocabulary> {
  const { path, kind } = await resolveSource(source, options);
  if (kind === 'folder') return folderVocabulary(path, rows, options);
  const { metadata } = await readGguf(path);
  const entries = entriesOf(
    Object.fromEntries(Object.keys(TYPES).map((key) => [key, metadata.get(`tokenizer.${key}`)])),
  );
  return { entries, warnings: lostBytes(entries, path) };
}

function lostBytes(entries: GgufEntries, source: string): string[] {
  const value = (key: string): GgufValue | undefined => entries.get(`tokenizer.${key}`)?.value;
  const types = value('ggml.token_type') as readonly number[] | undefined;
  if (value('ggml.model') !== 't5' || !types?.includes(TYPE.byte)) return [];
  return [
    `llama.cpp reads characters outside the vocabulary of ${source} as the unknown token: of a Unigram tokenizer it does not read the tokens for bytes.`,
  ];
}

async function folderVocabulary(path: string, rows: number, options: CacheOptions): Promise<GgufVocabulary> {
  const tokenizer = await loadTokenizer(path, options);
  const file = join(path, 'tokenizer.json');
  const json = await readJsonObject(file);
  for (const candidate of candidates(json, rows)) {
    const entries = entriesOf({ ...candidate, ...settingsOf(tokenizer) });
    const back = readBack(entries, file);
    if (readAlike(tokenizer, back, PROBES))
      return { entries, warnings: [...lostBytes(entries, file), ...otherSpaces(json, tokenizer, back, file)] };
  }
  throw new SipfError(
    'unsupported',
    `Expected a tokenizer that llama.cpp knows (${Object.keys(PRE_TOKENIZERS).join(', ')}, SentencePiece's BPE or Unigram), got another one in ${file}. Use --to merged or --to peft.`,
  );
}

function entriesOf(metadata: Metadata): GgufEntries {
  const stated = Object.entries(metadata).flatMap(([key, value]): [string, GgufEntry][] =>
    value === undefined ? [] : [[`tokenizer.${key}`, { type: TYPES[key] as GgufType, value }]],
  );
  return new Map(stated);
}

/** Special tokens, when BOS is added, and the chat template. A GGUF file has three places for tokens that end a text. */
function settingsOf({ bosId, eosIds, padId, leadingIds, chatTemplate }: Tokenizer): Metadata {
  const [eos, eot, eom] = eosIds;
  return {
    'ggml.bos_token_id': bosId ?? undefined,
    'ggml.eos_token_id': eos,
    'ggml.eot_token_id': eot,
    'ggml.eom_token_id': eom,
    'ggml.padding_token_id': padId ?? undefined,
    'ggml.add_bos_token': leadingIds.length > 0,
    'ggml.add_eos_token': false,
    chat_template: chatTemplate ?? undefined,
  };
}

/** What the files of one tokenizer may say: the first one that reads like it is right. */
function candidates(json: Json, rows: number): Iterable<Metadata> {
  const model = json['model'] as Json;
  if (Array.isArray(model['vocab'])) return unigramCandidates(json, model, rows);
  const vocabulary = (model['vocab'] ?? {}) as Readonly<Record<string, number>>;
  const isByteLevel = JSON.stringify([json['pre_tokenizer'], json['decoder']]).includes('"ByteLevel"');
  const unknown = typeof model['unk_token'] === 'string' ? vocabulary[model['unk_token']] : undefined;
  const tokens = tokensOf(json, Object.entries(vocabulary), rows, { unknown, hasBytes: !isByteLevel });
  const merges = ((model['merges'] ?? []) as (string | [string, string])[]).map((merge): [string, string] =>
    typeof merge === 'string' ? (merge.split(' ') as [string, string]) : merge,
  );
  return isByteLevel
    ? byteLevelCandidates(tokens, merges, model['ignore_merges'] === true)
    : pieceCandidates(tokens, merges, unknown);
}

/** First those that take whole pre-tokens from the vocabulary as the tokenizer does: few texts show it. */
function byteLevelCandidates(tokens: Tokens, merges: readonly [string, string][], ignoreMerges: boolean): Metadata[] {
  const known = { ...tokens, 'ggml.model': 'gpt2', 'ggml.merges': merges.map((merge) => merge.join(' ')) };
  const isAlike = (pre: string): boolean => (PRE_TOKENIZERS[pre]?.ignoreMerges ?? false) === ignoreMerges;
  const names = Object.keys(PRE_TOKENIZERS);
  return [...names.filter(isAlike), ...names.filter((pre) => !isAlike(pre))].map((pre) => ({
    ...known,
    'ggml.pre': pre,
  }));
}

function pieceCandidates(tokens: Tokens, merges: readonly [string, string][], unknown: number | undefined): Metadata[] {
  const scores = scoresOf(tokens['ggml.tokens'], merges);
  const known = { ...tokens, 'ggml.model': 'llama', 'ggml.scores': scores, 'ggml.unknown_token_id': unknown };
  return [true, false].map((prefix) => ({ ...known, 'ggml.add_space_prefix': prefix }));
}

function unigramCandidates(json: Json, model: Json, rows: number): Metadata[] {
  const pieces = model['vocab'] as readonly (readonly [string, number])[];
  const unknown = (model['unk_id'] ?? undefined) as number | undefined;
  const ids = pieces.map(([text], id): [string, number] => [text, id]);
  const tokens = tokensOf(json, ids, rows, { unknown, hasBytes: model['byte_fallback'] === true });
  const known = {
    ...tokens,
    'ggml.model': 't5',
    'ggml.pre': 'default',
    'ggml.scores': tokens['ggml.tokens'].map((_, id) => Math.fround(pieces[id]?.[1] ?? NO_PIECE)),
    'ggml.unknown_token_id': unknown,
    'ggml.precompiled_charsmap': charsmapOf(json['normalizer'] as Json | null | undefined),
  };
  const spaces = [
    [true, true],
    [true, false],
    [false, false],
  ];
  return spaces.map(([prefix, merge]) => ({
    ...known,
    'ggml.add_space_prefix': prefix,
    'ggml.remove_extra_whitespaces': merge,
  }));
}

/** The first charsmap among the normalizers. */
function charsmapOf(component: Json | null | undefined): readonly number[] | undefined {
  if (component?.['type'] === 'Precompiled')
    return [...Buffer.from(String(component['precompiled_charsmap']), 'base64')];
  if (component?.['type'] !== 'Sequence') return undefined;
  const inner = (component['normalizers'] as readonly Json[]).map(charsmapOf);
  return inner.find((bytes) => bytes !== undefined);
}

/** The score that llama.cpp's converter gives an id without a piece. */
const NO_PIECE = -1000;

interface Tokens {
  readonly 'ggml.tokens': readonly string[];
  readonly 'ggml.token_type': readonly number[];
}

/** Every id's text and type; ids that the embedding has and the tokenizer has not are unused. */
function tokensOf(
  json: Json,
  vocabulary: readonly (readonly [text: string, id: number])[],
  rows: number,
  { unknown, hasBytes }: { readonly unknown: number | undefined; readonly hasBytes: boolean },
): Tokens {
  const tokens = Array.from({ length: rows }, (_, id) => `[PAD${id}]`);
  const types = Array<number>(rows).fill(TYPE.unused);
  for (const [text, id] of vocabulary) {
    tokens[id] = text;
    types[id] = hasBytes && /^<0x[0-9A-F]{2}>$/.test(text) ? TYPE.byte : TYPE.normal;
  }
  for (const token of addedTokens(json)) {
    tokens[Number(token['id'])] = String(token['content']);
    types[Number(token['id'])] = token['special'] === true ? TYPE.control : TYPE.userDefined;
  }
  if (unknown !== undefined) types[unknown] = TYPE.unknown;
  return { 'ggml.tokens': tokens, 'ggml.token_type': types };
}

/** A token that merges earlier has a higher score. One that no merge gives has the lowest: it is never merged to. */
function scoresOf(tokens: readonly string[], merges: readonly (readonly [string, string])[]): number[] {
  const rank = new Map<string, number>();
  for (const [n, merge] of merges.entries()) if (!rank.has(merge.join(''))) rank.set(merge.join(''), n);
  return tokens.map((token) => -(rank.get(token) ?? merges.length));
}

/** Texts on which tokenizers differ: runs of digits, spaces and lines, contractions, case, scripts, marks, code. */
const PROBES = [
  'Hello World! 3 33 333 3333 33333 1,234.50 <<3*4=12>>12 apples.\n12-2=10 are left.\nThe answer is 10',
  "I'm, you're, WE'VE, can't; 'quoted' \"text\" ... ?!?! -- #### 42\n\n\n\tdef f(x):\n\t\treturn x**2  # ok\r\n",
  ' leading and   several    spaces, trailing   ',
  'Größe, naïve café, Ωμέγα, привет мир, こんにちは世界, 你好, 한국어, שלום, ٣٤٥, x² ½ ⅷ',
  '🚀 (normal) 😶\u200d🌫️ (joined) ✅ 🦙🦙 e\u0301 = é \u00a0\u2003wide',
  'https://a.b/c?d=1&e=[2]{3}|4;$x_1=\\frac{1}{2}$ ===== ++--*/ ~`^%@',
] as const;

/** What a reader makes of the metadata. */
function readBack(entries: GgufEntries, file: string): Tokenizer {
  const metadata = new Map([...entries].map(([key, { value }]) => [key, value]));
  const gguf = { file, files: [file], metadata, tensors: new Map() };
  return makeTokenizer(ggufTokenizerJson(gguf), ggufTokenizerSettings(gguf), file);
}

/** Whether both give the same ids for the texts, at the start of a text and further on. */
function readAlike(one: Tokenizer, other: Tokenizer, texts: readonly string[]): boolean {
  const read = ({ encode, encodeContinuation }: Tokenizer) =>
    JSON.stringify(texts.map((text) => [encode(text), encodeContinuation(text)]));
  return read(one) === read(other);
}

/** llama.cpp has one rule for the space before a text; newer tokenizers put none where a special token is before the text. */
function otherSpaces(json: Json, tokenizer: Tokenizer, back: Tokenizer, file: string): string[] {
  const special = String(addedTokens(json).find(isControl)?.['content'] ?? '');
  if (readAlike(tokenizer, back, [`a${special}a`, `${special} a`])) return [];
  return [
    `llama.cpp puts a space before a text that follows a special token, where the tokenizer of ${file} puts none: chat prompts have other ids there.`,
  ];
}

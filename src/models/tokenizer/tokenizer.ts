// A model's tokenizer files or GGUF metadata -> text to ids and back, as Hugging Face does.
import { join } from 'node:path';
import { Tokenizer as Library } from '@huggingface/tokenizers';
import { messageOf, SipfError } from '../../errors.ts';
import type { CacheOptions } from '../../io/cache.ts';
import { exists, readJsonObject } from '../../io/file-bytes.ts';
import { folderSettings, noTokenizer } from '../files/folder-settings.ts';
import { readGguf } from '../files/gguf.ts';
import { resolveSource } from '../files/model-source.ts';
import { ggufTokenizerJson, ggufTokenizerSettings } from './gguf-tokenizer.ts';
import { normalizerOf } from './normalizer.ts';
import type { TokenizerSettings } from './special-tokens.ts';
import {
  addedTokens,
  exactTokenizerJson,
  highestId,
  isControl,
  leadingIds,
  withoutPrefixSpace,
} from './tokenizer-json.ts';
import type { Json } from './tokenizer-schema.ts';
import { unigramModel } from './unigram.ts';

interface EncodeOptions {
  /** Read special tokens' texts (`<|im_end|>`) as those tokens; default true, as Hugging Face does. false: as ordinary text. */
  readonly special?: boolean;
}

/** Text that arrives token by token; a character is given once all its bytes are there. */
export interface TextStream {
  /** The text that `id` completes (possibly ''). */
  push(id: number): string;
  /** What is left, broken characters as U+FFFD. */
  end(): string;
}

export interface Tokenizer {
  /** Ids of a text's beginning: with BOS where the tokenizer adds one, never with EOS. */
  encode(text: string, options?: EncodeOptions): number[];
  /** Ids of a text that continues another: no BOS, no dummy space before it. */
  encodeContinuation(text: string, options?: EncodeOptions): number[];
  /** The text of ids that begin a text; special tokens are skipped, spaces are not cleaned up. */
  decode(ids: readonly number[]): string;
  /** The text of ids that follow others (a leading space stays). */
  decodeContinuation(ids: readonly number[]): string;
  /** decodeContinuation, incrementally. */
  stream(): TextStream;
  /** The token's own text in the vocabulary (`Ġthe`), or undefined. */
  token(id: number): string | undefined;
  /** Added by encode(); null: none. */
  readonly leadingIds: readonly number[];
  readonly bosId: number | null;
  /** Any of them ends a completion; the first is the one to train with. */
  readonly eosIds: readonly number[];
  readonly padId: number | null;
  /** Highest id + 1. */
  readonly vocabSize: number;
  readonly chatTemplate: string | null;
  /** What the user should know of the tokenizer's files, though they can be used. */
  readonly warnings: readonly string[];
}

/** @throws SipfError where `source` has no tokenizer, or one that cannot be reproduced exactly. */
export async function loadTokenizer(source: string, options: CacheOptions = {}): Promise<Tokenizer> {
  const { path, kind } = await resolveSource(source, options);
  if (kind === 'gguf') {
    const gguf = await readGguf(path);
    return makeTokenizer(ggufTokenizerJson(gguf), ggufTokenizerSettings(gguf), path);
  }
  const file = join(path, 'tokenizer.json');
  if (!(await exists(file))) throw await noTokenizer(path);
  const json = await readJsonObject(file);
  const exact = exactTokenizerJson(json, file);
  return assemble(json, exact, await folderSettings(path, exact, file), file);
}

/** A tokenizer from a tokenizer.json object; `file` is for messages. */
export function makeTokenizer(original: Json, settings: TokenizerSettings, file: string): Tokenizer {
  return assemble(original, exactTokenizerJson(original, file), settings, file);
}

/** @param json exactTokenizerJson of `original`. */
function assemble(original: Json, json: Json, settings: TokenizerSettings, file: string): Tokenizer {
  const main = (json.model as Json).type === 'Unigram' ? unigramLibrary(json, file) : library(json, file);
  const leading = leadingIdsOf(original, settings, file);
  const encoder = makeEncoders(json, main, file);
  const decode = (ids: readonly number[]): string => decodeIds(main, ids);
  const decodeContinuation = makeContinuationDecoder(main, encoder({ special: false }, true), decode);
  return {
    ...settings,
    encode: (text, options = {}) => [...leading, ...encoder(options, false)(text)],
    encodeContinuation: (text, options = {}) => encoder(options, true)(text),
    decode,
    decodeContinuation,
    stream: () => makeStream(decodeContinuation, (id) => /^<0x[0-9A-F]{2}>$/.test(main.id_to_token(id) ?? '')),
    token: (id) => main.id_to_token(id),
    leadingIds: leading,
    vocabSize: highestId(json) + 1,
    warnings: settings.warnings ?? [],
  };
}

function leadingIdsOf(original: Json, { addBos, bosId }: TokenizerSettings, file: string): number[] {
  if (addBos === false) return [];
  if (addBos && bosId !== null) return [bosId];
  if (addBos)
    throw new SipfError(
      'bad-input',
      `Expected a BOS token beside ${file}, as add_bos_token is true, got none. Name one as bos_token, or set add_bos_token false.`,
    );
  const ids = leadingIds(original.post_processor, file);
  const highest = highestId(original);
  const outside = ids.find((id) => id > highest);
  if (outside === undefined) return ids;
  throw new SipfError(
    'bad-input',
    `Expected ids up to ${highest} in post_processor of ${file}, got ${outside}. Download the tokenizer again.`,
  );
}

/** What the library is given where the model is ours, or another reading's. */
const NO_MODEL: Json = { type: 'BPE', vocab: {}, merges: [] };

/** The library's own drops U+FEFF where bytes are the text of a token (byte fallback). */
const BYTES_AS_TEXT = new TextDecoder('utf-8', { ignoreBOM: true });

function library(json: Json, file: string): Library {
  try {
    const made = new Library(json, { clean_up_tokenization_spaces: false });
    for (const part of [made.decoder, ...(made.decoder?.decoders ?? [])])
      if (part && 'text_decoder' in part) part.text_decoder = BYTES_AS_TEXT;
    return made;
  } catch (thrown) {
    throw new SipfError(
      'unsupported',
      `Expected a readable tokenizer in ${file}, got: ${messageOf(thrown)}. Download the tokenizer again.`,
      { cause: thrown },
    );
  }
}

function unigramLibrary(json: Json, file: string): Library {
  const main = library({ ...json, model: NO_MODEL }, file);
  main.model = unigramModel(json);
  return main;
}

type Encode = (text: string) => number[];

/** Up to four readings of a text (at the beginning or further on, special tokens or not), all on one vocabulary. */
function makeEncoders(json: Json, main: Library, file: string) {
  const made = new Map<string, Encode>();
  return ({ special = true }: EncodeOptions, continuation: boolean): Encode => {
    const key = `${special} ${continuation}`;
    const encode = made.get(key) ?? makeEncoder(json, main, file, special, continuation);
    made.set(key, encode);
    return encode;
  };
}

function makeEncoder(json: Json, main: Library, file: string, special: boolean, continuation: boolean): Encode {
  const added = addedTokens(json).filter((token) => special || !isControl(token));
  const rules = continuation ? withoutPrefixSpace(json) : json;
  const reader = library({ ...rules, added_tokens: added, model: NO_MODEL }, file);
  reader.model = main.model;
  reader.normalizer = normalizerOf(rules.normalizer as Json | null, file);
  return (text) =>
    text === ''
      ? []
      : reader.encode(text, { add_special_tokens: false }).ids.map((id: number | undefined) => checkId(id, text, file));
}

function checkId(id: number | undefined, text: string, file: string): number {
  if (id !== undefined) return id;
  throw new SipfError(
    'bad-input',
    `Expected every character in the vocabulary of ${file}, got one without an id in ${JSON.stringify(text.slice(0, 60))}. Use a tokenizer with byte fallback.`,
  );
}

function decodeIds(main: Library, ids: readonly number[]): string {
  const known = ids.filter((id) => main.id_to_token(id) !== undefined);
  return known.length === 0
    ? ''
    : main.decode(known as number[], { skip_special_tokens: true, clean_up_tokenization_spaces: false });
}

/** Decodes behind an anchor letter, so that a decoder which strips a text's first space does not strip ours. */
function makeContinuationDecoder(
  main: Library,
  encode: Encode,
  decode: (ids: readonly number[]) => string,
): (ids: readonly number[]) => string {
  const anchor = encode('a').filter((id) => main.id_to_token(id) !== undefined);
  const length = decode(anchor).length;
  return (ids) => decode([...anchor, ...ids]).slice(length);
}

/** Ids kept before the undecided ones: enough for decoders that look one token back. */
const CONTEXT_IDS = 4;
/** An unfinished character has at most three bytes, so at most three ids. */
const TAIL_IDS = 4;

/**
 * Ids wait while their text ends in a broken character, which the next one may finish: what was given out never changes.
 * @param isByte the token stands for one byte (`<0x0A>`): its decoder reads runs of them as a whole.
 */
function makeStream(decode: (ids: readonly number[]) => string, isByte: (id: number) => boolean): TextStream {
  let context: number[] = [];
  let pending: number[] = [];
  const flush = (): string => {
    const before = decode(context).length;
    const all = [...context, ...pending];
    const text = decode(all).slice(before);
    context = isByte(all.at(-1) as number) ? [] : all.slice(-CONTEXT_IDS);
    pending = [];
    return text;
  };
  return {
    push(id) {
      // A token without text (a special one) finishes nothing and breaks nothing.
      if (pending.length > 0 && decode([id]) === '') return '';
      pending.push(id);
      return decode(pending.slice(-TAIL_IDS)).endsWith('\uFFFD') ? '' : flush();
    },
    end: () => (pending.length === 0 ? '' : flush()),
  };
}

/** Published models pad their embeddings by up to 905 rows (Phi 2). */
const MOST_PADDING = 1024;

/**
 * What the user should know of a tokenizer beside an embedding of `rows` rows; a tokenizer without text has nothing to say.
 * @param source the model, for messages.
 * @throws SipfError 'bad-input' where an id has no row.
 */
export function checkVocabulary({ vocabSize }: Pick<Tokenizer, 'vocabSize'>, rows: number, source: string): string[] {
  if (vocabSize > rows) {
    throw new SipfError(
      'bad-input',
      `Expected a tokenizer of at most ${rows} ids (rows of the embedding) in ${source}, got ${vocabSize}. Use the tokenizer that belongs to these weights.`,
    );
  }
  if (vocabSize === 0 || rows - vocabSize <= MOST_PADDING) return [];
  return [
    `The tokenizer in ${source} has ${vocabSize} ids, and the embedding ${rows} rows: check that they belong together.`,
  ];
}

/** The token that ends a completion in training. @throws SipfError 'bad-input' where the tokenizer has no end-of-text token. */
export function endId({ eosIds }: Pick<Tokenizer, 'eosIds'>): number {
  const [id] = eosIds;
  if (id !== undefined) return id;
  throw new SipfError(
    'bad-input',
    'Expected a tokenizer with an end-of-text token, got none, so that no completion could learn to end. Set eos_token in tokenizer_config.json.',
  );
}

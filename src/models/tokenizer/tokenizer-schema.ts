// A tokenizer.json -> the same with every field checked, or an error that names the field.
import { Tokenizer as Library } from '@huggingface/tokenizers';
import { z } from 'zod';
import { messageOf, SipfError, shown } from '../../errors.ts';

export type Json = Readonly<Record<string, unknown>>;

/** Ids beyond this belong to no model. */
const MAX_ID = 1 << 24;
export const id = z.int().min(0).max(MAX_ID);
export const flag = z.boolean().nullish();
export const text = z.string();
export const base64 = z.base64();
export const character = z.string().refine((value) => [...value].length === 1, 'expected one character');

/** No tokenizer. The library compiles a pattern where a component is made of it, and only whole tokenizers can be made. */
export const EMPTY = {
  model: { type: 'BPE', vocab: {}, merges: [] },
  added_tokens: [],
  pre_tokenizer: null,
  post_processor: null,
  decoder: null,
};

export const pattern = z
  .union([z.looseObject({ Regex: text }), z.looseObject({ String: text })])
  .superRefine((value, ctx) => {
    try {
      new Library({ ...EMPTY, normalizer: { type: 'Replace', pattern: value, content: '' } }, {});
    } catch (thrown) {
      ctx.addIssue({ code: 'custom', message: messageOf(thrown) });
    }
  });

export const List = z.array(z.unknown());

export const AddedTokens = z
  .array(
    z.looseObject({
      id,
      content: text,
      single_word: flag,
      lstrip: flag,
      rstrip: flag,
      normalized: flag,
      special: flag,
    }),
  )
  .nullish();

const BpeFields = z.looseObject({
  unk_token: text.nullish(),
  end_of_word_suffix: text.nullish(),
  fuse_unk: flag,
  byte_fallback: flag,
  ignore_merges: flag,
});
const UnigramFields = z.looseObject({ unk_id: id.nullish(), byte_fallback: flag });

/** Where a value stands in a tokenizer.json. */
export interface Place {
  readonly file: string;
  /** Dotted, as in `decoder.decoders.0`. */
  readonly path: string;
}

/** `value`, found to be as `schema` says. @throws SipfError 'bad-input' naming the first field that is not. */
export function check<T>(schema: z.ZodType<T>, value: unknown, { file, path }: Place): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return value as T;
  const [issue] = parsed.error.issues;
  const keys = issue?.path ?? [];
  const found = keys.reduce<unknown>((inner, key) => (inner as Json | null)?.[String(key)], value);
  throw badField(file, [path, ...keys].map(String).join('.'), issue?.message ?? 'expected another value', found);
}

function badField(file: string, field: string, why: string, got: unknown): SipfError {
  return new SipfError(
    'bad-input',
    `Expected a sound ${field} in ${file}, got ${shown(got)} (${why}). Download the tokenizer again.`,
  );
}

/** Vocabulary, merges and what goes with them. @throws SipfError 'bad-input' naming the field. */
export function checkTokenModel(model: Json, file: string): void {
  const place = { file, path: 'model' };
  const { vocab } = model;
  if (model['type'] === 'Unigram') {
    const pieces = check(List, vocab, { file, path: 'model.vocab' });
    check(UnigramFields, model, place);
    checkPieces(pieces, model['unk_id'] as number | null | undefined, file);
    return;
  }
  check(z.looseObject({}), vocab, { file, path: 'model.vocab' });
  check(BpeFields, model, place);
  for (const [token, tokenId] of Object.entries(vocab as Json)) {
    if (typeof tokenId === 'number' && Number.isInteger(tokenId) && tokenId >= 0 && tokenId <= MAX_ID) continue;
    throw badField(file, `id of ${shown(token)} in model.vocab`, `expected 0 to ${MAX_ID}`, tokenId);
  }
  checkMerges(model['merges'], vocab as Json, file);
}

function checkPieces(vocab: readonly unknown[], unknown: number | null | undefined, file: string): void {
  for (const [n, piece] of vocab.entries()) {
    const [token, score] = Array.isArray(piece) ? piece : [];
    if (typeof token === 'string' && typeof score === 'number') continue;
    throw badField(file, `model.vocab.${n}`, 'expected [text, score]', piece);
  }
  if (vocab.length > (unknown ?? 0)) return;
  throw badField(file, 'model.unk_id', `expected less than the ${vocab.length} pieces`, unknown ?? vocab);
}

/** "a b" or ["a", "b"], all alike; parts and what they become must be tokens, else their text would be lost. */
function checkMerges(merges: unknown, vocab: Json, file: string): void {
  if (!Array.isArray(merges)) throw badField(file, 'model.merges', 'expected a list', merges);
  const pairs = Array.isArray(merges[0]);
  for (const [n, merge] of (merges as readonly unknown[]).entries()) {
    const parts: unknown = pairs ? merge : typeof merge === 'string' ? merge.split(' ') : null;
    const sound = Array.isArray(parts) && parts.length === 2 && parts.every((part) => typeof part === 'string');
    if (!sound)
      throw badField(file, `model.merges.${n}`, `expected two tokens, ${pairs ? 'listed' : 'in one text'}`, merge);
    const missing = [...(parts as string[]), (parts as string[]).join('')].find(
      (token) => !Object.hasOwn(vocab, token),
    );
    if (missing !== undefined)
      throw badField(file, `model.merges.${n}`, `${shown(missing)} is not in model.vocab`, merge);
  }
}

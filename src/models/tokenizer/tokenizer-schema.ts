// A tokenizer.json -> the same with every field checked, or an error that names the field.
import { Tokenizer as Library } from '@huggingface/tokenizers';
import { z } from 'zod';
import { messageOf, SipfError, shown } from '../../errors.ts';

type Json = Readonly<Record<string, unknown>>;

/** Ids beyond this belong to no model. */
const MAX_ID = 1 << 24;
const id = z.int().min(0).max(MAX_ID);
const flag = z.boolean().nullish();
const text = z.string();
const character = z.string().refine((value) => [...value].length === 1, 'expected one character');

/** The library compiles a pattern where a component is made of it, and only whole tokenizers can be made. */
const EMPTY = {
  model: { type: 'BPE', vocab: {}, merges: [] },
  added_tokens: [],
  pre_tokenizer: null,
  post_processor: null,
  decoder: null,
};

const pattern = z.union([z.looseObject({ Regex: text }), z.looseObject({ String: text })]).superRefine((value, ctx) => {
  try {
    new Library({ ...EMPTY, normalizer: { type: 'Replace', pattern: value, content: '' } }, {});
  } catch (thrown) {
    ctx.addIssue({ code: 'custom', message: messageOf(thrown) });
  }
});

/** The fields of a component that the library or its rewriting reads, by type; types that are not listed are refused elsewhere. */
type Fields = Readonly<Record<string, z.ZodRawShape>>;

const metaspace = {
  replacement: character.nullish(),
  prepend_scheme: z.enum(['always', 'first', 'never']).nullish(),
  add_prefix_space: flag,
  split: flag,
};
const NORMALIZERS: Fields = {
  Replace: { pattern, content: text },
  Prepend: { prepend: text },
  Strip: { strip_left: flag, strip_right: flag },
};
const PRE_TOKENIZERS: Fields = {
  Digits: { individual_digits: flag },
  ByteLevel: { add_prefix_space: flag, use_regex: flag },
  Split: {
    pattern,
    behavior: z.enum(['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous']),
    invert: flag,
  },
  Metaspace: metaspace,
};
const DECODERS: Fields = {
  Replace: { pattern, content: text },
  Strip: { content: character, start: z.int().min(0).max(1000), stop: z.int().min(0).max(1000) },
  Metaspace: metaspace,
};
const POST_PROCESSORS: Fields = {
  TemplateProcessing: {
    single: z.array(
      z.union([z.looseObject({ SpecialToken: z.looseObject({ id: text }) }), z.looseObject({ Sequence: z.unknown() })]),
    ),
    special_tokens: z.record(text, z.looseObject({ ids: z.array(id) })),
  },
};

const FIELDS = {
  normalizer: NORMALIZERS,
  pre_tokenizer: PRE_TOKENIZERS,
  decoder: DECODERS,
  post_processor: POST_PROCESSORS,
} as const;

/** The parts of a tokenizer.json that are made of components. */
export type Part = keyof typeof FIELDS;

const AddedTokens = z
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

function check(schema: z.ZodType, value: unknown, { file, path }: Place): void {
  const parsed = schema.safeParse(value);
  if (parsed.success) return;
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

/** The component's type. @throws SipfError 'bad-input' where it is no component. */
export function componentType(value: unknown, place: Place): string {
  check(z.looseObject({ type: text }), value, place);
  return (value as { readonly type: string }).type;
}

/** @throws SipfError 'bad-input' naming the first field of a component of a known type that is not as it should be. */
export function checkComponent(part: Part, component: Json, place: Place): void {
  const type = String(component.type);
  const fields = Object.hasOwn(FIELDS[part], type) ? FIELDS[part][type] : undefined;
  if (fields) check(z.looseObject(fields), component, place);
}

/** @throws SipfError 'bad-input' naming the field that holds no list. */
export function checkList(value: unknown, place: Place): void {
  check(z.array(z.unknown()), value, place);
}

/** @throws SipfError 'bad-input' naming the first field of an added token that is not as it should be. */
export function checkAddedTokens(value: unknown, file: string): void {
  check(AddedTokens, value, { file, path: 'added_tokens' });
}

/** Vocabulary, merges and what goes with them. @throws SipfError 'bad-input' naming the field. */
export function checkTokenModel(model: Json, file: string): void {
  const place = { file, path: 'model' };
  const { vocab } = model;
  if (model['type'] === 'Unigram') {
    checkList(vocab, { file, path: 'model.vocab' });
    check(UnigramFields, model, place);
    checkPieces(vocab as readonly unknown[], model['unk_id'] as number | null | undefined, file);
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

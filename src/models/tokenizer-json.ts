// A tokenizer.json -> an equal one that the tokenizer library runs exactly. Components it would treat otherwise than Hugging Face's are rewritten, or refused by name.
import { SipfError } from '../errors.ts';

export type Json = Readonly<Record<string, unknown>>;

/** GPT-2's pattern. Unlike the library's built-in, a Split compiles `\s` as Unicode white space (with U+0085, without U+FEFF). */
export const GPT2_PATTERN = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** A pre-tokenizer that isolates every match of `pattern`. */
export function isolate(pattern: string): Json {
  return { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false };
}

/** A pre-tokenizer that maps bytes to visible characters. */
export const BYTES: Json = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };

export function sequence(pretokenizers: readonly Json[]): Json {
  return { type: 'Sequence', pretokenizers };
}

type Rewrite = (component: Json, file: string) => Json;
const same: Rewrite = (component) => component;

/** Puts a space before a text that does not begin with one (an empty match would also be found inside surrogate pairs). */
const PREFIX_SPACE: Json = { type: 'Replace', pattern: { Regex: '\\A[^ ]' }, content: ' $&' };

const PRE_TOKENIZERS: Readonly<Record<string, Rewrite>> = {
  Sequence: (c, file) =>
    sequence(list(c.pretokenizers).map((inner) => rewrite('pre_tokenizer', PRE_TOKENIZERS, inner, file))),
  // The library's Digits knows ASCII digits only; Hugging Face's means every \p{N}.
  Digits: (c) => isolate(c.individual_digits === true ? '\\p{N}' : '\\p{N}+'),
  ByteLevel: (c) =>
    sequence([
      ...(c.add_prefix_space === true ? [PREFIX_SPACE] : []),
      ...(c.use_regex === false ? [] : [isolate(GPT2_PATTERN)]),
      BYTES,
    ]),
  Split: rewriteSplit,
  Metaspace: rewriteMetaspace,
  WhitespaceSplit: () => ({ type: 'Split', pattern: { Regex: '\\S+' }, behavior: 'Removed', invert: true }),
};

function rewriteSplit(component: Json, file: string): Json {
  const { behavior, invert } = component;
  if (behavior === 'Isolated') return { ...component, invert: false };
  if (behavior === 'Removed') return component;
  // Gemma's: spaces were all replaced by the normalizer, so that this matches nothing.
  if (behavior === 'MergedWithPrevious' && invert !== true && (component.pattern as Json | undefined)?.String === ' ')
    return component;
  throw unsupported(file, `pre_tokenizer Split with behavior ${String(behavior)}`);
}

function rewriteMetaspace(component: Json): Json {
  const scheme = component.prepend_scheme ?? (component.add_prefix_space === false ? 'never' : 'always');
  const replacement = typeof component.replacement === 'string' ? component.replacement : '▁';
  const metaspace = { type: 'Metaspace', replacement, prepend_scheme: scheme };
  return component.split === false
    ? metaspace
    : sequence([metaspace, isolate(`${replacement}?[^${replacement}]+|${replacement}`)]);
}

const NORMALIZERS: Readonly<Record<string, Rewrite>> = {
  Sequence: (c, file) => ({
    ...c,
    normalizers: list(c.normalizers).map((inner) => rewrite('normalizer', NORMALIZERS, inner, file)),
  }),
  NFC: same,
  NFD: same,
  NFKC: same,
  NFKD: same,
  Replace: same,
  Prepend: same,
  Strip: same,
  Lowercase: same,
};

const DECODERS: Readonly<Record<string, Rewrite>> = {
  Sequence: (c, file) => ({
    ...c,
    decoders: list(c.decoders).map((inner) => rewrite('decoder', DECODERS, inner, file)),
  }),
  Metaspace: (c) =>
    c.prepend_scheme === 'never' || c.add_prefix_space === false
      ? { type: 'Replace', pattern: { String: c.replacement ?? '▁' }, content: ' ' }
      : c,
  ByteLevel: same,
  ByteFallback: same,
  Fuse: same,
  Replace: same,
  Strip: same,
};

const MODELS: Readonly<Record<string, Rewrite>> = { BPE: same, Unigram: same };

function list(value: unknown): Json[] {
  return Array.isArray(value) ? [...(value as Json[])] : [];
}

function unsupported(file: string, what: string): SipfError {
  return new SipfError(
    'unsupported',
    `Expected a tokenizer that can be reproduced exactly, got ${what} in ${file}. Use another model.`,
  );
}

function rewrite(kind: string, table: Readonly<Record<string, Rewrite>>, component: Json, file: string): Json {
  const type = String(component.type);
  const rule = Object.hasOwn(table, type) ? table[type] : undefined;
  if (!rule) throw unsupported(file, `${kind} ${type}`);
  return rule(component, file);
}

/** `json` with every component checked and rewritten. `file` is for messages. */
export function exactTokenizerJson(json: Json, file: string): Json {
  const part = (kind: string, table: Readonly<Record<string, Rewrite>>): Json | null => {
    const component = json[kind];
    return component === null || component === undefined ? null : rewrite(kind, table, component as Json, file);
  };
  const model = json.model as Json | undefined;
  if (!model || typeof model !== 'object')
    throw new SipfError('bad-input', `Expected "model" in ${file}, got none. Download the tokenizer again.`);
  for (const token of addedTokens(json)) {
    if (token.single_word === true)
      throw unsupported(file, `added token ${JSON.stringify(token.content)} with single_word`);
  }
  const typed = model.type === undefined ? { ...model, type: Array.isArray(model.vocab) ? 'Unigram' : 'BPE' } : model;
  return {
    ...json,
    added_tokens: addedTokens(json),
    normalizer: part('normalizer', NORMALIZERS),
    pre_tokenizer: part('pre_tokenizer', PRE_TOKENIZERS),
    decoder: part('decoder', DECODERS),
    post_processor: null,
    model: rewrite('model', MODELS, typed, file),
  };
}

export function addedTokens(json: Json): Json[] {
  return list(json.added_tokens);
}

/** Our own key of an added token: true where it is text unless special tokens are read; absent: as `special` says. */
export const CONTROL = 'sipf_control';

/** Whether an added token is read only where special tokens are. */
export function isControl(token: Json): boolean {
  return (token[CONTROL] ?? token.special) === true;
}

/** The same tokenizer in the middle of a text: nothing is put before the first character. */
export function withoutPrefixSpace(json: Json): Json {
  return {
    ...json,
    normalizer: dropPrefix(json.normalizer, 'normalizers'),
    pre_tokenizer: dropPrefix(json.pre_tokenizer, 'pretokenizers'),
  };
}

function dropPrefix(component: unknown, inner: string): Json | null {
  if (component === null || component === undefined) return null;
  const json = component as Json;
  if (json.type === 'Prepend' || json === PREFIX_SPACE) return null;
  if (json.type === 'Metaspace') return { ...json, prepend_scheme: 'never' };
  if (json.type !== 'Sequence') return json;
  return { ...json, [inner]: list(json[inner]).flatMap((part) => dropPrefix(part, inner) ?? []) };
}

/** Ids that the post-processor of the original tokenizer.json puts before a text (BOS). What it puts after is left out. */
export function leadingIds(postProcessor: unknown, file: string): number[] {
  if (postProcessor === null || postProcessor === undefined) return [];
  const json = postProcessor as Json;
  switch (json.type) {
    case 'ByteLevel':
      return [];
    case 'Sequence':
      return list(json.processors)
        .reverse()
        .flatMap((inner) => leadingIds(inner, file));
    case 'TemplateProcessing':
      return templateIds(json);
    default:
      throw unsupported(file, `post_processor ${String(json.type)}`);
  }
}

function templateIds(json: Json): number[] {
  const ids: number[] = [];
  for (const item of list(json.single)) {
    const special = item.SpecialToken as Json | undefined;
    if (!special) break;
    const token = (json.special_tokens as Readonly<Record<string, Json>>)[String(special.id)];
    ids.push(...((token?.ids as number[] | undefined) ?? []));
  }
  return ids;
}

// A checked tokenizer.json -> one that the tokenizer library reads exactly.
import { z } from 'zod';
import { printable, SipfError, shown } from '../../errors.ts';
import {
  AddedTokens,
  base64,
  character,
  check,
  checkTokenModel,
  flag,
  id,
  type Json,
  List,
  type Place,
  pattern,
  text,
} from './tokenizer-schema.ts';

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

/** A type of component: the fields that are read of it, and what the library is given instead. */
interface Rule {
  readonly fields?: z.ZodRawShape;
  readonly rewrite?: (component: Json, place: Place) => Json;
}
type Rules = Readonly<Record<string, Rule>>;

const METASPACE = {
  replacement: character.nullish(),
  prepend_scheme: z.enum(['always', 'first', 'never']).nullish(),
  add_prefix_space: flag,
  split: flag,
};

/** Our own key of a component that puts text before a beginning: a text that continues another goes without it. */
const PREFIX = 'sipf_prefix';

/** Puts `text` before a text that begins with a character of `first` (an empty match would also be found inside surrogate pairs). */
function prefixed(text: string, first: string): Json {
  return { type: 'Replace', pattern: { Regex: `\\A${first}` }, content: `${literal(text)}$&`, [PREFIX]: true };
}

const PRE_TOKENIZERS: Rules = {
  Sequence: { rewrite: (c, place) => sequence(rewriteAll('pre_tokenizer', c, 'pretokenizers', place)) },
  Digits: {
    fields: { individual_digits: flag },
    // The library's Digits knows ASCII digits only; Hugging Face's means every \p{N}.
    rewrite: (c) => isolate(c.individual_digits === true ? '\\p{N}' : '\\p{N}+'),
  },
  ByteLevel: {
    fields: { add_prefix_space: flag, use_regex: flag },
    rewrite: (c) =>
      sequence([
        ...(c.add_prefix_space === true ? [prefixed(' ', '[^ ]')] : []),
        ...(c.use_regex === false ? [] : [isolate(GPT2_PATTERN)]),
        BYTES,
      ]),
  },
  Split: {
    fields: {
      pattern,
      behavior: z.enum(['Removed', 'Isolated', 'MergedWithPrevious', 'MergedWithNext', 'Contiguous']),
      invert: flag,
    },
    rewrite: rewriteSplit,
  },
  Metaspace: { fields: METASPACE, rewrite: rewriteMetaspace },
  WhitespaceSplit: {
    rewrite: () => ({ type: 'Split', pattern: { Regex: '\\S+' }, behavior: 'Removed', invert: true }),
  },
};

/** The library reads `$` in the replacement as JavaScript does; Hugging Face's takes it as it is. */
function literalContent(component: Json): Json {
  return { ...component, content: literal(String(component.content)) };
}

function literal(text: string): string {
  return text.replaceAll('$', '$$$$');
}

function rewriteSplit(component: Json, { file }: Place): Json {
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

const NORMALIZERS: Rules = {
  Sequence: { rewrite: (c, place) => ({ ...c, normalizers: rewriteAll('normalizer', c, 'normalizers', place) }) },
  NFC: {},
  NFD: {},
  NFKC: {},
  NFKD: {},
  Precompiled: { fields: { precompiled_charsmap: base64 } },
  Replace: { fields: { pattern, content: text }, rewrite: literalContent },
  // The library's puts it before a text of which other normalizers left nothing, too.
  Prepend: { fields: { prepend: text }, rewrite: (c) => prefixed(String(c.prepend), '[\\s\\S]') },
  Strip: { fields: { strip_left: flag, strip_right: flag } },
  Lowercase: {},
};

const DECODERS: Rules = {
  Sequence: { rewrite: (c, place) => ({ ...c, decoders: rewriteAll('decoder', c, 'decoders', place) }) },
  Metaspace: {
    fields: METASPACE,
    rewrite: (c) =>
      c.prepend_scheme === 'never' || c.add_prefix_space === false
        ? { type: 'Replace', pattern: { String: c.replacement ?? '▁' }, content: ' ' }
        : c,
  },
  ByteLevel: {},
  ByteFallback: {},
  Fuse: {},
  Replace: { fields: { pattern, content: text }, rewrite: literalContent },
  Strip: { fields: { content: character, start: z.int().min(0).max(1000), stop: z.int().min(0).max(1000) } },
};

const TABLES = { normalizer: NORMALIZERS, pre_tokenizer: PRE_TOKENIZERS, decoder: DECODERS } as const;
const MODELS = ['BPE', 'Unigram'];

function list(value: unknown): Json[] {
  return Array.isArray(value) ? [...(value as Json[])] : [];
}

function unsupported(file: string, what: string): SipfError {
  return new SipfError(
    'unsupported',
    `Expected a tokenizer that can be reproduced exactly, got ${printable(what, 120)} in ${file}. Use another model.`,
  );
}

const Component = z.looseObject({ type: text });

function rewrite(part: keyof typeof TABLES, value: unknown, place: Place): Json {
  const component = check(Component, value, place);
  const rule = Object.hasOwn(TABLES[part], component.type) ? TABLES[part][component.type] : undefined;
  if (!rule) throw unsupported(place.file, `${part} ${component.type}`);
  if (rule.fields) check(z.looseObject(rule.fields), component, place);
  return rule.rewrite?.(component, place) ?? component;
}

function rewriteAll(part: keyof typeof TABLES, component: Json, key: string, { file, path }: Place): Json[] {
  const inner = check(List, component[key], { file, path: `${path}.${key}` });
  return inner.map((value, n) => rewrite(part, value, { file, path: `${path}.${key}.${n}` }));
}

/** `json` with every component checked and rewritten. @throws SipfError 'unsupported' naming the component. */
export function exactTokenizerJson(json: Json, file: string): Json {
  const part = (kind: keyof typeof TABLES): Json | null => {
    const component = json[kind];
    return component === null || component === undefined ? null : rewrite(kind, component, { file, path: kind });
  };
  check(AddedTokens, json.added_tokens, { file, path: 'added_tokens' });
  for (const token of addedTokens(json)) {
    if (token.single_word === true)
      throw unsupported(file, `added token ${JSON.stringify(token.content)} with single_word`);
  }
  return {
    ...json,
    added_tokens: addedTokens(json),
    normalizer: part('normalizer'),
    pre_tokenizer: part('pre_tokenizer'),
    decoder: part('decoder'),
    post_processor: null,
    model: exactModel(json.model, file),
  };
}

/** Settings that would make other tokens of the parts of words, or of some words at random. */
const NOT_REPRODUCED = ['continuing_subword_prefix', 'dropout'] as const;

function exactModel(value: unknown, file: string): Json {
  if (!value || typeof value !== 'object')
    throw new SipfError('bad-input', `Expected "model" in ${file}, got none. Download the tokenizer again.`);
  const model = value as Json;
  const type = model.type ?? (Array.isArray(model.vocab) ? 'Unigram' : 'BPE');
  if (!MODELS.includes(type as string))
    throw unsupported(file, `model ${typeof type === 'string' ? type : shown(type)}`);
  for (const key of NOT_REPRODUCED) if (model[key]) throw unsupported(file, `model.${key} ${shown(model[key])}`);
  checkTokenModel({ ...model, type }, file);
  return { ...model, type };
}

export function addedTokens(json: Json): Json[] {
  return list(json.added_tokens);
}

/** Of vocabulary and added tokens. */
export function highestId(json: Json): number {
  const vocab = (json.model as Json).vocab;
  let highest = Array.isArray(vocab) ? vocab.length - 1 : -1;
  if (!Array.isArray(vocab))
    for (const id of Object.values((vocab ?? {}) as Record<string, number>)) highest = Math.max(highest, id);
  for (const token of addedTokens(json)) highest = Math.max(highest, Number(token.id));
  return highest;
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
  if (json[PREFIX] === true) return null;
  if (json.type === 'Metaspace') return { ...json, prepend_scheme: 'never' };
  if (json.type !== 'Sequence') return json;
  return { ...json, [inner]: list(json[inner]).flatMap((part) => dropPrefix(part, inner) ?? []) };
}

/**
 * Ids that the post-processor of the original tokenizer.json puts before a text (BOS). What it puts after is left out.
 * @throws SipfError 'unsupported' naming the component.
 */
export function leadingIds(value: unknown, file: string, path = 'post_processor'): number[] {
  if (value === null || value === undefined) return [];
  const component = check(Component, value, { file, path });
  if (component.type === 'ByteLevel') return [];
  if (component.type === 'TemplateProcessing') return templateIds(check(Template, component, { file, path }), file);
  if (component.type !== 'Sequence') throw unsupported(file, `post_processor ${component.type}`);
  const inner = check(List, component['processors'], { file, path: `${path}.processors` });
  return inner
    .map((processor, n) => leadingIds(processor, file, `${path}.processors.${n}`))
    .reverse()
    .flat();
}

const Template = z.looseObject({
  single: z.array(
    z.union([z.looseObject({ SpecialToken: z.looseObject({ id: text }) }), z.looseObject({ Sequence: z.unknown() })]),
  ),
  special_tokens: z.record(text, z.looseObject({ ids: z.array(id) })),
});

function templateIds({ single, special_tokens: known }: z.infer<typeof Template>, file: string): number[] {
  const ids: number[] = [];
  for (const { SpecialToken: special } of single as readonly { SpecialToken?: { id: string } }[]) {
    if (!special) break;
    const token = Object.hasOwn(known, special.id) ? known[special.id] : undefined;
    if (!token) {
      throw new SipfError(
        'bad-input',
        `Expected ${shown(special.id)} among post_processor.special_tokens in ${file}, got none. Download the tokenizer again.`,
      );
    }
    ids.push(...token.ids);
  }
  return ids;
}

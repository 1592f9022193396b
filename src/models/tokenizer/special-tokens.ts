// What a model's files say of BOS, EOS and padding -> their ids, checked.
import { SipfError, shown } from '../../errors.ts';
import { addedTokens } from './tokenizer-json.ts';
import type { Json } from './tokenizer-schema.ts';

/** A file's content under the name that errors and warnings give it. */
export interface NamedJson {
  readonly file: string;
  readonly json: Json;
}

/** Where ids of special tokens may stand. */
interface SpecialTokenFiles {
  readonly tokenizer: NamedJson;
  /** tokenizer_config.json, and what it lacks from special_tokens_map.json: tokens by their text. */
  readonly named: readonly NamedJson[];
  /** generation_config.json and config.json: tokens by their id. */
  readonly numbered: readonly NamedJson[];
  /** Ids from 0 to this one less have a row in the embedding. */
  readonly rows: number;
}

/** Everything a tokenizer needs apart from its text rules. */
export interface TokenizerSettings {
  readonly bosId: number | null;
  /** The tokenizer's own end token first; a completion ends at any of them. */
  readonly eosIds: readonly number[];
  readonly padId: number | null;
  /** null: as the post-processor says. */
  readonly addBos: boolean | null;
  readonly chatTemplate: string | null;
  /** What the user should know of where these come from. */
  readonly warnings?: readonly string[];
}

type Warn = (text: string) => void;
/** Nothing depends on such a token. */
const IGNORE: Warn = () => {};

/**
 * The end tokens of all files together: models are published with another one in each. An id without a row in the embedding can never be drawn: it is
 * left out with a warning, or without a word where it is negative, as old files say that there is none.
 * @throws SipfError 'bad-input' where an id is no whole number.
 */
export function specialTokens(files: SpecialTokenFiles): Omit<TokenizerSettings, 'addBos' | 'chatTemplate'> {
  const warnings: string[] = [];
  const all = (role: string, warn: Warn): number[] => [
    ...new Set([...textId(files, role, warn), ...ids(files, role, warn)]),
  ];
  return {
    bosId: all('bos', IGNORE)[0] ?? null,
    eosIds: all('eos', (text) => warnings.push(text)),
    padId: all('pad', IGNORE)[0] ?? null,
    warnings,
  };
}

/** The id of the role's token as the first file that names it has its text. */
function textId({ tokenizer, named }: SpecialTokenFiles, role: string, warn: Warn): number[] {
  const key = `${role}_token`;
  for (const { file, json } of named) {
    const value = json[key] ?? null;
    if (value === null) continue;
    const content = contentOf(value);
    if (content === null)
      throw new SipfError(
        'bad-input',
        `Expected ${key} in ${file} to be a text or an object with its content, got ${shown(value)}. Correct it, or download the tokenizer again.`,
      );
    const id = idOf(tokenizer.json, content);
    if (id !== null) return [id];
    warn(`${file} names ${shown(content)} as its ${key}, which ${tokenizer.file} does not hold: it is left out.`);
    return [];
  }
  return [];
}

function contentOf(value: unknown): string | null {
  if (typeof value === 'string') return value;
  const content = typeof value === 'object' ? (value as Json | null)?.['content'] : undefined;
  return typeof content === 'string' ? content : null;
}

function idOf(tokenizer: Json, content: string): number | null {
  const added = addedTokens(tokenizer).find((entry) => entry.content === content)?.id;
  if (typeof added === 'number') return added;
  const vocab = (tokenizer.model as Json | undefined)?.vocab;
  if (Array.isArray(vocab)) {
    const at = vocab.findIndex((piece: unknown) => Array.isArray(piece) && piece[0] === content);
    return at < 0 ? null : at;
  }
  const id = vocab && Object.hasOwn(vocab, content) ? (vocab as Json)[content] : null;
  return typeof id === 'number' ? id : null;
}

/** The role's ids in every file that gives some. */
function ids({ numbered, rows }: SpecialTokenFiles, role: string, warn: Warn): number[] {
  const key = `${role}_token_id`;
  return numbered.flatMap(({ file, json }) => {
    const value = json[key] ?? [];
    return (Array.isArray(value) ? (value as unknown[]) : [value]).filter((id): id is number => {
      if (typeof id !== 'number' || !Number.isInteger(id)) throw noId(file, key, value);
      if (id >= rows) warn(`${file} has ${key} ${id}, but the model's ids end at ${rows - 1}: it is left out.`);
      return id >= 0 && id < rows;
    });
  });
}

function noId(file: string, key: string, value: unknown): SipfError {
  return new SipfError(
    'bad-input',
    `Expected ${key} in ${file} to be a token id or a list of them, got ${shown(value)}. Write whole numbers there.`,
  );
}

// GGUF metadata -> the lists of a tokenizer, checked.
import { SipfError, shown } from '../../errors.ts';
import type { GgufFile } from '../files/gguf.ts';

/** By `tokenizer.ggml.token_type`. */
export const TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** Texts and types of all ids. */
export interface GgufTokens {
  readonly tokens: readonly string[];
  readonly types: readonly number[];
}

/** @throws SipfError 'bad-input' naming the list that is missing or damaged. */
export function ggufTokens(gguf: GgufFile): GgufTokens {
  const tokens = list(gguf, 'tokenizer.ggml.tokens', 'string');
  const types = list(gguf, 'tokenizer.ggml.token_type', 'number', tokens.length);
  const first = new Map<string, number>();
  for (const [id, text] of tokens.entries()) {
    const before = first.get(text);
    if (text !== '' && before !== undefined) throw twice(gguf, text, before, id);
    first.set(text, id);
  }
  return { tokens, types };
}

function twice({ file }: GgufFile, text: string, before: number, id: number): SipfError {
  return new SipfError(
    'bad-input',
    `Expected each text once in tokenizer.ggml.tokens of ${file}, got ${shown(text)} as ${before} and as ${id}. Download the file again.`,
  );
}

type Kinds = { readonly string: string; readonly number: number };

/** @throws SipfError 'bad-input' where there is no such array, or one of another length. */
export function list<K extends keyof Kinds>(
  gguf: GgufFile,
  key: string,
  kind: K,
  length?: number,
): readonly Kinds[K][] {
  const values = gguf.metadata.get(key);
  if (!Array.isArray(values) || !values.every((value) => typeof value === kind))
    throw new SipfError(
      'bad-input',
      `Expected an array of ${kind}s ${key} in ${gguf.file}, got ${values === undefined ? 'none' : typeof values}. Use a file with its tokenizer.`,
    );
  if (length === undefined || values.length === length) return values as readonly Kinds[K][];
  throw new SipfError(
    'bad-input',
    `Expected ${length} values of ${key} in ${gguf.file}, got ${values.length}. Download the file again.`,
  );
}

/** @throws SipfError 'bad-input' where the value is no boolean. */
export function flagOf(gguf: GgufFile, key: string, absent: boolean): boolean {
  const value = gguf.metadata.get(key) ?? absent;
  if (typeof value === 'boolean') return value;
  throw new SipfError(
    'bad-input',
    `Expected true or false as ${key} in ${gguf.file}, got ${shown(value)}. Download the file again.`,
  );
}

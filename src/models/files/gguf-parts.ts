// One part of a split GGUF file -> the names of all parts, and the parts as one model.
import { basename, dirname, join } from 'node:path';
import { printable, SipfError, shown } from '../../errors.ts';
import type { GgufFile, GgufTensor, GgufValue } from './gguf.ts';

/** As llama-gguf-split names them: NAME-00001-of-00003.gguf. */
const PART = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/s;
const MOST_PARTS = 9999;

/**
 * The files of the model that `file` is a part of, in order; `file` alone where it is whole.
 * @throws SipfError 'bad-input' where its name does not say where the others are.
 */
export function partFiles(file: string, metadata: ReadonlyMap<string, GgufValue>): readonly string[] {
  const count = metadata.get('split.count') ?? 1;
  if (count === 0 || count === 1) return [file];
  if (typeof count !== 'number' || !Number.isInteger(count) || count < 0 || count > MOST_PARTS)
    throw wrong(file, 'split.count', `a number of parts up to ${MOST_PARTS}`, shown(count));
  const names = partNames(basename(file));
  if (names.length === count) return names.map((name) => join(dirname(file), name));
  throw new SipfError(
    'bad-input',
    `Expected a part of ${count} to be named as NAME-00001-of-${padded(count)}.gguf, got ${printable(basename(file))}. Give each part its own name again.`,
  );
}

/** The names of all parts of a file that is named as a part, in order; its own name alone where it is not. */
export function partNames(name: string): readonly string[] {
  const [, stem, , total] = PART.exec(name) ?? [];
  const count = Number(total ?? 0);
  if (stem === undefined || count < 2 || count > MOST_PARTS) return [name];
  return Array.from({ length: count }, (_, n) => `${stem}-${padded(n + 1)}-of-${padded(count)}.gguf`);
}

const padded = (n: number): string => String(n).padStart(5, '0');

/**
 * Parts in order -> one model: the first part's metadata, and the tensors of all.
 * @throws SipfError 'bad-input' where a part is of another model or place, or tensors are missing or there twice.
 */
export function joinParts(parts: readonly GgufFile[]): GgufFile {
  const [first] = parts as readonly [GgufFile];
  const tensors = new Map<string, GgufTensor>();
  for (const [n, { file, metadata, tensors: own }] of parts.entries()) {
    if (metadata.get('split.no') !== n) throw wrong(file, 'split.no', String(n), shown(metadata.get('split.no')));
    const count = metadata.get('split.count');
    if (count !== parts.length) throw wrong(file, 'split.count', String(parts.length), shown(count));
    for (const [name, tensor] of own) {
      const before = tensors.get(name);
      if (before)
        throw wrong(file, `tensor ${printable(name)}`, 'in one part', `it in ${basename(before.file)} as well`);
      tensors.set(name, tensor);
    }
  }
  const stated = first.metadata.get('split.tensors.count');
  if (stated !== undefined && stated !== tensors.size)
    throw wrong(first.file, 'split.tensors.count', `${tensors.size}, as the parts have`, shown(stated));
  return { ...first, files: parts.map(({ file }) => file), tensors };
}

function wrong(file: string, field: string, expected: string, got: string): SipfError {
  return new SipfError(
    'bad-input',
    `Expected ${field} of ${file} to be ${expected}, got ${got}. Download all parts of one model again.`,
  );
}

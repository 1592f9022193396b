// Weights of any kind -> slices of a file in the cache that can be memory-mapped.
import { dirname, join } from 'node:path';
import { SipfError, throwIfAborted } from '../../errors.ts';
import { type CacheOptions, cacheFolder } from '../../io/cache.ts';
import { exists } from '../../io/file-bytes.ts';
import {
  type AnyTensorToWrite,
  piecesOf,
  readSafetensorsHeader,
  readTensorPieces,
  type TensorEntry,
  type TensorToWrite,
  writeSafetensors,
} from '../files/safetensors.ts';

/** Raised when the conversion changes, so that old files are not read. */
export const FLOAT32 = 'f32-1';

/** A model's tensors as its files have them, read in float32, and where each comes from. */
export interface StoredTensors {
  readonly tensors: readonly TensorToWrite[];
  fileOf(name: string): string;
}

export const storedTensors = (entries: ReadonlyMap<string, TensorEntry>): StoredTensors => ({
  tensors: [...entries].map(([name, entry]) => ({
    name,
    shape: entry.shape,
    data: () => readTensorPieces(name, entry),
  })),
  fileOf: (name) => (entries.get(name) as TensorEntry).file,
});

/** Whether sessions can map these tensors where they are. */
export const areMappable = (entries: ReadonlyMap<string, TensorEntry>): boolean =>
  [...entries.values()].every(({ dtype, offset }) => dtype === 'F32' && offset % 4 === 0);

/**
 * Tensors in a file of the cache, written under `key` where they are not there.
 * @param fileOf where a tensor comes from.
 * @throws SipfError 'write-failed' where the disk refuses, 'bad-input' where the file of the cache holds others.
 */
export async function cachedEntries(
  { tensors, fileOf }: { readonly tensors: readonly AnyTensorToWrite[]; fileOf(name: string): string },
  key: string,
  options: CacheOptions,
): Promise<ReadonlyMap<string, TensorEntry>> {
  const file = join(cacheFolder(options), 'weights', `${key}.safetensors`);
  if (!(await exists(file))) await convert(file, tensors, options.signal);
  const stored = await readSafetensorsHeader(file);
  const found = tensors.map(({ name, shape }) => {
    const entry = stored.get(name);
    if (entry && String(entry.shape) === String(shape)) return [name, { ...entry, from: fileOf(name) }] as const;
    throw new SipfError(
      'bad-input',
      `Expected tensor ${name} [${shape}] in the cached ${file}, got [${entry?.shape}]. Delete that file.`,
    );
  });
  return new Map(found);
}

async function convert(
  file: string,
  tensors: readonly AnyTensorToWrite[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const stoppable = tensors.map((tensor) => ({
    ...tensor,
    data: async function* () {
      for await (const piece of piecesOf(tensor)) {
        throwIfAborted(signal);
        yield piece;
      }
    },
  }));
  try {
    await writeSafetensors(file, stoppable);
  } catch (thrown) {
    if (!(thrown instanceof SipfError) || thrown.code !== 'write-failed') throw thrown;
    throw new SipfError(
      'write-failed',
      `${thrown.message} The converted copy of the weights goes there; $SIPF_CACHE moves it (now ${dirname(dirname(file))}).`,
      { cause: thrown },
    );
  }
}

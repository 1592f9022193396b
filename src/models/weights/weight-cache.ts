// Weights of any kind -> float32 slices of files that can be memory-mapped.
import { dirname, join } from 'node:path';
import { SipfError, throwIfAborted } from '../../errors.ts';
import { type CacheOptions, cacheFolder } from '../../io/cache.ts';
import { exists } from '../../io/file-bytes.ts';
import {
  piecesOf,
  readSafetensorsHeader,
  readTensorPieces,
  type TensorEntry,
  type TensorToWrite,
  writeSafetensors,
} from '../files/safetensors.ts';

/** Raised when the conversion changes, so that old files are not read. */
const FORMAT = 'f32-1';

/** Float32 tensors of these entries; converted under `hash` unless all of them are aligned F32. */
export async function float32Entries(
  entries: ReadonlyMap<string, TensorEntry>,
  hash: string,
  options: CacheOptions,
): Promise<ReadonlyMap<string, TensorEntry>> {
  if ([...entries.values()].every(({ dtype, offset }) => dtype === 'F32' && offset % 4 === 0)) return entries;
  const tensors = [...entries].map(
    ([name, entry]): TensorToWrite => ({ name, shape: entry.shape, data: () => readTensorPieces(name, entry) }),
  );
  return cachedEntries(tensors, (name) => (entries.get(name) as TensorEntry).file, hash, options);
}

/** `tensors` in a file of the cache, written under `hash` where they are not there. @param fileOf where a tensor comes from. */
export async function cachedEntries(
  tensors: readonly TensorToWrite[],
  fileOf: (name: string) => string,
  hash: string,
  options: CacheOptions,
): Promise<ReadonlyMap<string, TensorEntry>> {
  const file = join(cacheFolder(options), 'weights', `${hash}.${FORMAT}.safetensors`);
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
  tensors: readonly TensorToWrite[],
  signal: AbortSignal | undefined,
): Promise<void> {
  const stoppable = tensors.map(
    (tensor): TensorToWrite => ({
      ...tensor,
      data: async function* () {
        for await (const piece of piecesOf(tensor)) {
          throwIfAborted(signal);
          yield piece;
        }
      },
    }),
  );
  try {
    await writeSafetensors(file, stoppable);
  } catch (thrown) {
    if (!(thrown instanceof SipfError) || thrown.code !== 'write-failed') throw thrown;
    throw new SipfError(
      'write-failed',
      `${thrown.message} The float32 copy of the weights goes there; $SIPF_CACHE moves it (now ${dirname(dirname(file))}).`,
      { cause: thrown },
    );
  }
}

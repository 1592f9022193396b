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

/** Row-major little-endian float32 values: `length` bytes from `offset` of `file`. */
export interface WeightSlice {
  readonly file: string;
  readonly offset: number;
  readonly length: number;
  readonly shape: readonly number[];
  /** Where the values come from, in words, where `file` is a copy of ours. */
  readonly from?: string;
}

/** Raised when the conversion changes, so that old files are not read. */
const FORMAT = 'f32-1';

/** Slices of safetensors tensors; converted under `hash` unless all of them are aligned F32. */
export async function safetensorsWeights(
  entries: ReadonlyMap<string, TensorEntry>,
  hash: string,
  options: CacheOptions,
): Promise<Map<string, WeightSlice>> {
  const inPlace = [...entries.values()].every((entry) => entry.dtype === 'F32' && entry.offset % 4 === 0);
  if (inPlace) return slicesOf(entries);
  const tensors = [...entries].map(
    ([name, entry]): TensorToWrite => ({ name, shape: entry.shape, data: () => readTensorPieces(name, entry) }),
  );
  return converted(tensors, (name) => (entries.get(name) as TensorEntry).file, hash, options);
}

/** Slices of GGUF weights of `path`, converted under `hash`. */
export function ggufWeights(
  weights: readonly TensorToWrite[],
  path: string,
  hash: string,
  options: CacheOptions,
): Promise<Map<string, WeightSlice>> {
  return converted(weights, () => path, hash, options);
}

async function converted(
  tensors: readonly TensorToWrite[],
  fileOf: (name: string) => string,
  hash: string,
  options: CacheOptions,
): Promise<Map<string, WeightSlice>> {
  const file = join(cacheFolder(options), 'weights', `${hash}.${FORMAT}.safetensors`);
  if (!(await exists(file))) await convert(file, tensors, options.signal);
  const entries = await readSafetensorsHeader(file);
  const wanted = new Map<string, TensorEntry>();
  for (const { name, shape } of tensors) {
    const entry = entries.get(name);
    if (!entry || String(entry.shape) !== String(shape)) {
      throw new SipfError(
        'bad-input',
        `Expected tensor ${name} [${shape}] in the cached ${file}, got [${entry?.shape}]. Delete that file.`,
      );
    }
    wanted.set(name, entry);
  }
  return new Map([...slicesOf(wanted)].map(([name, slice]) => [name, { ...slice, from: fileOf(name) }]));
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

function slicesOf(entries: ReadonlyMap<string, TensorEntry>): Map<string, WeightSlice> {
  return new Map(
    [...entries].map(([name, { file, offset, length, shape }]) => [name, { file, offset, length, shape }]),
  );
}

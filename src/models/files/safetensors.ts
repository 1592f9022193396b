// A safetensors file <-> checked tensor positions and float32 values.
import { dirname, join } from 'node:path';
import { printable, SipfError, shown } from '../../errors.ts';
import { exists, readExactly, withFile } from '../../io/file-bytes.ts';
import { writeFileAtomically } from '../../io/files.ts';
import { foreignFile } from '../../io/foreign-file.ts';
import { parseJsonText } from '../../io/json-text.ts';
import { decodeBf16, decodeF16, decodeF32 } from '../weights/half.ts';
import { overlapping } from './placed-tensors.ts';
import { readShardIndex } from './shard-index.ts';

/** Where one tensor is: `length` row-major little-endian bytes from `offset` of `file`. */
export interface TensorEntry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly file: string;
  readonly offset: number;
  readonly length: number;
  /** Where the values come from, in words, where `file` is a copy of ours. */
  readonly from?: string;
}

export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** Element types that are written; F32 is float32, the others are bytes of their values, or bits of half precision. */
type WrittenType = 'F32' | 'F16' | 'BF16' | 'U8' | 'I8';
type WrittenData = Float32Array | Uint8Array | Int8Array | Uint16Array;

/** A tensor to write: `data` whole, or piece by piece (for tensors too large to hold). */
export interface TensorToWrite<Data extends WrittenData = Float32Array> {
  readonly name: string;
  readonly shape: readonly number[];
  /** Absent: F32. */
  readonly dtype?: WrittenType;
  readonly data: Data | (() => AsyncIterable<Data>);
}

/** Of any type. */
export type AnyTensorToWrite = TensorToWrite<WrittenData>;

/** Bytes of a value, and the dtypes that have so many. */
const SIZES = [
  [1, ['BOOL', 'U8', 'I8', 'F8_E5M2', 'F8_E4M3']],
  [2, ['I16', 'U16', 'F16', 'BF16']],
  [4, ['I32', 'U32', 'F32']],
  [8, ['F64', 'I64', 'U64']],
] as const;
const DTYPE_BYTES = new Map<string, number>(SIZES.flatMap(([bytes, names]) => names.map((name) => [name, bytes])));
const MAX_HEADER = 100_000_000;
/** Data sections start at a multiple of this, so that files can be mapped. */
const DATA_ALIGNMENT = 4096;
/** Values converted at once: 16 MiB of float32. */
const VALUES_PER_PIECE = 1 << 22;

/**
 * Names and positions of all tensors of `file` (a .safetensors file, or a .safetensors.index.json with its shards beside it).
 * @throws SipfError where the header, an offset or a size is wrong, tensors overlap, a shard is missing.
 */
export async function readSafetensorsHeader(file: string): Promise<Map<string, TensorEntry>> {
  return file.endsWith('.index.json') ? readIndex(file) : readOneHeader(file);
}

async function readIndex(file: string): Promise<Map<string, TensorEntry>> {
  const shards = new Map<string, Map<string, TensorEntry>>();
  const entries = new Map<string, TensorEntry>();
  for (const [name, shard] of await readShardIndex(file)) {
    const header = shards.get(shard) ?? (await readShard(file, shard, name));
    shards.set(shard, header);
    const entry = header.get(name);
    if (!entry) {
      throw new SipfError(
        'bad-input',
        `Expected tensor ${printable(name)} in ${printable(shard)}, as ${file} says, got none. Download both files again.`,
      );
    }
    entries.set(name, entry);
  }
  return entries;
}

async function readShard(index: string, shard: string, tensor: string): Promise<Map<string, TensorEntry>> {
  const file = join(dirname(index), shard);
  if (await exists(file)) return readOneHeader(file);
  throw new SipfError(
    'not-found',
    `Expected ${file} with ${printable(tensor)}, as ${index} says, got nothing there. Download the missing file.`,
  );
}

async function readOneHeader(file: string): Promise<Map<string, TensorEntry>> {
  return withFile(file, async (handle, size) => {
    if (size < 8) throw corrupt(file, `at least 8 bytes`, `${size}`);
    const first = await readExactly(handle, file, 0, 8);
    const foreign = foreignFile(await readExactly(handle, file, 0, Math.min(size, 32)));
    if (foreign !== null) throw new SipfError('bad-input', `Expected a safetensors file at ${file}, got ${foreign}`);
    const headerLength = Number(new DataView(first.buffer).getBigUint64(0, true));
    if (headerLength < 2 || headerLength > MAX_HEADER || headerLength > size - 8) {
      throw corrupt(file, `a header of 2 to ${Math.min(MAX_HEADER, size - 8)} bytes`, `${headerLength}`);
    }
    const text = new TextDecoder().decode(await readExactly(handle, file, 8, headerLength));
    return parseHeader(file, text, 8 + headerLength, size);
  });
}

function corrupt(file: string, expected: string, got: string): SipfError {
  return new SipfError(
    'bad-input',
    `Expected ${printable(expected)} in the safetensors file ${file}, got ${printable(got)}. The file is truncated or corrupt: download it again.`,
  );
}

function parseHeader(file: string, text: string, dataStart: number, size: number): Map<string, TensorEntry> {
  let header: unknown;
  try {
    header = parseJsonText(text);
  } catch {
    throw corrupt(file, 'a JSON header', `"${text.slice(0, 40)}"`);
  }
  if (header === null || typeof header !== 'object' || Array.isArray(header))
    throw corrupt(file, 'a header object', text.slice(0, 40));
  const entries = new Map<string, TensorEntry>();
  for (const [name, value] of Object.entries(header)) {
    if (name !== '__metadata__') entries.set(name, parseEntry(file, name, value, dataStart, size));
  }
  checkPlaces(file, entries, dataStart, size);
  return entries;
}

function parseEntry(file: string, name: string, value: unknown, dataStart: number, size: number): TensorEntry {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>;
  const bytes = typeof dtype === 'string' ? DTYPE_BYTES.get(dtype) : undefined;
  if (typeof dtype !== 'string' || bytes === undefined) {
    throw new SipfError(
      'unsupported',
      `Expected a known dtype of tensor ${printable(name)} in ${file}, got ${shown(dtype)}. Convert the file to F32, F16 or BF16.`,
    );
  }
  if (!isCounts(shape)) throw corrupt(file, `a shape of tensor ${name}`, shown(shape));
  if (!isCounts(offsets) || offsets.length !== 2)
    throw corrupt(file, `two data_offsets of tensor ${name}`, shown(offsets));
  const [begin, end] = offsets as [number, number];
  const length = shape.reduce((product, n) => product * n, bytes);
  if (end - begin !== length)
    throw corrupt(file, `${length} bytes for tensor ${name} ${dtype} [${shape}]`, `${end - begin}`);
  if (dataStart + end > size) throw corrupt(file, `${dataStart + end} bytes (tensor ${name} ends there)`, `${size}`);
  return { dtype, shape, file, offset: dataStart + begin, length };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0);
}

/** The data section holds the tensors and no more: a file that is longer is not the one that its header describes. */
function checkPlaces(file: string, entries: ReadonlyMap<string, TensorEntry>, dataStart: number, size: number): void {
  const shared = overlapping(entries);
  if (shared) throw corrupt(file, 'tensors apart', `${shared[0]} and ${shared[1]} overlapping`);
  const used = [...entries.values()].reduce((sum, { length }) => sum + length, dataStart);
  if (used !== size) throw corrupt(file, `${used} bytes, as its tensors have`, `${size}`);
}

/** Values of dtypes that float32 holds. */
const DECODERS: Readonly<Record<string, (bytes: Uint8Array, out: Float32Array) => void>> = {
  F32: decodeF32,
  F16: decodeF16,
  BF16: decodeBf16,
};

/** The values in order, at most 16 MiB a piece. @throws SipfError 'unsupported' for another dtype than F32, F16, BF16. */
export async function* readTensorPieces(name: string, entry: TensorEntry): AsyncGenerator<Float32Array<ArrayBuffer>> {
  const decode = DECODERS[entry.dtype];
  if (!decode) {
    throw new SipfError(
      'unsupported',
      `Expected tensor ${printable(name)} of ${entry.file} in ${Object.keys(DECODERS).join(', ')}, got ${entry.dtype}. Convert the file.`,
    );
  }
  const width = DTYPE_BYTES.get(entry.dtype) as number;
  const count = entry.length / width;
  for (let first = 0; first < count; first += VALUES_PER_PIECE) {
    const out = new Float32Array(Math.min(VALUES_PER_PIECE, count - first));
    const { file, offset } = entry;
    const bytes = await withFile(file, (handle) =>
      readExactly(handle, file, offset + first * width, out.length * width),
    );
    decode(bytes, out);
    yield out;
  }
}

/** @throws SipfError 'unsupported' for another dtype than F32, F16, BF16. */
export async function readTensor(name: string, entry: TensorEntry): Promise<Tensor> {
  return { shape: entry.shape, data: await joined(entry.shape, readTensorPieces(name, entry)) };
}

/** A tensor's values in one array. */
export async function joined(
  shape: readonly number[],
  pieces: AsyncIterable<Float32Array>,
): Promise<Float32Array<ArrayBuffer>> {
  const data = new Float32Array(sizeOf(shape));
  let at = 0;
  for await (const piece of pieces) {
    data.set(piece, at);
    at += piece.length;
  }
  return data;
}

/** All tensors of a small file, in float32. */
export async function readSafetensors(file: string): Promise<Map<string, Tensor>> {
  const tensors = new Map<string, Tensor>();
  for (const [name, entry] of await readSafetensorsHeader(file)) tensors.set(name, await readTensor(name, entry));
  return tensors;
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** Header bytes: length, JSON, spaces up to the next multiple of DATA_ALIGNMENT. */
function makeHeader(tensors: readonly AnyTensorToWrite[], metadata: Readonly<Record<string, string>>): Uint8Array {
  let offset = 0;
  const entries: [string, unknown][] = tensors.map(({ name, shape, dtype = 'F32' }) => {
    const begin = offset;
    offset += (DTYPE_BYTES.get(dtype) as number) * sizeOf(shape);
    return [name, { dtype, shape, data_offsets: [begin, offset] }];
  });
  const json = Buffer.from(JSON.stringify(Object.fromEntries([['__metadata__', metadata], ...entries])));
  const header = Buffer.alloc(Math.ceil((8 + json.length) / DATA_ALIGNMENT) * DATA_ALIGNMENT, ' ');
  header.writeBigUInt64LE(BigInt(header.length - 8), 0);
  json.copy(header, 8);
  return header;
}

/**
 * Writes tensors one after another, in the order given, the data section at a multiple of 4096 bytes; atomically.
 * @throws SipfError 'write-failed' where the disk refuses; Error where data and shape disagree.
 */
export async function writeSafetensors(
  file: string,
  tensors: readonly AnyTensorToWrite[],
  metadata: Readonly<Record<string, string>> = { format: 'pt' },
): Promise<void> {
  if (new Set(tensors.map((tensor) => tensor.name)).size !== tensors.length)
    throw new Error(`two tensors of one name for ${file}`);
  await writeFileAtomically(file, bytesOf(tensors, makeHeader(tensors, metadata)));
}

/** The values of a tensor to write, in order. */
export const piecesOf = <Data extends WrittenData>({ data }: TensorToWrite<Data>): AsyncIterable<Data> | Data[] =>
  typeof data === 'function' ? data() : [data];

async function* bytesOf(tensors: readonly AnyTensorToWrite[], header: Uint8Array): AsyncGenerator<Uint8Array> {
  yield header;
  for (const tensor of tensors) {
    const { name, shape, dtype = 'F32' } = tensor;
    let written = 0;
    for await (const piece of piecesOf(tensor)) {
      yield new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength);
      written += piece.byteLength;
    }
    if (written !== sizeOf(shape) * (DTYPE_BYTES.get(dtype) as number))
      throw new Error(`tensor ${name} ${dtype} [${shape}] has ${written} bytes`);
  }
}

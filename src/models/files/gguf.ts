// A GGUF file -> metadata, tensor positions, and tensors as float32.
// The hub's own reader drops a leading BOM of vocabulary entries.
import { printable, SipfError } from '../../errors.ts';
import { readExactly, withFile } from '../../io/file-bytes.ts';
import { foreignFile } from '../../io/foreign-file.ts';
import { BLOCK_TYPES, type BlockType, blockTypeName } from './gguf-blocks.ts';
import { joinParts, partFiles } from './gguf-parts.ts';
import { overlapping } from './placed-tensors.ts';
import { joined } from './safetensors.ts';

type GgufScalar = string | number | boolean;
export type GgufValue = GgufScalar | readonly GgufScalar[];

export interface GgufTensor {
  /** The file, or the part of it, that has the tensor. */
  readonly file: string;
  readonly type: BlockType;
  /** Row-major, as in Hugging Face files: `[rows, columns]`. */
  readonly shape: readonly number[];
  readonly offset: number;
  readonly length: number;
}

export interface GgufFile {
  /** The file, or the first of its parts. */
  readonly file: string;
  /** All parts in order; one where the file is whole. */
  readonly files: readonly string[];
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

const FIRST_READ = 1 << 23;
/** Of what a lying header could make us hold: real ones have some ten MiB, of a few hundred thousand texts. */
const MAX_HEADER = 1 << 27;
const MAX_ELEMENTS = 1 << 24;
const MAX_TENSORS = 1 << 17;
const VALUES_PER_PIECE = 1 << 22;
/** Twice what GGML itself takes. */
const MAX_NAME = 128;
/** Thrown inside this file: the header goes on behind what was read, or, as it says itself, behind the end of the file. */
class HeaderEnd extends Error {
  readonly ofFile: boolean;

  constructor(ofFile: boolean) {
    super();
    this.ofFile = ofFile;
  }
}

/**
 * The metadata and tensors of a GGUF file, or of all parts of one that is split; `file` is any of them.
 * @throws SipfError 'not-found' where a part is missing; 'bad-input' where a file is none, or is truncated or corrupt; 'unsupported' where a
 * tensor's type is not read.
 */
export async function readGguf(file: string): Promise<GgufFile> {
  const given = await readPart(file);
  const files = partFiles(file, given.metadata);
  if (files.length === 1) return given;
  const parts: GgufFile[] = [];
  for (const part of files) parts.push(part === file ? given : await readPart(part));
  return joinParts(parts);
}

async function readPart(file: string): Promise<GgufFile> {
  return withFile(file, async (handle, size) => {
    for (let length = Math.min(FIRST_READ, size); ; length = Math.min(length * 4, size)) {
      const cursor = new Cursor(await readExactly(handle, file, 0, length), size);
      try {
        return parseHeader(cursor, file, size);
      } catch (thrown) {
        if (!(thrown instanceof HeaderEnd)) throw thrown;
        if (thrown.ofFile || length >= size || length >= MAX_HEADER)
          throw corrupt(file, 'a complete header', `none in the first ${length} of ${size} bytes`);
      }
    }
  });
}

function corrupt(file: string, expected: string, got: string): SipfError {
  return new SipfError(
    'bad-input',
    `Expected ${printable(expected)} in the GGUF file ${file}, got ${printable(got)}. The file is truncated or corrupt: download it again.`,
  );
}

/** Keeps a leading BOM: it is a vocabulary entry of its own. */
const TEXT = new TextDecoder('utf-8', { ignoreBOM: true });
const [BOOLEAN, STRING, ARRAY] = [7, 8, 9];
/** By value type: bytes, and how they are read. */
const NUMBERS: Readonly<Record<number, readonly [bytes: number, read: (view: DataView, at: number) => number]>> = {
  0: [1, (view, at) => view.getUint8(at)],
  1: [1, (view, at) => view.getInt8(at)],
  2: [2, (view, at) => view.getUint16(at, true)],
  3: [2, (view, at) => view.getInt16(at, true)],
  4: [4, (view, at) => view.getUint32(at, true)],
  5: [4, (view, at) => view.getInt32(at, true)],
  6: [4, (view, at) => view.getFloat32(at, true)],
  10: [8, (view, at) => Number(view.getBigUint64(at, true))],
  11: [8, (view, at) => Number(view.getBigInt64(at, true))],
  12: [8, (view, at) => view.getFloat64(at, true)],
};

class Cursor {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #size: number;
  at = 0;

  /** @param size of the whole file, of which `bytes` are the first. */
  constructor(bytes: Uint8Array, size: number) {
    this.#bytes = bytes;
    this.#size = size;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** What the file is, where its first bytes say that it is no GGUF file. */
  foreign = (): string | null => foreignFile(this.#bytes);

  /** Moves `n` bytes on and returns where they begin. */
  #take(n: number): number {
    const end = this.at + n;
    if (end > this.#bytes.byteLength) throw new HeaderEnd(end > this.#size);
    this.at += n;
    return this.at - n;
  }

  /** undefined: there is no such type of number. */
  number(type: number): number | undefined {
    const [bytes, read] = NUMBERS[type] ?? [];
    return bytes && read?.(this.#view, this.#take(bytes));
  }

  u8 = (): number => this.number(0) as number;
  u32 = (): number => this.number(4) as number;
  u64 = (): number => this.number(10) as number;

  text(): string {
    const length = this.u64();
    const begin = this.#take(length);
    return TEXT.decode(this.#bytes.subarray(begin, begin + length));
  }
}

function readValue(cursor: Cursor, file: string, key: string, type: number): GgufValue {
  return type === ARRAY ? readArray(cursor, file, key) : readScalar(cursor, file, key, type);
}

function readArray(cursor: Cursor, file: string, key: string): GgufScalar[] {
  const type = cursor.u32();
  const count = cursor.u64();
  if (count > MAX_ELEMENTS) throw corrupt(file, `at most ${MAX_ELEMENTS} values of ${key}`, `${count}`);
  const values: GgufScalar[] = [];
  for (let i = 0; i < count; i++) values.push(readScalar(cursor, file, key, type));
  return values;
}

function readScalar(cursor: Cursor, file: string, key: string, type: number): GgufScalar {
  if (type === STRING) return cursor.text();
  if (type === BOOLEAN) return cursor.u8() !== 0;
  const number = cursor.number(type);
  if (number === undefined) throw corrupt(file, `a known value type of ${key}`, `${type}`);
  return number;
}

function parseHeader(cursor: Cursor, file: string, size: number): GgufFile {
  checkVersion(cursor, file, size);
  const tensorCount = cursor.u64();
  const keyCount = cursor.u64();
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < keyCount; i++) {
    const key = cursor.text();
    metadata.set(key, readValue(cursor, file, key, cursor.u32()));
  }
  if (tensorCount > MAX_TENSORS) throw corrupt(file, `at most ${MAX_TENSORS} tensors`, `${tensorCount}`);
  const infos: { name: string; dims: number[]; type: number; offset: number }[] = [];
  for (let i = 0; i < tensorCount; i++) infos.push(readTensorInfo(cursor, file));
  const alignment = metadata.get('general.alignment') ?? 32;
  if (typeof alignment !== 'number' || !Number.isSafeInteger(alignment) || alignment < 1)
    throw corrupt(file, 'a positive general.alignment', String(alignment));
  const dataStart = Math.ceil(cursor.at / alignment) * alignment;
  const tensors = new Map<string, GgufTensor>();
  for (const info of infos) {
    if (tensors.has(info.name)) throw corrupt(file, `one tensor ${info.name}`, 'two');
    tensors.set(info.name, placeTensor(file, info, dataStart, size));
  }
  const shared = overlapping(tensors);
  if (shared) throw corrupt(file, 'tensors apart', `${shared[0]} and ${shared[1]} overlapping`);
  return { file, files: [file], metadata, tensors };
}

function checkVersion(cursor: Cursor, file: string, size: number): void {
  if (size < 24) throw corrupt(file, 'at least 24 bytes', `${size}`);
  const magic = cursor.u32();
  if (magic !== 0x46554747) {
    const other = 'a file that does not begin with "GGUF". Check the path, or download it again.';
    throw new SipfError('bad-input', `Expected a GGUF file at ${file}, got ${cursor.foreign() ?? other}`);
  }
  const version = cursor.u32();
  if (version !== 2 && version !== 3) {
    throw new SipfError(
      'unsupported',
      `Expected GGUF version 2 or 3 (little-endian) in ${file}, got ${versionText(version)}. Convert the model again.`,
    );
  }
}

/** Versions stay small: a number in the upper half of the four bytes is a big-endian one. */
const versionText = (version: number): string => (version >= 1 << 16 ? 'a big-endian file' : `version ${version}`);

function readTensorInfo(cursor: Cursor, file: string) {
  const name = cursor.text();
  if (name.length > MAX_NAME) throw corrupt(file, `tensor names of at most ${MAX_NAME} characters`, `${name.length}`);
  const rank = cursor.u32();
  if (rank > 4) throw corrupt(file, `at most 4 dimensions of tensor ${name}`, `${rank}`);
  const dims = Array.from({ length: rank }, () => cursor.u64());
  return { name, dims, type: cursor.u32(), offset: cursor.u64() };
}

function placeTensor(
  file: string,
  info: ReturnType<typeof readTensorInfo>,
  dataStart: number,
  size: number,
): GgufTensor {
  const { name, dims } = info;
  const type = BLOCK_TYPES.get(info.type);
  if (!type) {
    const known = [...BLOCK_TYPES.values()].map((t) => t.name).join(' ');
    throw new SipfError(
      'unsupported',
      `Expected tensor ${printable(name)} of ${file} in one of ${known}, got ${blockTypeName(info.type)}. Use another quantisation of the model.`,
    );
  }
  if ((dims[0] ?? 1) % type.blockValues !== 0)
    throw corrupt(file, `rows of tensor ${name} in blocks of ${type.blockValues}`, `${dims[0]} values`);
  const length = (dims.reduce((product, n) => product * n, 1) / type.blockValues) * type.blockBytes;
  const offset = dataStart + info.offset;
  if (!Number.isSafeInteger(length) || offset + length > size)
    throw corrupt(file, `${offset + length} bytes (tensor ${name} ends there)`, `${size}`);
  return { file, type, shape: [...dims].reverse(), offset, length };
}

/** The tensor's values as float32 pieces, in order. */
export async function* readGgufPieces(tensor: GgufTensor): AsyncGenerator<Float32Array<ArrayBuffer>> {
  const { file, type } = tensor;
  const count = tensor.length / type.blockBytes;
  const step = Math.max(1, Math.floor(VALUES_PER_PIECE / type.blockValues));
  for (let first = 0; first < count; first += step) {
    const n = Math.min(step, count - first);
    const bytes = await withFile(file, (handle) =>
      readExactly(handle, file, tensor.offset + first * type.blockBytes, n * type.blockBytes),
    );
    const out = new Float32Array(n * type.blockValues);
    type.decode(bytes, out);
    yield out;
  }
}

/** All values of one tensor. */
export const readGgufTensor = (tensor: GgufTensor): Promise<Float32Array> =>
  joined(tensor.shape, readGgufPieces(tensor));

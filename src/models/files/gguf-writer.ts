// Metadata and tensors -> a GGUF file, version 3, written piece by piece.
import { writeFileAtomically } from '../../io/files.ts';
import type { GgufValue } from './gguf.ts';
import { piecesOf, type TensorToWrite } from './safetensors.ts';
import { encoded, type WrittenType } from './written-types.ts';

/** How a scalar is stored: its number in the format, and its bytes. */
const SCALARS = {
  u8: [0, (value: unknown) => Buffer.of(Number(value))],
  u32: [4, (value: unknown) => word(Uint32Array.of(Number(value)))],
  i32: [5, (value: unknown) => word(Int32Array.of(Number(value)))],
  f32: [6, (value: unknown) => word(Float32Array.of(Number(value)))],
  bool: [7, (value: unknown) => Buffer.of(value === true ? 1 : 0)],
  text: [8, (value: unknown) => textBytes(String(value))],
} as const;
const ARRAY = 9;

/** Of a scalar, or of the items of a list. */
export type GgufType = keyof typeof SCALARS;

/** A metadata value with the type that readers expect of its key. */
export interface GgufEntry {
  readonly type: GgufType;
  readonly value: GgufValue;
}

/** Metadata by key, in the order of the file. */
export type GgufEntries = ReadonlyMap<string, GgufEntry>;

export interface GgufTensorToWrite extends TensorToWrite {
  readonly type: WrittenType;
}

/** Tensors begin at multiples of this; the format's default. */
const ALIGNMENT = 32;

/**
 * Writes a GGUF file, atomically. Each piece of a tensor's data must hold whole blocks of its type.
 * @throws SipfError 'bad-input' naming a tensor with a value that its type cannot hold; 'write-failed' where the disk refuses.
 */
export async function writeGguf(
  file: string,
  entries: GgufEntries,
  tensors: readonly GgufTensorToWrite[],
): Promise<void> {
  await writeFileAtomically(file, bytesOf(file, entries, tensors));
}

async function* bytesOf(
  file: string,
  entries: GgufEntries,
  tensors: readonly GgufTensorToWrite[],
): AsyncGenerator<Uint8Array> {
  const header = headerOf(entries, tensors);
  yield Buffer.concat([header, padding(header.length)]);
  for (const tensor of tensors) {
    let written = 0;
    for await (const piece of piecesOf(tensor)) {
      const bytes = encoded(file, tensor.name, tensor.type, piece);
      written += bytes.length;
      yield bytes;
    }
    if (written !== lengthOf(tensor)) throw new Error(`tensor ${tensor.name} [${tensor.shape}] has ${written} bytes`);
    yield padding(written);
  }
}

function headerOf(entries: GgufEntries, tensors: readonly GgufTensorToWrite[]): Buffer {
  const parts = [Buffer.from('GGUF'), u32(3), u64(tensors.length), u64(entries.size)];
  for (const [key, entry] of entries) parts.push(textBytes(key), valueBytes(entry));
  let offset = 0;
  for (const tensor of tensors) {
    const { name, shape, type } = tensor;
    parts.push(textBytes(name), u32(shape.length), ...[...shape].reverse().map(u64), u32(type.id), u64(offset));
    offset += lengthOf(tensor);
    offset += padding(offset).length;
  }
  return Buffer.concat(parts);
}

function valueBytes({ type, value }: GgufEntry): Buffer {
  const [id, bytes] = SCALARS[type];
  if (!Array.isArray(value)) return Buffer.concat([u32(id), bytes(value)]);
  return Buffer.concat([u32(ARRAY), u32(id), u64(value.length), ...value.map((item) => bytes(item))]);
}

function lengthOf({ shape, type }: GgufTensorToWrite): number {
  return (shape.reduce((product, n) => product * n, 1) / type.blockValues) * type.blockBytes;
}

const u32 = (n: number): Buffer => word(Uint32Array.of(n));
const u64 = (n: number): Buffer => word(BigUint64Array.of(BigInt(n)));
const word = ({ buffer }: Uint32Array | Int32Array | Float32Array | BigUint64Array): Buffer => Buffer.from(buffer);
const textBytes = (text: string): Buffer => {
  const bytes = Buffer.from(text);
  return Buffer.concat([u64(bytes.length), bytes]);
};
const padding = (length: number): Buffer => Buffer.alloc((ALIGNMENT - (length % ALIGNMENT)) % ALIGNMENT);

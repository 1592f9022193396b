// A model folder and a quantisation -> a folder of the same model in float32, restored by hand.
import { cpSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WeightSlice } from '../src/engine/graph.ts';
import type { QuantisedSlices } from '../src/models/architectures/parameters.ts';
import { readTensor, writeSafetensors } from '../src/models/files/safetensors.ts';
import { openModel } from '../src/models/open-model.ts';
import { halfToNumber } from '../src/models/weights/half.ts';
import { quantisedWeights } from '../src/models/weights/quantised-weights.ts';
import type { Quantisation } from '../src/models/weights/quantisers/quantisers.ts';

const LEVELS = [
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
  -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
  0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
] as const;

const bytesOf = ({ file, offset, length }: WeightSlice): Buffer => readFileSync(file).subarray(offset, offset + length);

/** Each weight from its bits and its scale, one after another. */
export function restored({ packing, shape: [rows, columns], packed, scales }: QuantisedSlices): Float32Array {
  const [bytes, units] = [bytesOf(packed), bytesOf(scales)];
  const scale = (n: number) => units.readFloatLE(4 * n);
  return Float32Array.from({ length: rows * columns }, (_, i) => {
    if (packing === 'int8') return bytes.readInt8(i) * scale(Math.floor(i / columns));
    if (packing === 'float16') return halfToNumber(bytes.readUInt16LE(2 * i)) * scale(Math.floor(i / columns));
    const byte = bytes[i >> 1] as number;
    if (packing === 'int4') return ((i % 2 === 0 ? byte & 15 : byte >> 4) - 8) * scale(i >> 5);
    return (LEVELS[i % 2 === 0 ? byte >> 4 : byte & 15] as number) * scale(Math.floor(i / 64));
  });
}

/** Writes `${folder}-${quantisation}`; returns its path and the names of the matrices that were quantised. */
export async function restoredModel(
  folder: string,
  quantisation: Quantisation,
  cache: string,
): Promise<{ folder: string; matrices: string[] }> {
  const { decoder, files } = await openModel({ model: folder }, { cache });
  const { slices, quantised } = await quantisedWeights(decoder, files, quantisation, { cache });
  const to = `${folder}-${quantisation}`;
  mkdirSync(to, { recursive: true });
  cpSync(folder, to, { recursive: true });
  const tensors = [...files.shapes].map(async ([name, shape]) => {
    const matrix = quantised.get(name);
    const slice = slices.get(name);
    if (matrix) return { name, shape, data: restored(matrix) };
    if (slice) return { name, shape, data: (await readTensor(name, slice)).data };
    throw new Error(`${name} is neither quantised nor kept`);
  });
  await writeSafetensors(join(to, 'model.safetensors'), await Promise.all(tensors));
  return { folder: to, matrices: [...quantised.keys()] };
}

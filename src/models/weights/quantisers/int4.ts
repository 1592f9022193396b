// Weights -> 4 bits each and a scale for each part of a row, with the numbers of llama.cpp's Q4_0.
import { INT4_BLOCK } from '../../../engine/ops/quantised.ts';

/** The weight that 1 stands for in each block of the flat matrix: its largest number is -8 of these. */
export function int4Scales(values: Float32Array): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: values.length / INT4_BLOCK }, (_, block) => {
    let largest = 0;
    for (const value of values.subarray(block * INT4_BLOCK, (block + 1) * INT4_BLOCK))
      if (Math.abs(value) > Math.abs(largest)) largest = value;
    return largest / -8;
  });
}

/** Two weights a byte, the first in its lower half: each is 8 more than the nearest of -8 ... 7 units. */
export function packInt4(values: Float32Array): Uint8Array<ArrayBuffer> {
  const inverse = int4Scales(values).map((scale) => (scale === 0 ? 0 : 1 / scale));
  const packed = new Uint8Array(values.length / 2);
  for (let byte = 0; byte < packed.length; byte++) {
    const unit = inverse[Math.floor((2 * byte) / INT4_BLOCK)] as number;
    const [low, high] = [values[2 * byte] as number, values[2 * byte + 1] as number];
    packed[byte] = nibble(low * unit) | (nibble(high * unit) << 4);
  }
  return packed;
}

const nibble = (units: number): number => Math.min(15, Math.floor(units + 8.5));

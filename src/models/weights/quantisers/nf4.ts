// Weights -> 4 bits each and a scale for each block, as bitsandbytes packs them.
import { NF4_BLOCK, NF4_LEVELS } from '../../../engine/ops/quantised.ts';

/** Half way from each level to the next one. */
const BOUNDS = Float32Array.from(NF4_LEVELS.slice(1), (level, n) => (level + (NF4_LEVELS[n] as number)) / 2);

/** The largest |weight| of each block of the flat matrix. */
export function blockScales(values: Float32Array): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: values.length / NF4_BLOCK }, (_, block) => {
    let largest = 0;
    for (const value of values.subarray(block * NF4_BLOCK, (block + 1) * NF4_BLOCK))
      largest = Math.max(largest, Math.abs(value));
    return largest;
  });
}

/** Two weights a byte, the first in its upper half: each is the nearest level of its block's scale. */
export function packNf4(values: Float32Array): Uint8Array<ArrayBuffer> {
  // A block of zeros must not divide by zero.
  const inverse = blockScales(values).map((scale) => 1 / Math.max(scale, 1e-38));
  const packed = new Uint8Array(values.length / 2);
  for (let byte = 0; byte < packed.length; byte++) {
    const unit = inverse[Math.floor((2 * byte) / NF4_BLOCK)] as number;
    const [high, low] = [values[2 * byte] as number, values[2 * byte + 1] as number];
    packed[byte] = (levelOf(Math.fround(high * unit)) << 4) | levelOf(Math.fround(low * unit));
  }
  return packed;
}

/** How many of the 15 bounds are below `value`. */
function levelOf(value: number): number {
  let low = 0;
  // Without a branch, which would be guessed wrongly half of the time.
  for (let step = 8; step > 0; step >>= 1) low += step * Number((BOUNDS[low + step - 1] as number) < value);
  return low;
}

// Weights -> half precision, in units that keep each row's largest weight near 1.
import { encodeF16 } from '../half.ts';

/** A power of two for each row, so that nothing is rounded but the halves: its largest weight is 1/2 to 1 of these. */
export function halfScales(values: Float32Array, columns: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: values.length / columns }, (_, row) => {
    let largest = 0;
    for (const value of values.subarray(row * columns, (row + 1) * columns))
      largest = Math.max(largest, Math.abs(value));
    return largest === 0 ? 1 : 2 ** (Math.floor(Math.log2(largest)) + 1);
  });
}

export function packHalf(values: Float32Array, columns: number): Uint16Array<ArrayBuffer> {
  const scales = halfScales(values, columns);
  const units = values.map((value, at) => value / (scales[Math.floor(at / columns)] as number));
  return new Uint16Array(encodeF16(units).buffer as ArrayBuffer);
}

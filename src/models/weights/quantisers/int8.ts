// Weights -> 8 bits each and a scale for each row, as bitsandbytes' LLM.int8() stores them.

/** The largest |weight| of each row. */
function largestOfRows(values: Float32Array, columns: number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: values.length / columns }, (_, row) => {
    let largest = 0;
    for (const value of values.subarray(row * columns, (row + 1) * columns))
      largest = Math.max(largest, Math.abs(value));
    return largest;
  });
}

/** The weight that 1 stands for in each row: its largest one is 127 of these. */
export const rowScales = (values: Float32Array, columns: number): Float32Array<ArrayBuffer> =>
  largestOfRows(values, columns).map((largest) => largest / 127);

/** The nearest whole number of each row's scale, in float32 as there. */
export function packInt8(values: Float32Array, columns: number): Int8Array<ArrayBuffer> {
  const inverse = largestOfRows(values, columns).map((largest) => (largest === 0 ? 0 : 127 / largest));
  const packed = new Int8Array(values.length);
  for (let at = 0; at < packed.length; at++) {
    const unit = inverse[Math.floor(at / columns)] as number;
    packed[at] = roundHalfEven(Math.fround((values[at] as number) * unit));
  }
  return packed;
}

function roundHalfEven(value: number): number {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

// 16-bit floats -> 32-bit floats, exactly; and back, rounded to the nearest, ties to even.

/** IEEE 754 binary16 bits as a number. */
export function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const HALVES = Float32Array.from({ length: 0x10000 }, (_, bits) => halfToNumber(bits));

/** Little-endian float16 `bytes` into `out`, `out.length` values. */
export function decodeF16(bytes: Uint8Array, out: Float32Array): void {
  for (let i = 0; i < out.length; i++) {
    out[i] = HALVES[(bytes[2 * i] as number) | ((bytes[2 * i + 1] as number) << 8)] as number;
  }
}

/** Little-endian bfloat16 `bytes` into `out`, `out.length` values. */
export function decodeBf16(bytes: Uint8Array, out: Float32Array): void {
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  for (let i = 0; i < out.length; i++) {
    bits[i] = ((bytes[2 * i] as number) << 16) | ((bytes[2 * i + 1] as number) << 24);
  }
}

/** Little-endian float32 `bytes` (at any alignment) into `out`, `out.length` values. */
export function decodeF32(bytes: Uint8Array, out: Float32Array): void {
  new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(bytes.subarray(0, out.byteLength));
}

/** From here on a number rounds to infinity in float16. */
export const HALF_OVERFLOW = 65520;

/** IEEE 754 binary16 bits of a number given as its binary32 bits. */
function halfBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x47800000) return sign | 0x7c00;
  if (magnitude >= 0x38800000) return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13);
  // Below 2^-14: so many steps of 2^-24.
  const shift = 126 - (magnitude >>> 23);
  if (shift > 24) return sign;
  const whole = (magnitude & 0x7fffff) | 0x800000;
  const kept = whole >> shift;
  const rest = whole - (kept << shift);
  const tie = 1 << (shift - 1);
  return sign | (rest > tie || (rest === tie && kept % 2 === 1) ? kept + 1 : kept);
}

/** `values` as little-endian float16 bytes. */
export function encodeF16(values: Float32Array): Uint8Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const bytes = new Uint8Array(2 * values.length);
  for (let i = 0; i < bits.length; i++) {
    const half = halfBits(bits[i] as number);
    bytes[2 * i] = half & 0xff;
    bytes[2 * i + 1] = half >> 8;
  }
  return bytes;
}

/** From here on a number rounds to infinity in bfloat16: half a step above its largest, (2 - 2^-7) 2^127. */
export const BF16_OVERFLOW = (2 - 2 ** -8) * 2 ** 127;

/** `values` as little-endian bfloat16 bytes: the upper halves of their float32 bits, rounded. */
export function encodeBf16(values: Float32Array): Uint8Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const bytes = new Uint8Array(2 * values.length);
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i] as number;
    const isNan = (word & 0x7fffffff) > 0x7f800000;
    const upper = isNan ? (word >>> 16) | 0x40 : (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
    bytes[2 * i] = upper & 0xff;
    bytes[2 * i + 1] = (upper >>> 8) & 0xff;
  }
  return bytes;
}

/** `values` as little-endian float32 bytes. */
export function encodeF32(values: Float32Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

// Numbers in 16 bits -> the nearest ones that 16 bits hold.
import { expect, it } from 'vitest';
import { BF16_OVERFLOW, decodeBf16, encodeBf16 } from './half.ts';

const through = (values: readonly number[]): number[] => {
  const out = new Float32Array(values.length);
  decodeBf16(encodeBf16(Float32Array.from(values)), out);
  return [...out];
};

it('keeps every bfloat16', () => {
  const bytes = new Uint8Array(new Uint16Array(0x10000).map((_, bits) => bits).buffer);
  const values = new Float32Array(0x10000);
  decodeBf16(bytes, values);
  const again = encodeBf16(values);
  const changed = bytes.findIndex((byte, i) => byte !== again[i] && !Number.isNaN(values[i >> 1]));
  expect(changed).toBe(-1);
  expect(through([Number.NaN])).toEqual([Number.NaN]);
});

it('rounds to the nearest, ties to even', () => {
  const step = 2 ** -7;
  expect(through([1 + 0.49 * step, 1 + 0.5 * step, 1 + 0.51 * step, 1 + 1.5 * step, -1 - 0.75 * step])).toEqual([
    1,
    1,
    1 + step,
    1 + 2 * step,
    -1 - step,
  ]);
  expect(through([BF16_OVERFLOW, Math.fround(BF16_OVERFLOW * (1 - 2 ** -20))])).toEqual([
    Number.POSITIVE_INFINITY,
    (2 - step) * 2 ** 127,
  ]);
});

// Blocks of GGUF types -> numbers; unknown types are refused by name.
import { describe, expect, it } from 'vitest';
import { BLOCK_TYPES, blockTypeName } from './gguf-blocks.ts';

const decode = (type: number, bytes: number[], n: number): number[] => {
  const out = new Float32Array(n);
  BLOCK_TYPES.get(type)?.decode(Uint8Array.from(bytes), out);
  return [...out];
};

describe('block types', () => {
  it('decodes a Q8_0 block: scale 2, signed bytes', () => {
    const quants = Array.from({ length: 32 }, (_, i) => (i - 16) & 255);
    expect(decode(8, [0x00, 0x40, ...quants], 32)).toEqual(Array.from({ length: 32 }, (_, i) => 2 * (i - 16)));
  });

  it('decodes a Q4_1 block: low nibbles first, then high ones, scale 0.5 and minimum -1', () => {
    const bytes = [0x00, 0x38, 0x00, 0xbc, ...Array.from({ length: 16 }, (_, i) => i | ((15 - i) << 4))];
    const expected = [
      ...Array.from({ length: 16 }, (_, i) => i / 2 - 1),
      ...Array.from({ length: 16 }, (_, i) => (15 - i) / 2 - 1),
    ];
    expect(decode(3, bytes, 32)).toEqual(expected);
  });

  it('decodes half and bfloat16 numbers, subnormal and infinite ones too', () => {
    expect(decode(1, [0x01, 0x00, 0x00, 0xfc, 0x66, 0x2e], 3)).toEqual([
      2 ** -24,
      -Infinity,
      Math.fround(0.0999755859375),
    ]);
    expect(decode(30, [0x80, 0x3f, 0x20, 0xc0], 2)).toEqual([1, -2.5]);
  });

  it('names types it cannot decode', () => {
    expect(blockTypeName(29)).toBe('IQ1_M');
    expect(blockTypeName(77)).toBe('number 77');
  });
});

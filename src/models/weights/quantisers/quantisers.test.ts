// Matrices -> bytes and scales, compared with what bitsandbytes makes of them (make_fixture.py).
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { withFile } from '../../../io/file-bytes.ts';
import { readSafetensorsHeader, readTensor, type TensorEntry } from '../../files/safetensors.ts';
import { halfToNumber } from '../half.ts';
import { fillNormal } from '../init-model.ts';
import { halfScales, packHalf } from './float16.ts';
import { int4Scales, packInt4 } from './int4.ts';
import { packInt8, rowScales } from './int8.ts';
import { nestedScales } from './nested-scales.ts';
import { blockScales, packNf4 } from './nf4.ts';

const file = join(import.meta.dirname, '../../../../test/fixtures/bitsandbytes/quantised.safetensors');
const entries = await readSafetensorsHeader(file);
const entry = (name: string) => entries.get(name) as TensorEntry;
const floats = async (name: string) => (await readTensor(name, entry(name))).data;

async function bytes(name: string): Promise<Buffer> {
  const { offset, length } = entry(name);
  return withFile(file, async (handle) => {
    const buffer = Buffer.alloc(length);
    await handle.read(buffer, 0, length, offset);
    return buffer;
  });
}

/** Largest |a - b| over the largest |b|. */
function error(a: Float32Array, b: Float32Array): number {
  expect(a).toHaveLength(b.length);
  const scale = b.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] as number))), 0) / scale;
}

it.each(['whole', 'wide'])('NF4 of %s: the bytes and scales of bitsandbytes', async (name) => {
  const values = await floats(`${name}.weight`);
  expect([...packNf4(values)]).toEqual([...(await bytes(`${name}.nf4.packed`))]);
  expect(blockScales(values)).toEqual(await floats(`${name}.nf4.absmax`));
});

it.each(['whole', 'wide'])('scales of %s, quantised themselves', async (name) => {
  const found = nestedScales(blockScales(await floats(`${name}.weight`)));
  expect(error(found, await floats(`${name}.nf4-double.absmax`))).toBeLessThan(1e-6);
  expect(found).not.toEqual(await floats(`${name}.nf4.absmax`));
});

it('int8: the bytes and scales of bitsandbytes', async () => {
  const values = await floats('whole.int8.weight');
  expect([...packInt8(values, 16)]).toEqual([...new Int8Array(await bytes('whole.int8.packed'))]);
  const scales = rowScales(values, 16).map((scale) => scale * 127);
  expect(error(scales, await floats('whole.int8.scb'))).toBeLessThan(1e-6);
});

/** Normal numbers, in rows of sizes far apart. */
const spread = fillNormal(new Float32Array(64 * 8), 'quantisers', 1).map((value, i) => value * 10 ** ((i >> 6) - 6));

it('int4: the nearest of 16 units, of which the largest weight of its block is the first', () => {
  const [packed, scales] = [packInt4(spread), int4Scales(spread)];
  for (const [i, value] of spread.entries()) {
    const [byte, unit] = [packed[i >> 1] as number, scales[i >> 5] as number];
    const units = (i % 2 === 0 ? byte & 15 : byte >> 4) - 8;
    const block = spread.subarray(i & ~31, (i & ~31) + 32);
    const largest = block.reduce((most, each) => (Math.abs(each) > Math.abs(most) ? each : most), 0);
    expect(unit).toBe(Math.fround(largest / -8));
    if (value === largest) expect(units).toBe(-8);
    const nearest = Array.from({ length: 16 }, (_, n) => Math.abs(value - (n - 8) * unit)).reduce((a, b) =>
      Math.min(a, b),
    );
    expect(Math.abs(value - units * unit)).toBeLessThanOrEqual(nearest + 1e-6 * Math.abs(unit));
  }
});

it('float16: 11 bits of each weight, in rows of tiny weights, too', () => {
  const [packed, scales] = [packHalf(spread, 64), halfScales(spread, 64)];
  for (const [row, scale] of scales.entries()) {
    const weights = spread.subarray(64 * row, 64 * row + 64);
    const largest = weights.reduce((most, each) => Math.max(most, Math.abs(each)), 0);
    expect(Math.log2(scale)).toSatisfy(Number.isInteger);
    expect(largest / scale).toBeGreaterThanOrEqual(0.5);
    expect(largest / scale).toBeLessThanOrEqual(1);
    for (const [i, value] of weights.entries()) {
      const found = halfToNumber(packed[64 * row + i] as number) * scale;
      expect(Math.abs(found - value)).toBeLessThanOrEqual(Math.max(2 ** -11 * Math.abs(value), 2 ** -25 * scale));
    }
  }
});

it('zeros stay zeros', () => {
  const zeros = new Float32Array(64);
  expect(packNf4(zeros)).toEqual(new Uint8Array(32).fill(0x77));
  expect(packInt4(zeros)).toEqual(new Uint8Array(32).fill(0x88));
  expect(packInt8(zeros, 8)).toEqual(new Int8Array(64));
  expect(packHalf(zeros, 8)).toEqual(new Uint16Array(64));
  expect(nestedScales(blockScales(zeros))).toEqual(Float32Array.of(0));
});

// Matrices -> bytes and scales, compared with what bitsandbytes makes of them (make_fixture.py).
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { withFile } from '../../../io/file-bytes.ts';
import { readSafetensorsHeader, readTensor, type TensorEntry } from '../../files/safetensors.ts';
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

it('zeros stay zeros', () => {
  const zeros = new Float32Array(64);
  expect(packNf4(zeros)).toEqual(new Uint8Array(32).fill(0x77));
  expect(packInt8(zeros, 8)).toEqual(new Int8Array(64));
  expect(nestedScales(blockScales(zeros))).toEqual(Float32Array.of(0));
});

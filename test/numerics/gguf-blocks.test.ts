// Every GGUF block type against gguf-py's values.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BLOCK_TYPES } from '../../src/models/files/gguf-blocks.ts';
import { readSafetensorsHeader, readTensor, type TensorEntry } from '../../src/models/files/safetensors.ts';

const file = join(import.meta.dirname, '../fixtures/gguf-block-types.safetensors');

describe('block types', () => {
  const types = [...BLOCK_TYPES.values()].filter((type) => type.name !== 'F32');
  it.each(types)('$name is bit for bit the reference', async ({ name, blockBytes, decode }) => {
    const entries = await readSafetensorsHeader(file);
    const raw = entries.get(`${name}.raw`) as TensorEntry;
    const expected = await readTensor(name, entries.get(`${name}.values`) as TensorEntry);
    expect(raw.shape[1]).toBe(blockBytes);
    const out = new Float32Array(expected.data.length);
    decode(readFileSync(file).subarray(raw.offset, raw.offset + raw.length), out);
    expect(Buffer.compare(Buffer.from(out.buffer), Buffer.from(expected.data.buffer))).toBe(0);
  });
});

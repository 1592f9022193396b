// safetensors files, good and damaged -> tensors, or an error that names file and tensor.
import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  readSafetensors,
  readSafetensorsHeader,
  readTensor,
  type TensorEntry,
  writeSafetensors,
} from './safetensors.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-safetensors-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A file with this header and so many data bytes. */
async function fileWith(name: string, header: unknown, data: Uint8Array): Promise<string> {
  const json = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  const file = join(folder, name);
  await writeFile(file, Buffer.concat([length, json, data]));
  return file;
}

const entry = (dtype: string, shape: number[], begin: number, end: number) => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

describe('writeSafetensors', () => {
  it('writes what it reads back, in order, with the data at a multiple of 4096 and nothing left over', async () => {
    const file = join(folder, 'out', 'a.safetensors');
    const pieces = async function* () {
      yield Float32Array.of(1, 2);
      yield Float32Array.of(3);
    };
    await writeSafetensors(file, [
      { name: 'z', shape: [3, 1], data: pieces },
      { name: 'a', shape: [2], data: Float32Array.of(-0.5, 1e-30) },
      { name: 'e', shape: [0], data: new Float32Array(0) },
    ]);
    const header = await readSafetensorsHeader(file);
    expect([...header.keys()]).toEqual(['z', 'a', 'e']);
    expect(header.get('z')?.offset).toBe(4096);
    expect(header.get('a')?.offset).toBe(4096 + 12);
    const tensors = await readSafetensors(file);
    expect(tensors.get('z')).toEqual({ shape: [3, 1], data: Float32Array.of(1, 2, 3) });
    expect(tensors.get('a')?.data).toEqual(Float32Array.of(-0.5, 1e-30));
    expect(await readdir(join(folder, 'out'))).toEqual(['a.safetensors']);
    const bytes = await readFile(file);
    expect(JSON.parse(bytes.toString('utf8', 8, 8 + Number(bytes.readBigUInt64LE(0)))).__metadata__).toEqual({
      format: 'pt',
    });
  });

  it('refuses data of another size than the shape and leaves the old file as it was', async () => {
    const file = join(folder, 'keep.safetensors');
    await writeSafetensors(file, [{ name: 'a', shape: [1], data: Float32Array.of(7) }]);
    await expect(writeSafetensors(file, [{ name: 'a', shape: [2], data: Float32Array.of(1) }])).rejects.toThrow(
      'tensor a F32 [2] has 4 bytes',
    );
    expect((await readSafetensors(file)).get('a')?.data[0]).toBe(7);
    expect((await readdir(folder)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('says so where it cannot write', async () => {
    await writeFile(join(folder, 'plain'), '');
    const writing = writeSafetensors(join(folder, 'plain', 'x.safetensors'), []);
    await expect(writing).rejects.toMatchObject({ code: 'write-failed', message: expect.stringContaining('plain') });
  });
});

describe('reading', () => {
  it('reads F16 and BF16', async () => {
    const data = Buffer.alloc(4);
    data.writeUInt16LE(0x3c00, 0);
    data.writeUInt16LE(0xbf80, 2);
    const header = {
      h: entry('F16', [1], 0, 2),
      b: entry('BF16', [1], 2, 4),
    };
    const tensors = await readSafetensors(await fileWith('types.safetensors', header, data));
    expect([...tensors].map(([name, { data: values }]) => [name, values[0]])).toEqual([
      ['h', 1],
      ['b', -1],
    ]);
  });

  it('refuses a type that float32 does not hold', async () => {
    const file = await fileWith('integers.safetensors', { l: entry('I64', [1], 0, 8) }, Buffer.alloc(8));
    await expect(readSafetensors(file)).rejects.toThrow('Expected tensor l of');
  });

  it('reads beyond 2 GiB and 4 GiB of one file', async () => {
    const gigabytes = 5 * 2 ** 30;
    const file = await fileWith(
      'huge.safetensors',
      { big: entry('F32', [gigabytes / 4], 0, gigabytes), last: entry('F32', [2], gigabytes, gigabytes + 8) },
      new Uint8Array(0),
    );
    const handle = await open(file, 'r+');
    const start = (await handle.stat()).size;
    await handle.write(new Uint8Array(Float32Array.of(3, 4).buffer), 0, 8, start + gigabytes);
    await handle.close();
    const header = await readSafetensorsHeader(file);
    expect((await readTensor('last', header.get('last') as TensorEntry)).data).toEqual(Float32Array.of(3, 4));
    await rm(file);
  });

  it('joins shards by their index, and names a missing shard or tensor', async () => {
    for (const name of ['one', 'two'])
      await writeSafetensors(join(folder, `${name}.safetensors`), [{ name, shape: [1], data: Float32Array.of(1) }]);
    const index = async (map: unknown): Promise<string> => {
      const file = join(folder, 'model.safetensors.index.json');
      await writeFile(file, JSON.stringify({ weight_map: map }));
      return file;
    };
    expect([
      ...(await readSafetensorsHeader(await index({ one: 'one.safetensors', two: 'two.safetensors' }))).keys(),
    ]).toEqual(['one', 'two']);
    await expect(readSafetensorsHeader(await index({ one: 'three.safetensors' }))).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringContaining('three.safetensors'),
    });
    await expect(readSafetensorsHeader(await index({ six: 'one.safetensors' }))).rejects.toThrow(
      'Expected tensor six in one.safetensors',
    );
    await expect(readSafetensorsHeader(await index({ one: '../one.safetensors' }))).rejects.toThrow(
      'Expected a file name for one',
    );
    await expect(readSafetensorsHeader(await index(null))).rejects.toThrow('weight_map');
  });
});

describe('corrupt files', () => {
  const cases: [string, unknown, number, string][] = [
    ['data that ends early', { w: entry('F32', [4], 0, 16) }, 12, 'tensor w ends there'],
    ['a size that is not the shape', { w: entry('F32', [4], 0, 12) }, 16, '16 bytes for tensor w F32 [4] in'],
    ['overlapping tensors', { a: entry('F32', [2], 0, 8), b: entry('F32', [2], 4, 12) }, 12, 'a and b overlapping'],
    ['a file that is longer than its tensors', { w: entry('F32', [1], 0, 4) }, 5, 'bytes, as its tensors have'],
    [
      'a hole between tensors',
      { a: entry('F32', [1], 0, 4), b: entry('F32', [1], 8, 12) },
      12,
      'bytes, as its tensors have',
    ],
    ['negative shapes', { w: entry('F32', [-1], 0, 4) }, 4, 'a shape of tensor w'],
    ['offsets backwards', { w: entry('F32', [1], 4, 0) }, 4, '4 bytes for tensor w'],
    ['no offsets', { w: { dtype: 'F32', shape: [1] } }, 4, 'two data_offsets of tensor w'],
    ['an unknown dtype', { w: entry('Q9', [1], 0, 4) }, 4, 'a known dtype of tensor w'],
    ['a header that is a list', [1], 4, 'a header object'],
  ];
  it.each(cases)('refuses %s, naming file and tensor', async (_, header, size, message) => {
    const file = await fileWith('corrupt.safetensors', header, new Uint8Array(size));
    const reading = readSafetensorsHeader(file);
    await expect(reading).rejects.toMatchObject({ name: 'SipfError', message: expect.stringContaining(message) });
    await expect(reading).rejects.toThrow('corrupt.safetensors');
  });

  it('refuses headers that lie about their length, no JSON, short and absent files', async () => {
    const raw = async (bytes: Uint8Array): Promise<string> => {
      await writeFile(join(folder, 'raw.safetensors'), bytes);
      return join(folder, 'raw.safetensors');
    };
    await expect(
      readSafetensorsHeader(await raw(Buffer.of(255, 255, 255, 255, 255, 255, 255, 255, 1))),
    ).rejects.toThrow('a header of 2 to 1 bytes');
    await expect(readSafetensorsHeader(await raw(Buffer.of(2, 0, 0, 0, 0, 0, 0, 0, 65, 66)))).rejects.toThrow(
      'a JSON header',
    );
    await expect(readSafetensorsHeader(await raw(Buffer.of(1)))).rejects.toThrow('at least 8 bytes');
    await expect(readSafetensorsHeader(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'not-found' });
    await expect(readSafetensorsHeader(folder)).rejects.toMatchObject({ code: 'bad-input' });
  });
});

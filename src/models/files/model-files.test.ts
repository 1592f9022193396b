// Model folders, good and bad -> their configuration and weights, or an error that names the file.
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ggufBytes } from '../../../test/fixtures/gguf-bytes.ts';
import { openModelFiles } from './model-files.ts';
import { type TensorEntry, writeSafetensors } from './safetensors.ts';

let root: string;
let cache: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sipf-models-'));
  cache = join(root, 'cache');
});
afterAll(() => rm(root, { recursive: true }));

const name = 'model.embed_tokens.weight';
const CONFIG = { model_type: 'llama', hidden_size: 2 };

async function modelFolder(label: string, config: unknown = CONFIG): Promise<string> {
  const folder = join(root, label);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  return folder;
}

async function valuesOf(slice: TensorEntry | undefined): Promise<number[]> {
  if (!slice) throw new Error('no slice');
  const bytes = (await readFile(slice.file)).subarray(slice.offset, slice.offset + slice.length);
  return [...new Float32Array(new Uint8Array(bytes).buffer)];
}

/** A safetensors file with one BF16 tensor [1, 3]: 1, -2.5, 0.5. */
function bf16File(): Buffer {
  const json = Buffer.from(JSON.stringify({ [name]: { dtype: 'BF16', shape: [1, 3], data_offsets: [0, 6] } }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, Buffer.of(0x80, 0x3f, 0x20, 0xc0, 0x00, 0x3f)]);
}

describe('a Hugging Face folder', () => {
  it('with F32 weights is used in place', async () => {
    const folder = await modelFolder('f32');
    await writeSafetensors(join(folder, 'model.safetensors'), [
      { name, shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) },
    ]);
    const model = await openModelFiles(folder, { cache });
    expect(model).toMatchObject({
      path: folder,
      config: CONFIG,
      hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(model.shapes.get(name)).toEqual([2, 2]);
    const slice = (await model.weights()).get(name);
    expect(slice?.file).toBe(join(folder, 'model.safetensors'));
    expect(await valuesOf(slice)).toEqual([1, 2, 3, 4]);
  });

  it('has the same hash elsewhere and another one after any change', async () => {
    const [first, second] = [await modelFolder('hash-1'), await modelFolder('hash-2')];
    const weights = (folder: string, value: number) =>
      writeSafetensors(join(folder, 'model.safetensors'), [{ name, shape: [1], data: Float32Array.of(value) }]);
    await weights(first, 1);
    await copyFile(join(first, 'model.safetensors'), join(second, 'model.safetensors'));
    const hash = async (folder: string): Promise<string> => (await openModelFiles(folder, { cache })).hash;
    const before = await hash(first);
    expect(await hash(second)).toBe(before);
    await weights(second, 2);
    expect(await hash(second)).not.toBe(before);
    await writeFile(join(first, 'config.json'), '{"model_type":"other"}');
    expect(await hash(first)).not.toBe(before);
  });

  it('notices that a large file changed although its hash was kept', async () => {
    const folder = await modelFolder('large');
    const data = new Float32Array(1 << 21);
    const write = () => writeSafetensors(join(folder, 'model.safetensors'), [{ name, shape: [1 << 21], data }]);
    await write();
    const before = (await openModelFiles(folder, { cache })).hash;
    expect((await openModelFiles(folder, { cache })).hash).toBe(before);
    expect((await readdir(join(cache, 'hashes'))).length).toBe(1);
    data[7] = 1;
    await write();
    expect((await openModelFiles(folder, { cache })).hash).not.toBe(before);
  });

  it('with BF16 weights is converted once into the cache, also by two at the same time', async () => {
    const folder = await modelFolder('bf16');
    await writeFile(join(folder, 'model.safetensors'), bf16File());
    const models = await Promise.all([openModelFiles(folder, { cache }), openModelFiles(folder, { cache })]);
    const [a, b] = await Promise.all(models.map((model) => model.weights()));
    expect(a?.get(name)?.file).toBe(join(cache, 'weights', `${models[0]?.hash}.f32-1.safetensors`));
    expect(b?.get(name)).toEqual(a?.get(name));
    expect((a?.get(name)?.offset ?? 1) % 4096).toBe(0);
    expect(await valuesOf(a?.get(name))).toEqual([1, -2.5, 0.5]);
    expect((await readdir(join(cache, 'weights'))).filter((file) => file.endsWith('.tmp'))).toEqual([]);
  });

  it('stops a conversion on request and leaves nothing behind', async () => {
    const folder = await modelFolder('aborted', { model_type: 'aborted' });
    await writeFile(join(folder, 'model.safetensors'), bf16File());
    const controller = new AbortController();
    const aborting = await openModelFiles(folder, { cache: join(root, 'aborted-cache'), signal: controller.signal });
    controller.abort();
    await expect(aborting.weights()).rejects.toMatchObject({ code: 'aborted' });
    expect(await readdir(join(root, 'aborted-cache', 'weights'))).toEqual([]);
  });

  it('is refused with what to do where files are missing or of another kind', async () => {
    const folder = await modelFolder('broken');
    await expect(openModelFiles(folder, { cache })).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringContaining('model.safetensors'),
    });
    await writeFile(join(folder, 'pytorch_model.bin'), '');
    await expect(openModelFiles(folder, { cache })).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('pytorch_model.bin'),
    });
    await writeFile(join(folder, 'config.json'), '{');
    await writeFile(join(folder, 'model.safetensors'), '');
    await expect(openModelFiles(folder, { cache })).rejects.toThrow('Expected JSON in');
    await rm(join(folder, 'config.json'));
    await expect(openModelFiles(folder, { cache })).rejects.toThrow('Expected config.json');
    await writeFile(join(folder, 'adapter_config.json'), '{}');
    await expect(openModelFiles(folder, { cache })).rejects.toThrow('holds a PEFT adapter');
    await expect(openModelFiles(join(root, 'no', 'such', 'folder'), { cache })).rejects.toMatchObject({
      code: 'not-found',
    });
    await expect(openModelFiles(join(folder, 'pytorch_model.bin'), { cache })).rejects.toThrow(
      'a model folder or a .gguf file',
    );
    await expect(openModelFiles('./no-such.gguf', { cache })).rejects.toMatchObject({ code: 'not-found' });
  });
});

describe('other sources', () => {
  it('converts a GGUF file, rows of q in Hugging Face order', async () => {
    const f32 = (label: string, shape: number[], values: number[]) => ({
      name: label,
      shape,
      type: 0,
      bytes: new Uint8Array(Float32Array.from(values).buffer),
    });
    const metadata = {
      'general.architecture': 'llama',
      'llama.block_count': 1,
      'llama.context_length': 8,
      'llama.embedding_length': 4,
      'llama.feed_forward_length': 4,
      'llama.attention.head_count': 1,
      'llama.attention.layer_norm_rms_epsilon': 0.5,
    };
    const quants = {
      name: 'token_embd.weight',
      shape: [1, 32],
      type: 8,
      bytes: Uint8Array.from([0x00, 0x3c, ...Array.from({ length: 32 }, (_, i) => i)]),
    };
    const file = join(root, 'tiny.gguf');
    await writeFile(file, ggufBytes(metadata, [quants, f32('blk.0.attn_q.weight', [4, 1], [0, 2, 1, 3])]));
    const model = await openModelFiles(file, { cache });
    expect(model).toMatchObject({ configFile: file, config: { model_type: 'llama', vocab_size: 1 } });
    const weights = await model.weights();
    expect(await valuesOf(weights.get(name))).toEqual(Array.from({ length: 32 }, (_, i) => i));
    expect(await valuesOf(weights.get('model.layers.0.self_attn.q_proj.weight'))).toEqual([0, 1, 2, 3]);
  });
});

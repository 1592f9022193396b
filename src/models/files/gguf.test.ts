// GGUF files, good and damaged -> metadata and tensors, or an error that names the place.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ggufBytes, type TestTensor, type TestValue } from '../../../test/fixtures/gguf-bytes.ts';
import { headRows } from '../architectures/gguf-layout.ts';
import { readGguf, readGgufTensor } from './gguf.ts';
import { ggufModel } from './gguf-model.ts';
import { piecesOf } from './safetensors.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-gguf-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function save(bytes: Uint8Array): Promise<string> {
  const file = join(folder, 'model.gguf');
  await writeFile(file, bytes);
  return file;
}

const f32 = (name: string, shape: number[], values: readonly number[]): TestTensor => ({
  name,
  shape,
  type: 0,
  bytes: new Uint8Array(Float32Array.from(values).buffer),
});
const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

const LLAMA: Record<string, TestValue> = {
  'general.architecture': 'llama',
  'llama.block_count': 1,
  'llama.context_length': 64,
  'llama.embedding_length': 8,
  'llama.feed_forward_length': 16,
  'llama.attention.head_count': 2,
  'llama.attention.head_count_kv': 1,
  'llama.attention.layer_norm_rms_epsilon': 0.5,
  'llama.rope.freq_base': 100000,
  'tokenizer.ggml.eos_token_id': 2,
};
const EMBEDDING = f32('token_embd.weight', [3, 8], count(24));

describe('readGguf', () => {
  it('reads metadata of every kind and places tensors', async () => {
    const metadata = { a: 7, b: 'text', c: true, d: -1.5, e: ['x', '\uFEFFy'], f: [1, 2], g: [-1, 0.5] };
    const gguf = await readGguf(await save(ggufBytes(metadata, [f32('v', [2], [1, 2]), EMBEDDING])));
    expect(Object.fromEntries(gguf.metadata)).toEqual(metadata);
    const tensor = gguf.tensors.get('token_embd.weight');
    expect(tensor?.shape).toEqual([3, 8]);
    expect([...(await readGgufTensor(tensor as never))]).toEqual(count(24));
  });

  it('refuses other files, other versions and truncated ones', async () => {
    const good = ggufBytes(LLAMA, [EMBEDDING]);
    await expect(readGguf(await save(Buffer.from('not a model, but long enough to look')))).rejects.toThrow(
      'does not begin with "GGUF"',
    );
    await expect(readGguf(await save(Buffer.from('GG')))).rejects.toThrow('at least 24 bytes');
    await expect(readGguf(await save(good.subarray(0, 90)))).rejects.toThrow('a complete header');
    await expect(readGguf(await save(good.subarray(0, good.length - 1)))).rejects.toThrow(
      'tensor token_embd.weight ends there',
    );
    const version = Buffer.from(good);
    version.writeUInt32BE(3, 4);
    await expect(readGguf(await save(version))).rejects.toMatchObject({ code: 'unsupported' });
  });

  it('names the tensor and its type where the type is not supported', async () => {
    const file = await save(
      ggufBytes(LLAMA, [{ name: 'blk.0.attn_q.weight', shape: [1, 256], type: 29, bytes: new Uint8Array(56) }]),
    );
    await expect(readGguf(file)).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(/blk\.0\.attn_q\.weight.*IQ1_M/),
    });
  });
});

/** A header by hand, which may lie. */
function header(tensors: bigint, keys: bigint, body: readonly Buffer[] = []): Buffer {
  const start = Buffer.alloc(24);
  start.write('GGUF');
  start.writeUInt32LE(3, 4);
  start.writeBigUInt64LE(tensors, 8);
  start.writeBigUInt64LE(keys, 16);
  return Buffer.concat([start, ...body]);
}
const u32 = (n: number): Buffer => Buffer.from(Uint32Array.of(n).buffer);
const u64 = (n: bigint): Buffer => Buffer.from(BigUint64Array.of(n).buffer);
const text = (value: string): Buffer => Buffer.concat([u64(BigInt(value.length)), Buffer.from(value)]);

describe('a lying header', () => {
  const array = (type: number, count: bigint) => [text('k'), u32(9), u32(type), u64(count)];
  it.each<[string, Buffer, string]>([
    ['more keys than bytes', header(0n, 2n ** 60n), 'a complete header'],
    ['more tensors than a model has', header(2n ** 40n, 0n), 'at most 131072 tensors'],
    ['a list longer than a vocabulary', header(0n, 1n, array(0, 2n ** 40n)), 'at most 16777216 values of k'],
    ['a list of lists', header(0n, 1n, [...array(9, 1n), u32(4), u64(1n), u32(1)]), 'a known value type of k'],
    ['a text longer than the file', header(0n, 1n, [u64(2n ** 62n)]), 'a complete header'],
    ['a list longer than the file', header(0n, 1n, array(4, 1000n)), 'a complete header'],
  ])('%s', async (_, bytes, what) => {
    await expect(readGguf(await save(bytes))).rejects.toMatchObject({
      code: 'bad-input',
      message: expect.stringContaining(what),
    });
  });

  it('places two tensors over each other', async () => {
    const good = ggufBytes({ a: 1 }, [f32('v', [8], count(8)), f32('w', [8], count(8))]);
    const at = good.indexOf('w') + 1 + 4 + 8 + 4;
    expect(good.readBigUInt64LE(at)).toBe(32n);
    good.writeBigUInt64LE(0n, at);
    await expect(readGguf(await save(good))).rejects.toThrow('v and w overlapping');
  });
});

describe('ggufModel', () => {
  it('puts metadata and names into the words of config.json', async () => {
    const gguf = await readGguf(
      await save(ggufBytes(LLAMA, [EMBEDDING, f32('blk.0.attn_v.weight', [4, 8], count(32))])),
    );
    const model = await ggufModel(gguf);
    expect(model.config).toMatchObject({
      model_type: 'llama',
      hidden_size: 8,
      intermediate_size: 16,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      num_key_value_heads: 1,
      head_dim: 4,
      rms_norm_eps: 0.5,
      rope_theta: 100000,
      rope_parameters: { rope_type: 'default', rope_theta: 100000 },
      max_position_embeddings: 64,
      vocab_size: 3,
      tie_word_embeddings: true,
      bos_token_id: null,
      eos_token_id: 2,
      attention_bias: false,
    });
    expect(model.weights.map(({ name }) => name)).toEqual([
      'model.embed_tokens.weight',
      'model.layers.0.self_attn.v_proj.weight',
    ]);
  });

  it('keeps untied heads and turns rope_freqs into factors', async () => {
    const tensors = [EMBEDDING, f32('output.weight', [3, 8], count(24)), f32('rope_freqs.weight', [2], [1, 8])];
    const model = await ggufModel(await readGguf(await save(ggufBytes(LLAMA, tensors))));
    expect(model.config.tie_word_embeddings).toBe(false);
    expect(model.config.rope_parameters).toEqual({
      rope_type: 'freq_factors',
      rope_theta: 100000,
      freq_factors: [1, 8],
    });
    expect(model.weights.map(({ name }) => name)).toEqual(['model.embed_tokens.weight', 'lm_head.weight']);
  });

  it('refuses unknown architectures and tensors, and missing keys, by name', async () => {
    const open = async (metadata: Record<string, TestValue>, tensors: TestTensor[]) =>
      ggufModel(await readGguf(await save(ggufBytes(metadata, tensors))));
    await expect(open({ ...LLAMA, 'general.architecture': 'mamba' }, [EMBEDDING])).rejects.toThrow('mamba');
    await expect(open(LLAMA, [EMBEDDING, f32('blk.0.ffn_gate_inp.weight', [1, 8], count(8))])).rejects.toThrow(
      'blk.0.ffn_gate_inp.weight',
    );
    await expect(open(LLAMA, [])).rejects.toThrow('a vocabulary without weights');
    const { 'llama.embedding_length': _, ...without } = LLAMA;
    await expect(open(without, [EMBEDDING])).rejects.toThrow('llama.embedding_length');
  });

  it.each<[string, Record<string, TestValue>, string]>([
    ['experts', { 'llama.expert_count': 8 }, 'a mixture of 8 experts (llama.expert_count)'],
    ['no causal mask', { 'llama.attention.causal': false }, 'tokens see those behind them'],
    ['OLMo 3', { 'general.architecture': 'olmo2', 'olmo2.attention.sliding_window': 4096 }, 'an OLMo 3 model?'],
  ])('refuses a variant under the name of a supported architecture: %s', async (_what, extra, message) => {
    const name = String(extra['general.architecture'] ?? 'llama');
    const own = Object.entries(LLAMA).map(([key, value]) => [key.replace('llama.', `${name}.`), value]);
    const file = await save(ggufBytes({ ...Object.fromEntries(own), ...extra }, [EMBEDDING]));
    const opened = readGguf(file).then(ggufModel);
    await expect(opened).rejects.toMatchObject({ code: 'unsupported', message: expect.stringContaining(message) });
  });

  it("takes one off Gemma's norms, which llama.cpp stores as 1 + weight", async () => {
    const metadata = Object.fromEntries(
      Object.entries(LLAMA).map(([key, value]) => [key.replace('llama.', 'gemma3.'), value]),
    );
    const tensors = [
      EMBEDDING,
      f32('blk.0.ffn_norm.weight', [8], count(8)),
      f32('blk.0.ffn_up.weight', [16, 8], count(128)),
    ];
    const extra = { 'general.architecture': 'gemma3', 'gemma3.attention.sliding_window': 4 };
    const { config, weights } = await ggufModel(
      await readGguf(await save(ggufBytes({ ...metadata, ...extra }, tensors))),
    );
    expect(config).toMatchObject({ model_type: 'gemma3_text', query_pre_attn_scalar: 4, sliding_window: 4 });
    const values = [];
    for (const weight of weights.slice(1))
      for await (const piece of piecesOf(weight)) values.push([weight.name, piece.slice(0, 3)]);
    expect(values).toEqual([
      ['model.layers.0.pre_feedforward_layernorm.weight', Float32Array.of(-1, 0, 1)],
      ['model.layers.0.mlp.up_proj.weight', Float32Array.of(0, 1, 2)],
    ]);
  });

  it('undoes the row order of q and k', async () => {
    // llama.cpp's permute: reshape(heads, 2, dim / 2, columns).swapaxes(1, 2), written out.
    const [heads, half, columns] = [2, 3, 2];
    const original = Float32Array.from(count(heads * 2 * half * columns));
    const stored = new Float32Array(original.length);
    for (let h = 0; h < heads; h++)
      for (let s = 0; s < 2; s++)
        for (let j = 0; j < half; j++)
          for (let c = 0; c < columns; c++)
            stored[((h * half + j) * 2 + s) * columns + c] = original[((h * 2 + s) * half + j) * columns + c] as number;
    const { read: undo, write } = headRows('heads');
    expect(undo(stored, [heads * 2 * half, columns], { heads })).toEqual(original);
    expect(write(original, [heads * 2 * half, columns], { heads })).toEqual(stored);
    expect(() => undo(stored, [12, 2], { heads: 5 })).toThrow('5 even heads');
  });
});

// Folders and files that are no model we read -> each is named for what it is, with what to do.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ggufBytes, type TestValue } from '../../../test/fixtures/gguf-bytes.ts';
import { makeModelFolder, safetensorsBytes } from '../../../test/model-folder.ts';
import { loadTokenizer } from '../tokenizer/tokenizer.ts';
import { readAdapter } from './adapter-files.ts';
import { readGguf } from './gguf.ts';
import { ggufModel } from './gguf-model.ts';
import { openModelFiles } from './model-files.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sipf-foreign-'));
});
afterAll(() => rm(root, { recursive: true }));

const open = (path: string) => openModelFiles(path, { cache: join(root, 'cache') });

/** A folder of empty files, those with content, and folders (ending in /). */
async function folderOf(
  names: readonly string[],
  contents: Readonly<Record<string, string | Uint8Array>> = {},
): Promise<string> {
  const folder = await mkdtemp(join(root, 'folder-'));
  for (const name of names) await (name.endsWith('/') ? mkdir(join(folder, name)) : writeFile(join(folder, name), ''));
  for (const [name, content] of Object.entries(contents)) await writeFile(join(folder, name), content);
  return folder;
}

describe('quantised weights', () => {
  it.each<[Record<string, unknown>, string]>([
    [
      { quantization_config: { quant_method: 'bitsandbytes', load_in_4bit: true } },
      'bitsandbytes 4-bit (quantization_config',
    ],
    [{ quantization_config: { quant_method: 'bitsandbytes', load_in_8bit: true } }, 'bitsandbytes 8-bit'],
    [{ quantization_config: { quant_method: 'fp8', activation_scheme: 'dynamic' } }, 'fp8 ('],
    [{ quantization_config: { quant_method: 'fbgemm_fp8' } }, 'fbgemm_fp8'],
    [{ quantization_config: { quant_method: 'gptq', bits: 4 } }, 'gptq 4-bit'],
    [{ quantization_config: { quant_method: 'awq', bits: 4, version: 'gemm' } }, 'awq 4-bit'],
    [{ quantization_config: { quant_method: 'compressed-tensors', format: 'float-quantized' } }, 'compressed-tensors'],
    [{ quantization_config: { quant_method: 'mxfp4' } }, 'mxfp4'],
    [{ quantization_config: {} }, 'an unnamed method'],
    [{ quantization_config: 'int8' }, '"int8"'],
    [{ compression_config: { quant_method: 'sparseml' } }, 'compression_config'],
    [{ quantization: { group_size: 64, bits: 4 } }, 'MLX 4-bit'],
  ])('%j', async (config, what) => {
    const folder = await makeModelFolder(root, { config });
    await expect(open(folder)).rejects.toMatchObject({ code: 'unsupported', message: expect.stringContaining(what) });
    await expect(open(folder)).rejects.toThrow(/Use the model that they were made from, or a \.gguf file/);
  });

  const module = 'model.layers.0.self_attn.q_proj';
  it.each<[Record<string, readonly [string, number[], number]>, string]>([
    [
      { [`${module}.weight`]: ['U8', [1152, 1], 1152], [`${module}.weight.absmax`]: ['F32', [36], 144] },
      'bitsandbytes 4-bit',
    ],
    [
      { [`${module}.weight`]: ['U8', [8, 1], 8], [`${module}.weight.quant_state.bitsandbytes__nf4`]: ['U8', [2], 2] },
      'bitsandbytes 4-bit',
    ],
    [{ [`${module}.weight`]: ['I8', [4, 4], 16], [`${module}.SCB`]: ['F32', [4], 16] }, 'bitsandbytes 8-bit'],
    [{ [`${module}.qweight`]: ['I32', [2, 2], 16], [`${module}.scales`]: ['F16', [2], 4] }, 'GPTQ or AWQ'],
    [{ [`${module}.weight_packed`]: ['I32', [2, 2], 16] }, 'compressed-tensors'],
    [{ [`${module}.weight`]: ['F8_E4M3', [2, 2], 4], [`${module}.weight_scale_inv`]: ['F32', [1], 4] }, 'FP8'],
    [{ [`${module}.weight`]: ['F8_E5M2', [2, 2], 4] }, 'FP8 (tensor'],
    [{ 'model.layers.0.mlp.experts.down_proj_blocks': ['U8', [4], 4] }, 'MXFP4'],
    [{ [`${module}.weight`]: ['U32', [2], 8], [`${module}.biases`]: ['F16', [1], 2] }, 'MLX'],
    [{ [`${module}.weight`]: ['I8', [4], 4] }, 'packed I8 values'],
  ])('known by tensors: %j', async (tensors, what) => {
    const folder = await makeModelFolder(root, { files: { 'model.safetensors': safetensorsBytes(tensors) } });
    await expect(open(folder)).rejects.toMatchObject({ code: 'unsupported', message: expect.stringContaining(what) });
  });

  it('a setting that is null is none', async () => {
    const folder = await makeModelFolder(root, { config: { quantization_config: null } });
    expect((await open(folder)).warnings).toEqual([]);
  });
});

describe('a folder', () => {
  const config = { 'config.json': '{"model_type":"llama"}' };
  it.each<[string[], string]>([
    [['pytorch_model.bin'], "pytorch_model.bin: PyTorch's own format"],
    [['pytorch_model-00001-of-00002.bin', 'pytorch_model.bin.index.json'], "PyTorch's own format"],
    [['consolidated.00.pth'], "consolidated.00.pth: PyTorch's own format"],
    [['model.onnx', 'model.onnx_data'], 'an ONNX export'],
    [['onnx/'], 'an ONNX export'],
    [['weights.npz'], 'weights of MLX'],
    [['weights.00.safetensors'], 'weights of MLX'],
    [['tf_model.h5'], 'TensorFlow or Flax'],
    [['flax_model.msgpack'], 'TensorFlow or Flax'],
    [['consolidated.safetensors'], 'by their original names'],
    [['model-q4.gguf'], 'Give that file itself'],
    [['model-00001-of-00002.safetensors'], 'without model.safetensors.index.json'],
    [['model.fp16.safetensors'], 'Rename that file'],
    [['training_args.bin', 'optimizer.pt'], 'got neither'],
    [[], 'got neither'],
  ])('with config.json and %j', async (names, what) => {
    await expect(open(await folderOf(names, config))).rejects.toThrow(what);
  });

  it.each<[string[], string]>([
    [['adapter_config.json', 'adapter_model.safetensors'], 'holds a PEFT adapter'],
    [['adapters.safetensors'], 'an adapter of MLX'],
    [['model.gguf'], 'Give that file itself'],
    [['params.json', 'consolidated.00.pth'], 'original format'],
    [['model_index.json'], 'a diffusion model'],
    [['checkpoint-500/'], 'one of its checkpoints'],
    [['snapshots/', 'refs/'], "Hugging Face's cache"],
    [['pytorch_model.bin'], "PyTorch's own format"],
    [['model.onnx'], 'an ONNX export'],
    [['model.safetensors'], 'Give a folder with config.json and model.safetensors'],
  ])('without config.json and %j', async (names, what) => {
    await expect(open(await folderOf(names))).rejects.toThrow(what);
  });

  it.each<[string, string | Uint8Array, string]>([
    ['model.safetensors', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n', 'a Git LFS pointer'],
    ['model.safetensors', '<!DOCTYPE html><html></html>', 'a web page'],
    ['model.safetensors', Buffer.from('PK\x03\x04xxxxxxxx'), 'a file of PyTorch'],
    ['model.safetensors', Buffer.from([0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 1]), 'a pickle'],
    ['model.safetensors', Buffer.from('GGUF\x03\0\0\0'), 'a GGUF file'],
    ['config.json', 'version https://git-lfs.github.com/spec/v1\n', 'a Git LFS pointer'],
    ['config.json', '<html>', 'a web page'],
  ])('whose %s is another thing (%#)', async (name, content, what) => {
    await expect(open(await makeModelFolder(root, { files: { [name]: content } }))).rejects.toThrow(what);
  });

  it('whose tokenizer.json is a pointer', async () => {
    const folder = await folderOf([], { 'tokenizer.json': 'version https://git-lfs.github.com/spec/v1\n' });
    await expect(loadTokenizer(folder)).rejects.toThrow('a Git LFS pointer');
  });
});

describe('a file given as the model', () => {
  it.each([
    ['pytorch_model.bin', "PyTorch's own format"],
    ['model.pth', "PyTorch's own format"],
    ['model.onnx', 'an ONNX export'],
    ['weights.npz', 'weights of MLX'],
    ['model.safetensors', 'Name the folder that holds config.json'],
    ['notes.txt', 'Name the folder that holds config.json'],
  ])('%s', async (name, what) => {
    const folder = await folderOf([name]);
    await expect(open(join(folder, name))).rejects.toMatchObject({
      code: 'bad-input',
      message: expect.stringContaining(what),
    });
  });
});

describe('an adapter', () => {
  const config = { 'adapter_config.json': '{"peft_type":"LORA","r":4,"lora_alpha":4}' };
  it.each<[string[], string, string]>([
    [['adapter_model.bin'], 'unsupported', "adapter_model.bin: PyTorch's own format"],
    [['adapters.safetensors'], 'unsupported', 'an adapter of MLX'],
    [['adapters.npz'], 'unsupported', 'an adapter of MLX'],
    [['adapter_model.pt'], 'unsupported', "adapter_model.pt: PyTorch's own format"],
    [['lora-f16.gguf'], 'unsupported', 'lora-f16.gguf: a LoRA as GGUF'],
    [[], 'not-found', 'got none. Save the adapter again'],
  ])('with %j', async (names, code, what) => {
    const folder = await folderOf(names, config);
    await expect(readAdapter(folder)).rejects.toMatchObject({ code, message: expect.stringContaining(what) });
  });

  it('that is a GGUF file', async () => {
    await expect(readAdapter(join(root, 'lora.gguf'))).rejects.toThrow('got the GGUF file');
  });

  it.each<[string, string | Uint8Array, string]>([
    ['lora.bin', ggufBytes({ 'general.type': 'adapter' }), 'the GGUF file'],
    ['adapter_model.bin', 'PK\x03\x04', 'a file of PyTorch (a zip archive)'],
    ['adapter_model.pt', '', "PyTorch's own format"],
    ['adapter_model.safetensors', '', 'a file. Give the folder that holds it'],
  ])('that is a file, %s', async (name, content, what) => {
    const folder = await folderOf([], { [name]: content });
    await expect(readAdapter(join(folder, name))).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining(what),
    });
  });
});

describe('a GGUF file', () => {
  const tensor = (name: string) => ({ name, shape: [1, 4], type: 0, bytes: new Uint8Array(16) });
  const openGguf = async (metadata: Record<string, TestValue>, names: readonly string[] = ['token_embd.weight']) => {
    const file = join(root, 'some.gguf');
    await writeFile(file, ggufBytes({ 'general.architecture': 'llama', ...metadata }, names.map(tensor)));
    return ggufModel(await readGguf(file));
  };
  it.each<[Record<string, TestValue>, string[], string]>([
    [{ 'general.type': 'adapter', 'adapter.type': 'lora' }, ['blk.0.attn_q.weight.lora_a'], 'a LoRA adapter'],
    [{}, ['blk.0.attn_q.weight.lora_a', 'blk.0.attn_q.weight.lora_b'], 'a LoRA adapter'],
    [{ 'general.type': 'mmproj' }, ['v.patch_embd.weight'], 'a projector'],
    [{ 'general.architecture': 'clip' }, ['v.patch_embd.weight'], 'a projector'],
    [{ 'general.type': 'imatrix' }, ['x'], 'an importance matrix'],
    [{ 'general.architecture': 'controlvector' }, ['direction.1'], 'a control vector'],
    [{ 'general.type': 'vocab' }, [], 'a vocabulary without weights'],
    [{}, [], 'a vocabulary without weights'],
  ])('%j %j', async (metadata, names, what) => {
    await expect(openGguf(metadata, names)).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining(what),
    });
  });

  it.each([0, 7])('whose head_count %d does not divide its width: by its own name', async (heads) => {
    const meta = {
      'llama.attention.layer_norm_rms_epsilon': 1e-5,
      'llama.embedding_length': 16,
      'llama.attention.head_count': heads,
    };
    await expect(openGguf(meta)).rejects.toThrow(
      /Expected llama\.attention\.head_count in .*some\.gguf to be a divisor of embedding_length 16, got [07]/,
    );
  });

  it.each<[string | Uint8Array, string]>([
    ['version https://git-lfs.github.com/spec/v1 and more text', 'a Git LFS pointer'],
    ['<!DOCTYPE html><html><body>gone</body></html>', 'a web page'],
    [Buffer.from('tjgg0000000000000000000000'), 'older than GGUF'],
    [Buffer.from([0x47, 0x47, 0x55, 0x46, 0, 0, 0, 3, ...Array<number>(20).fill(0)]), 'a big-endian file'],
  ])('that is none (%#)', async (content, what) => {
    const file = join(root, 'other.gguf');
    await writeFile(file, content);
    await expect(readGguf(file)).rejects.toThrow(what);
  });
});

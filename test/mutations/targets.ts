// An empty folder -> sound small files of every kind that users bring, and what opens each.
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadConfig } from '../../src/config/load.ts';
import { presetNamed } from '../../src/config/presets.ts';
import { writeAdapter } from '../../src/models/files/adapter-files.ts';
import { readGguf } from '../../src/models/files/gguf.ts';
import { ggufModel } from '../../src/models/files/gguf-model.ts';
import {
  piecesOf,
  readSafetensors,
  readSafetensorsHeader,
  readTensorPieces,
  writeSafetensors,
} from '../../src/models/files/safetensors.ts';
import { openModel } from '../../src/models/open-model.ts';
import { passInputs, ropeInputs } from '../../src/models/pass-inputs.ts';
import { renderChat } from '../../src/models/tokenizer/chat-template.ts';
import { loadTokenizer, type Tokenizer } from '../../src/models/tokenizer/tokenizer.ts';
import { initModelFolder } from '../../src/models/weights/init-model.ts';
import type { Random } from '../../src/random.ts';
import { ggufBytes } from '../fixtures/gguf-bytes.ts';
import { mutateBytes, mutateJson, mutateSafetensors, mutateText } from './mutate.ts';
import { PIECES, UNIGRAM } from './small-tokenizers.ts';

/** One kind of file: where it is, how it is damaged, and what is then done with it. */
export interface Target {
  readonly name: string;
  readonly file: string;
  readonly mutate: (bytes: Buffer, random: Random) => Buffer;
  readonly use: () => Promise<unknown>;
}

const CONFIG = {
  model_type: 'llama',
  hidden_size: 8,
  intermediate_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  num_key_value_heads: 1,
  head_dim: 4,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: false,
  rope_parameters: {
    rope_type: 'llama3',
    rope_theta: 10_000,
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 32,
  },
};

const TEXT = 'ab abé 12\n<s>a</s>  日本 \ufeffb';

/** All targets, in folders of their own below `root`. */
export async function makeTargets(root: string, fixtures: string): Promise<Target[]> {
  const cache = join(root, 'cache');
  const model = await makeModel(join(root, 'model'));
  const sharded = await makeSharded(model, join(root, 'sharded'));
  const adapter = await makeAdapter(join(root, 'adapter'));
  const gguf = join(root, 'model.gguf');
  await writeFile(gguf, makeGguf());
  const byteLevel = await makeTokenizerFolder(join(root, 'byte-level'), fixtures);
  const unigram = join(root, 'unigram');
  await mkdir(unigram);
  await writeFile(join(unigram, 'tokenizer.json'), JSON.stringify(UNIGRAM));
  const ugm = join(root, 'unigram.gguf');
  const { models } = JSON.parse(await readFile(join(fixtures, 'unigram/models.json'), 'utf8'));
  await writeFile(ugm, ggufBytes({ 'general.architecture': 'llama', ...models.rules.metadata }));
  const settings = join(root, 'settings.json');
  await writeFile(settings, JSON.stringify(presetNamed('gsm8k-smollm2')));
  const whole = () => openWhole(model, cache);
  const json = mutateJson;
  return [
    { name: 'safetensors', file: join(model, 'model.safetensors'), mutate: mutateSafetensors, use: whole },
    { name: 'config', file: join(model, 'config.json'), mutate: json, use: whole },
    { name: 'generation config', file: join(model, 'generation_config.json'), mutate: json, use: whole },
    { name: 'tokenizer config', file: join(model, 'tokenizer_config.json'), mutate: json, use: whole },
    { name: 'tokenizer of pieces', file: join(model, 'tokenizer.json'), mutate: json, use: whole },
    {
      name: 'index',
      file: join(sharded, 'model.safetensors.index.json'),
      mutate: json,
      use: () => openWhole(sharded, cache),
    },
    {
      name: 'tokenizer of bytes',
      file: join(byteLevel, 'tokenizer.json'),
      mutate: json,
      use: () => useTokenizer(byteLevel),
    },
    {
      name: 'chat template',
      file: join(byteLevel, 'chat_template.jinja'),
      mutate: mutateText,
      use: () => useTokenizer(byteLevel),
    },
    {
      name: 'tokenizer of scores',
      file: join(unigram, 'tokenizer.json'),
      mutate: json,
      use: () => useTokenizer(unigram),
    },
    { name: 'gguf of scores', file: ugm, mutate: mutateBytes, use: () => useTokenizer(ugm) },
    {
      name: 'adapter config',
      file: join(adapter, 'adapter_config.json'),
      mutate: json,
      use: () => openWhole(model, cache, adapter),
    },
    {
      name: 'adapter',
      file: join(adapter, 'adapter_model.safetensors'),
      mutate: mutateSafetensors,
      use: () => openWhole(model, cache, adapter),
    },
    { name: 'gguf', file: gguf, mutate: mutateBytes, use: () => openGguf(gguf, cache) },
    { name: 'settings', file: settings, mutate: json, use: () => loadConfig({ file: settings }) },
  ];
}

/** Headers alone of files with weights: thousands of them a second. */
export async function makeHeaderTargets(root: string): Promise<Target[]> {
  const safetensors = join(await makeModel(join(root, 'model')), 'model.safetensors');
  const gguf = join(root, 'model.gguf');
  await writeFile(gguf, makeGguf());
  const parts = await makeParts(join(root, 'parts'));
  const openParts = async (file: string) => ggufModel(await readGguf(file));
  return [
    {
      name: 'header of safetensors',
      file: safetensors,
      mutate: mutateSafetensors,
      use: () => readSafetensorsHeader(safetensors),
    },
    { name: 'header of GGUF', file: gguf, mutate: mutateBytes, use: () => openParts(gguf) },
    ...parts.map((file, n) => ({
      name: `header of GGUF part ${n + 1}`,
      file,
      mutate: mutateBytes,
      use: () => openParts(file),
    })),
  ];
}

/** A split file: metadata with one tensor, then the other tensors. */
async function makeParts(folder: string): Promise<string[]> {
  await mkdir(folder);
  const names = [1, 2].map((n) => join(folder, `m-0000${n}-of-00002.gguf`));
  const { metadata, tensors } = ggufContents();
  for (const [n, name] of names.entries()) {
    const split = { 'split.no': n, 'split.count': 2, 'split.tensors.count': tensors.length };
    const own = n === 0 ? tensors.slice(0, 1) : tensors.slice(1);
    await writeFile(name, ggufBytes({ ...(n === 0 ? metadata : {}), ...split }, own));
  }
  return names;
}

async function makeModel(folder: string): Promise<string> {
  await mkdir(folder);
  await initModelFolder(folder, { config: CONFIG, tokenizer: PIECES, seed: 1 });
  const named = {
    bos_token: '<s>',
    eos_token: { content: '</s>' },
    add_bos_token: true,
    chat_template: '{{ messages[0].content }}',
  };
  await writeFile(join(folder, 'tokenizer_config.json'), JSON.stringify(named));
  await writeFile(
    join(folder, 'generation_config.json'),
    JSON.stringify({ bos_token_id: 1, eos_token_id: [2, 5], pad_token_id: null, temperature: 0.6 }),
  );
  return folder;
}

/** The same weights in two files, one of them in BF16, behind an index. */
async function makeSharded(model: string, folder: string): Promise<string> {
  await mkdir(folder);
  for (const name of ['config.json', 'tokenizer.json', 'tokenizer_config.json'])
    await copyFile(join(model, name), join(folder, name));
  const tensors = [...(await readSafetensors(join(model, 'model.safetensors')))];
  const files = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'] as const;
  const map: Record<string, string> = {};
  for (const [n, file] of files.entries()) {
    const own = tensors.filter((_, i) => i % 2 === n).map(([name, { shape, data }]) => ({ name, shape, data }));
    await writeSafetensors(join(folder, file), own);
    for (const { name } of own) map[name] = file;
  }
  const index = { metadata: { total_size: 1 }, weight_map: map };
  await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify(index));
  return folder;
}

async function makeAdapter(folder: string): Promise<string> {
  const factors = (out: number) => ({ a: new Float32Array(2 * 8).fill(0.1), b: new Float32Array(out * 2).fill(0.1) });
  await writeAdapter(folder, {
    rank: 2,
    alpha: 4,
    dropout: 0,
    targets: ['q_proj', 'v_proj'],
    useRslora: false,
    taskType: 'CAUSAL_LM',
    baseModel: '../model',
    tensors: new Map([
      ['model.layers.0.self_attn.q_proj', factors(8)],
      ['model.layers.1.self_attn.v_proj', factors(4)],
    ]),
    extra: new Map([['score.weight', { shape: [2, 8], data: new Float32Array(16) }]]),
  });
  return folder;
}

async function makeTokenizerFolder(folder: string, fixtures: string): Promise<string> {
  await mkdir(folder);
  for (const name of ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja'])
    await copyFile(join(fixtures, 'tokenizer', name), join(folder, name));
  return folder;
}

function makeGguf(): Buffer {
  const { metadata, tensors } = ggufContents();
  return ggufBytes(metadata, tensors);
}

function ggufContents() {
  const tokens = Object.keys(PIECES.model.vocab);
  const metadata = {
    'general.architecture': 'llama',
    'general.type': 'model',
    'llama.block_count': 1,
    'llama.context_length': 64,
    'llama.embedding_length': 32,
    'llama.feed_forward_length': 32,
    'llama.attention.head_count': 4,
    'llama.attention.head_count_kv': 2,
    'llama.attention.layer_norm_rms_epsilon': 1e-5,
    'llama.rope.freq_base': 10_000,
    'llama.rope.dimension_count': 8,
    'tokenizer.ggml.model': 'llama',
    'tokenizer.ggml.tokens': tokens,
    'tokenizer.ggml.scores': tokens.map((_, n) => -n - 0.5),
    'tokenizer.ggml.token_type': tokens.map((_, n) => (n < 3 ? 3 : 1)),
    'tokenizer.ggml.bos_token_id': 1,
    'tokenizer.ggml.eos_token_id': 2,
    'tokenizer.chat_template': '{{ messages[0].content }}',
  };
  const tensor = (name: string, shape: number[], type: 0 | 8) => {
    const values = shape.reduce((product, n) => product * n, 1);
    return { name, shape, type, bytes: new Uint8Array(type === 0 ? 4 * values : (values / 32) * 34).fill(1) };
  };
  const tensors = [
    tensor('token_embd.weight', [tokens.length, 32], 8),
    tensor('output_norm.weight', [32], 0),
    tensor('rope_freqs.weight', [4], 0),
    tensor('blk.0.attn_norm.weight', [32], 0),
    tensor('blk.0.attn_q.weight', [32, 32], 0),
    tensor('blk.0.attn_k.weight', [16, 32], 8),
    tensor('blk.0.attn_v.weight', [16, 32], 8),
    tensor('blk.0.attn_output.weight', [32, 32], 8),
    tensor('blk.0.ffn_norm.weight', [32], 0),
    tensor('blk.0.ffn_gate.weight', [32, 32], 8),
    tensor('blk.0.ffn_up.weight', [32, 32], 8),
    tensor('blk.0.ffn_down.weight', [32, 32], 8),
  ];
  return { metadata, tensors };
}

/** Everything that training and inference do before a session: configuration, shapes, tokenizer, adapter, a tensor's values. */
async function openWhole(model: string, cache: string, adapter?: string): Promise<void> {
  const { files, decoder, tokenizer } = await openModel({ model, adapter }, { cache });
  passInputs({ batch: 1, seq: 8 }, []);
  ropeInputs(decoder.config, 8);
  useTexts(tokenizer);
  const stored = files.configFile.endsWith('.gguf') ? null : [...(await files.weights()).values()][0]?.file;
  if (!stored) return;
  const [first] = await readSafetensorsHeader(stored);
  if (first) for await (const _ of readTensorPieces(...first)) break;
}

async function openGguf(file: string, cache: string): Promise<void> {
  await openWhole(file, cache);
  for (const weight of (await ggufModel(await readGguf(file))).weights) for await (const _ of piecesOf(weight)) break;
}

async function useTokenizer(folder: string): Promise<void> {
  useTexts(await loadTokenizer(folder));
}

function useTexts(tokenizer: Tokenizer): void {
  const ids = [...tokenizer.encode(TEXT), ...tokenizer.encodeContinuation(TEXT, { special: false })];
  tokenizer.decode(ids);
  tokenizer.decodeContinuation(ids.slice(3));
  const stream = tokenizer.stream();
  for (const id of ids) stream.push(id);
  stream.end();
  if (tokenizer.chatTemplate !== null) renderChat(tokenizer, [{ role: 'user', content: 'a' }]);
}

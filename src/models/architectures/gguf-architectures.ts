// GGUF metadata and tensor names -> the vocabulary of Hugging Face's config.json and weights. One table entry per architecture.
import { printable, SipfError, shown } from '../../errors.ts';
import { type GgufFile, type GgufTensor, type GgufValue, readGgufPieces, readGgufTensor } from '../files/gguf.ts';
import { refuseOtherKinds } from '../files/gguf-kinds.ts';
import { ropeFromFactors } from './rope-factors.ts';

/** A tensor of the model under its Hugging Face name. */
export interface GgufWeight {
  readonly name: string;
  readonly shape: readonly number[];
  readonly pieces: () => AsyncIterable<Float32Array>;
}

export interface GgufModel {
  readonly config: Readonly<Record<string, unknown>>;
  readonly weights: readonly GgufWeight[];
}

/** How the stored rows relate to Hugging Face's: as they are, or RoPE pairs interleaved within each head. */
type RowOrder = 'plain' | 'interleaved-heads' | 'interleaved-kv-heads';

interface ArchitectureEntry {
  readonly config: (meta: Metadata) => Record<string, unknown>;
  /** GGUF name (`{n}`: layer) -> Hugging Face name, and the row order where it is not plain. */
  readonly names: Readonly<Record<string, string | readonly [string, RowOrder]>>;
  /** Tensors that carry configuration, read elsewhere. */
  readonly inConfig: readonly string[];
}

const LLAMA_NAMES: ArchitectureEntry['names'] = {
  'token_embd.weight': 'model.embed_tokens.weight',
  'output_norm.weight': 'model.norm.weight',
  'output.weight': 'lm_head.weight',
  'blk.{n}.attn_norm.weight': 'model.layers.{n}.input_layernorm.weight',
  'blk.{n}.attn_q.weight': ['model.layers.{n}.self_attn.q_proj.weight', 'interleaved-heads'],
  'blk.{n}.attn_q.bias': ['model.layers.{n}.self_attn.q_proj.bias', 'interleaved-heads'],
  'blk.{n}.attn_k.weight': ['model.layers.{n}.self_attn.k_proj.weight', 'interleaved-kv-heads'],
  'blk.{n}.attn_k.bias': ['model.layers.{n}.self_attn.k_proj.bias', 'interleaved-kv-heads'],
  'blk.{n}.attn_v.weight': 'model.layers.{n}.self_attn.v_proj.weight',
  'blk.{n}.attn_v.bias': 'model.layers.{n}.self_attn.v_proj.bias',
  'blk.{n}.attn_output.weight': 'model.layers.{n}.self_attn.o_proj.weight',
  'blk.{n}.attn_output.bias': 'model.layers.{n}.self_attn.o_proj.bias',
  'blk.{n}.ffn_norm.weight': 'model.layers.{n}.post_attention_layernorm.weight',
  'blk.{n}.ffn_gate.weight': 'model.layers.{n}.mlp.gate_proj.weight',
  'blk.{n}.ffn_up.weight': 'model.layers.{n}.mlp.up_proj.weight',
  'blk.{n}.ffn_down.weight': 'model.layers.{n}.mlp.down_proj.weight',
};

const ARCHITECTURES: Readonly<Record<string, ArchitectureEntry>> = {
  llama: {
    names: LLAMA_NAMES,
    inConfig: ['rope_freqs.weight'],
    config: (meta) => ({
      model_type: 'llama',
      architectures: ['LlamaForCausalLM'],
      hidden_act: 'silu',
      rms_norm_eps: meta.number('attention.layer_norm_rms_epsilon'),
      attention_bias: meta.hasTensor('blk.0.attn_q.bias'),
      mlp_bias: false,
      ...decoderShape(meta),
    }),
  },
};

/** The metadata keys of one file, under their architecture's prefix. */
class Metadata {
  readonly #gguf: GgufFile;
  readonly architecture: string;

  constructor(gguf: GgufFile) {
    this.#gguf = gguf;
    const architecture = gguf.metadata.get('general.architecture');
    if (typeof architecture !== 'string') {
      throw new SipfError(
        'bad-input',
        `Expected general.architecture in ${gguf.file}, got none. Convert the model again.`,
      );
    }
    this.architecture = architecture;
  }

  value(key: string): GgufValue | undefined {
    return this.#gguf.metadata.get(key);
  }
  optional(key: string): number | undefined {
    const value = this.value(`${this.architecture}.${key}`);
    if (value === undefined || typeof value === 'number') return value;
    throw new SipfError(
      'unsupported',
      `Expected one number ${this.architecture}.${key} in ${this.#gguf.file}, got ${typeof value} (a model whose layers differ?). Use another model.`,
    );
  }
  number(key: string): number {
    const value = this.optional(key);
    if (value === undefined)
      throw new SipfError(
        'bad-input',
        `Expected ${this.architecture}.${key} in ${this.#gguf.file}, got none. Convert the model again.`,
      );
    return value;
  }
  bad(key: string, expected: string, got: number): SipfError {
    return new SipfError(
      'bad-input',
      `Expected ${this.architecture}.${key} in ${this.#gguf.file} to be ${expected}, got ${got}. Convert the model again.`,
    );
  }
  hasTensor(name: string): boolean {
    return this.#gguf.tensors.has(name);
  }
  tensor(name: string): GgufTensor {
    const tensor = this.#gguf.tensors.get(name);
    if (!tensor)
      throw new SipfError(
        'bad-input',
        `Expected tensor ${name} in ${this.#gguf.file}, got none. Download the file again.`,
      );
    return tensor;
  }
}

/** What every decoder's config.json has. */
function decoderShape(meta: Metadata): Record<string, unknown> {
  const heads = meta.number('attention.head_count');
  const hidden = meta.number('embedding_length');
  const headDim = meta.optional('attention.key_length') ?? headSize(meta, hidden, heads);
  const theta = meta.optional('rope.freq_base') ?? 10_000;
  const rotated = meta.optional('rope.dimension_count') ?? headDim;
  return {
    hidden_size: hidden,
    intermediate_size: meta.number('feed_forward_length'),
    num_hidden_layers: meta.number('block_count'),
    num_attention_heads: heads,
    num_key_value_heads: meta.optional('attention.head_count_kv') ?? heads,
    head_dim: headDim,
    rope_theta: theta,
    rope_parameters: ropeParameters(meta, theta),
    ...(rotated === headDim ? {} : { partial_rotary_factor: rotated / headDim }),
    max_position_embeddings: meta.number('context_length'),
    vocab_size: meta.tensor('token_embd.weight').shape[0],
    tie_word_embeddings: !meta.hasTensor('output.weight'),
    bos_token_id: meta.value('tokenizer.ggml.bos_token_id') ?? null,
    eos_token_id: meta.value('tokenizer.ggml.eos_token_id') ?? null,
    pad_token_id: meta.value('tokenizer.ggml.padding_token_id') ?? null,
  };
}

function headSize(meta: Metadata, hidden: number, heads: number): number {
  if (hidden % heads === 0) return hidden / heads;
  throw meta.bad('attention.head_count', `a divisor of embedding_length ${hidden}`, heads);
}

function ropeParameters(meta: Metadata, theta: number): Record<string, unknown> {
  const type = meta.value(`${meta.architecture}.rope.scaling.type`);
  if (type === undefined || type === 'none') return { rope_type: 'default', rope_theta: theta };
  return {
    rope_type: type,
    rope_theta: theta,
    factor: meta.optional('rope.scaling.factor') ?? 1,
    original_max_position_embeddings: meta.optional('rope.scaling.original_context_length'),
  };
}

/**
 * Configuration and weights of a GGUF model as Hugging Face names them. Llama 3's RoPE scaling, stored as the tensor rope_freqs.weight, becomes
 * `rope_parameters` (see ropeFromFactors).
 */
export async function ggufModel(gguf: GgufFile): Promise<GgufModel> {
  refuseOtherKinds(gguf);
  const meta = new Metadata(gguf);
  const entry = Object.hasOwn(ARCHITECTURES, meta.architecture) ? ARCHITECTURES[meta.architecture] : undefined;
  if (!entry) {
    throw new SipfError(
      'unsupported',
      `Expected one of the architectures ${Object.keys(ARCHITECTURES).join(', ')} in ${gguf.file}, got ${shown(meta.architecture)}. Use the model's safetensors folder.`,
    );
  }
  const config = entry.config(meta);
  const factors = gguf.tensors.get('rope_freqs.weight');
  if (factors && entry.inConfig.includes('rope_freqs.weight')) {
    const values = [...(await readGgufTensor(gguf.file, factors))];
    config.rope_parameters = ropeFromFactors(Number(config.rope_theta), values);
  }
  const weights: GgufWeight[] = [];
  for (const [stored, tensor] of gguf.tensors) {
    if (!entry.inConfig.includes(stored)) weights.push(weightOf(gguf, entry, config, stored, tensor));
  }
  return { config, weights };
}

function weightOf(
  gguf: GgufFile,
  entry: ArchitectureEntry,
  config: Readonly<Record<string, unknown>>,
  stored: string,
  tensor: GgufTensor,
): GgufWeight {
  const layer = /^blk\.(\d+)\./.exec(stored)?.[1];
  const found = entry.names[layer === undefined ? stored : stored.replace(`blk.${layer}.`, 'blk.{n}.')];
  if (found === undefined) {
    throw new SipfError(
      'unsupported',
      `Expected only the tensors of a ${config.model_type} model in ${gguf.file}, got ${printable(stored)}. Use another model.`,
    );
  }
  const [name, order]: readonly [string, RowOrder] = typeof found === 'string' ? [found, 'plain'] : found;
  const heads =
    order === 'plain'
      ? null
      : Number(config[order === 'interleaved-heads' ? 'num_attention_heads' : 'num_key_value_heads']);
  return {
    name: name.replace('{n}', layer ?? ''),
    shape: tensor.shape,
    pieces: () => (heads === null ? readGgufPieces(gguf.file, tensor) : deinterleaved(gguf.file, tensor, heads)),
  };
}

async function* deinterleaved(file: string, tensor: GgufTensor, heads: number): AsyncGenerator<Float32Array> {
  yield deinterleaveHeads(await readGgufTensor(file, tensor), tensor.shape, heads);
}

/** Rows `[heads, dim / 2, 2]` (RoPE pairs side by side) -> `[heads, 2, dim / 2]` (halves, Hugging Face): undoes llama.cpp's permute(). */
export function deinterleaveHeads(data: Float32Array, shape: readonly number[], heads: number): Float32Array {
  const rows = shape[0] ?? 0;
  const width = data.length / rows;
  const half = rows / heads / 2;
  if (!Number.isInteger(half))
    throw new SipfError('bad-input', `Expected rows in ${heads} even heads, got ${rows}. Download the file again.`);
  const out = new Float32Array(data.length);
  for (let row = 0; row < rows; row++) {
    const head = Math.floor(row / (2 * half));
    const within = row % (2 * half);
    const from = head * 2 * half + (within % half) * 2 + Math.floor(within / half);
    out.set(data.subarray(from * width, (from + 1) * width), row * width);
  }
  return out;
}

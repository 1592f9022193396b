// What an architecture's GGUF form and Hugging Face's have in common: keys, names, stored values.
import { SipfError } from '../../errors.ts';
import type { GgufFile } from '../files/gguf.ts';
import type { ModelConfig } from './architecture.ts';

type Values = (data: Float32Array, shape: readonly number[], config: ModelConfig) => Float32Array;

/** How a GGUF file stores values otherwise than Hugging Face does. */
export interface Change {
  /** Stored values -> Hugging Face's. */
  readonly read: Values;
  /** The inverse. */
  readonly write: Values;
}

/** Keys of config.json, each with the metadata key (below the architecture's prefix) of the same number, and its type. */
export type GgufKeys = Readonly<Record<string, { readonly key: string; readonly type: 'u32' | 'f32' }>>;

export interface GgufLayout {
  /** `general.architecture`. */
  readonly architecture: string;
  /** Numbers beside those that every decoder has. */
  readonly keys?: GgufKeys;
  /** What else config.json has beside `usual`, which every decoder has. */
  config?(meta: GgufMetadata, usual: ModelConfig): ModelConfig;
  /** Stored module (`{n}`: layer) -> Hugging Face's, or those of `parts`, which its rows hold in turn. */
  readonly names: Readonly<Record<string, string | readonly string[]>>;
  /** How many rows such parts have, relative to each other. */
  parts?(config: ModelConfig): readonly number[];
  /** How the values of the stored name differ; absent, or undefined: not at all. */
  change?(stored: string): Change | undefined;
  /** Where config.json has the RoPE settings of the metadata; default: at its top. */
  rope?(config: ModelConfig): ModelConfig;
  /** Tensor of RoPE factors, which belongs in the configuration. */
  readonly ropeFactors?: string;
}

/** Of a decoder with two norms a layer. */
export const GGUF_NAMES = {
  token_embd: 'model.embed_tokens',
  output_norm: 'model.norm',
  output: 'lm_head',
  'blk.{n}.attn_norm': 'model.layers.{n}.input_layernorm',
  'blk.{n}.attn_q': 'model.layers.{n}.self_attn.q_proj',
  'blk.{n}.attn_k': 'model.layers.{n}.self_attn.k_proj',
  'blk.{n}.attn_v': 'model.layers.{n}.self_attn.v_proj',
  'blk.{n}.attn_output': 'model.layers.{n}.self_attn.o_proj',
  'blk.{n}.ffn_norm': 'model.layers.{n}.post_attention_layernorm',
  'blk.{n}.ffn_gate': 'model.layers.{n}.mlp.gate_proj',
  'blk.{n}.ffn_up': 'model.layers.{n}.mlp.up_proj',
  'blk.{n}.ffn_down': 'model.layers.{n}.mlp.down_proj',
} as const;

/** Of the norms behind attention and MLP, and that before the MLP where there are three or four. */
export const GGUF_POST_NORMS = {
  'blk.{n}.post_attention_norm': 'model.layers.{n}.post_attention_layernorm',
  'blk.{n}.ffn_norm': 'model.layers.{n}.pre_feedforward_layernorm',
  'blk.{n}.post_ffw_norm': 'model.layers.{n}.post_feedforward_layernorm',
} as const;

/** Of the norms of queries and keys. */
export const GGUF_QK_NORMS = {
  'blk.{n}.attn_q_norm': 'model.layers.{n}.self_attn.q_norm',
  'blk.{n}.attn_k_norm': 'model.layers.{n}.self_attn.k_norm',
} as const;

/** Sizes of every decoder. */
export const GGUF_SIZES = {
  hidden_size: 'embedding_length',
  intermediate_size: 'feed_forward_length',
  num_hidden_layers: 'block_count',
  num_attention_heads: 'attention.head_count',
  max_position_embeddings: 'context_length',
} as const;

/** The metadata keys of one file, under their architecture's prefix. */
export class GgufMetadata {
  readonly gguf: GgufFile;
  readonly architecture: string;

  /** @throws SipfError 'bad-input' where the file names no architecture. */
  constructor(gguf: GgufFile) {
    this.gguf = gguf;
    const architecture = gguf.metadata.get('general.architecture');
    if (typeof architecture !== 'string') throw this.missing('general.architecture');
    this.architecture = architecture;
  }

  missing(what: string): SipfError {
    return new SipfError('bad-input', `Expected ${what} in ${this.gguf.file}, got none. Convert the model again.`);
  }

  /** @throws SipfError 'unsupported' where it is there and no number. */
  optional(key: string): number | undefined {
    const value = this.gguf.metadata.get(`${this.architecture}.${key}`);
    if (value === undefined || typeof value === 'number') return value;
    throw new SipfError(
      'unsupported',
      `Expected one number ${this.architecture}.${key} in ${this.gguf.file}, got ${typeof value} (a model whose layers differ?). Use another model.`,
    );
  }

  /** @throws SipfError 'bad-input' where it is missing. */
  number(key: string): number {
    const value = this.optional(key);
    if (value !== undefined) return value;
    throw this.missing(`${this.architecture}.${key}`);
  }
}

/** What every decoder's config.json has. */
export function ggufSizes(meta: GgufMetadata): Record<string, unknown> {
  const { metadata, tensors } = meta.gguf;
  const embedding = tensors.get('token_embd.weight');
  if (!embedding) throw meta.missing('tensor token_embd.weight');
  const heads = meta.number(GGUF_SIZES.num_attention_heads);
  const headDim = meta.optional('attention.key_length') ?? headSize(meta, meta.number(GGUF_SIZES.hidden_size), heads);
  const sizes = Object.fromEntries(Object.entries(GGUF_SIZES).map(([name, key]) => [name, meta.number(key)]));
  const theta = meta.optional('rope.freq_base') ?? 10_000;
  const rotated = meta.optional('rope.dimension_count') ?? headDim;
  return {
    ...sizes,
    num_key_value_heads: meta.optional('attention.head_count_kv') ?? heads,
    head_dim: headDim,
    rope_theta: theta,
    rope_parameters: ropeParameters(meta, theta),
    ...(rotated === headDim ? {} : { partial_rotary_factor: rotated / headDim }),
    vocab_size: embedding.shape[0],
    tie_word_embeddings: !tensors.has('output.weight'),
    bos_token_id: metadata.get('tokenizer.ggml.bos_token_id') ?? null,
    eos_token_id: metadata.get('tokenizer.ggml.eos_token_id') ?? null,
    pad_token_id: metadata.get('tokenizer.ggml.padding_token_id') ?? null,
  };
}

function headSize(meta: GgufMetadata, hidden: number, heads: number): number {
  if (hidden % heads === 0) return hidden / heads;
  throw new SipfError(
    'bad-input',
    `Expected ${meta.architecture}.attention.head_count in ${meta.gguf.file} to be a divisor of embedding_length ${hidden}, got ${heads}. Convert the model again.`,
  );
}

function ropeParameters(meta: GgufMetadata, theta: number): Record<string, unknown> {
  const type = meta.gguf.metadata.get(`${meta.architecture}.rope.scaling.type`);
  if (type === undefined || type === 'none') return { rope_type: 'default', rope_theta: theta };
  return {
    rope_type: type,
    rope_theta: theta,
    factor: meta.optional('rope.scaling.factor') ?? 1,
    original_max_position_embeddings: meta.optional('rope.scaling.original_context_length'),
  };
}

/** Norms that are stored as 1 + weight. */
export const ONE_MORE: Change = {
  read: (data) => data.map((value) => value - 1),
  write: (data) => data.map((value) => value + 1),
};

/**
 * Rows stored as `[heads, dim / 2, 2]` (RoPE pairs side by side, llama.cpp's permute()), `[heads, 2, dim / 2]` in Hugging Face's form (halves).
 * @param key the count of heads in config.json.
 * @throws SipfError 'bad-input', from both ways, where the rows are not whole heads of an even size.
 */
export const headRows = (key: string): Change => ({
  read: (data, [rows = 0], config) => gathered(data, pairRows(rows, Number(config[key]))),
  write(data, [rows = 0], config) {
    const inverse = new Int32Array(rows);
    for (const [row, from] of pairRows(rows, Number(config[key])).entries()) inverse[from] = row;
    return gathered(data, inverse);
  },
});

/** Where each row of Hugging Face's form is stored. */
function pairRows(rows: number, heads: number): Int32Array {
  const half = rows / heads / 2;
  if (!Number.isInteger(half))
    throw new SipfError('bad-input', `Expected rows in ${heads} even heads, got ${rows}. Download the file again.`);
  return Int32Array.from({ length: rows }, (_, row) => {
    const within = row % (2 * half);
    return row - within + (within % half) * 2 + Math.floor(within / half);
  });
}

function gathered(data: Float32Array, from: Int32Array): Float32Array {
  const width = data.length / from.length;
  const out = new Float32Array(data.length);
  for (const [row, place] of from.entries()) out.set(data.subarray(place * width, (place + 1) * width), row * width);
  return out;
}

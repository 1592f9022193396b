// An architecture's GGUF form -> Hugging Face's: metadata, names and stored values.
import { SipfError } from '../../errors.ts';
import type { GgufFile } from '../files/gguf.ts';
import type { ModelConfig } from './architecture.ts';

/** What a GGUF file stores otherwise than Hugging Face does, undone. */
export type Undo = (data: Float32Array, shape: readonly number[], config: ModelConfig) => Float32Array;

export interface GgufLayout {
  /** `general.architecture`. */
  readonly architecture: string;
  /** What config.json has beside `usual`, which every decoder has. */
  config?(meta: GgufMetadata, usual: ModelConfig): ModelConfig;
  /** Stored module (`{n}`: layer) -> Hugging Face's, or those of `parts`, which its rows hold in turn. */
  readonly names: Readonly<Record<string, string | readonly string[]>>;
  /** How many rows such parts have, relative to each other. */
  parts?(config: ModelConfig): readonly number[];
  /** How the values of the stored name differ; absent, or undefined: not at all. */
  undo?(stored: string): Undo | undefined;
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

/** Of the norms of queries and keys. */
export const GGUF_QK_NORMS = {
  'blk.{n}.attn_q_norm': 'model.layers.{n}.self_attn.q_norm',
  'blk.{n}.attn_k_norm': 'model.layers.{n}.self_attn.k_norm',
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
export const lessOne: Undo = (data) => data.map((value) => value - 1);

/**
 * Rows `[heads, dim / 2, 2]` (RoPE pairs side by side) -> `[heads, 2, dim / 2]` (halves, Hugging Face): undoes llama.cpp's permute().
 * @param key the count of heads in config.json.
 * @throws SipfError 'bad-input' where the rows are not whole heads of an even size.
 */
export const headRows =
  (key: string): Undo =>
  (data, [rows = 0], config) => {
    const heads = Number(config[key]);
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
  };

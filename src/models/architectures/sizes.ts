// The keys of config.json that every decoder has -> sizes within bounds, and the layers' types.
import { SipfError, shown } from '../../errors.ts';
import type { DecoderConfig } from './architecture.ts';
import { PROJECTIONS, type Projection } from './attention.ts';
import type { ConfigReader } from './config-reader.ts';
import type { Form } from './form.ts';

/** Far above any model there is, and far below what would not fit an array. */
const MAX_WIDTH = 1 << 20;
const MAX_ROWS = 1 << 24;
const MAX_LAYERS = 10_000;
const MAX_POSITIONS = 1e9;
const MAX_HEAD = 1 << 14;

/** @throws SipfError 'bad-input' naming the file and its key. */
export function decoderSizes(read: ConfigReader, form: Form): Omit<DecoderConfig, 'ropes'> {
  const hidden = read.integer('hidden_size', { max: MAX_WIDTH });
  const heads = read.integer('num_attention_heads', { max: MAX_WIDTH });
  const headDim = headDimension(read, form.headDim ?? hidden / heads);
  const { key, fallback } = form.norm.epsilon;
  return {
    vocab: read.integer('vocab_size', { max: MAX_ROWS }),
    hidden,
    intermediate: read.integer('intermediate_size', { max: MAX_ROWS }),
    layers: read.integer('num_hidden_layers', { max: MAX_LAYERS }),
    heads,
    kvHeads: read.divisor('num_key_value_heads', heads),
    headDim,
    contextLength: read.integer('max_position_embeddings', { max: MAX_POSITIONS }),
    epsilon: read.number(key, { fallback, min: 0, max: 1 }),
    tied: read.boolean('tie_word_embeddings', form.tied),
  };
}

/** An even number, since RoPE turns pairs. */
function headDimension(read: ConfigReader, derived: number): number {
  if (read.has('head_dim')) {
    const stated = read.integer('head_dim', { max: MAX_HEAD });
    if (stated % 2 === 0) return stated;
    throw read.bad('head_dim', 'even');
  }
  if (derived % 2 === 0 && derived <= MAX_HEAD) return derived;
  throw read.bad(
    'num_attention_heads',
    `a divisor of hidden_size that leaves an even size of at most ${MAX_HEAD} for each head`,
  );
}

/** `attention_bias`: the projections that must have one. */
export const biasedProjections = (read: ConfigReader): readonly Projection[] =>
  read.boolean('attention_bias', false) ? PROJECTIONS : [];

/** `sliding_window`: tokens that a layer with a window sees. */
export const slidingWindow = (read: ConfigReader, fallback?: number): number =>
  read.integer('sliding_window', { fallback, max: MAX_POSITIONS });

/** A count of layers, possibly 0. */
export const layerCount = (read: ConfigReader, key: string, fallback: number): number =>
  read.integer(key, { fallback, min: 0, max: MAX_LAYERS });

/** A count of layers after which something comes again. */
export const layerInterval = (read: ConfigReader, key: string, fallback: number): number =>
  read.integer(key, { fallback, max: MAX_LAYERS });

/** Whether a layer sees all tokens before it, or those of a window. */
export type LayerType = 'full_attention' | 'sliding_attention';

/**
 * `layer_types`, checked; where it is absent, as `usual` says.
 * @throws SipfError 'unsupported' for layers that attend in another way, 'bad-input' where it is no list of them.
 */
export function layerTypes(read: ConfigReader, layers: number, usual: (n: number) => LayerType): LayerType[] {
  const stated = read.config['layer_types'] ?? null;
  const wrong = (code: 'bad-input' | 'unsupported', expected: string, got: unknown) =>
    new SipfError(code, `Expected ${expected} in layer_types of ${read.file}, got ${shown(got)}. Use another model.`);
  if (stated === null) return Array.from({ length: layers }, (_, n) => usual(n));
  if (!Array.isArray(stated) || stated.length !== layers) throw wrong('bad-input', `${layers} layer types`, stated);
  const other = stated.find((type) => type !== 'full_attention' && type !== 'sliding_attention');
  if (other === undefined) return stated as LayerType[];
  throw wrong('unsupported', 'full_attention and sliding_attention only', other);
}

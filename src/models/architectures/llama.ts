// The Llama family (Llama 2 and 3, TinyLlama, SmolLM2): config.json -> sizes, and how a block is put together.
import { add, silu } from '../../engine/build.ts';
import { type ConfigReader, configReader } from './config-reader.ts';
import { type Architecture, attention, embedTokens, gatedMlp, norm, projectToVocabulary } from './decoder.ts';
import { inverseFrequencies } from './rope.ts';

/** Far above any model there is, and far below what would not fit an array. */
const MAX_WIDTH = 1 << 20;
const MAX_ROWS = 1 << 24;
const MAX_LAYERS = 10_000;
const MAX_POSITIONS = 1e9;
const MAX_HEAD = 1 << 14;

export const llama: Architecture = {
  modelType: 'llama',
  configure(config, file = 'config.json') {
    const read = configReader(config, file);
    read.expect('hidden_act', 'silu');
    const hidden = read.integer('hidden_size', { max: MAX_WIDTH });
    const heads = read.integer('num_attention_heads', { max: MAX_WIDTH });
    const headDim = headDimension(read, config, hidden / heads);
    return {
      vocab: read.integer('vocab_size', { max: MAX_ROWS }),
      hidden,
      intermediate: read.integer('intermediate_size', { max: MAX_ROWS }),
      layers: read.integer('num_hidden_layers', { max: MAX_LAYERS }),
      heads,
      kvHeads: read.divisor('num_key_value_heads', heads),
      headDim,
      contextLength: read.integer('max_position_embeddings', { max: MAX_POSITIONS }),
      epsilon: read.number('rms_norm_eps', { fallback: 1e-6, min: 0, max: 1 }),
      tied: read.boolean('tie_word_embeddings', false),
      ropeFrequencies: inverseFrequencies(config, headDim, file),
    };
  },
  embed: embedTokens,
  block(parameters, config, x, layer, context) {
    const name = `model.layers.${layer}`;
    const normed = norm(parameters, config, x, `${name}.input_layernorm`);
    const attended = add(x, attention(parameters, config, normed, `${name}.self_attn`, layer, context));
    const inner = norm(parameters, config, attended, `${name}.post_attention_layernorm`);
    return add(attended, gatedMlp(parameters, config, inner, `${name}.mlp`, silu));
  },
  finish: (parameters, config, x) => norm(parameters, config, x, 'model.norm'),
  logits: projectToVocabulary,
};

/** An even number, since RoPE turns pairs; hidden_size / num_attention_heads where absent. */
function headDimension(read: ConfigReader, config: Readonly<Record<string, unknown>>, derived: number): number {
  const key = (config['head_dim'] ?? null) === null ? 'num_attention_heads' : 'head_dim';
  if (key === 'head_dim') {
    const stated = read.integer(key, { max: MAX_HEAD });
    if (stated % 2 === 0) return stated;
    throw read.bad(key, 'even');
  }
  if (derived % 2 === 0 && derived <= MAX_HEAD) return derived;
  throw read.bad(key, `a divisor of hidden_size that leaves an even size of at most ${MAX_HEAD} for each head`);
}

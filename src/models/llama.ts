// The Llama family (Llama 2 and 3, TinyLlama, SmolLM2): config.json -> sizes, and how a block is put together.
import { add, silu } from '../engine/build.ts';
import { configReader } from './config-reader.ts';
import { type Architecture, attention, embedTokens, gatedMlp, norm, projectToVocabulary } from './decoder.ts';
import { inverseFrequencies } from './rope.ts';

export const llama: Architecture = {
  modelType: 'llama',
  configure(config) {
    const read = configReader(config);
    read.expect('hidden_act', 'silu');
    const [hidden, heads] = [read.integer('hidden_size'), read.integer('num_attention_heads')];
    const headDim = read.integer('head_dim', hidden / heads);
    return {
      vocab: read.integer('vocab_size'),
      hidden,
      intermediate: read.integer('intermediate_size'),
      layers: read.integer('num_hidden_layers'),
      heads,
      kvHeads: read.divisor('num_key_value_heads', heads),
      headDim,
      contextLength: read.integer('max_position_embeddings'),
      epsilon: read.number('rms_norm_eps', 1e-6),
      tied: read.boolean('tie_word_embeddings', false),
      ropeFrequencies: inverseFrequencies(config, headDim),
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

// The sizes in each config.json of the hub models that presets name -> their parameters, counted.
import { describe, expect, it } from 'vitest';
import { HUB_MODELS } from '../../src/config/presets/hub-models.ts';
import { PRESET_LIST } from '../../src/config/presets.ts';
import { architectureOf } from '../../src/models/architectures/architectures.ts';
import { decoderOf } from '../../src/models/architectures/form.ts';
import { declaredWeights } from '../../src/models/weights/declared-weights.ts';

type Sizes = readonly [
  vocabulary: number,
  hidden: number,
  inner: number,
  layers: number,
  heads: number,
  kvHeads: number,
];

const SHAPES: Readonly<Record<string, { readonly sizes: Sizes; readonly more: Readonly<Record<string, unknown>> }>> = {
  'HuggingFaceTB/SmolLM2-135M-Instruct': {
    sizes: [49152, 576, 1536, 30, 9, 3],
    more: { model_type: 'llama', tie_word_embeddings: true },
  },
  'HuggingFaceTB/SmolLM2-360M-Instruct': {
    sizes: [49152, 960, 2560, 32, 15, 5],
    more: { model_type: 'llama', tie_word_embeddings: true },
  },
  'Qwen/Qwen2.5-0.5B': {
    sizes: [151936, 896, 4864, 24, 14, 2],
    more: { model_type: 'qwen2', tie_word_embeddings: true },
  },
  'google/gemma-3-270m': {
    sizes: [262144, 640, 2048, 18, 4, 1],
    more: { model_type: 'gemma3_text', head_dim: 256, sliding_window: 512, query_pre_attn_scalar: 256 },
  },
  'google/gemma-2b': {
    sizes: [256000, 2048, 16384, 18, 8, 1],
    more: { model_type: 'gemma', head_dim: 256, hidden_act: 'gelu' },
  },
  'TinyLlama/TinyLlama-1.1B-intermediate-step-1431k-3T': {
    sizes: [32000, 2048, 5632, 22, 32, 4],
    more: { model_type: 'llama', tie_word_embeddings: false },
  },
  'microsoft/phi-1_5': {
    sizes: [51200, 2048, 8192, 24, 32, 32],
    more: { model_type: 'phi', partial_rotary_factor: 0.5, layer_norm_eps: 1e-5, hidden_act: 'gelu_new' },
  },
  'deepseek-ai/deepseek-math-7b-rl': {
    sizes: [102400, 4096, 11008, 30, 32, 32],
    more: { model_type: 'llama', tie_word_embeddings: false },
  },
  'deepseek-ai/deepseek-coder-6.7b-instruct': {
    sizes: [32256, 4096, 11008, 32, 32, 32],
    more: { model_type: 'llama', tie_word_embeddings: false, rope_scaling: { type: 'linear', factor: 4 } },
  },
};

function countsOf({ sizes: [vocab, hidden, inner, layers, heads, kvHeads], more }: (typeof SHAPES)[string]) {
  const config = {
    ...{ vocab_size: vocab, hidden_size: hidden, intermediate_size: inner, num_hidden_layers: layers },
    ...{ num_attention_heads: heads, num_key_value_heads: kvHeads, max_position_embeddings: 2048 },
    ...{ rms_norm_eps: 1e-6, rope_theta: 10_000, ...more },
  };
  const { shapes, modules } = declaredWeights(decoderOf(architectureOf(config, 'config.json'), config, 'config.json'));
  const sizeOf = (shape: readonly number[]) => shape.reduce((product, n) => product * n, 1);
  const linear = new Set(modules.filter((module) => module !== 'lm_head').map((module) => `${module}.weight`));
  const total = (some: readonly (readonly [string, readonly number[]])[]) =>
    some.reduce((sum, [, shape]) => sum + sizeOf(shape), 0);
  return { parameters: total([...shapes]), linear: total([...shapes].filter(([name]) => linear.has(name))) };
}

describe('sizes of hub models', () => {
  it.each(Object.keys(HUB_MODELS))('%s', (model) => {
    const shape = SHAPES[model];
    expect(shape).toBeDefined();
    expect(HUB_MODELS[model]).toEqual(shape && countsOf(shape));
  });

  it('are known of every model that a preset names', () => {
    const named = Object.values(PRESET_LIST).flatMap(({ config: { model, simulator, verifier }, sizedFor }) =>
      [model, simulator, verifier, sizedFor].filter((one) => typeof one === 'string'),
    );
    for (const model of named) expect(Object.keys(HUB_MODELS)).toContain(model);
    expect(new Set(named).size).toBe(Object.keys(HUB_MODELS).length);
  });
});

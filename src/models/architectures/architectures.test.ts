// Names of architectures in config.json and GGUF files -> the one that is meant, or a refusal.
import { describe, expect, it } from 'vitest';
import type { ModelConfig } from './architecture.ts';
import { ARCHITECTURES, architectureOf, ggufArchitecture } from './architectures.ts';

const TYPES = 'llama, mistral, smollm3, qwen2, qwen3, gemma, gemma2, gemma3_text, phi, olmo2';
const FILES = 'llama, smollm3, qwen2, qwen3, gemma, gemma2, gemma3, phi2, olmo2';

function refusal(open: () => unknown): string {
  let message = 'accepted';
  expect(() => {
    try {
      open();
    } catch (error) {
      message = (error as Error).message;
      throw error;
    }
  }, 'refused').toThrow(expect.objectContaining({ code: 'unsupported' }));
  return message;
}

const ofConfig = (config: ModelConfig) => refusal(() => architectureOf(config, 'here/config.json'));
const end = (nearest: string | null) =>
  nearest === null ? 'Use a supported model.' : `Use a supported model; the nearest is ${nearest}.`;

describe('a model_type that is no other one', () => {
  it.each<[string, string | null]>([
    ['qwen2_moe', 'qwen2'],
    ['qwen2_vl', 'qwen2'],
    ['qwen3_moe', 'qwen3'],
    ['qwen3_vl_moe_text', 'qwen3'],
    ['qwen3_next', 'qwen3'],
    ['Qwen2', 'qwen2'],
    ['mixtral', 'mistral'],
    ['mistral3', 'mistral'],
    ['gemma3n_text', 'gemma3_text'],
    ['gemma3', 'gemma3_text'],
    ['phi3', 'phi'],
    ['phimoe', 'phi'],
    ['llama4_text', 'llama'],
    ['llava', 'llama'],
    ['smollm', 'smollm3'],
    ['olmo', 'olmo2'],
    ['olmo3', 'olmo2'],
    ['olmoe', 'olmo2'],
    ['mamba', null],
    ['gpt2', null],
    ['deepseek_v3', null],
  ])('%s: refused; the nearest is %s', (model_type, nearest) => {
    const message = `Expected model_type ${TYPES} in here/config.json, got "${model_type}". ${end(nearest)}`;
    expect(ofConfig({ model_type })).toBe(message);
  });

  it.each([undefined, null, 7, '', ['llama']])('%j', (model_type) => {
    expect(ofConfig({ model_type })).toContain(`Expected model_type ${TYPES} in here/config.json`);
  });
});

describe('a GGUF file of another architecture', () => {
  it.each<[string, string | null]>([
    ['qwen2moe', 'qwen2'],
    ['qwen2vl', 'qwen2'],
    ['qwen3moe', 'qwen3'],
    ['qwen3next', 'qwen3'],
    ['gemma3n', 'gemma3'],
    ['gemma-embedding', 'gemma'],
    ['phi3', 'phi2'],
    ['llama4', 'llama'],
    ['olmoe', 'olmo2'],
    ['rwkv7', null],
  ])('%s: refused; the nearest is %s', (name, nearest) => {
    const message = `Expected general.architecture ${FILES} in m.gguf, got "${name}". ${end(nearest)}`;
    expect(refusal(() => ggufArchitecture(name, 'm.gguf'))).toBe(message);
  });
});

describe('classes of transformers', () => {
  it.each(ARCHITECTURES)('$family', ({ family, modelType }) => {
    for (const kind of ['ForCausalLM', 'ForTokenClassification', 'ForSequenceClassification', 'Model']) {
      const config = { model_type: modelType, architectures: [`${family}${kind}`] };
      expect(architectureOf(config).modelType).toBe(modelType);
    }
    for (const other of ['MoeForCausalLM', 'VLForConditionalGeneration', '4ForCausalLM']) {
      const config = { model_type: modelType, architectures: [`${family}${other}`] };
      expect(ofConfig(config)).toContain(`Expected architectures ${family}ForCausalLM in here/config.json`);
    }
  });

  it('an old spelling, and none, are accepted', () => {
    for (const architectures of [['LLaMAForCausalLM'], [], null, undefined])
      expect(architectureOf({ model_type: 'llama', architectures }).modelType).toBe('llama');
  });

  it('BitNet calls itself llama', () => {
    const message = ofConfig({ model_type: 'llama', architectures: ['BitnetForCausalLM'] });
    expect(message).toContain('as its model_type is llama, got "BitnetForCausalLM"');
  });
});

it('a model that reads images as well is refused, whatever its text model is', () => {
  for (const model_type of ['gemma3', 'mistral3', 'smolvlm', 'llama'])
    expect(ofConfig({ model_type, text_config: { model_type: 'llama' } })).toContain('a model of text alone');
});

// Presets of small models with LoRA: a budget for two cores, and a layer for a GPU.
import type { ConfigInput } from '../schema.ts';
import type { Preset } from './preset.ts';

const SMOLLM2_135M = 'HuggingFaceTB/SmolLM2-135M-Instruct';

const lora = { rank: 16, alpha: 32, dropout: 0, targets: 'all-linear' } as const;

/** How long a stage trains. */
type Amount = { readonly tokens: number } | { readonly epochs: number };

/** Two rounds with LoRA, for a model of the size of SmolLM2-135M. */
const loraRounds = (maxTokens: number, amounts: Readonly<Record<'sft' | 'prm' | 'align', Amount>>) =>
  ({
    iterations: 2,
    sft: { train: { lora, ...amounts.sft, learningRate: 1e-3, schedule: 'linear', batchSize: 16 } },
    sampling: { questions: 220, rotate: true, samples: 8, temperature: 0.8, maxTokens, gold: false, unit: 32 },
    labels: { K: 4, paths: 250, maxTokens, unit: 128 },
    prm: { train: { lora, ...amounts.prm, learningRate: 5e-4 } },
    pairs: { eta: 0.05, perQuestion: 4, total: 300 },
    align: {
      start: 'previous',
      loss: { kind: 'orpo', lambda: 0.1 },
      gold: 0.5,
      train: { lora, ...amounts.align, learningRate: 5e-4, batchSize: 16 },
    },
  }) satisfies ConfigInput;

const gsm8kSmollm2: ConfigInput = {
  task: { name: 'gsm8k', maxGoldSteps: 3 },
  ...loraRounds(160, { sft: { tokens: 200_000 }, prm: { tokens: 50_000 }, align: { tokens: 70_000 } }),
  evaluate: {
    sets: [{ split: 'valid', limit: 200 }],
    final: [
      { split: 'test', limit: 500 },
      { name: 'svamp', split: 'test', limit: 200 },
      { name: 'multiarith', split: 'test', limit: 100 },
    ],
    control: 'continued-sft',
    maxTokens: 160,
    unit: 256,
  },
};

/** Amounts follow the file (epochs, not tokens), so that thirty questions are enough to try it. */
const ownData: ConfigInput = {
  task: { name: 'jsonl' },
  ...loraRounds(256, { sft: { epochs: 3 }, prm: { epochs: 2 }, align: { epochs: 2 } }),
  evaluate: {
    sets: [{ split: 'valid', limit: 200 }],
    final: [{ split: 'test', limit: 500 }],
    maxTokens: 256,
    unit: 256,
  },
};

const mbppSmollm2: ConfigInput = {
  ...gsm8kSmollm2,
  task: { name: 'mbpp' },
  sampling: { questions: null, samples: 8, temperature: 0.7, maxTokens: 256, gold: false, unit: 32 },
  labels: { K: 6, paths: 250, temperature: 0.7, maxTokens: 256, unit: 128 },
  evaluate: {
    sets: [{ split: 'valid' }, { name: 'humaneval', split: 'test', limit: 60 }],
    final: [
      { split: 'test', limit: 300 },
      { name: 'humaneval', split: 'test' },
    ],
    control: 'continued-sft',
    maxTokens: 256,
    unit: 256,
  },
};

export const GSM8K_SMOLLM2: Preset = {
  config: gsm8kSmollm2,
  sizedFor: SMOLLM2_135M,
  words:
    'SmolLM2-135M on GSM8K with LoRA, two rounds; SVAMP and MultiArith beside it at the end. Needs --model FILE.gguf and --data DIR. 107 minutes on 2 cores (docs/results.md); raise sampling.questions, labels.paths and sft.train.tokens on a faster machine.',
};

export const OWN_DATA: Preset = {
  config: ownData,
  sizedFor: SMOLLM2_135M,
  words:
    'Own questions with LoRA, for a model of the size of SmolLM2-135M, two rounds. Needs --model and --data questions.jsonl; thirty questions are enough to try it. Its control needs worked solutions and is off: --evaluate.control continued-sft.',
};

export const MBPP_SMOLLM2: Preset = {
  config: mbppSmollm2,
  sizedFor: SMOLLM2_135M,
  words:
    'SmolLM2-135M on MBPP with LoRA, HumanEval beside it after every round. Needs --model FILE.gguf and --data DIR with mbpp/ and humaneval/. A slice of it took 2 hours on 2 cores (docs/results.md); ask --dry-run for the whole.',
};

/** GSM8K with the budget of two cores and a night, for a model of the hub. Without `maxGoldSteps`: these models are often right. */
function gsm8kOn(model: string, learningRate: number): ConfigInput {
  const { sft, align } = gsm8kSmollm2;
  return {
    ...gsm8kSmollm2,
    model,
    task: { name: 'gsm8k' },
    sft: { ...sft, train: { ...sft?.train, learningRate } },
    align: { ...align, train: { ...align?.train, learningRate: learningRate / 2 } },
  };
}

export const GSM8K_SMOLLM2_135M: Preset = {
  config: { ...gsm8kSmollm2, model: SMOLLM2_135M },
  words: 'gsm8k-smollm2 with its model from the hub: SmolLM2-135M-Instruct. For 2 cores; on a GPU add +gpu.',
};

export const GSM8K_SMOLLM2_360M: Preset = {
  config: gsm8kOn('HuggingFaceTB/SmolLM2-360M-Instruct', 5e-4),
  words:
    'SmolLM2-360M-Instruct on GSM8K with LoRA, two rounds, the budget of gsm8k-smollm2. For 2 cores and a night (docs/sizes.md); on a GPU add +gpu.',
};

export const GSM8K_QWEN: Preset = {
  config: gsm8kOn('Qwen/Qwen2.5-0.5B', 2e-4),
  words:
    'Qwen2.5-0.5B on GSM8K with LoRA, two rounds, the budget of gsm8k-smollm2. For 2 cores and a night (docs/sizes.md); on a GPU add +gpu.',
};

export const GSM8K_GEMMA_270M: Preset = {
  config: gsm8kOn('google/gemma-3-270m', 5e-4),
  words:
    'Gemma-3-270M on GSM8K with LoRA, two rounds, the budget of gsm8k-smollm2. The model is gated: HF_TOKEN. For 2 cores and a night (docs/sizes.md); on a GPU add +gpu.',
};

/** More questions, samples and labels, and epochs in place of tokens. */
export const GPU: Preset = {
  isLayer: true,
  config: {
    engine: { provider: 'webgpu', slots: 128 },
    iterations: 3,
    sft: { train: { tokens: null, epochs: 3, tokensPerPass: 4096 } },
    sampling: { questions: 1000, rotate: true, samples: 16, unit: 128 },
    labels: { K: 8, paths: 2000, unit: 256 },
    prm: { train: { tokens: null, epochs: 2, tokensPerPass: 4096 } },
    pairs: { perQuestion: 4, total: null },
    align: { train: { tokens: null, epochs: 2, tokensPerPass: 4096 } },
    evaluate: { sets: [{ split: 'valid' }], final: [{ split: 'test' }] },
  },
  words:
    'A budget for a GPU by WebGPU, on top of another preset: gsm8k-qwen2.5-0.5b+gpu. 1,000 questions a round with 16 samples each, 2,000 labelled paths, epochs in place of token limits, three rounds, the whole test set. About twenty-five times the cost (sipf presets NAME).',
};

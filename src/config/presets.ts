// A preset's name -> the configuration it stands for, as a partial tree.

import { SipfError } from '../errors.ts';
import { nearest } from '../nearest.ts';
import type { ConfigInput } from './schema.ts';

const smoke: ConfigInput = {
  model: {
    init: {
      hidden_size: 32,
      intermediate_size: 64,
      num_hidden_layers: 2,
      num_attention_heads: 4,
      num_key_value_heads: 4,
    },
  },
  task: { name: 'mini', limit: 96 },
  iterations: 2,
  sft: { train: { epochs: 4, learningRate: 3e-3, batchSize: 16 } },
  sampling: { questions: 24, samples: 4, temperature: 1, unit: 8 },
  labels: { K: 2, paths: 24, heldOut: 0.25, unit: 8 },
  prm: { train: { epochs: 2, learningRate: 1e-3, batchSize: 16 } },
  score: { scorer: 'prm-logprob' },
  // A model this small is hardly ever right. With worked solutions among the paths every method has pairs, for every seed.
  pairs: { eta: 0.001, chosenGate: 'none', gold: true, perQuestion: 2 },
  align: { gold: 1, train: { epochs: 1, learningRate: 3e-4, batchSize: 16 } },
  evaluate: { sets: [{ split: 'valid', limit: 32 }], final: [{ split: 'test', limit: 32 }], logpPairs: 8 },
};

/** Settings that all training of the quickstart's tiny model shares. */
const tiny = {
  batchSize: 16,
  betas: [0.9, 0.98] as [number, number],
  schedule: 'cosine' as const,
  warmup: 0.05,
};

const quickstart: ConfigInput = {
  model: {
    init: {
      hidden_size: 96,
      intermediate_size: 256,
      num_hidden_layers: 4,
      num_attention_heads: 4,
      num_key_value_heads: 4,
      initializer_range: 0.05,
    },
  },
  // Few worked solutions, many questions with answers alone: what the method is for.
  task: { name: 'mini', limit: 6000, solutions: 500 },
  iterations: 2,
  sft: { train: { ...tiny, epochs: 12, learningRate: 4e-3 } },
  sampling: { questions: 1200, rotate: true, samples: 4, temperature: 0.8, gold: false, calculator: true, unit: 64 },
  labels: { K: 4, paths: 500, calculator: true },
  prm: { train: { ...tiny, batchSize: 32, epochs: 2, learningRate: 2e-3 } },
  pairs: { eta: 0.02, perQuestion: 2 },
  score: { scorer: 'prm-logprob' },
  // The paths of a pair differ in a digit or two here: at the paper's 0.1 pairs undo what the rows teach (docs/results.md).
  align: { loss: { kind: 'orpo', lambda: 0.02 }, gold: 1, train: { ...tiny, epochs: 2, learningRate: 2e-3 } },
  evaluate: {
    sets: [{ split: 'valid', limit: 300 }],
    final: [{ split: 'test', limit: 1500 }],
    calculator: true,
    control: 'continued-sft',
    unit: 256,
  },
};

const quickstartCode: ConfigInput = {
  ...quickstart,
  task: { name: 'mini-code', limit: 6000, solutions: 2500 },
  sft: { train: { ...quickstart.sft?.train, epochs: 4 } },
  sampling: { ...quickstart.sampling, questions: 1500, calculator: false },
  labels: { K: 4, paths: 800 },
  evaluate: { ...quickstart.evaluate, calculator: false },
};

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

const paperTrain = {
  lora: { rank: 256, alpha: 128, dropout: 0.05, targets: 'all-linear' },
  schedule: 'linear',
  warmup: 0.1,
  clip: 0.3,
  epochs: 8,
  batchSize: 20,
  maxLength: 1000,
} as const;

const paper: ConfigInput = {
  sft: { train: { ...paperTrain, learningRate: 2e-4, tokens: null } },
  sampling: {
    questions: null,
    rotate: false,
    temperature: 1,
    quota: { right: 4, wrong: 4, round: 4, budget: 64 },
    gold: true,
    calculator: false,
  },
  labels: { K: 8, delta: 0, mode: 'full', closure: 'none', ownWitness: false, paths: null, calculator: false },
  prm: {
    targets: 'hard',
    gold: true,
    train: {
      lora,
      learningRate: 5e-5,
      epochs: 10,
      weightDecay: 0.01,
      tokens: null,
    },
  },
  score: { scorer: 'prm', path: 'mean' },
  pairs: { chosenGate: 'none', perQuestion: null, total: null, nllRows: false, gold: true },
  align: {
    start: 'base',
    loss: { kind: 'orpo', lambda: 0.1, maxLogp: null },
    gold: 0,
    train: { ...paperTrain, learningRate: 8e-5, tokens: null },
  },
  evaluate: { calculator: false },
};

const presets = {
  smoke,
  quickstart,
  'gsm8k-smollm2': gsm8kSmollm2,
  paper,
  'quickstart-code': quickstartCode,
  'mbpp-smollm2': mbppSmollm2,
  'own-data': ownData,
} satisfies Record<string, ConfigInput>;

export const PRESETS: Readonly<Record<string, ConfigInput>> = presets;

/** What each preset does, for which machine, in the words that help and documentation show. */
export const PRESET_WORDS: Readonly<Record<keyof typeof presets, string>> = {
  smoke:
    'A check that everything runs: all stages with a tiny model from nothing, two very short rounds. Its figures mean nothing.',
  quickstart:
    'A tiny model from nothing learns generated word problems: 3,000 with worked solutions, 5,000 with answers only. Two rounds, then 4,000 test problems beside continued SFT. About 9 minutes on 2 cores (docs/results.md), no network.',
  'gsm8k-smollm2':
    'SmolLM2-135M on GSM8K with LoRA, two rounds; SVAMP and MultiArith beside it at the end. Needs --model FILE.gguf and --data DIR. 107 minutes on 2 cores (docs/results.md); raise sampling.questions, labels.paths and sft.train.tokens on a faster machine.',
  'own-data':
    'Own questions with LoRA, for a model of the size of SmolLM2-135M, two rounds. Needs --model and --data questions.jsonl; thirty questions are enough to try it. Its control needs worked solutions and is off: --evaluate.control continued-sft.',
  paper:
    "The paper's rules, on top of another preset: gsm8k-smollm2+paper. Quotas of right and wrong samples, all K rollouts, high LoRA rank, every round from the base model. Costs far more: ask --dry-run first.",
  'quickstart-code':
    'The quickstart with small functions to write, graded by their tests in the sandbox. 11 to 13 minutes on 2 cores, two runs at once (docs/results.md), no network.',
  'mbpp-smollm2':
    'SmolLM2-135M on MBPP with LoRA, HumanEval beside it after every round. Needs --model FILE.gguf and --data DIR with mbpp/ and humaneval/. A slice of it took 2 hours on 2 cores (docs/results.md); ask --dry-run for the whole.',
};

/**
 * The preset called `name`.
 * @throws SipfError 'bad-config' naming the presets there are.
 */
export function presetNamed(name: string): ConfigInput {
  const preset = PRESETS[name];
  if (preset !== undefined) return preset;
  throw new SipfError(
    'bad-config',
    `Expected a preset of ${Object.keys(PRESETS).join(', ')}, got ${name}. Did you mean ${nearest(name, Object.keys(PRESETS))}?`,
  );
}

/** The preset without what is meant for its own task alone, where another `task` is named: its questions, and the sets of third tasks. */
export function presetFor(name: string, task: string | null): Readonly<Record<string, unknown>> {
  const preset = presetNamed(name);
  const own = preset.task?.name;
  if (own === undefined || task === null || task.split('+').includes(own)) return preset;
  const { task: _task, evaluate = {}, ...rest } = preset;
  const ofAny = (set: { readonly name?: string | null | undefined }) => (set.name ?? null) === null;
  const kept = Object.entries(evaluate).map(([key, value]) => [
    key,
    Array.isArray(value) ? value.filter(ofAny) : value,
  ]);
  return { ...rest, evaluate: Object.fromEntries(kept) };
}

/** Whether a configuration is (a variant of) smoke: a run of it shows that things run, and its figures mean nothing. */
export function isOnlyCheck({ model, task }: ConfigInput): boolean {
  return includes({ model, task }, { model: smoke.model, task: smoke.task });
}

/** Whether `tree` has every value of `part`. */
function includes(tree: unknown, part: unknown): boolean {
  if (typeof part !== 'object' || part === null) return tree === part;
  return Object.entries(part).every(([key, value]) => includes((tree as Record<string, unknown> | null)?.[key], value));
}

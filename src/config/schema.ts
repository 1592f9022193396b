// The options of every stage -> the one schema of all settings, with their words.
import { z } from 'zod';
import { described, type Setting, settingsOf } from '../described.ts';
import { EngineSettings } from '../engine-settings.ts';
import { MOST } from '../limits.ts';
import { AlignOptions, SftOptions } from '../method/align-rows.ts';
import { EvaluateOptions } from '../method/evaluate.ts';
import { LabelOptions } from '../method/label-options.ts';
import { MethodName } from '../method/methods.ts';
import { PairOptions } from '../method/pair.ts';
import { PrmOptions } from '../method/prm-rows.ts';
import { ProbeOptions } from '../method/probe.ts';
import { PromptOptions } from '../method/prompt.ts';
import { SampleOptions } from '../method/sample-options.ts';
import { ScoreOptions } from '../method/score.ts';
import { SandboxOptions } from '../sandboxes/open.ts';

/** Where train questions come from. */
const TaskOptions = z.strictObject({
  name: described(
    z.string().default('mini'),
    'The kind of question, which says how answers are read and graded: mini, mini-code, gsm8k, math, math-500, mmlu-math, svamp, multiarith, jsonl, mbpp, humaneval, code; a+b is a mixture. Take jsonl (answers) or code (tests) for a file of your own.',
  ),
  data: described(
    z.string().nullable().default(null),
    'A file or folder with the questions. null: the Hugging Face hub, or generated problems for mini and mini-code. Give it for questions of your own, and where there is no network.',
  ),
  limit: described(
    z.number().int().positive().max(MOST.questions).nullable().default(null),
    'The first n train questions, of each task of a mixture. null: all. Lower it for a shorter run.',
  ),
  maxGoldSteps: described(
    z.number().int().positive().nullable().default(null),
    'Only train questions whose worked solution has at most so many steps; evaluation sees all. null: all. Lower it where the model is hardly ever right.',
  ),
  solutions: described(
    z.number().int().min(0).nullable().default(null),
    'Worked solutions are used of the first n train questions only; of the others just the answer. null: of all. Set it to learn how few worked solutions are enough.',
  ),
  seed: described(
    z.number().int().default(1),
    'Seed of generated tasks, apart from `seed`, so that runs with other seeds share their data. Change it for other problems.',
  ),
});

/** A model made from nothing: a Hugging Face config (what is absent is filled in) and the task's own tokenizer. */
const ModelInitOptions = z.strictObject({
  model_type: described(
    z.string().optional(),
    'Its architecture: llama, mistral, smollm3, qwen2, qwen3, gemma, gemma2, gemma3_text, phi or olmo2. Absent: llama. Change it to try another one.',
  ),
  hidden_size: described(
    z.number().int().positive().max(MOST.width).default(96),
    'Width of the model, a multiple of num_attention_heads. Raise it for a model that can learn more and costs more.',
  ),
  intermediate_size: described(
    z
      .number()
      .int()
      .positive()
      .max(4 * MOST.width)
      .default(256),
    'Width within each feed-forward layer. Change it with hidden_size, at 2 to 4 times that.',
  ),
  num_hidden_layers: described(
    z.number().int().positive().max(MOST.layers).default(4),
    'Number of layers. Raise it for a model that can learn more and costs more.',
  ),
  num_attention_heads: described(
    z.number().int().positive().max(MOST.heads).default(4),
    'Attention heads of each layer. Change it with hidden_size, to keep hidden_size / num_attention_heads near 16 to 64.',
  ),
  head_dim: described(
    z.number().int().positive().max(MOST.width).optional(),
    "Size of each head, an even number. Absent: the architecture's own rule, hidden_size / num_attention_heads for most. Give it where model_type is qwen3 (128) or one of Gemma's (256), which have a fixed size.",
  ),
  num_key_value_heads: described(
    z.number().int().positive().max(MOST.heads).default(4),
    'Heads that keys and values have; a divisor of num_attention_heads. Lower it for a smaller cache.',
  ),
  max_position_embeddings: described(
    z.number().int().positive().max(MOST.tokens).default(256),
    'Longest text, in tokens. Raise it where prompts and answers of your questions are longer.',
  ),
  rope_theta: described(
    z.number().positive().default(10_000),
    'Base of the rotary position embedding. Raise it only for texts of many thousand tokens.',
  ),
  rms_norm_eps: described(
    z.number().positive().default(1e-5),
    'Added to the variance in each normalisation (phi has 1e-5 whatever this says). There is no reason to change it, save to copy another model.',
  ),
  tie_word_embeddings: described(
    z.boolean().default(true),
    'Input and output embeddings are one matrix. Set it false to copy a model that has two.',
  ),
  initializer_range: described(
    z.number().positive().default(0.02),
    'Standard deviation of the random first weights. Raise it for a narrow model (the quickstart has 0.05).',
  ),
});

/** `self`, or another local model: its path, or with an adapter. */
const Helper = z.union([
  z.literal('self'),
  z
    .string()
    .min(1)
    .transform((model) => ({ model, adapter: null })),
  z.strictObject({
    model: described(
      z.string(),
      'A Hugging Face folder, a .gguf file, a hub id or s3://bucket/path. Name it here, instead of by a path alone, where it has an adapter.',
    ),
    adapter: described(
      z.string().nullable().default(null),
      'A PEFT adapter folder, or s3://bucket/path, on top of it. null: none.',
    ),
  }),
]);

export const Config = z.strictObject({
  method: described(
    MethodName.default('sipf'),
    'What each round does (docs/method.md, section 3). sipf: pairs by step scores. siof: pairs by the final answer alone. random-pairs: sipf with shuffled scores. wo-or, wo-pfor: SFT on the chosen sides of the pairs of sipf, or siof. sapo: sipf with two steps of a path rolled out. online-rft: SFT on worked solutions and right samples. rft: one such round. prft: rft on paths chosen by step scores. star: SFT on right samples, some drawn with a hint. srf, psrf: one round of DPO on pairs by the final answer, or step scores. rpo: DPO with NLL in each round. rft-dpo: rft, then DPO. continued-sft: SFT on worked solutions. sft: the warm-up alone. cot: worked examples in the prompt alone. Change it to compare methods.',
  ),
  iterations: described(
    z.number().int().min(0).max(MOST.rounds).default(2),
    'Rounds after the warm-up. Raise it while the valid accuracy of each round still rises.',
  ),
  seed: described(
    z.number().int().min(0).default(0),
    'Seed of all random numbers: first weights, draws, order of rows. Run several seeds before you believe a difference.',
  ),
  model: described(
    z
      .union([
        z.string(),
        z.strictObject({
          init: described(ModelInitOptions.prefault({}), 'A model made from nothing, with random weights.'),
        }),
      ])
      .default(''),
    'The model to train: a Hugging Face folder (safetensors), a .gguf file, a hub id or s3://bucket/path; or {"init": {...}} for one made from nothing. Every run needs one.',
  ),
  adapter: described(
    z.string().nullable().default(null),
    'A PEFT adapter folder, or s3://bucket/path, on top of `model`. null: none. Give it to continue from an adapter that you have.',
  ),
  task: described(TaskOptions.prefault({}), 'Where train questions come from.'),
  prompt: described(PromptOptions.prefault({}), 'The text before each question and answer.'),
  sft: described(
    SftOptions.prefault({}),
    'The warm-up: supervised training on worked solutions, before the first round.',
  ),
  sampling: described(SampleOptions.prefault({}), 'Stage 1: the policy writes several paths for each question.'),
  simulator: described(
    Helper.prefault('self'),
    'The model that rolls out steps. self: the current policy. Give a stronger one (a path, or {"model", "adapter"}) where the policy is hardly ever right.',
  ),
  labels: described(LabelOptions.prefault({}), 'Stage 2: Monte-Carlo rollouts label the steps of each path.'),
  verifier: described(
    Helper.prefault('self'),
    'The model that the PRM starts from, or whose hidden states the probe reads. self: the current policy. Give a larger one where the scores do not rank paths better than chance.',
  ),
  prm: described(PrmOptions.prefault({}), 'Stage 3: a process reward model learns the step labels.'),
  probe: described(
    ProbeOptions.prefault({}),
    'Stage 3 of the scorer probe, in place of a PRM; it learns the targets that prm names.',
  ),
  score: described(ScoreOptions.prefault({}), 'Stage 4: step scores, and the score of a path made of them.'),
  pairs: described(PairOptions.prefault({}), 'Stage 5: preference pairs of paths of one question.'),
  align: described(AlignOptions.prefault({}), 'Stage 6: a preference loss trains the next policy on the pairs.'),
  evaluate: described(EvaluateOptions.prefault({}), 'Stage 7: accuracy after each round, and the final test.'),
  sandbox: described(SandboxOptions.prefault({}), 'What runs the programs of code tasks.'),
  engine: described(
    EngineSettings.prefault({}),
    'Where models execute. A run may continue with another engine: what is stored stays.',
  ),
});
export type Config = z.infer<typeof Config>;
export type ConfigInput = z.input<typeof Config>;

/** Every section and setting of the configuration in words, in its own order. */
export function configSettings(): Setting[] {
  return settingsOf(Config);
}

/**
 * Every dotted key that takes a value, in the configuration's order.
 * @example
 * configKeys().includes('labels.K'); // true
 */
export function configKeys(): string[] {
  return configSettings().flatMap(({ key, isSection }) => (isSection ? [] : [key]));
}

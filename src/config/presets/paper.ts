// The settings of the paper, as a layer and as presets for its models; each cites its source.
// "repository": github.com/ChenKy23/SIPF at f08b7a8, by file. "method": docs/method.md. "ours": neither says.
import type { ConfigInput } from '../schema.ts';
import type { Preset, Sources } from './preset.ts';

/** QLoRA adapters of the policy. */
const policyLora = { rank: 256, alpha: 128, targets: 'all-linear' } as const;

/** How the policy trains, in the warm-up and in alignment. */
const policyTrain = { schedule: 'linear', warmup: 0.1, clip: 0.3, epochs: 8, tokens: null } as const;

/** Rules of the paper that hold for every task and model. */
const rules = {
  sft: {
    train: {
      ...policyTrain,
      lora: { ...policyLora, dropout: 0.05 },
      learningRate: 2e-4,
      batchSize: 129,
      maxLength: 1024,
    },
  },
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
      lora: { rank: 16, alpha: 32, dropout: 0.05, targets: 'all-linear' },
      learningRate: 5e-5,
      schedule: 'linear',
      warmup: 0.1,
      clip: 0.3,
      epochs: 10,
      batchSize: 40,
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
    train: {
      ...policyTrain,
      lora: { ...policyLora, dropout: 0 },
      learningRate: 8e-5,
      batchSize: 20,
      maxLength: 1000,
    },
  },
  evaluate: { calculator: false },
} as const satisfies ConfigInput;

const EPOCHS_COUNT = 'ours: null, so that epochs count, whatever another preset sets.';

const RULE_SOURCES: Sources = {
  'sft.train.lora': 'repository, sft.py: --r 256, --lora_alpha 128, --lora_dropout 0.05, all linear layers.',
  'sft.train.learningRate': 'repository, sft.py: --lr 2e-4.',
  'sft.train.schedule': 'repository, sft.py: --lr_scheduler_type linear.',
  'sft.train.warmup': 'repository, sft.py: --warm_up_radio 0.1.',
  'sft.train.clip': 'repository, sft.py: --max_grad_norm 0.3.',
  'sft.train.epochs': 'repository, sft.py: --num_train_epochs 8.',
  'sft.train.batchSize':
    'repository, sft.py: 2 x 10 sequences, each packed with rows to 1,024 tokens. Its checkpoint-462 after 8 epochs of 7,473 rows makes that 129 rows a step.',
  'sft.train.maxLength': 'repository, sft.py: max_seq_length 1024.',
  'sft.train.tokens': EPOCHS_COUNT,
  'sampling.questions': 'paper, the algorithm: paths are drawn for every train question (docs/method.md, section 1).',
  'sampling.rotate': 'paper, the algorithm: each round draws for the same questions.',
  'sampling.temperature': 'repository, self_sampling.py: temperature 1 for math, 0.7 for code.',
  'sampling.quota':
    'repository, self_sampling.py: --sample_pos_num 4, --sample_neg_num 4. Its limit is 30 s a question; ours counts samples, so that a seed gives the same bytes.',
  'sampling.gold': 'repository, common_utils.py: worked solutions are paths, too.',
  'sampling.calculator': 'repository, self_sampling.py: the model writes the results of its annotations.',
  'labels.K': 'inferred, not stated in what we could read: 8 for math, 6 for code.',
  'labels.delta': 'repository, prm.py: a step is correct where its tally is above 0.',
  'labels.mode': 'paper, the tally of a step: all K rollouts are drawn (docs/method.md, section 1).',
  'labels.closure': 'paper, the tally of a step: each step is labelled by its own rollouts.',
  'labels.ownWitness': 'paper, the tally of a step: rollouts alone label the steps before the last.',
  'labels.paths': 'ours: all. How many paths were labelled is not stated in what we could read.',
  'labels.calculator': 'repository, self_sampling.py: the model writes the results of its annotations.',
  'prm.targets': 'repository, prm.py: labels of 0 and 1.',
  'prm.gold': 'repository, common_utils.py: worked solutions train the PRM as paths whose steps are all correct.',
  'prm.train.lora': 'repository, prm.py: r 16, lora_alpha 32, lora_dropout 0.05, all linear layers.',
  'prm.train.learningRate': 'repository, process_score.py: --lr 5e-5.',
  'prm.train.schedule': 'repository, prm.py at 5e938c5: get_linear_schedule_with_warmup.',
  'prm.train.warmup': 'repository, process_score.py: --warm_up_radio 0.1.',
  'prm.train.clip': 'repository, process_score.py: --max_grad_norm 0.3.',
  'prm.train.epochs':
    'repository, process_score.py: --num_train_epochs 10. It keeps the best epoch; a run here keeps the last.',
  'prm.train.batchSize': 'repository, process_score.py: 10 paths x 4 accumulation steps.',
  'prm.train.weightDecay':
    'repository, process_score.py: --weight_decay 0.01 (its optimizer at 5e938c5 is not given it).',
  'prm.train.tokens': EPOCHS_COUNT,
  'score.scorer': 'paper, the algorithm: the PRM scores paths.',
  'score.path': 'paper, the algorithm: the mean of the step scores (docs/method.md, section 1).',
  'pairs.chosenGate': 'paper, the algorithm: every pair whose scores are eta apart, whatever the answers.',
  'pairs.perQuestion': 'paper, the algorithm: all such pairs.',
  'pairs.total': 'paper, the algorithm: all such pairs.',
  'pairs.nllRows': 'paper, the algorithm: alignment trains on pairs alone.',
  'pairs.gold': 'ours: worked solutions are among the paths that are paired, as they are among those of the PRM.',
  'align.start': 'repository, self_optimization.py: training starts from --model_name, the base model.',
  'align.loss.kind': 'abstract: ORPO.',
  'align.loss.lambda': 'repository, self_optimization.py: --beta 0.1.',
  'align.loss.maxLogp': "repository, self_optimization.py: TRL's ORPOTrainer has no such limit.",
  'align.gold': 'repository, self_optimization.py: no rows besides the pairs.',
  'align.train.lora':
    "repository, self_optimization.py: --r 256, --lora_alpha 128, all linear layers. TRL's ORPOTrainer switches dropout off.",
  'align.train.learningRate': 'repository, self_optimization.py: --lr 8e-5.',
  'align.train.schedule': 'repository, self_optimization.py: --lr_scheduler_type linear.',
  'align.train.warmup': 'repository, self_optimization.py: --warmup_ratio 0.1.',
  'align.train.clip': 'repository, self_optimization.py: --max_grad_norm 0.3.',
  'align.train.epochs': 'repository, self_optimization.py: --num_train_epochs 8.',
  'align.train.batchSize': 'repository, self_optimization.py: 2 pairs x 10 accumulation steps.',
  'align.train.maxLength': 'repository, self_optimization.py: --max_seq_length 1000.',
  'align.train.tokens': EPOCHS_COUNT,
  'evaluate.calculator': 'repository, evaluate.py: the model writes the results of its annotations.',
};

export const PAPER: Preset = {
  config: rules,
  sources: RULE_SOURCES,
  isLayer: true,
  words:
    "The paper's rules, on top of another preset: gsm8k-smollm2+paper. Quotas of right and wrong samples, all K rollouts, high LoRA rank, every round from the base model. Costs far more: ask --dry-run first.",
};

/** What a paper's run on one model adds to the rules. */
const WHOLE_SOURCES: Sources = {
  ...RULE_SOURCES,
  method: 'paper: SIPF.',
  iterations:
    'ours: 3. The sources differ: one round or three (repository, self_optimization.py: --iteration_idx 1, 2, 3).',
  'engine.quantisation': 'repository, sft.py and prm.py: 4-bit NF4 with double quantisation.',
  'sampling.samples': 'repository, self_sampling.py: --sample_batch 30 paths at a time.',
  'sampling.topP': 'repository, self_sampling.py: top_p 1.',
  'sampling.maxTokens': 'repository, self_sampling.py: max_new_tokens 512.',
  'labels.temperature': 'ours: that of sampling. The rollouts were drawn at random temperatures, a review says.',
  'labels.maxTokens': 'ours: as sampling.',
  'pairs.eta': 'ours: 0.1. The threshold is not stated in what we could read.',
  'align.loss.nllScope': "repository, self_optimization.py: TRL's ORPOTrainer counts prompt and completion.",
  'prm.train.maxLength': 'repository, prm.py: no truncation. 1,024 holds the longest path here.',
  'evaluate.sets': 'ours: a part of train, so that test is read once (docs/method.md, section 1).',
  'evaluate.control':
    'ours: none. The paper compares with SFT; --evaluate.control continued-sft is the fairer control.',
  'evaluate.maxTokens': 'repository, evaluate.py: max_new_tokens 512 for math, max_length 1024 for code.',
};

const train = { maxLength: 1024 } as const;
const math = {
  ...rules,
  task: { name: 'gsm8k' },
  simulator: 'deepseek-ai/deepseek-math-7b-rl',
  verifier: 'deepseek-ai/deepseek-math-7b-rl',
  iterations: 3,
  engine: { quantisation: 'nf4-double' },
  sampling: {
    ...rules.sampling,
    samples: 30,
    topP: 1,
    maxTokens: 512,
    quota: { right: 4, wrong: 4, round: 30, budget: 60 },
  },
  labels: { ...rules.labels, temperature: 1, maxTokens: 512 },
  prm: { ...rules.prm, train: { ...rules.prm.train, ...train } },
  pairs: { ...rules.pairs, eta: 0.1 },
  align: { ...rules.align, loss: { ...rules.align.loss, nllScope: 'all' } },
  evaluate: {
    ...rules.evaluate,
    sets: [{ split: 'valid' }],
    final: [{ split: 'test' }, { name: 'mmlu-math', split: 'test' }],
    control: 'none',
    maxTokens: 512,
  },
} as const satisfies ConfigInput;

const MATH_SOURCES: Sources = {
  ...WHOLE_SOURCES,
  'task.name': 'abstract: GSM8K.',
  'evaluate.final': 'abstract: GSM8K, and MMLU_Math out of domain.',
  simulator:
    'ours: the paper rolls out with deepseek-math-7b-instruct, a review says. The hub has that one in a form that sipf does not read; this is its verifier, of the same size.',
  verifier: 'a review of the paper: deepseek-math-7b-rl (repository, process_score.py names it, too).',
};

const GEMMA_SOURCE =
  'repository, --model_name: google/gemma-2b. It is gated: accept its terms on the hub and set HF_TOKEN.';

export const GSM8K_GEMMA: Preset = {
  config: { ...math, model: 'google/gemma-2b' },
  sources: { ...MATH_SOURCES, model: GEMMA_SOURCE },
  words:
    "The paper's Gemma-2B on GSM8K: QLoRA of rank 256, a 7B model rolls out and becomes the PRM, three rounds. The model is gated: HF_TOKEN. Weeks on a large GPU; --simulator self --verifier self costs far less.",
};

export const GSM8K_TINYLLAMA: Preset = {
  config: { ...math, model: 'TinyLlama/TinyLlama-1.1B-intermediate-step-1431k-3T' },
  sources: {
    ...MATH_SOURCES,
    model:
      "ours: the same architecture and size. The repository's TinyLlama/TinyLlama_v1.1 has its weights on the hub in PyTorch's own format alone, which sipf does not read: save it as safetensors and give --model.",
  },
  words: "The paper's TinyLlama-1.1B on GSM8K, with the settings of gsm8k-gemma-2b. Weeks on a large GPU.",
};

export const GSM8K_PHI: Preset = {
  config: { ...math, model: 'microsoft/phi-1_5' },
  sources: { ...MATH_SOURCES, model: 'repository, --model_name: microsoft/phi-1_5.' },
  words: "The paper's Phi-1.5 on GSM8K, with the settings of gsm8k-gemma-2b. Weeks on a large GPU.",
};

export const MBPP_GEMMA: Preset = {
  config: {
    ...math,
    model: 'google/gemma-2b',
    task: { name: 'mbpp' },
    simulator: 'deepseek-ai/deepseek-coder-6.7b-instruct',
    verifier: 'deepseek-ai/deepseek-coder-6.7b-instruct',
    sampling: { ...math.sampling, samples: 50, temperature: 0.7, quota: null },
    labels: { ...math.labels, K: 6, temperature: 0.7 },
    evaluate: {
      ...math.evaluate,
      sets: [{ split: 'valid' }],
      final: [{ split: 'test' }, { name: 'humaneval', split: 'test' }],
    },
  },
  sources: {
    ...MATH_SOURCES,
    model: GEMMA_SOURCE,
    'task.name': 'abstract: MBPP.',
    simulator: 'a review of the paper: deepseek-coder-6.7b-instruct.',
    verifier: 'repository, process_score.py: --model_name deepseek-ai/deepseek-coder-6.7b-instruct.',
    'sampling.samples':
      'repository, self_sampling.py: --sample_num 50 paths that differ; here duplicates are among the 50.',
    'sampling.quota': 'repository, self_sampling.py: code is sampled without quotas of right and wrong paths.',
    'sampling.maxTokens': 'ours: 512. The repository limits prompt and path together (max_length 750).',
    'sft.train.batchSize':
      'ours: as on GSM8K. The repository packs rows to 2 x 10 sequences of 1,024 tokens; how many rows that is on MBPP is not stated.',
    'evaluate.sets': "MBPP's own validation questions.",
    'evaluate.final': 'abstract: MBPP, and HumanEval out of domain.',
  },
  words:
    "The paper's Gemma-2B on MBPP, HumanEval at the end: a 6.7B coder rolls out and becomes the PRM. The model is gated: HF_TOKEN. Days on a large GPU.",
};

// The stages that are commands: one entry each.
import type { Config } from '../../config/schema.ts';
import { SipfError } from '../../errors.ts';
import { align } from '../../pipeline/stages/align.ts';
import { label } from '../../pipeline/stages/label.ts';
import { pair } from '../../pipeline/stages/pair.ts';
import { sample } from '../../pipeline/stages/sample.ts';
import { trainPrm } from '../../pipeline/stages/train-prm.ts';
import { trainProbe } from '../../pipeline/stages/train-probe.ts';
import { warmUp } from '../../pipeline/stages/warm-up.ts';
import { scoreCommand } from './score.ts';
import { stageCommand } from './stage.ts';

const MODEL = 'Hugging Face folder, .gguf file, hub id or s3:// address';
const START = `where training starts: ${MODEL}`;
const FOLDER = 'folder of the trained model or adapter; a stopped training continues there';
const GSM8K = '--task gsm8k --data gsm8k/train.jsonl';

/** @throws SipfError 'unsupported' for labels that rest on the round before. */
function refuseVerify({ labels: { mode } }: Config): void {
  if (mode !== 'verify') return;
  throw new SipfError(
    'unsupported',
    'Expected labels.mode first-success or full, got verify, which takes the process reward model of the round before. Use it in sipf run.',
  );
}

/** In the order of the help. */
export const STAGES = [
  stageCommand({
    name: 'sample',
    description: 'Draw reasoning paths for questions, drop duplicates and grade them (stage 1).',
    stage: sample,
    inputs: [
      {
        option: 'known',
        words: 'JSONL of samples of earlier rounds, which new ones must differ from',
        reads: '1-samples',
        earlier: true,
      },
    ],
    model: MODEL,
    out: 'JSONL of samples to write',
    example: `sipf sample --model ./SmolLM2-135M ${GSM8K} --limit 50 --sampling.samples 8 --out samples.jsonl`,
  }),
  stageCommand({
    name: 'label',
    description: 'Label the steps of samples by rollouts from each prefix (stage 2).',
    stage: label,
    inputs: [
      {
        option: 'in',
        words: 'JSONL of samples; of your own {question, answer, steps} is enough',
        reads: '1-samples',
        graded: true,
      },
    ],
    model: `the simulator: ${MODEL}`,
    check: refuseVerify,
    out: 'JSONL of step labels to write',
    example: `sipf label --in samples.jsonl --model ./SmolLM2-135M ${GSM8K} --labels.K 4 --out labels.jsonl`,
  }),
  stageCommand({
    name: 'train-prm',
    description: 'Train a process reward model on step labels (stage 3).',
    stage: trainPrm,
    inputs: [
      { option: 'in', words: 'JSONL of step labels', reads: '2-step-labels' },
      { option: 'samples', words: 'JSONL of the samples that they label', reads: '1-samples' },
    ],
    model: START,
    out: 'folder of the process reward model; a stopped training continues there',
    example: `sipf train-prm --in labels.jsonl --samples samples.jsonl --model ./SmolLM2-135M ${GSM8K} --out prm`,
    describeRows: ({ paths = 0, heldOutPaths = 0, steps = 0, correctSteps = 0 }) =>
      `${paths} labelled paths (${heldOutPaths} more are held out), ${steps} steps, ${Math.round(correctSteps)} of them correct`,
  }),
  stageCommand({
    name: 'train-probe',
    description: 'Train a probe on the hidden states of a model, in place of a process reward model (stage 3).',
    stage: trainProbe,
    inputs: [
      { option: 'in', words: 'JSONL of step labels', reads: '2-step-labels' },
      { option: 'samples', words: 'JSONL of the samples that they label', reads: '1-samples' },
    ],
    model: `the model that the probe reads: ${MODEL}`,
    out: 'JSON file of the probe to write',
    example: `sipf train-probe --in labels.jsonl --samples samples.jsonl --model ./SmolLM2-135M ${GSM8K} --out probe.json`,
    keepsNothing: true,
  }),
  scoreCommand,
  stageCommand({
    name: 'pair',
    description: 'Pair paths of one question whose scores are far enough apart (stage 5).',
    stage: pair,
    inputs: [
      {
        option: 'in',
        words: 'JSONL of step scores',
        reads: '4-scores',
        unless: ({ feedback }) => feedback === 'none',
      },
      { option: 'samples', words: 'JSONL of the samples that they score', reads: '1-samples', graded: true },
    ],
    out: 'JSONL of preference pairs to write',
    nothing: ({ pairs: { kind, eta } }, questions) =>
      `Expected pairs with scores at least ${eta} apart${kind === 'step' ? ' after the steps that they share' : ''}, got none in ${questions} questions. Lower --pairs.eta${kind === 'step' ? ' or --pairs.drop' : ''}, draw more samples, or see whether --in scores the same samples.`,
    example: `sipf pair --in scores.jsonl --samples samples.jsonl ${GSM8K} --pairs.eta 0.1 --out pairs.jsonl`,
  }),
  stageCommand({
    name: 'align',
    description: 'Train a policy on preference pairs with ORPO or DPO (stage 6).',
    stage: align,
    inputs: [
      {
        option: 'in',
        words: "JSONL of preference pairs, or of TRL's {prompt, chosen, rejected}",
        reads: '5-pairs',
        unless: (method) => method.align === 'gold',
      },
    ],
    model: START,
    out: FOLDER,
    example:
      'sipf align --in pairs.jsonl --model ./SmolLM2-135M --task gsm8k --align.loss.lambda 0.1 --align.train.lora.rank 16 --out policy',
    describeRows: ({ pairs, nllRows, gold }) =>
      `${pairs} pairs, ${nllRows} rows without a rejected path, ${gold} worked solutions`,
  }),
  stageCommand({
    name: 'sft',
    description: 'Fine-tune a model on worked solutions (the warm-up).',
    stage: warmUp,
    inputs: [],
    model: START,
    out: FOLDER,
    example: `sipf sft --model ./SmolLM2-135M ${GSM8K} --limit 1000 --sft.train.lora.rank 16 --out sft`,
    round: 0,
  }),
];

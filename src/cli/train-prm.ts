// sipf train-prm: step labels and their samples -> a process reward model. Stage 3 on its own.
import { Command } from 'commander';
import { openBackend } from '../backends/open.ts';
import { checkPrmRows, prmRows } from '../pipeline/train-prm.ts';
import { Sample, StepLabels } from '../records.ts';
import { finish, withExecution } from './options.ts';
import {
  loadQuestions,
  openPrompt,
  openStage,
  requireModel,
  rowsByQuestion,
  type StageOptions,
  withStage,
} from './stage.ts';
import { trainStage } from './stage-training.ts';
import type { Terminal } from './terminal.ts';

interface TrainPrmOptions extends StageOptions {
  readonly in: string;
  readonly samples: string;
}

export function trainPrmCommand(terminal: Terminal): Command {
  const command = withStage(
    withExecution(
      new Command('train-prm')
        .description('Train a process reward model on step labels (stage 3).')
        .requiredOption('--in <file>', 'JSONL of step labels')
        .requiredOption('--samples <file>', 'JSONL of the samples that they label')
        .option('--model <path>', 'where training starts: Hugging Face folder or .gguf file')
        .option('--adapter <dir>', 'PEFT adapter folder'),
    ),
    'folder of the process reward model; a stopped training goes on there',
    ['task', 'prompt', 'labels', 'prm'],
  );
  return finish(
    command,
    'print {model, adapter, hash, examples, dropped, steps, tokens, firstLoss, lastLoss}',
    'sipf train-prm --in labels.jsonl --samples samples.jsonl --model ./SmolLM2-135M --task gsm8k --data gsm8k/train.jsonl --out prm',
  ).action((options: TrainPrmOptions) => trainPrm(command, options, terminal));
}

async function trainPrm(command: Command, options: TrainPrmOptions, terminal: Terminal): Promise<void> {
  await using stage = await openStage(command, options);
  const { config, task } = stage;
  const source = requireModel(stage);
  const questions = await loadQuestions(stage, options);
  const known = new Map(questions.map((question) => [question.id, question]));
  const samples = await rowsByQuestion(options.samples, Sample, known, terminal.signal);
  const labels = await rowsByQuestion(options.in, StepLabels, known, terminal.signal);
  await using backend = await openBackend(options, terminal.warn);
  const prompt = await openPrompt(stage, questions, backend);
  const labelled = [...labels].map(([id, records]) => ({
    question: known.get(id)!,
    samples: samples.get(id) ?? [],
    labels: records,
  }));
  const { targets, gold, train } = config.prm;
  const rows = await prmRows(labelled, {
    task,
    prompt,
    targets,
    rule: config.labels,
    gold,
    heldOut: config.labels.heldOut,
    calibrates: false,
  });
  for (const warning of checkPrmRows(rows)) terminal.log(`Warning: ${warning}`);
  const { paths, heldOutPaths, steps, correctSteps } = rows.counts;
  terminal.log(
    `${paths} labelled paths (${heldOutPaths} more are held out), ${steps} steps, ${Math.round(correctSteps)} of them correct`,
  );
  const training = {
    stage: '3-prm',
    iteration: options.iteration,
    seed: config.seed,
    source,
    examples: rows.examples,
    objective: { kind: 'prm' },
    settings: train,
  } as const;
  await trainStage(backend, training, options, terminal);
}

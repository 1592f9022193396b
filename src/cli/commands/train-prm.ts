// sipf train-prm: step labels and their samples -> a process reward model. Stage 3 on its own.
import { Command } from 'commander';
import { shareHeldOut } from '../../hashing.ts';
import { METHODS, needs } from '../../method/methods.ts';
import { checkPrmRows, prmRows } from '../../method/prm-rows.ts';
import { StepLabels } from '../../records.ts';
import { engineOf, openEngine } from '../engine.ts';
import { finish, withExecution } from '../options.ts';
import { checkModelOut } from '../outputs.ts';
import type { Terminal } from '../terminal.ts';
import { readSamples } from './own-samples.ts';
import {
  askedOf,
  ofAsked,
  openPrompt,
  openStage,
  requireModel,
  rowsByQuestion,
  type StageOptions,
  withStage,
} from './stage.ts';
import { trainStage } from './stage-training.ts';

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
    'folder of the process reward model; a stopped training continues there',
    ['task', 'prompt', 'labels', 'prm', 'score'],
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
  checkModelOut('train-prm', options, config);
  const source = requireModel(stage);
  const { questions, known, samples } = await readSamples(
    { path: options.samples, stage, options, judged: false },
    terminal,
  );
  const labels = await rowsByQuestion(options.in, StepLabels, known, terminal.signal);
  await using backend = await openEngine(engineOf(stage.config), terminal);
  const { prompt, shots } = await openPrompt({ stage, options, questions, backend });
  const asked = askedOf(questions, shots, terminal);
  const labelled = [...ofAsked(labels, asked)].map(([id, records]) => ({
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
    heldOut: shareHeldOut(
      asked.map(({ id }) => id),
      config.labels.heldOut,
    ),
    calibrates: needs(METHODS[config.method], config.score.scorer).calibration,
  });
  for (const warning of checkPrmRows(rows)) terminal.warn(warning);
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

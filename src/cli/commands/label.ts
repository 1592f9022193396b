// sipf label: samples and a simulator -> step-labels.jsonl. Stage 2 on its own.
import { Command } from 'commander';
import { choosePaths } from '../../method/choose-paths.ts';
import { type LabelItem, labelUnit } from '../../method/label.ts';
import { inUnits } from '../../run/units.ts';
import { engineOf, openEngine } from '../engine.ts';
import { finish, withExecution } from '../options.ts';
import { checkRecordsOut } from '../outputs.ts';
import type { Terminal } from '../terminal.ts';
import { readSamples } from './own-samples.ts';
import {
  askedOf,
  fileInput,
  ofAsked,
  openPrompt,
  openStage,
  reportCounts,
  requireModel,
  runJournaled,
  type StageOptions,
  withStage,
} from './stage.ts';

interface LabelCommandOptions extends StageOptions {
  readonly in: string;
}

export function labelCommand(terminal: Terminal): Command {
  const command = withStage(
    withExecution(
      new Command('label')
        .description('Label the steps of samples by rollouts from each prefix (stage 2).')
        .requiredOption('--in <file>', 'JSONL of samples; of your own {question, answer, steps} is enough')
        .option('--model <path>', 'the simulator: Hugging Face folder or .gguf file')
        .option('--adapter <dir>', 'PEFT adapter folder'),
    ),
    'JSONL of step labels to write',
    ['task', 'prompt', 'labels'],
  );
  return finish(
    command,
    'print {out, counts}',
    'sipf label --in samples.jsonl --model ./SmolLM2-135M --task gsm8k --data gsm8k/train.jsonl --labels.K 4 --out labels.jsonl',
  ).action((options: LabelCommandOptions) => label(command, options, terminal));
}

async function label(command: Command, options: LabelCommandOptions, terminal: Terminal): Promise<void> {
  await using stage = await openStage(command, options);
  const { config, task } = stage;
  checkRecordsOut('label', options, config);
  const { seed, labels } = config;
  const { iteration } = options;
  const source = requireModel(stage);
  const {
    questions,
    known,
    samples: given,
  } = await readSamples({ path: options.in, stage, options, judged: true }, terminal);
  await using backend = await openEngine(engineOf(stage.config), terminal);
  const { prompt, shots } = await openPrompt({ stage, options, questions, backend });
  const asked = askedOf(questions, shots, terminal);
  const groups = ofAsked(given, asked);
  const chosen = choosePaths([...groups.values()].flat(), labels.paths, `label/${seed}/${iteration}`);
  const items = [...groups].flatMap(([id, samples]): LabelItem[] => {
    const own = samples.filter((sample) => chosen.has(sample.id));
    return own.length > 0 ? [{ question: known.get(id)!, samples: own }] : [];
  });
  await using simulator = await backend.openPolicy(source);
  const context = { simulator, task, prompt, options: labels, seed, iteration, signal: terminal.signal };
  const samplesHash = await fileInput(options.in, terminal.now());
  const counts = await runJournaled(
    {
      title: 'label',
      unit: 'questions',
      out: options.out,
      inputs: {
        stage: 'label',
        simulator: simulator.hash,
        task: config.task,
        prompt: config.prompt,
        labels,
        seed,
        iteration,
        samplesHash,
      },
      units: inUnits(items, labels.unit),
      total: items.length,
      each: (unit) => labelUnit(unit, context),
    },
    terminal,
  );
  await reportCounts(options.out, counts, options.json === true, terminal);
}

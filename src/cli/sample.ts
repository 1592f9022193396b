// sipf sample: questions and a model -> samples.jsonl. Stage 1 on its own.
import { Command } from 'commander';
import { openBackend } from '../backends/open.ts';
import { inUnits } from '../pipeline/counts.ts';
import { chooseQuestions, sampleUnit } from '../pipeline/sample-paths.ts';
import { finish, withExecution } from './options.ts';
import { checkRecordsOut } from './outputs.ts';
import {
  askedOf,
  loadQuestions,
  openPrompt,
  openStage,
  reportCounts,
  requireModel,
  runJournaled,
  type StageOptions,
  withoutBrokenOnes,
  withStage,
} from './stage.ts';
import type { Terminal } from './terminal.ts';

export function sampleCommand(terminal: Terminal): Command {
  const command = withStage(
    withExecution(
      new Command('sample')
        .description('Draw reasoning paths for questions, drop duplicates and grade them (stage 1).')
        .option('--model <path>', 'Hugging Face folder or .gguf file')
        .option('--adapter <dir>', 'PEFT adapter folder'),
    ),
    'JSONL of samples to write',
    ['task', 'prompt', 'sampling'],
  );
  return finish(
    command,
    'print {out, counts}',
    'sipf sample --model ./SmolLM2-135M --task gsm8k --data gsm8k/train.jsonl --limit 50 --sampling.samples 8 --out samples.jsonl',
  ).action((options: StageOptions) => sample(command, options, terminal));
}

async function sample(command: Command, options: StageOptions, terminal: Terminal): Promise<void> {
  await using stage = await openStage(command, options);
  const { config, task } = stage;
  checkRecordsOut('sample', options, config);
  const source = requireModel(stage);
  const all = await withoutBrokenOnes(stage, await loadQuestions(stage, options, terminal), terminal);
  await using backend = await openBackend(options, terminal.warn);
  const { prompt, shots } = await openPrompt({ stage, options, questions: all, backend });
  const asked = askedOf(all, shots, terminal);
  const questions = chooseQuestions(asked, config.sampling, config.seed, options.iteration);
  await using policy = await backend.openPolicy(source);
  const { seed, sampling } = config;
  const context = {
    policy,
    task,
    prompt,
    options: sampling,
    seed,
    iteration: options.iteration,
    signal: terminal.signal,
  };
  const counts = await runJournaled(
    {
      title: 'sample',
      unit: 'questions',
      out: options.out,
      inputs: {
        stage: 'sample',
        policy: policy.hash,
        task: config.task,
        prompt: config.prompt,
        sampling,
        seed,
        iteration: options.iteration,
        questions,
      },
      units: inUnits(questions, sampling.unit),
      total: questions.length,
      each: (unit) =>
        sampleUnit(
          unit.map((question) => ({ question, known: [], addGold: sampling.gold })),
          context,
        ),
    },
    terminal,
  );
  await reportCounts(options.out, counts, options.json === true, terminal);
}

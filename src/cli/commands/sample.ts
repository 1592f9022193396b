// sipf sample: questions and a model -> samples.jsonl. Stage 1 on its own.
import { Command } from 'commander';
import { chooseQuestions, type SampleItem, sampleUnit } from '../../method/sample.ts';
import { type Question, Sample } from '../../records.ts';
import { inUnits } from '../../run/units.ts';
import { engineOf, openEngine } from '../engine.ts';
import { finish, repeated, withExecution } from '../options.ts';
import { checkRecordsOut } from '../outputs.ts';
import type { Terminal } from '../terminal.ts';
import {
  askedOf,
  fileInput,
  loadQuestions,
  openPrompt,
  openStage,
  reportCounts,
  requireModel,
  rowsByQuestion,
  runJournaled,
  type StageOptions,
  withoutBrokenOnes,
  withStage,
} from './stage.ts';

interface SampleCommandOptions extends StageOptions {
  readonly known?: readonly string[];
}

export function sampleCommand(terminal: Terminal): Command {
  const command = withStage(
    withExecution(
      new Command('sample')
        .description('Draw reasoning paths for questions, drop duplicates and grade them (stage 1).')
        .option('--model <path>', 'Hugging Face folder or .gguf file')
        .option('--adapter <dir>', 'PEFT adapter folder')
        .option('--known <file>', 'JSONL of samples of earlier rounds, which new ones must differ from', repeated),
    ),
    'JSONL of samples to write',
    ['task', 'prompt', 'sampling'],
  );
  return finish(
    command,
    'print {out, counts}',
    'sipf sample --model ./SmolLM2-135M --task gsm8k --data gsm8k/train.jsonl --limit 50 --sampling.samples 8 --out samples.jsonl',
  ).action((options: SampleCommandOptions) => sample(command, options, terminal));
}

async function sample(command: Command, options: SampleCommandOptions, terminal: Terminal): Promise<void> {
  await using stage = await openStage(command, options);
  const { config, task } = stage;
  checkRecordsOut('sample', options, config);
  const source = requireModel(stage);
  const all = await withoutBrokenOnes(stage, await loadQuestions(stage, options, terminal), terminal);
  await using backend = await openEngine(engineOf(stage.config), terminal);
  const { prompt, shots } = await openPrompt({ stage, options, questions: all, backend });
  const asked = askedOf(all, shots, terminal);
  const questions = chooseQuestions(asked, config.sampling, config.seed, options.iteration);
  const known = await knownSamples(options.known ?? [], all, terminal.signal);
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
        known: await Promise.all((options.known ?? []).map((path) => fileInput(path, terminal.now()))),
      },
      units: inUnits(questions, sampling.unit),
      total: questions.length,
      each: (unit) =>
        sampleUnit(
          unit.map((question) => itemOf(question, known.get(question.id) ?? [], sampling.gold)),
          context,
        ),
    },
    terminal,
  );
  await reportCounts(options.out, counts, options.json === true, terminal);
}

/** Samples of earlier rounds by question, in the order of the rounds. */
async function knownSamples(
  files: readonly string[],
  questions: readonly Question[],
  signal: AbortSignal,
): Promise<Map<string, Sample[]>> {
  const byId = new Map(questions.map((question) => [question.id, question]));
  const known = new Map<string, Sample[]>();
  for (const file of files)
    for (const [id, samples] of await rowsByQuestion(file, Sample, byId, signal))
      known.set(id, [...(known.get(id) ?? []), ...samples]);
  return known;
}

/** A worked solution becomes a sample once. */
function itemOf(question: Question, known: readonly Sample[], gold: boolean): SampleItem {
  return { question, known, addGold: gold && !known.some(({ source }) => source === 'gold') };
}

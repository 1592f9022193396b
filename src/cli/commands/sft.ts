// sipf sft: worked solutions and a model -> the warm-up policy.
import { Command } from 'commander';
import { SipfError } from '../../errors.ts';
import { goldRows } from '../../method/align-rows.ts';
import { engineOf, openEngine } from '../engine.ts';
import { finish, withExecution } from '../options.ts';
import { checkModelOut } from '../outputs.ts';
import type { Terminal } from '../terminal.ts';
import {
  askedOf,
  loadQuestions,
  openPrompt,
  openStage,
  requireModel,
  type StageOptions,
  withoutBrokenOnes,
  withStage,
} from './stage.ts';
import { trainStage } from './stage-training.ts';

export function sftCommand(terminal: Terminal): Command {
  const command = withStage(
    withExecution(
      new Command('sft')
        .description('Fine-tune a model on worked solutions (the warm-up).')
        .option('--model <path>', 'where training starts: Hugging Face folder or .gguf file')
        .option('--adapter <dir>', 'PEFT adapter folder'),
    ),
    'folder of the trained model or adapter; a stopped training continues there',
    ['task', 'prompt', 'sft'],
  );
  return finish(
    command,
    'print {model, adapter, hash, examples, dropped, steps, tokens, firstLoss, lastLoss}',
    'sipf sft --model ./SmolLM2-135M --task gsm8k --data gsm8k/train.jsonl --limit 1000 --sft.train.lora.rank 16 --out sft',
  ).action((options: StageOptions) => sft(command, options, terminal));
}

async function sft(command: Command, options: StageOptions, terminal: Terminal): Promise<void> {
  await using stage = await openStage(command, options);
  const { config, task } = stage;
  checkModelOut('sft', options, config);
  const source = requireModel(stage);
  const questions = await withoutBrokenOnes(stage, await loadQuestions(stage, options, terminal), terminal);
  await using backend = await openEngine(engineOf(stage.config), terminal);
  const { prompt, shots } = await openPrompt({ stage, options, questions, backend });
  const asked = askedOf(questions, shots, terminal);
  const examples = goldRows(asked, config.sft.rows, `sft/${config.seed}`, { task, prompt });
  if (examples.length === 0) {
    throw new SipfError(
      'nothing-left',
      `Expected questions with worked solutions, got none among ${asked.length}. Give data with solutions, or start from the base model without sft.`,
    );
  }
  const { scope, train } = config.sft;
  const objective = { kind: 'sft', scope } as const;
  const training = {
    stage: '6-policy',
    iteration: 0,
    seed: config.seed,
    source,
    examples,
    objective,
    settings: train,
  } as const;
  await trainStage(backend, training, options, terminal);
}

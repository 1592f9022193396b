// sipf align: preference pairs and a model -> the next policy. Stage 6 on its own.
import { Command } from 'commander';
import { SipfError } from '../../errors.ts';
import { alignRows } from '../../method/align-rows.ts';
import { METHODS } from '../../method/methods.ts';
import { engineOf, openEngine } from '../engine.ts';
import { finish, withExecution } from '../options.ts';
import { checkModelOut } from '../outputs.ts';
import type { Terminal } from '../terminal.ts';
import { readPairs } from './own-pairs.ts';
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

interface AlignCommandOptions extends StageOptions {
  readonly in: string;
}

export function alignCommand(terminal: Terminal): Command {
  const command = withStage(
    withExecution(
      new Command('align')
        .description('Train a policy on preference pairs with ORPO (stage 6).')
        .requiredOption('--in <file>', "JSONL of preference pairs, or of TRL's {prompt, chosen, rejected}")
        .option('--model <path>', 'where training starts: Hugging Face folder or .gguf file')
        .option('--adapter <dir>', 'PEFT adapter folder'),
    ),
    'folder of the trained model or adapter; a stopped training continues there',
    ['task', 'prompt', 'align'],
  );
  return finish(
    command,
    'print {model, adapter, hash, examples, dropped, steps, tokens, firstLoss, lastLoss}',
    'sipf align --in pairs.jsonl --model ./SmolLM2-135M --task gsm8k --align.lambda 0.1 --align.train.lora.rank 16 --out policy',
  ).action((options: AlignCommandOptions) => align(command, options, terminal));
}

async function align(command: Command, options: AlignCommandOptions, terminal: Terminal): Promise<void> {
  await using stage = await openStage(command, options);
  const { config, task } = stage;
  checkModelOut('align', options, config);
  const source = requireModel(stage);
  const pairs = await readPairs(options.in, task, terminal);
  if (pairs.length === 0 && METHODS[config.method].align === 'pairs')
    throw new SipfError(
      'nothing-left',
      `Expected preference pairs in ${options.in}, got none with two different texts. Add some, or name another file.`,
    );
  // Pairs carry their texts: questions are needed only for gold rows and shots.
  const needsQuestions = config.align.gold > 0 || (config.prompt.shots > 0 && config.prompt.shotsFile === null);
  const loaded = needsQuestions ? await loadQuestions(stage, options) : [];
  const questions = await withoutBrokenOnes(stage, loaded, terminal);
  await using backend = await openEngine(engineOf(stage.config), terminal);
  const { prompt, shots } = await openPrompt({ stage, options, questions, backend });
  const asked = askedOf(questions, shots, terminal);
  const { examples, objective, counts } = alignRows({
    method: METHODS[config.method],
    pairs,
    questions: asked,
    options: config.align,
    scope: config.sft.scope,
    key: `${config.seed}/${options.iteration}`,
    task,
    prompt,
  });
  terminal.log(
    `${counts.pairs} pairs, ${counts.nllRows} rows without a rejected path, ${counts.gold} worked solutions`,
  );
  const { iteration } = options;
  const settings = config.align.train;
  const training = { stage: '6-policy', iteration, seed: config.seed, source, examples, objective, settings } as const;
  await trainStage(backend, training, options, terminal);
}

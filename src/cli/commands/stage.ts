// A stage on a command line -> its command: options, records, the stage done on files, a report.
import { Command, Option } from 'commander';
import { engineOf } from '../../config/engine.ts';
import type { Config } from '../../config/schema.ts';
import { MOST } from '../../limits.ts';
import type { Method } from '../../method/methods.ts';
import { fileModels, fileRecords, fileStore } from '../../pipeline/file-workspace.ts';
import { askedOf, openPrompt, requireModel } from '../../pipeline/files/prompts.ts';
import type { Stage } from '../../pipeline/stages/stage.ts';
import type { RecordsName } from '../../pipeline/workspace.ts';
import type { Counts } from '../../reports.ts';
import { SPLITS, type Split } from '../../task.ts';
import { openEngine } from '../engine.ts';
import { type ExecutionOptions, finish, integer, repeated, withExecution } from '../options.ts';
import { checkOut, isOfRecords } from '../outputs.ts';
import { readSettings, type SettingsOptions, withSettings } from '../settings.ts';
import type { Terminal } from '../terminal.ts';
import { readRecordsOf } from './stage-records.ts';
import { CHECKPOINT, KEPT, listenerOf, openConfigured, reportWork, workOf } from './stage-work.ts';

/** A file of records that a command reads. */
interface StageInput {
  /** `in` for `--in <file>`. */
  readonly option: 'in' | 'samples' | 'known';
  readonly words: string;
  readonly reads: RecordsName;
  /** Several files, of earlier rounds; none is needed. */
  readonly earlier?: true;
  /** Methods that do without; absent: none does. */
  readonly unless?: (method: Method) => boolean;
  /** The stage needs to know which of the samples are right. */
  readonly graded?: true;
}

export interface StageCommand {
  readonly name: string;
  readonly description: string;
  readonly stage: Stage<unknown>;
  readonly inputs: readonly StageInput[];
  /** What --model is; absent: the command needs none. */
  readonly model?: string;
  /** What --out is. */
  readonly out: string;
  readonly example: string;
  /** The warm-up is of no round. */
  readonly round?: 0;
  /** What to say where no record came. */
  readonly nothing?: (config: Config, questions: number) => string;
  /** What a training trains on. */
  readonly describeRows?: (rows: Counts) => string;
}

export interface StageOptions extends SettingsOptions, ExecutionOptions {
  readonly task?: string;
  readonly data?: string;
  readonly split?: Split;
  readonly limit?: number;
  readonly questions?: string;
  readonly model?: string;
  readonly adapter?: string;
  readonly in?: string;
  readonly samples?: string;
  readonly known?: readonly string[];
  readonly out: string;
  readonly iteration: number;
  readonly json?: boolean;
}

/** The command of a stage. */
export function stageCommand(entry: StageCommand): (terminal: Terminal) => Command {
  return (terminal) => {
    const command = withStage(withInputs(new Command(entry.name).description(entry.description), entry), entry);
    const json = isOfRecords(entry.name)
      ? 'print {out, counts}'
      : 'print {model, adapter, hash, examples, dropped, steps, tokens, firstLoss, lastLoss}';
    return finish(command, json, entry.example).action((options: StageOptions) =>
      runStage(entry, command, options, terminal),
    );
  };
}

function withInputs(command: Command, { inputs, model }: StageCommand): Command {
  for (const { option, words, earlier, unless } of inputs) {
    if (unless !== undefined) command.option(`--${option} <file>`, words);
    else if (!earlier) command.requiredOption(`--${option} <file>`, words);
  }
  if (model !== undefined) command.option('--model <path>', model).option('--adapter <dir>', 'PEFT adapter folder');
  for (const { option, words, earlier } of inputs) if (earlier) command.option(`--${option} <file>`, words, repeated);
  return model === undefined ? command : withExecution(command);
}

/** Which part of the data a stage reads. */
export function splitOption(): Option {
  return new Option('--split <name>', 'which questions (default: train; all of a file of your own)').choices(SPLITS);
}

/** Adds where questions come from, --out, --iteration and the settings of the stage. */
function withStage(command: Command, { out, stage }: StageCommand): Command {
  return withSettings(
    command
      .option('--task <name>', 'kind of question')
      .option('--data <path>', "the task's file or folder (default: the hub, or generated)")
      .addOption(splitOption())
      .option('--limit <n>', 'the first n questions', integer({ min: 1, max: MOST.questions }))
      .option('--questions <file>', 'JSONL of {id, question, answer, solution?} instead of --data')
      .requiredOption('--out <path>', out)
      .option(
        '--iteration <k>',
        'round, which random numbers and ids depend on',
        integer({ min: 0, max: MOST.rounds }),
        1,
      ),
    stage.settings,
  );
}

async function runStage(
  entry: StageCommand,
  command: Command,
  options: StageOptions,
  terminal: Terminal,
): Promise<void> {
  const { name, stage, model } = entry;
  await using opened = openConfigured(await readSettings(command, options, ownSettings(options)));
  const { config, task } = opened;
  const isModel = !isOfRecords(name);
  checkOut(name, options, config);
  const source = model === undefined ? null : requireModel(config);
  const { questions, records } = await readRecordsOf(entry, opened, options, terminal);
  await using backend = source === null ? null : await openEngine(engineOf(config), terminal);
  const { prompt, shots } =
    backend === null
      ? { prompt: task.prompt, shots: [] }
      : await openPrompt({ stage: opened, options, questions, backend });
  const asked = backend === null ? records.questions : askedOf(questions, shots, terminal.log);
  const ids = new Set(asked.map(({ id }) => id));
  const ofAsked = { ...records, questions: records.questions.filter(({ id }) => ids.has(id)) };
  using listener = listenerOf(terminal, isModel ? 'train' : name, entry.describeRows);
  const models = fileModels(backend);
  const nothing = entry.nothing?.(config, ofAsked.questions.length);
  const store = fileStore({ out: options.out, isModel, nothing }, listener);
  const policy = backend && source && models.checkpoint(source, (await backend.describe(source)).hash);
  const place = { store, records: fileRecords(ofAsked), models, k: entry.round ?? options.iteration };
  const work = workOf({ ...opened, ...place, questions, asked, prompt, shots, policy });
  if (source !== null) terminal.resumes(isModel ? CHECKPOINT : KEPT);
  await stage.perform(work);
  listener[Symbol.dispose]();
  await reportWork(work, stage.writes, options, terminal);
}

function ownSettings({ task, data, model, adapter }: StageOptions): Record<string, unknown> {
  return { 'task.name': task, 'task.data': data, model, adapter };
}

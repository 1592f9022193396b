// A stage command's options -> its configuration, task, questions, prompts and output. What the stage commands share; leaves the stages to the pipeline.
import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Command, Option } from 'commander';
import { z } from 'zod';
import type { Backend } from '../../backend.ts';
import type { Config } from '../../config/schema.ts';
import { SipfError, throwIfAborted } from '../../errors.ts';
import { canonicalJson, sha256 } from '../../hashing.ts';
import { hashPath } from '../../io/file-hashes.ts';
import { nodeDisk, replaceFile } from '../../io/files.ts';
import { ExactNumberValue, RecordId, type Row, readAllRows, readRows } from '../../io/jsonl.ts';
import { MOST } from '../../limits.ts';
import { type BuildPrompt, makePrompter, withoutShots } from '../../method/prompt.ts';
import { describeBroken, withoutBroken } from '../../pipeline/references.ts';
import { loadShots } from '../../pipeline/shots.ts';
import { withSolutions } from '../../pipeline/train-questions.ts';
import type { ModelSource } from '../../records.ts';
import { CodeTests, type Question } from '../../records.ts';
import type { Counts } from '../../reports.ts';
import { Journal } from '../../run/journal.ts';
import type { StageOutput } from '../../run/units.ts';
import { openSandbox } from '../../sandboxes/open.ts';
import { requireReader, type Shot, type Split, type Task, taskOf } from '../../task.ts';
import { settleIds } from '../../tasks/data/record-ids.ts';
import { type OpenTasks, openTasks } from '../../tasks/index.ts';
import { choicesOf, letterOf, rightOption, withOptions } from '../../tasks/math/choices.ts';
import { goldSteps } from '../../tasks/text/steps.ts';
import { type ExecutionOptions, integer } from '../options.ts';
import { readSettings, type SettingsOptions, withSettings } from '../settings.ts';
import type { Terminal } from '../terminal.ts';
import { isWholeForStages } from './own-file.ts';

export interface StageOptions extends SettingsOptions, ExecutionOptions {
  readonly task?: string;
  readonly data?: string;
  readonly split?: Split;
  readonly limit?: number;
  readonly questions?: string;
  readonly model?: string;
  readonly adapter?: string;
  readonly out: string;
  readonly iteration: number;
  readonly json?: boolean;
}

/** Which part of the data a stage reads. */
export function splitOption(): Option {
  const choices = ['train', 'valid', 'test'];
  return new Option('--split <name>', 'which questions (default: train; all of a file of your own)').choices(choices);
}

/** Adds where questions come from, --out, --iteration and the settings of `sections`. */
export function withStage(command: Command, out: string, sections: readonly string[]): Command {
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
    sections,
  );
}

/** Disposing it disposes what its task holds. */
export interface Stage extends AsyncDisposable {
  readonly config: Config;
  readonly task: Task;
}

export async function openStage(command: Command, options: StageOptions): Promise<Stage> {
  const { task, data, model, adapter } = options;
  const own = { 'task.name': task, 'task.data': data, model, adapter };
  const config = await readSettings(command, options, own);
  return openStageOf(config);
}

/** The task that a configuration names. */
export function openStageOf(config: Config): Stage {
  const tasks = openTasks({ sandbox: () => openSandbox(config.sandbox) });
  return {
    config,
    task: tasks.named(config.task.name),
    [Symbol.asyncDispose]: () => tasks[Symbol.asyncDispose](),
  };
}

/** The task of a command that judges one at a time. */
export function openOne(tasks: OpenTasks, name: string, command: string): Task {
  const task = tasks.named(name);
  if (task.members === undefined) return task;
  throw new SipfError(
    'unsupported',
    `Expected one task for sipf ${command}, got the mixture ${task.name}. Name its tasks one after the other.`,
  );
}

/** Leaves out questions whose own solutions fail their tests, and says so. */
export async function withoutBrokenOnes(
  { task }: Pick<Stage, 'task'>,
  questions: readonly Question[],
  terminal: Terminal,
): Promise<readonly Question[]> {
  const { kept, broken } = await withoutBroken(task, questions, { signal: terminal.signal });
  if (broken.length > 0) terminal.log(describeBroken(broken, questions.length));
  return kept;
}

/** The model that --model (or the configuration) names. */
export function requireModel({ config }: Pick<Stage, 'config'>): ModelSource {
  if (typeof config.model === 'string' && config.model !== '')
    return { model: config.model, adapter: config.adapter ?? undefined };
  throw new SipfError('bad-input', 'Expected --model with a Hugging Face folder or a .gguf file, got none. Name one.');
}

const QuestionLine = z.looseObject({
  id: RecordId,
  question: z.string(),
  /** Tests take its place for code. */
  answer: z.union([z.string(), z.number(), ExactNumberValue]).default(''),
  /** Options of a multiple-choice question; `answer` is one of them. */
  choices: z.unknown().optional(),
  options: z.unknown().optional(),
  solution: z.union([z.array(z.string()), z.string()]).nullish(),
  /** The question's own task, in a mixture. */
  task: z.string().optional(),
  tests: CodeTests.optional(),
  prefix: z.string().optional(),
});

/** The questions of --questions, else of the task's data; says so on `terminal` where all of a file is read. */
export async function loadQuestions(
  { config, task }: Pick<Stage, 'config' | 'task'>,
  options: Pick<StageOptions, 'questions' | 'split' | 'limit'>,
  terminal?: Terminal,
): Promise<Question[]> {
  if (options.questions === undefined) {
    requireReader([task], config.task.data);
    const { data, limit: configured, maxGoldSteps, solutions, seed } = config.task;
    const whole = options.split === undefined && (await isWholeForStages(task, data));
    const { split = 'train', limit } = options;
    // The settings of task choose train questions: a run's other splits are whole, too.
    if (split !== 'train') return task.load({ data: data ?? undefined, split, limit, seed });
    const loaded = await task.load({
      data: data ?? undefined,
      split,
      whole,
      limit: limit ?? configured ?? undefined,
      maxGoldSteps: maxGoldSteps ?? undefined,
      seed,
    });
    if (whole)
      terminal?.log(
        `Reads ${loaded.length} questions of ${data}, of all its parts. --split train reads the part that a run trains on.`,
      );
    return withSolutions(loaded, solutions);
  }
  const rows = await readAllRows(options.questions, QuestionLine);
  const ids = settleIds(
    rows.map(({ value: { id } }) => (id === undefined || id === null ? undefined : String(id))),
    rows,
    ({ index }) => String(index),
  );
  const questions = rows.map((row, i) => questionOf(row, ids[i]!, task));
  return options.limit === undefined ? questions : questions.slice(0, options.limit);
}

function questionOf({ index, place, value }: Row<z.infer<typeof QuestionLine>>, id: string, task: Task): Question {
  const { solution, task: name, tests, prefix, choices, options } = value;
  const record = { value: { choices, options, answer: value.answer }, index, place };
  const chosen = tests === undefined ? choicesOf(record) : null;
  const answer = chosen?.answer ?? String(value.answer);
  const question = chosen === null ? value.question : withOptions(value.question, chosen.options);
  const own = task.members === undefined ? task : taskOf(task, { task: name });
  const needed = own.judgedBy === 'tests' ? tests : answer;
  if (needed === undefined || needed === '') {
    const field = own.judgedBy === 'tests' ? 'tests' : 'answer';
    throw new SipfError(
      'bad-input',
      `${place}, field "${field}": Expected what answers to ${own.name} are judged by, got nothing. Fix that line.`,
    );
  }
  const stated = chosen === null ? answer : letterOf(rightOption(chosen.options, answer));
  const split = (text: string) => (tests === undefined ? goldSteps(text.split('\n'), stated) : own.split(text));
  const steps = typeof solution === 'string' ? split(solution) : solution;
  return {
    id,
    task: own.name,
    question,
    answer,
    ...(steps ? { solution: steps } : {}),
    ...(tests === undefined ? {} : { tests }),
    ...(prefix === undefined ? {} : { prefix }),
    ...(chosen === null ? {} : { choices: [...chosen.options] }),
  };
}

export interface PromptArgs {
  readonly stage: Pick<Stage, 'config' | 'task'>;
  readonly options: Pick<StageOptions, 'questions' | 'split'>;
  readonly questions: readonly Question[];
  /** null: a command without a model, which knows no chat template. */
  readonly backend: Backend | null;
}

export interface StagePrompt {
  readonly prompt: BuildPrompt;
  /** The worked examples that it shows. */
  readonly shots: readonly Shot[];
}

/** The prompt function of sampling and training, with the configured shots or chat template. */
export async function openPrompt(args: PromptArgs): Promise<StagePrompt> {
  const { stage, backend } = args;
  const { config, task } = stage;
  const shots = await shotsOf(args);
  const openPolicy = () => {
    if (backend === null)
      throw new SipfError(
        'bad-config',
        'Expected prompt.style plain in a command without a model, got chat. Leave it out.',
      );
    return backend.openPolicy(requireModel({ config }));
  };
  return { prompt: await makePrompter({ task, options: config.prompt, shots, openPolicy }), shots };
}

/** The questions that the prompt does not show as worked examples: those that a run samples, labels and trains on. Says how many it shows. Throws SipfError 'nothing-left' where all of them are. */
export function askedOf(
  questions: readonly Question[],
  shots: readonly Shot[],
  terminal: Terminal,
): readonly Question[] {
  const asked = withoutShots(questions, shots);
  const shown = questions.length - asked.length;
  if (shown === 0) return asked;
  const text = `${shown} of ${questions.length} questions are worked examples in the prompt`;
  if (asked.length > 0) terminal.log(`${text} and are not asked.`);
  else
    throw new SipfError(
      'nothing-left',
      `Expected questions that the prompt does not show, got none: ${text}. Give more questions, or lower the number of shots.`,
    );
  return asked;
}

/** As a run has them: those of the train split, whatever split is asked. */
async function shotsOf({ stage, options, questions }: PromptArgs): Promise<Shot[]> {
  const { config, task } = stage;
  const { shots: count, shotsFile: file } = config.prompt;
  const data = config.task.data ?? undefined;
  if (count === 0 || file !== null || task.examples !== undefined)
    return loadShots({ task, count, file, fallback: questions, data });
  const own = options.questions !== undefined || (options.split ?? 'train') === 'train';
  const train = own ? questions : await loadQuestions(stage, { split: 'train' });
  const { kept } = await withoutBroken(task, train);
  return loadShots({ task, count, file, fallback: kept, data });
}

/** Groups of records whose question is asked. */
export function ofAsked<T>(groups: ReadonlyMap<string, T>, asked: readonly Question[]): Map<string, T> {
  const ids = new Set(asked.map(({ id }) => id));
  return new Map([...groups].filter(([id]) => ids.has(id)));
}

/** Records of a file grouped by question, in the file's order; `known` must hold every question. Throws naming the line. */
export async function rowsByQuestion<T extends { readonly questionId: string }>(
  path: string,
  schema: z.ZodType<T>,
  known: ReadonlyMap<string, Question>,
  signal: AbortSignal,
  checkRow: (row: Row<T>) => void = () => {},
): Promise<Map<string, T[]>> {
  const groups = new Map<string, T[]>();
  for await (const row of readRows(path, schema, signal)) {
    const { place, value } = row;
    requireQuestion(known, value.questionId, place);
    checkRow(row);
    const group = groups.get(value.questionId) ?? [];
    group.push(value);
    groups.set(value.questionId, group);
  }
  return groups;
}

/** Throws SipfError 'bad-input' naming the line where no such question is known. */
export function requireQuestion(known: ReadonlyMap<string, Question>, id: string, place: Row<unknown>['place']): void {
  if (known.has(id)) return;
  throw new SipfError(
    'bad-input',
    `${place}, field "questionId": Expected the id of one of ${known.size} questions, got ${JSON.stringify(id)}. Give the --task, --data and --split, or the --questions, that these records come from.`,
  );
}

export interface JournaledArgs<U> {
  readonly title: string;
  readonly unit: string;
  readonly out: string;
  /** Everything the records depend on: a journal of other inputs is dropped. */
  readonly inputs: Readonly<Record<string, unknown>>;
  readonly units: AsyncIterable<readonly U[]> | Iterable<readonly U[]>;
  readonly total: number;
  readonly each: (unit: readonly U[]) => Promise<StageOutput<unknown>>;
}

/** Runs units of work through a journal beside --out, so that a stopped command goes on where it was; --out appears whole at the end. */
export async function runJournaled<U>(args: JournaledArgs<U>, terminal: Terminal): Promise<Counts> {
  const { title, unit, out, inputs, units, total, each } = args;
  const path = `${out}.journal`;
  await nodeDisk.makeFolder(dirname(out));
  const exists = (await stat(path).catch(() => null)) !== null;
  const journal = await Journal.open(nodeDisk, path, sha256(canonicalJson(inputs)), exists);
  const already = journal.units;
  terminal.resumes('Finished work is kept beside --out: the same command continues.');
  const progress = terminal.progress({ title, unit, total });
  let index = 0;
  let done = 0;
  try {
    for await (const items of units) {
      throwIfAborted(terminal.signal);
      if (index >= already) await journal.add(await each(items));
      index += 1;
      done += items.length;
      progress.update(done);
    }
  } catch (error) {
    // There is nothing in it to continue from.
    if (journal.units === 0) await nodeDisk.remove(path);
    throw error;
  } finally {
    progress.end();
  }
  await replaceFile(nodeDisk, out, journal.lines());
  await nodeDisk.remove(path);
  return journal.counts;
}

/** What a journal needs to know of a file: its hash; stdin is never the same twice. */
export async function fileInput(path: string, now: number): Promise<string> {
  if (path === '-') return `stdin at ${now}`;
  return (await hashPath(path)) ?? 'missing';
}

/** Prints a stage's counts: JSON with --json, else one line. */
export async function reportCounts(
  out: string,
  counts: Readonly<Record<string, unknown>>,
  json: boolean,
  terminal: Terminal,
): Promise<void> {
  if (json) return await terminal.print(JSON.stringify({ out, counts }));
  const words = Object.entries(counts).map(([name, value]) => `${name} ${String(value)}`);
  await terminal.print(`${out}: ${words.join(', ')}`);
}

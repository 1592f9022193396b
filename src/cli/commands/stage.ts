// A stage on a command line -> its command: options, records, the stage done on files, a report.
import { Command, Option } from 'commander';
import { engineOf } from '../../config/engine.ts';
import type { Config } from '../../config/schema.ts';
import { SipfError } from '../../errors.ts';
import { MOST } from '../../limits.ts';
import { METHODS, type Method, makesPairs, trainsOnGold } from '../../method/methods.ts';
import { type FileRecords, fileModels, fileRecords, fileStore } from '../../pipeline/file-workspace.ts';
import { readPairs } from '../../pipeline/files/own-pairs.ts';
import { readSamples } from '../../pipeline/files/own-samples.ts';
import { askedOf, openPrompt, requireModel } from '../../pipeline/files/prompts.ts';
import {
  fileInput,
  loadQuestions,
  requireSample,
  rowsByQuestion,
  withoutBrokenOnes,
} from '../../pipeline/files/questions.ts';
import type { Configured } from '../../pipeline/prompts.ts';
import type { Stage } from '../../pipeline/stages/stage.ts';
import type { RecordsName } from '../../pipeline/workspace.ts';
import { type PreferencePair, type Question, Sample, StepLabels, StepScores } from '../../records.ts';
import type { Counts } from '../../reports.ts';
import { SPLITS, type Split } from '../../task.ts';
import { openEngine } from '../engine.ts';
import { type ExecutionOptions, finish, integer, repeated, withExecution } from '../options.ts';
import { checkOut, isOfRecords } from '../outputs.ts';
import { readSettings, type SettingsOptions, withSettings } from '../settings.ts';
import type { Terminal } from '../terminal.ts';
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
  /** Done all at once: a stop leaves nothing to continue from. */
  readonly keepsNothing?: true;
  /** @throws SipfError for settings that only a run can follow. */
  readonly check?: (config: Config) => void;
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
  entry.check?.(config);
  const isModel = !isOfRecords(name);
  await checkOut(name, options, config);
  const source = model === undefined ? null : requireModel(config);
  const { questions, records } = await readRecordsOf(entry, opened, options, terminal);
  await using backend = source === null ? null : await openEngine(engineOf(config), terminal);
  if (isModel) for (const warning of (await backend?.checkTraining?.(terminal)) ?? []) terminal.warn(warning);
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
  if (source !== null && !entry.keepsNothing) terminal.resumes(isModel ? CHECKPOINT : KEPT);
  await stage.perform(work);
  listener[Symbol.dispose]();
  await reportWork(work, stage.writes, options, terminal);
}

function ownSettings({ task, data, model, adapter }: StageOptions): Record<string, unknown> {
  return { 'task.name': task, 'task.data': data, model, adapter };
}

interface Read {
  /** All that are known: of the data, and those that records bring along. */
  readonly questions: readonly Question[];
  readonly records: FileRecords;
}

type Paths = Readonly<Partial<Record<RecordsName, readonly string[]>>>;

/**
 * Reads every file that a command names.
 * @throws SipfError 'bad-input' where a line is no such record or a file is missing, 'nothing-left' where there is nothing to work on.
 */
async function readRecordsOf(
  entry: StageCommand,
  opened: Configured,
  options: StageOptions,
  terminal: Terminal,
): Promise<Read> {
  const paths = pathsOf(entry, opened.config, options);
  const own = entry.inputs.find(({ reads, earlier }) => reads === '1-samples' && !earlier);
  if (own === undefined) return readBesideQuestions(paths, opened, options, terminal);
  return readSampled({ paths, graded: own.graded === true }, opened, options, terminal);
}

function pathsOf({ inputs }: StageCommand, { method }: Config, options: StageOptions): Paths {
  const given = inputs.map(({ option, words, reads, earlier, unless }) => {
    const paths = [options[option] ?? []].flat();
    if (paths.length > 0 || earlier || unless?.(METHODS[method])) return [reads, paths] as const;
    throw new SipfError('bad-input', `Expected --${option} (${words}) for the method ${method}, got none. Give it.`);
  });
  return Object.fromEntries(given);
}

/** Samples, the questions that they are of, and the labels and scores of them. `graded`: what is done with the samples needs to know which are right. */
export async function readSampled(
  { paths, graded }: { readonly paths: Paths; readonly graded: boolean },
  stage: Configured,
  options: Pick<StageOptions, 'questions' | 'split' | 'limit'> & { readonly iteration?: number },
  terminal: Terminal,
): Promise<Read> {
  const [path = ''] = paths['1-samples'] ?? [];
  const { questions, known, samples } = await readSamples({ path, stage, options, graded }, terminal);
  const { signal } = terminal;
  const [labelled, scored] = [paths['2-step-labels']?.[0], paths['4-scores']?.[0]];
  const labels = labelled === undefined ? undefined : await rowsByQuestion(labelled, StepLabels, known, signal);
  const isOfSample = requireSample(samples, path);
  const scores = scored === undefined ? undefined : await rowsByQuestion(scored, StepScores, known, signal, isOfSample);
  const ids = new Set([...samples.keys(), ...(labels?.keys() ?? [])]);
  const records = {
    questions: [...ids].map((id) => known.get(id)!),
    samples,
    ...(labels && { labels }),
    ...(scores && { scores }),
    hashes: await hashesOf(paths, terminal),
  };
  return { questions, records };
}

/** The questions of the data, with pairs, or with samples of earlier rounds. */
async function readBesideQuestions(
  paths: Paths,
  opened: Configured,
  options: StageOptions,
  terminal: Terminal,
): Promise<Read> {
  const [pairsOf] = paths['5-pairs'] ?? [];
  const pairs = pairsOf === undefined ? undefined : await readPairsOf(pairsOf, opened, terminal);
  // Pairs carry their texts: questions are needed only for worked solutions, as rows or in the prompt.
  const { align, prompt, method } = opened.config;
  const rows = trainsOnGold(METHODS[method]) || (makesPairs(METHODS[method]) && align.gold > 0);
  const needed = pairs === undefined || rows || (prompt.shots > 0 && prompt.shotsFile === null);
  const loaded = needed ? await loadQuestions(opened, options, pairs === undefined ? terminal.log : undefined) : [];
  const questions = await withoutBrokenOnes(opened.task, loaded, terminal);
  const samples = await earlierSamples(paths['1-samples'] ?? [], questions, terminal.signal);
  const hashes = await hashesOf(paths, terminal);
  return { questions, records: { questions, samples, ...(pairs && { pairs }), hashes } };
}

async function readPairsOf(path: string, { config, task }: Configured, terminal: Terminal): Promise<PreferencePair[]> {
  const pairs = await readPairs(path, task, terminal);
  if (pairs.length > 0 || !makesPairs(METHODS[config.method])) return pairs;
  throw new SipfError(
    'nothing-left',
    `Expected preference pairs in ${path}, got none with two different texts. Add some, or name another file.`,
  );
}

/** Samples of earlier rounds by question, in the order of the rounds. */
async function earlierSamples(
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

async function hashesOf(paths: Paths, terminal: Terminal): Promise<FileRecords['hashes']> {
  const hashes: Record<string, string[]> = {};
  for (const [name, files] of Object.entries(paths))
    hashes[name] = await Promise.all(files.map((path) => fileInput(path, terminal.now())));
  return hashes;
}

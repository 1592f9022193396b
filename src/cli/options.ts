// Text of an option -> a checked number, limit or model source.
import { type Command, InvalidArgumentError, Option } from 'commander';
import { Provider } from '../engine-settings.ts';
import { MOST, MOST_THREADS } from '../limits.ts';
import { nearest } from '../nearest.ts';
import type { ModelSource } from '../records.ts';
import { PROGRAM_SECONDS } from '../sandbox.ts';
import { openSandbox, SandboxKind, type SandboxOptions } from '../sandboxes/open.ts';
import { type OpenTasks, openTasks } from '../tasks/index.ts';
import { inThisPlace } from './help.ts';

interface Range {
  readonly min?: number;
  readonly max?: number;
  /** The bounds themselves are not allowed. */
  readonly open?: boolean;
}

/** A parser of decimal numbers within a range. */
export function number(range: Range = {}): (text: string) => number {
  const form = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
  return (text) => within(form.test(text.trim()) ? Number(text) : Number.NaN, text, 'a number', range);
}

/** A parser of integers within a range. */
export function integer(range: Range = {}): (text: string) => number {
  return (text) => {
    const value = /^[+-]?\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
    return within(Number.isSafeInteger(value) ? value : Number.NaN, text, 'an integer', range);
  };
}

function within(value: number, text: string, kind: string, { min, max, open = false }: Range): number {
  const low = min === undefined || (open ? value > min : value >= min);
  const high = max === undefined || (open ? value < max : value <= max);
  if (Number.isFinite(value) && low && high) return value;
  const bounds: string[] = [];
  if (min !== undefined) bounds.push(open ? `above ${min}` : `of at least ${min}`);
  // A size's upper bound is far away: a value below the lower one needs no word about it.
  if (max !== undefined && (low ? !high : max <= 1)) bounds.push(open ? `below ${max}` : `at most ${max}`);
  throw new InvalidArgumentError(`Expected ${[kind, bounds.join(' and ')].filter(Boolean).join(' ')}, got '${text}'.`);
}

/** `1,10` -> whole numbers of at least 1, ascending. */
export function counts(text: string): number[] {
  const found = text.split(',').map((part) => integer({ min: 1, max: MOST.samples })(part.trim()));
  return [...new Set(found)].sort((a, b) => a - b);
}

/** The words of `--limit <n...>`: `50`, `first 50` or `'first 50'`, the first n. `before` is commander's: the words already read. */
export function limit(text: string, before?: number): number {
  const count = text.trim().replace(/^first(?:\s+|$)/i, '');
  // `first` on its own waits for the number after it; NaN says so to the command.
  if (count === '' && before === undefined) return Number.NaN;
  return integer({ min: 1, max: MOST.questions })(count);
}

/** Collects an option that may be given several times. */
export function repeated(text: string, before: readonly string[] = []): string[] {
  return [...before, text];
}

/** Where models run: short for engine.provider, engine.threads and engine.slots. */
export interface ExecutionOptions {
  readonly provider?: Provider;
  readonly threads?: number;
  readonly slots?: number;
}

/** Adds --provider, --threads and --slots. */
export function withExecution(command: Command): Command {
  return command
    .addOption(new Option('--provider <name>', 'where the model runs (default: cpu)').choices(Provider.options))
    .option('--threads <n>', 'threads of one operation (default: one for tiny models, else the cores)', threads)
    .option('--slots <n>', 'sequences that are decoded together (default: 64)', integer({ min: 1, max: MOST.slots }));
}

/**
 * A number of threads or processes: at most one a core.
 * @throws InvalidArgumentError for another number.
 */
export function threads(text: string): number {
  try {
    return integer({ min: 1, max: MOST_THREADS })(text);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    throw new InvalidArgumentError(`${error.message} This machine has ${MOST_THREADS} cores.`);
  }
}

export interface ModelOptions extends ExecutionOptions {
  readonly model: string;
  readonly adapter?: string;
}

/** Adds --model (required), where models run and the dotted keys of `engine`. */
export function withBaseModel(command: Command): Command {
  return withExecution(
    command
      .usage('[options] [--engine.KEY VALUE ...]')
      .allowUnknownOption()
      .allowExcessArguments()
      .requiredOption('--model <path>', 'Hugging Face folder, .gguf file, hub id or s3:// address'),
  );
}

/** As `withBaseModel`, with --adapter. */
export function withModel(command: Command): Command {
  return withBaseModel(command).option('--adapter <dir>', 'PEFT adapter folder or s3:// address');
}

/** The model that the options name. */
export function modelSource({ model, adapter }: Pick<ModelOptions, 'model' | 'adapter'>): ModelSource {
  return { model, adapter };
}

export interface SamplingFlags {
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  readonly calculator?: boolean;
}

/** Adds --temperature, --top-p, --top-k and --calculator. */
export function withSampling(command: Command, temperature: number): Command {
  return command
    .option('--temperature <t>', '0 is greedy', number({ min: 0 }), temperature)
    .option('--top-p <p>', 'nucleus sampling; 1 is off', number({ min: 0, max: 1 }), 1)
    .option('--top-k <k>', 'only the k likeliest tokens; 0 is off', integer({ min: 0 }), 0)
    .option('--calculator', 'compute the results of <<3*4= annotations and write them, instead of drawing them');
}

/** How the programs of code tasks are run by a command without a configuration. */
export interface SandboxFlags {
  readonly sandbox: SandboxOptions['kind'];
  /** Seconds. */
  readonly timeout: number;
}

/** Adds --sandbox and --timeout. */
export function withSandbox(command: Command): Command {
  const kinds = new Option(
    '--sandbox <kind>',
    "what runs programs: Python in WebAssembly, or this machine's in bubblewrap",
  );
  return command
    .addOption(kinds.choices(SandboxKind.options).default('embedded'))
    .option(
      '--timeout <seconds>',
      'longest time for a program and its tests',
      number({ min: 0.1, max: MOST.seconds }),
      PROGRAM_SECONDS,
    );
}

/** Tasks whose programs run as the flags say. */
export function tasksWith({ sandbox: kind, timeout }: SandboxFlags): OpenTasks {
  return openTasks({ sandbox: () => openSandbox({ kind, timeout }) });
}

/** A wrong word for an option with choices is answered with the nearest one. */
function suggestChoices(option: Option): void {
  const { argChoices } = option;
  if (argChoices === undefined) return;
  option.argParser((text) => {
    if (argChoices.includes(text)) return text;
    const meant = nearest(text, argChoices);
    throw new InvalidArgumentError(`Allowed choices are ${argChoices.join(', ')}. Did you mean ${meant}?`);
  });
}

/** Adds --json, whose stdout is nothing but JSON, and an example below the help. Options with choices tell the nearest one. */
export function finish(command: Command, json: string, ...examples: readonly string[]): Command {
  command.options.forEach(suggestChoices);
  const text = examples.map((example) => `  $ ${inThisPlace(example)}`).join('\n');
  return command
    .option('--json', json)
    .addHelpText('after', `\n${examples.length > 1 ? 'Examples' : 'Example'}:\n${text}`);
}

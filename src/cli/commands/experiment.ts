// sipf experiment: a grid of methods, variants and seeds -> finished runs, and one table of them.
import { join, relative, sep } from 'node:path';
import { Command } from 'commander';
import type { Config } from '../../config/schema.ts';
import { SipfError, shellWord } from '../../errors.ts';
import { nameOf, START } from '../../experiment/cell.ts';
import type { CellSummary } from '../../experiment/cell-summary.ts';
import { compareCells } from '../../experiment/comparison.ts';
import { isFinished } from '../../experiment/finished.ts';
import { type Grid, OWN_KEYS, readGrid } from '../../experiment/grid.ts';
import { type Job, runJobs } from '../../experiment/jobs.ts';
import { readKept } from '../../experiment/kept-results.ts';
import {
  blocksOf,
  collect,
  configOf,
  equalTokens,
  finished,
  keptOf,
  type Place,
  type Plan,
  placeOf,
} from '../../experiment/plan.ts';
import { makeFolders, nodeDisk, replaceFile } from '../../io/files.ts';
import { nearest } from '../../nearest.ts';
import { addressBelow } from '../../storage/address.ts';
import { type ExecutionOptions, finish, integer, threads, withExecution } from '../options.ts';
import { formatDuration } from '../progress.ts';
import { dottedFlags } from '../settings.ts';
import type { Terminal } from '../terminal.ts';
import { runInChild } from './child-run.ts';
import { type ExperimentReport, renderMarkdown, renderText, writeResults } from './experiment-report.ts';
import { lookOf } from './show.ts';

interface ExperimentOptions extends ExecutionOptions {
  readonly seeds?: readonly number[];
  readonly methods?: readonly string[];
  readonly out?: string;
  readonly results?: string;
  readonly fromResults?: string;
  readonly jobs: number;
  readonly table?: boolean;
  readonly markdown?: boolean;
  readonly json?: boolean;
}

/** A plan, and how this call does it. */
interface Call extends Plan {
  readonly file: string;
  readonly options: ExperimentOptions;
  readonly terminal: Terminal;
}

export function experimentCommand(terminal: Terminal): Command {
  const command = withExecution(new Command('experiment'))
    .description(
      'Run methods x variants x seeds of a grid, each seed from one warm-up, and compare them at equal cost.',
    )
    .usage('[options] [--KEY VALUE ...] GRID')
    .argument('<grid>', 'JSON of what is compared (docs/experiment.md)')
    .option('--seeds <list>', "seeds, separated by commas (default: the grid's)", list(integer({ min: 0 })))
    .option('--methods <list>', "rows, separated by commas (default: the grid's)", list(String))
    .option('--out <dir>', 'where the runs are (default: runs/ and the name of the grid)')
    .option('--results <dir>', 'where the table and one small file a run are written, too')
    .option('--from-results <dir>', 'take runs that --results wrote there, as of another machine, as done')
    .option('--jobs <n>', 'runs at a time; with more than one, each has one thread without --threads', threads, 1)
    .option('--table', 'run nothing: the table of the runs that are finished')
    .option('--markdown', 'print the table as Markdown')
    .allowUnknownOption()
    .allowExcessArguments();
  return finish(
    command,
    'print {rows, tests, unequal} and nothing else on stdout',
    'sipf experiment experiments/mini/grid.json --jobs 2',
    'sipf experiment grid.json --seeds 1 --methods sipf,siof --align.loss.lambda 0.2 --out runs/tune',
  ).action(async (file: string, options: ExperimentOptions) => {
    const grid = await readGrid(file);
    const kept = options.fromResults === undefined ? new Map() : await readKept(options.fromResults);
    await experiment(callOf({ file, grid, options, flags: dottedFlags(command, 1), kept, terminal }));
  });
}

function list<T>(parse: (text: string) => T): (text: string) => T[] {
  return (text) => [...new Set(text.split(',').map((part) => parse(part.trim())))];
}

type Given = Pick<Call, 'file' | 'grid' | 'options' | 'flags' | 'kept' | 'terminal'>;

/** @throws SipfError 'bad-input' for what the grid alone can say, and where seeds of tuning are to become a result. */
function callOf({ file, grid, options, flags, kept, terminal }: Given): Call {
  const fixed = Object.keys(flags).find((key) => key === 'method' || OWN_KEYS.includes(key));
  if (fixed !== undefined)
    throw new SipfError('bad-input', `Expected ${fixed} in ${file}, got --${fixed}. See docs/experiment.md.`);
  const methods = methodsOf(grid, options);
  const seeds = options.seeds ?? grid.seeds;
  const tuned = seeds.filter((seed) => grid.tuningSeeds.includes(seed));
  if (tuned.length > 0 && (options.results !== undefined || tuned.length < seeds.length))
    throw new SipfError(
      'bad-input',
      `Expected seeds that settings were not chosen on, got ${tuned.join(', ')}, which are in tuningSeeds of ${file}. Run them alone and without --results.`,
    );
  const equalFlops = methods.includes(grid.reference) ? grid.equalFlops.filter((one) => methods.includes(one)) : [];
  const out = options.out ?? `runs/${experimentName(file)}`;
  return { file, grid, options, flags, kept, terminal, out, seeds, methods, equalFlops };
}

/** The reference first: others copy its stages. */
function methodsOf({ methods, reference }: Grid, { methods: wanted }: ExperimentOptions): string[] {
  const names = Object.keys(methods);
  const unknown = wanted?.find((name) => !names.includes(name));
  if (unknown !== undefined)
    throw new SipfError(
      'bad-input',
      `Expected rows of the grid (${names.join(', ')}), got ${unknown}. Did you mean ${nearest(unknown, names)}?`,
    );
  return [...(wanted ?? names)].sort((a, b) => Number(b === reference) - Number(a === reference));
}

/** `experiments/mini/grid.json` -> `mini`; `few.json` -> `few`. */
function experimentName(file: string): string {
  const parts = file.split(/[\\/]/);
  const name = (parts.at(-1) ?? '').replace(/\.json$/, '');
  return name === 'grid' && parts.length > 1 ? (parts.at(-2) ?? name) : name;
}

async function experiment(call: Call): Promise<void> {
  const { options, terminal, grid, out } = call;
  terminal.resumes('Finished runs and stages are kept: the same command continues.');
  const failures = options.table === true ? new Map<string, string>() : await runAll(call);
  const { summaries, notes } = await collect(call);
  if (summaries.length === 0)
    throw new SipfError(
      'nothing-left',
      `Expected a finished run in ${out} to make a table of, got none. Run the experiment without --table, or fix what failed above.`,
    );
  const failed = [...failures].map(([name, message]) => `${name} failed: ${message.split('\n')[0]}`);
  const unfinished = notes.filter(({ name }) => !failures.has(name)).map(({ text }) => text);
  const report: ExperimentReport = {
    comparison: compareCells(summaries, grid),
    summaries,
    command: commandOf(call),
    reference: grid.reference,
    tuningSeeds: grid.tuningSeeds,
    notes: [...unfinished, ...failed, ...readNotes(call, summaries)],
  };
  await print(report, call);
  for (const folder of [join(out, 'results'), options.results]) {
    if (folder === undefined) continue;
    await writeResults(folder, report);
    terminal.log(`Written: ${folder}`);
  }
  if (failures.size > 0)
    throw new SipfError(
      'nothing-left',
      `Expected every run to finish, got ${failures.size} that failed: ${[...failures.keys()].join(', ')}. See their messages above; the same command tries them again.`,
    );
}

/** How much of the table was not run here. */
function readNotes({ kept, options }: Call, summaries: readonly CellSummary[]): string[] {
  const read = summaries.filter((summary) => kept.get(nameOf(summary))?.summary === summary);
  return read.length === 0
    ? []
    : [`${read.length} runs are read from ${options.fromResults}, where earlier calls wrote their results.`];
}

async function print(report: ExperimentReport, { options, terminal }: Call): Promise<void> {
  if (options.json === true) return await terminal.print(JSON.stringify(report.comparison));
  if (options.markdown === true) return await terminal.print(renderMarkdown(report));
  for (const line of renderText(report, lookOf(terminal))) await terminal.print(line);
}

/** Messages of the runs that failed, by their names. */
async function runAll(call: Call): Promise<Map<string, string>> {
  const { options, terminal } = call;
  const failures = new Map<string, string>();
  await runJobs(await jobsOf(call), {
    parallel: options.jobs,
    signal: terminal.signal,
    onFailure: (name, message) => {
      failures.set(name, message);
      terminal.log(`${name}: failed: ${message}`);
    },
  });
  return failures;
}

/** Every run: the start, then the reference, then the others, then those at equal FLOPs. Refuses runs of other settings before hours of work. */
async function jobsOf(call: Call): Promise<Job[]> {
  const jobs: Job[] = [];
  const add = (place: Place, after: readonly Place[], more: Partial<CellRun> = {}) =>
    jobs.push({
      name: nameOf(place),
      after: after.map(nameOf),
      run: (signal) => runCell({ call, place, copied: after, ...more }, signal),
    });
  for (const block of blocksOf(call)) {
    const start = placeOf(call, { ...block, method: START });
    const places = call.methods.map((method) => placeOf(call, { ...block, method }));
    for (const place of [start, ...places]) {
      await finished(call, place);
      keptOf(call, place);
    }
    add(start, []);
    const [first] = places;
    for (const place of places) add(place, place === first ? [start] : [start, first!]);
    for (const method of call.equalFlops) {
      const own = placeOf(call, { ...block, method });
      const needed = [own, placeOf(call, { ...block, method: call.grid.reference })];
      const place = placeOf(call, { ...block, method }, 'flops');
      add(place, needed, { copied: [own], tokens: () => equalTokens(call, place) });
    }
  }
  return jobs;
}

interface CellRun {
  readonly call: Call;
  readonly place: Place;
  /** Runs whose stages it copies where they are the same: of the last one that is finished. */
  readonly copied: readonly Place[];
  /** Optimizer tokens, where they are not the grid's; null: there is nothing to run. */
  readonly tokens?: () => Promise<number | null>;
}

async function runCell({ call, place, copied, tokens }: CellRun, signal: AbortSignal): Promise<void> {
  const { options, terminal } = call;
  const name = nameOf(place);
  const budget = tokens === undefined ? undefined : await tokens();
  if (budget === null) return terminal.log(`${name}: not run, it costs as much as ${call.grid.reference}`);
  const kept = keptOf(call, place, budget);
  if (kept !== null) return terminal.log(`${name}: its results are in ${kept.file}`);
  const config = await configOf(call, place, budget);
  if (await isFinished(place.dir, config)) return terminal.log(`${name}: done before`);
  const fromRun = await lastFinished(call, copied);
  const file = `${place.dir}.config.json`;
  await makeFolders(join(place.dir, '..'));
  const own = withExecutionOf(options, config, relative(call.out, place.dir));
  await replaceFile(nodeDisk, file, [`${JSON.stringify(own, null, 2)}\n`]);
  terminal.log(`${name}: begins`);
  const began = terminal.now();
  const onLine = (line: string) => terminal.log(`${name} | ${line}`);
  await runInChild({ out: place.dir, config: file, fromRun, signal, onLine });
  terminal.log(`${name}: done in ${formatDuration(terminal.now() - began)}`);
}

async function lastFinished(call: Call, places: readonly Place[]): Promise<string | undefined> {
  for (const place of places.toReversed()) if (await finished(call, place)) return place.dir;
  return undefined;
}

/**
 * The configuration of a run, executed as the options say: they win, and several runs at a time share the cores. Each has a place of its own in the
 * storage, as in the experiment's folder.
 */
function withExecutionOf(
  { jobs, provider, threads, slots }: ExperimentOptions,
  { engine, ...config }: Config,
  name: string,
): Config {
  const shared = jobs > 1 ? 1 : null;
  const own = { provider: provider ?? engine.provider, threads: threads ?? engine.threads ?? shared };
  const storage = engine.storage === null ? null : addressBelow(engine.storage, ...name.split(sep));
  return { ...config, engine: { ...engine, ...own, slots: slots ?? engine.slots, storage } };
}

/** The command that makes the same figures. */
function commandOf({ file, options, flags }: Call): string {
  const words = ['sipf', 'experiment', file];
  if (options.seeds !== undefined) words.push('--seeds', options.seeds.join(','));
  if (options.methods !== undefined) words.push('--methods', options.methods.join(','));
  if (options.jobs > 1) words.push('--jobs', String(options.jobs));
  for (const [key, value] of Object.entries(flags)) words.push(`--${key}`, String(value));
  return words.map(shellWord).join(' ');
}

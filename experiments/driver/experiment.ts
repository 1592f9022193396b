// npm run experiment -- NAME: seeds and arms -> finished runs, and a table of their comparison.

import { join } from 'node:path';
import { Argument, Command, InvalidArgumentError } from 'commander';
import { execute } from '#sipf/cli/execute.js';
import { type ExecutionOptions, finish, integer, threads, withExecution } from '#sipf/cli/options.js';
import { formatDuration } from '#sipf/cli/progress.js';
import { dottedFlags } from '#sipf/cli/settings.js';
import type { Terminal } from '#sipf/cli/terminal.js';
import type { Config } from '#sipf/config/schema.js';
import { SipfError } from '#sipf/errors.js';
import { makeFolders, nodeDisk, replaceFile } from '#sipf/io/files.js';
import { ARMS, type ArmName, DEFAULT_ARMS, DEFAULT_FLOPS_ARMS, EXPERIMENTS, type ExperimentName } from './arms.ts';
import { compareArms } from './comparison.ts';
import { type Job, runInChild, runJobs } from './jobs.ts';
import { collect, configOf, equalFlops, finished, nameOf, type Place, type Plan, placeOf } from './plan.ts';
import { checkSection, renderExperiment, writeResults, writeSection } from './report.ts';
import { isFinished } from './runs.ts';

interface ExperimentOptions extends ExecutionOptions {
  readonly seeds?: readonly number[];
  readonly methods?: readonly ArmName[];
  readonly oracle?: boolean;
  readonly flopsMethods?: readonly ArmName[];
  readonly out?: string;
  readonly results?: string;
  readonly report?: string;
  readonly jobs: number;
  readonly tableOnly?: boolean;
  readonly json?: boolean;
}

/** A plan, and what this call does with it. */
interface Call extends Plan {
  /** Folder of the small result files and the document; null: not written. */
  readonly results: string | null;
  readonly report: string | null;
  readonly options: ExperimentOptions;
}

function program(terminal: Terminal): Command {
  const command = withExecution(new Command('experiment'))
    .description(
      'Run every method from one warm-up, seed by seed, and compare them at equal cost. Goes on where it stopped.',
    )
    .usage('[options] [--KEY VALUE ...] NAME')
    .addArgument(new Argument('<name>', 'which experiment').choices(Object.keys(EXPERIMENTS)))
    .option('--seeds <list>', "seeds, separated by commas (default: the experiment's)", list(integer({ min: 0 })))
    .option(
      '--methods <list>',
      `arms at equal optimizer tokens: ${ARMS.join(', ')} (default: ${DEFAULT_ARMS.length === ARMS.length ? 'all' : DEFAULT_ARMS.join(', ')})`,
      list(arm),
    )
    .option('--oracle', 'one more arm: path scores from the true correctness of each step, an upper bound')
    .option(
      '--flops-methods <list>',
      `arms that run once more at the model FLOPs of sipf; all or none too (default: ${DEFAULT_FLOPS_ARMS.join(', ')})`,
      flopsArms,
    )
    .option('--out <dir>', 'where the runs lie (default: runs/experiment-NAME)')
    .option('--results <dir>', 'where the small result files go (default: experiments/NAME)')
    .option('--report <file>', 'document that gets the table between its markers (default: docs/RESULTS.md)')
    .option(
      '--jobs <n>',
      'runs at a time; with more than one each has one thread unless --threads says otherwise',
      threads,
      1,
    )
    .option('--table-only', 'run nothing: the table of the arms that are finished')
    .allowUnknownOption()
    .allowExcessArguments();
  finish(
    command,
    'print {rows, unequal} and nothing else on stdout',
    'npm run experiment -- mini --jobs 2',
    'npm run experiment -- mini --seeds 1 --methods sipf,continued-sft --align.loss.lambda 0.2 --out runs/tune',
  );
  command.addHelpText(
    'after',
    "\nWith other seeds, methods or settings (--KEY VALUE, as of sipf run) than the experiment's own, results and report are written only where --results and --report say so.",
  );
  return command
    .exitOverride()
    .showHelpAfterError('(--help shows the options and an example)')
    .configureHelp({ helpWidth: process.stdout.columns ?? 100 })
    .action((name: ExperimentName, options: ExperimentOptions) =>
      experiment(callOf(name, options, dottedFlags(command, 1)), terminal),
    );
}

function list<T>(parse: (text: string) => T): (text: string) => T[] {
  return (text) => [...new Set(text.split(',').map((part) => parse(part.trim())))];
}

function arm(text: string): ArmName {
  const known = ARMS.find((name) => name === text);
  if (known === undefined) throw new InvalidArgumentError(`Expected ${ARMS.join(', ')}, got '${text}'.`);
  return known;
}

function flopsArms(text: string): ArmName[] {
  if (text === 'none') return [];
  return text === 'all' ? ARMS.filter((name) => name !== 'sipf') : list(arm)(text);
}

function callOf(name: ExperimentName, options: ExperimentOptions, flags: Readonly<Record<string, string>>): Call {
  const { seeds, flopsMethods = DEFAULT_FLOPS_ARMS, out = `runs/experiment-${name}`, results, report } = options;
  const methods = [...new Set([...(options.methods ?? DEFAULT_ARMS), ...(options.oracle ? ['oracle' as const] : [])])];
  const own =
    seeds === undefined &&
    options.methods === undefined &&
    Object.keys(flags).every((key) => key.startsWith('engine.'));
  return {
    name,
    out,
    seeds: seeds ?? EXPERIMENTS[name].seeds,
    // sipf first: the others copy its samples, labels and PRM wherever theirs would be the same.
    methods: [...methods].sort((a, b) => Number(b === 'sipf') - Number(a === 'sipf')),
    flopsMethods: methods.includes('sipf') ? flopsMethods.filter((one) => one !== 'sipf' && methods.includes(one)) : [],
    flags,
    results: results ?? (own ? `experiments/${name}` : null),
    report: report ?? (own ? 'docs/RESULTS.md' : null),
    options,
  };
}

async function experiment(plan: Call, terminal: Terminal): Promise<void> {
  const section = plan.report === null ? null : { path: plan.report, name: `experiment:${plan.name}` };
  if (section !== null) await checkSection(section);
  terminal.resumes('Finished runs and stages are kept: the same command continues.');
  const failures = new Map<string, string>();
  if (plan.options.tableOnly !== true) {
    await runJobs(await jobsOf(plan, terminal), {
      parallel: plan.options.jobs,
      signal: terminal.signal,
      onFailure: (name, message) => {
        failures.set(name, message);
        terminal.log(`${name}: failed: ${message}`);
      },
    });
  }
  const { summaries, notes } = await collect(plan);
  if (summaries.length === 0) {
    throw new SipfError(
      'nothing-left',
      `Expected a finished arm in ${plan.out} to make a table of, got none. Run the experiment without --table-only, or fix what failed above.`,
    );
  }
  const comparison = compareArms(summaries);
  const failed = [...failures].map(([name, message]) => `${name} failed: ${message.split('\n')[0]}`);
  const unfinished = notes.filter(({ name }) => !failures.has(name)).map(({ text: why }) => why);
  const text = renderExperiment({
    comparison,
    summaries,
    command: commandOf(plan),
    tuningSeeds: EXPERIMENTS[plan.name].tuningSeeds,
    notes: [...unfinished, ...failed],
  });
  await writeResults(join(plan.out, 'results'), { text, comparison, summaries });
  if (plan.results !== null) await writeResults(plan.results, { text, comparison, summaries });
  if (section !== null) await writeSection(section, text);
  await terminal.print(plan.options.json === true ? JSON.stringify(comparison) : text);
  for (const path of [join(plan.out, 'results'), plan.results, plan.report])
    if (path !== null) terminal.log(`Written: ${path}`);
  if (failures.size > 0)
    throw new SipfError(
      'nothing-left',
      `Expected every arm to finish, got ${failures.size} that failed: ${[...failures.keys()].join(', ')}. See their messages above; the same command tries them again.`,
    );
}

/** Every run of every seed: the start, then sipf, then the others, then those at equal FLOPs. */
async function jobsOf(plan: Call, terminal: Terminal): Promise<Job[]> {
  const jobs: Job[] = [];
  for (const seed of plan.seeds) {
    const start = placeOf(plan, seed, 'start');
    const sipf = plan.methods.includes('sipf') ? placeOf(plan, seed, 'sipf') : null;
    const places = plan.methods.map((one) => placeOf(plan, seed, one));
    // Refuses runs of other settings before hours of work.
    for (const place of [start, ...places]) await isFinished(place.dir, await configOf(plan, place));
    const add = (
      place: Place,
      after: readonly Place[],
      from: () => Promise<string | undefined>,
      tokens?: () => Promise<number | null>,
    ) =>
      jobs.push({
        name: nameOf(place),
        after: after.map(nameOf),
        run: (signal) => runArm({ plan, place, from, tokens }, terminal, signal),
      });
    const fromStart = async () => start.dir;
    const fromSipf = async () => (sipf !== null && (await finished(plan, sipf)) ? sipf.dir : start.dir);
    add(start, [], async () => undefined);
    for (const place of places) {
      if (place.arm === 'sipf') add(place, [start], fromStart);
      else add(place, [sipf ?? start], fromSipf);
    }
    for (const one of plan.flopsMethods) {
      const equal = placeOf(plan, seed, one);
      const tokens = () => equalFlops(plan, seed, one);
      add(placeOf(plan, seed, one, 'flops'), [equal], async () => equal.dir, tokens);
    }
  }
  return jobs;
}

interface RunArmArgs {
  readonly plan: Call;
  readonly place: Place;
  readonly from: () => Promise<string | undefined>;
  readonly tokens: (() => Promise<number | null>) | undefined;
}

async function runArm(
  { plan, place, from, tokens }: RunArmArgs,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const name = nameOf(place);
  const budget = tokens === undefined ? undefined : await tokens();
  if (budget === null) return terminal.log(`${name}: not run, it costs as much as sipf`);
  const config = await configOf(plan, place, budget);
  if (await isFinished(place.dir, config)) return terminal.log(`${name}: done before`);
  const fromRun = await from();
  const file = `${place.dir}.config.json`;
  await makeFolders(join(place.dir, '..'));
  await replaceFile(nodeDisk, file, [`${JSON.stringify(withExecutionOf(plan.options, config), null, 2)}\n`]);
  terminal.log(`${name}: begins`);
  const began = terminal.now();
  const onLine = (line: string) => terminal.log(`${name} | ${line}`);
  await runInChild({ out: place.dir, config: file, fromRun, signal, onLine });
  terminal.log(`${name}: done in ${formatDuration(terminal.now() - began)}`);
}

/** The configuration of a run, executed as the options say: they win, and several runs at a time share the cores. */
function withExecutionOf({ jobs, provider, threads }: ExperimentOptions, { engine, ...config }: Config): Config {
  const shared = jobs > 1 ? 1 : null;
  const { provider: configured, threads: own } = engine;
  return { ...config, engine: { ...engine, provider: provider ?? configured, threads: threads ?? own ?? shared } };
}

function commandOf({ name, options, flags }: Call): string {
  const words = ['npm run experiment --', name];
  if (options.seeds !== undefined) words.push('--seeds', options.seeds.join(','));
  if (options.methods !== undefined) words.push('--methods', options.methods.join(','));
  if (options.oracle === true) words.push('--oracle');
  if (options.flopsMethods !== undefined) words.push('--flops-methods', options.flopsMethods.join(',') || 'none');
  if (options.jobs > 1) words.push('--jobs', String(options.jobs));
  for (const [key, value] of Object.entries(flags)) words.push(`--${key}`, value);
  return words.join(' ');
}

await execute('experiment', (terminal, argv) => program(terminal).parseAsync(argv, { from: 'user' }));

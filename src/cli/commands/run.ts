// sipf run: a configuration and a run directory -> the whole loop there, run or resumed.
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { openBackend } from '../../backends/index.ts';
import { engineOf } from '../../config/engine.ts';
import { goneFrom, readsOf } from '../../config/paths.ts';
import type { Config } from '../../config/schema.ts';
import { SipfError, sipfCommand } from '../../errors.ts';
import { MethodName } from '../../method/methods.ts';
import { ScoreOptions } from '../../method/score.ts';
import { runLoop } from '../../pipeline/run-loop.ts';
import { configOfRun, configOfStorage, readRun } from '../../pipeline/run-reader.ts';
import { type LogEvent, stageTitle } from '../../run/events.ts';
import { isRun, noRunAt } from '../../run/no-run.ts';
import { type ExecutionOptions, finish, withExecution } from '../options.ts';
import { checkRunOut } from '../outputs.ts';
import { progressLines } from '../progress.ts';
import { dottedFlags, readSettings, type SettingsOptions, withSettings } from '../settings.ts';
import type { Terminal } from '../terminal.ts';
import { dryRun } from './dry-run.ts';
import { lookOf, overview, printAll, printExample } from './show.ts';

interface RunCommandOptions extends SettingsOptions, ExecutionOptions {
  readonly out?: string;
  readonly model?: string;
  readonly adapter?: string;
  readonly task?: string;
  readonly data?: string;
  readonly method?: string;
  readonly scorer?: string;
  readonly fromRun?: string;
  readonly dryRun?: boolean;
  readonly measure: boolean;
  readonly json?: boolean;
}

export function runCommand(terminal: Terminal): Command {
  const command = withSettings(
    withExecution(new Command('run'))
      .description('Run the whole loop, or continue the run in --out. Every stage that is done stays done.')
      .option('--out <dir>', 'run directory (default: runs/ and the preset)')
      .option('--model <path>', 'Hugging Face folder, .gguf file, hub id or s3:// address')
      .option('--adapter <dir>', 'PEFT adapter folder or s3:// address')
      .option('--task <name>', 'kind of question')
      .option('--data <path>', "the task's file or folder (default: the hub, or generated)")
      .addOption(new Option('--method <name>', 'what to do in each round').choices(MethodName.options))
      .addOption(
        new Option('--scorer <name>', 'where path scores come from').choices(
          ScoreOptions.shape.scorer.unwrap().options,
        ),
      )
      .option('--from-run <dir>', 'a new run that copies the stages of this one which did not change')
      .option('--dry-run', 'print the configuration and what it will cost, from a probe of about a minute, and stop')
      .option('--no-measure', 'with --dry-run: no probe; it says what it assumes instead'),
  );
  return finish(
    command,
    'print {out, rounds, final, policy}; with --dry-run {config, estimate, calibration}',
    'sipf run --preset smoke --out runs/first --seed 1',
    'sipf run --preset gsm8k-smollm2 --model SmolLM2.gguf --data gsm8k/ --sampling.temperature 0.8 --dry-run',
    'sipf run --out runs/first          (continues after a stop)',
  ).action((options: RunCommandOptions) => run(command, options, terminal));
}

async function run(command: Command, options: RunCommandOptions, terminal: Terminal): Promise<void> {
  const out = options.out ?? `runs/${options.preset?.join('+') ?? options.method ?? 'run'}`;
  await checkRunOut(options, out);
  const config = await resolveConfig(command, options, out);
  await using backend = await openBackend(engineOf(config), { log: terminal.log });
  const { fromRun, json = false } = options;
  if (options.dryRun === true)
    return await dryRun({ config, out, fromRun, backend, json, measure: options.measure }, terminal);
  using lines = progressLines(terminal.progress, ({ stage, iteration }) => stageTitle(stage, iteration));
  terminal.resumes(`Finished work is kept. Continue with: ${sipfCommand('run', '--out', out)}`);
  const { rounds, final, policy } = await runLoop({
    config,
    out,
    backend,
    fromRun,
    signal: terminal.signal,
    onProgress: lines.onProgress,
    log: (event) => {
      // A stage's progress line ends before the next line of any stage.
      if (event.type.startsWith('stage-')) lines.end();
      logEvent(event, terminal);
    },
  });
  lines.end();
  if (json) return await terminal.print(JSON.stringify({ out, rounds, final, policy }));
  const view = await readRun(out);
  await printExample(view, 2, terminal);
  await printAll(terminal, [
    '',
    ...overview(view, lookOf(terminal)),
    '',
    `More: ${sipfCommand('show', out, '--pairs')}`,
  ]);
}

/** Without a preset or file, an existing run (or --from-run, or the run that a storage has) gives the settings that the flags change; the run itself refuses what it cannot continue with. */
async function resolveConfig(command: Command, options: RunCommandOptions, out: string): Promise<Config> {
  const { model, adapter, task, data, method, scorer, preset, config, fromRun } = options;
  const own = { model, adapter, 'task.name': task, 'task.data': data, method, 'score.scorer': scorer };
  const named = preset !== undefined || config !== undefined;
  // An option that is not known says more than a run that is not there: it may be a mistyped --preset.
  const storage = dottedFlags(command)['engine.storage'];
  const stored = named ? null : await configOfRun(fromRun ?? out);
  const base = stored ?? (named || storage === undefined ? null : await configOfStorage(storage, out));
  if (base === null && fromRun !== undefined && !(await isRun(fromRun)))
    throw await noRunAt(fromRun, 'a run to copy stages from');
  if (base === null && !named && model === undefined && options.out !== undefined)
    throw await noRunAt(out, 'a run to continue (--model or --preset begins a new one)');
  const settings = await readSettings(command, options, own, base);
  if (base !== null) checkPlaces(fromRun ?? out, base, settings);
  return settings;
}

/** A run's paths are kept relative to it: one that was copied elsewhere may not find what it reads. */
function checkPlaces(dir: string, stored: Config, settings: Config): void {
  const used = new Set(readsOf(settings).map(({ path }) => path));
  const [gone] = goneFrom(dir, stored).filter(({ path }) => used.has(path));
  if (gone === undefined) return;
  throw new SipfError(
    'not-found',
    `Expected ${gone.path} where the run ${dir} has it (${join(dir, gone.path)}), got nothing there. If one of them was moved, say where it is now: --${gone.option} PATH.`,
  );
}

function logEvent({ type, stage, iteration, message }: LogEvent, terminal: Terminal): void {
  const where = stage === undefined ? '' : stageTitle(stage, iteration ?? 0);
  if (type === 'warning') terminal.warn(message ?? '');
  if (type === 'questions' || type === 'storage') terminal.log(message ?? '');
  if (type === 'stage-skipped') terminal.log(`${where}: done before`);
  if (type === 'stage-start') terminal.log(`${where}: begins`);
}

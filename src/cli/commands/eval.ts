// sipf eval: a model and a task -> its accuracy on the task's questions, greedy, with an interval.
import { Command, InvalidArgumentError, Option } from 'commander';
import { engineOf } from '../../config/engine.ts';
import { SipfError } from '../../errors.ts';
import { type Disk, nodeDisk } from '../../io/files.ts';
import { MOST } from '../../limits.ts';
import { ScoreOptions } from '../../method/score.ts';
import { setReports } from '../../method/set-reports.ts';
import { requireTexts } from '../../method/task-signals.ts';
import { withoutBrokenOnes } from '../../pipeline/files/questions.ts';
import type { Figure, SetReport } from '../../reports.ts';
import { passAtFigure, triesOf } from '../../statistics/pass-at.ts';
import { SPLITS, type Split, type Task } from '../../task.ts';
import type { OpenTasks } from '../../tasks/index.ts';
import { readModelSettings } from '../engine.ts';
import {
  counts,
  finish,
  integer,
  limit,
  type SandboxFlags,
  tasksWith,
  withModel,
  withSampling,
  withSandbox,
} from '../options.ts';
import { checkOut } from '../outputs.ts';
import type { Terminal } from '../terminal.ts';
import { type Answered, type AnswerOptions, answerAll, writeAnswers } from './eval-answers.ts';
import { bestOfReport, checkBestOf, RANKS, type RankOption } from './eval-best-of.ts';
import { loadAsked } from './eval-questions.ts';
import { lookOf, printAll } from './show.ts';
import { renderBestOf } from './show-best-of.ts';
import { percent } from './show-rounds.ts';
import { openOne } from './stage-work.ts';

export interface EvalOptions extends AnswerOptions {
  readonly task: string;
  readonly data?: string;
  readonly split?: Split;
  readonly limit?: number;
  readonly shotsFile?: string;
  /** Which k of pass@k; of samples for best-of alone: none. */
  readonly passAt: readonly number[];
  readonly json?: boolean;
}

export function evalCommand(terminal: Terminal): Command {
  const described = new Command('eval').description(
    "Greedy accuracy (pass@1) of a model on a task's questions and its sound answers, with 95 % intervals; with --samples also pass@k, with --best-of what choosing among samples gives.",
  );
  const command = withSandbox(withSampling(withModel(described), 0.8))
    .usage('[options] [--engine.KEY VALUE ...] [--prompt.KEY VALUE ...]')
    .requiredOption('--task <name>', 'kind of question')
    .option('--data <path>', "the task's file or folder (default: the hub, or generated)")
    .addOption(
      new Option('--split <name>', 'which questions (default: all of a file that --data names, else test)').choices(
        SPLITS,
      ),
    )
    .option('--limit <n...>', 'the first n questions: 50, or first 50', limit)
    .option('--shots <k>', 'worked examples before each question (default: 0)', integer({ min: 0, max: MOST.shots }))
    .option(
      '--shots-file <file>',
      "JSONL of {question, steps} to take them from (default: the task's train split; generated ones where it has none)",
    )
    .option('--chat', "put questions into the model's chat template")
    .option('--max-tokens <n>', "longest completion (default: the task's)", integer({ min: 1, max: MOST.tokens }))
    .option(
      '--samples <n>',
      'draw n samples of each question, too, and estimate pass@k',
      integer({ min: 1, max: MOST.samples }),
    )
    .option('--pass-at <k,...>', 'which k (default: 1,10)', counts)
    .option(
      '--best-of <n>',
      'draw n samples of each question: majority vote, and the best by each scorer',
      integer({ min: 2, max: MOST.samples }),
    )
    .option('--scorer <name,...>', `scorers for --best-of: ${RANKS.join(', ')} (default: what costs nothing)`, ranks)
    .option('--prm <dir>', 'process reward model for the scorers prm and prm-logprob')
    .option('--calibration <file>', "weights of prm-logprob: a run's 4-calibration.json")
    .option('--probe <file>', "the probe: a run's 3-probe.json, or what train-probe wrote, of this very model")
    .addOption(
      new Option('--path <rule>', 'how step scores make a path score (default: mean)').choices(
        ScoreOptions.shape.path.unwrap().options,
      ),
    )
    .option('--seed <n>', 'random seed of the samples', integer({ min: 0 }), 0)
    .option('--out <file>', 'JSONL to keep every completion with its grade in; a stopped evaluation continues there');
  return finish(
    command,
    'print {task, n, correct, accuracy, ci95: [lo, hi], truncated, tokensPerSecond, sound, falseAmongRight}; with --samples also passAt: {"1": {value, ci95, n}, ...}; with --best-of also bestOf: {questions, samples, rules}',
    'sipf eval --model ./SmolLM2-135M --task gsm8k --data gsm8k/ --split test --limit 100 --shots 4 --json',
    'sipf eval --model ./SmolLM2-135M --task humaneval --samples 20 --temperature 0.8 --pass-at 1,10 --json',
    'sipf eval --model runs/first/iteration-2/6-policy --task mini --best-of 8 --scorer prm,logprob --prm runs/first/iteration-2/3-prm',
  ).action(async (options: EvalFlags & SandboxFlags) => {
    const config = await readModelSettings(command, options, promptFlags(options), ['prompt']);
    const given = { ...options, ...drawnAs(options), engine: engineOf(config), prompt: config.prompt };
    await evaluate(given, terminal, tasksWith(options));
  });
}

/** As the command line has them: --chat, --shots and --shots-file are settings of the prompt. */
interface EvalFlags extends Omit<EvalOptions, 'engine' | 'prompt' | 'passAt'> {
  readonly passAt?: readonly number[];
  readonly chat?: boolean;
  readonly shots?: number;
}

/** --best-of alone draws as many samples, and asks for no pass@k: its table has one. */
function drawnAs({ samples, bestOf, passAt }: EvalFlags): Pick<EvalOptions, 'samples' | 'passAt'> {
  const drawn = samples ?? bestOf;
  const fallback = samples === undefined && bestOf !== undefined ? [] : [1, 10];
  return { ...(drawn === undefined ? {} : { samples: drawn }), passAt: passAt ?? fallback };
}

/** `prm,logprob` -> names of scorers, each once. */
function ranks(text: string): RankOption[] {
  const names = new Set(text.split(',').map((name) => name.trim()));
  const known = RANKS.filter((name) => names.has(name));
  if (known.length === names.size) return known;
  throw new InvalidArgumentError(`Expected some of ${RANKS.join(', ')}, joined by commas, got '${text}'.`);
}

function promptFlags({ chat, shots, shotsFile }: EvalFlags): Record<string, unknown> {
  return { 'prompt.style': chat ? 'chat' : undefined, 'prompt.shots': shots, 'prompt.shotsFile': shotsFile };
}

/**
 * `disk`: where --out goes.
 * @throws SipfError 'bad-input' where options do not belong together, and what stopped the evaluation, after the score of what was answered.
 */
export async function evaluate(
  options: EvalOptions,
  terminal: Terminal,
  tasks: OpenTasks,
  disk: Disk = nodeDisk,
): Promise<void> {
  await using opened = tasks;
  const task = openOne(opened, options.task, 'eval');
  checkOptions(options);
  if (options.calculator === true) requireTexts(task, '--calculator');
  const weights = await checkBestOf(options, task);
  const { out } = options;
  if (out !== undefined) {
    await checkOut('eval', { ...options, out });
    // Hours of answers must not end at a path that cannot be written.
    await disk.append(out, '', false);
  }
  const asked = await loadAsked(opened, task, options, terminal);
  const questions = await withoutBrokenOnes(task, asked.questions, terminal);
  const answered = await answerAll({ ...asked, task, questions, options, weights, disk }, terminal);
  try {
    if (out !== undefined) await writeAnswers(disk, out, answered);
  } finally {
    // A full disk does not cost the score.
    await report({ task, split: asked.split, options, ...answered }, terminal);
  }
}

function checkOptions({ limit: count, samples, passAt }: EvalOptions): void {
  if (Number.isNaN(count)) {
    throw new SipfError('bad-input', 'Expected a number after --limit first, got none. Give one: --limit 50.');
  }
  const largest = Math.max(...passAt);
  if (samples !== undefined && largest > samples) {
    throw new SipfError(
      'bad-input',
      `Expected at least ${largest} --samples for --pass-at ${passAt.join(',')}, got ${samples}. Draw more, or leave ${largest} out.`,
    );
  }
}

interface ReportArgs extends Answered {
  readonly task: Task;
  readonly split: string;
  readonly options: EvalOptions;
}

async function report(given: ReportArgs, terminal: Terminal): Promise<void> {
  const { task, options, answers, samples, tokensPerSecond } = given;
  const [own] = await setReports(answers, null);
  if (own === undefined) throw new Error('No report came of the answers.');
  const { n, correct, accuracy, ci95, sound, falseAmongRight, truncated, errors } = own;
  if (errors > 0) terminal.log(`${errors} answers could not be graded and are left out of n.`);
  const tries = triesOf(samples);
  const passAt = options.passAt.map((k) => [String(k), passAtFigure(tries, k)] as const);
  const sampled = samples.length === 0 || passAt.length === 0 ? {} : { passAt: Object.fromEntries(passAt) };
  const bestOf = await bestOfReport(given);
  if (options.json) {
    const figures = { task: task.name, n, correct, accuracy, ci95, truncated, tokensPerSecond, sound, falseAmongRight };
    const { task: _task, split: _split, ...chosen } = bestOf ?? {};
    return await terminal.print(JSON.stringify({ ...figures, ...sampled, ...(bestOf && { bestOf: chosen }) }));
  }
  await printAll(terminal, linesOf(own, given));
  for (const [k, figure] of Object.entries(sampled.passAt ?? {})) {
    const text = figure === null ? 'too few questions' : withInterval(figure);
    await terminal.print(`pass@${k}: ${text}, ${options.samples} samples of each question`);
  }
  if (bestOf !== null) await printAll(terminal, renderBestOf([{ policy: 'model', report: bestOf }], lookOf(terminal)));
}

/** Accuracy, and soundness where steps can be checked. */
function linesOf(own: SetReport, { task, split, tokensPerSecond }: ReportArgs): string[] {
  const { n, correct, accuracy: value, ci95, sound, falseAmongRight, truncated } = own;
  const line =
    `${task.name} ${split}: ${withInterval({ value, ci95 })}, ${correct} of ${n} right, ` +
    `${truncated} truncated, ${Math.round(tokensPerSecond)} tokens/s`;
  if (sound === null) return [line];
  const among =
    falseAmongRight === null
      ? ''
      : `; of ${falseAmongRight.n} right answers with a step that can be checked ${withInterval(falseAmongRight)} have a false one`;
  return [line, `sound (right, and no step is false): ${withInterval(sound)}${among}`];
}

function withInterval({ value, ci95: [low, high] }: Pick<Figure, 'value' | 'ci95'>): string {
  return `${percent(value)} % (95 % interval ${percent(low)} to ${percent(high)})`;
}

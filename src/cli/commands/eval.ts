// sipf eval: a model and a task -> its accuracy on the task's questions, greedy, with an interval.
import { Command, Option } from 'commander';
import { engineOf } from '../../config/engine.ts';
import { SipfError } from '../../errors.ts';
import { type Disk, nodeDisk } from '../../io/files.ts';
import { MOST } from '../../limits.ts';
import { setReports } from '../../method/set-reports.ts';
import { withoutBrokenOnes } from '../../pipeline/files/questions.ts';
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
import { loadAsked } from './eval-questions.ts';
import { percent } from './show-rounds.ts';
import { openOne } from './stage-work.ts';

export interface EvalOptions extends AnswerOptions {
  readonly task: string;
  readonly data?: string;
  readonly split?: Split;
  readonly limit?: number;
  readonly shotsFile?: string;
  readonly passAt: readonly number[];
  readonly json?: boolean;
}

export function evalCommand(terminal: Terminal): Command {
  const described = new Command('eval').description(
    "Greedy accuracy (pass@1) of a model on a task's questions, with a 95 % interval (Wilson); with --samples also pass@k.",
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
    .option('--pass-at <k,...>', 'which k', counts, [1, 10])
    .option('--seed <n>', 'random seed of the samples', integer({ min: 0 }), 0)
    .option('--out <file>', 'JSONL to keep every completion with its grade in; a stopped evaluation continues there');
  return finish(
    command,
    'print {task, n, correct, accuracy, ci95: [lo, hi], truncated, tokensPerSecond}; with --samples also passAt: {"1": {value, ci95, n}, ...}',
    'sipf eval --model ./SmolLM2-135M --task gsm8k --data gsm8k/ --split test --limit 100 --shots 4 --json',
    'sipf eval --model ./SmolLM2-135M --task humaneval --samples 20 --temperature 0.8 --pass-at 1,10 --json',
  ).action(async (options: EvalFlags & SandboxFlags) => {
    const config = await readModelSettings(command, options, promptFlags(options), ['prompt']);
    const given = { ...options, engine: engineOf(config), prompt: config.prompt };
    await evaluate(given, terminal, tasksWith(options));
  });
}

/** As the command line has them: --chat, --shots and --shots-file are settings of the prompt. */
type EvalFlags = Omit<EvalOptions, 'engine' | 'prompt'> & { readonly chat?: boolean; readonly shots?: number };

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
  const { out } = options;
  if (out !== undefined) {
    await checkOut('eval', { ...options, out });
    // Hours of answers must not end at a path that cannot be written.
    await disk.append(out, '', false);
  }
  const asked = await loadAsked(opened, task, options, terminal);
  const questions = await withoutBrokenOnes(task, asked.questions, terminal);
  const answered = await answerAll({ ...asked, task, questions, options, disk }, terminal);
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

async function report(
  { task, split, options, answers, samples, tokensPerSecond }: ReportArgs,
  terminal: Terminal,
): Promise<void> {
  const [own] = await setReports(answers, null);
  if (own === undefined) throw new Error('No report came of the answers.');
  const { n, correct, accuracy, ci95, truncated, errors } = own;
  if (errors > 0) terminal.log(`${errors} answers could not be graded and are left out of n.`);
  const tries = triesOf(samples);
  const passAt = options.passAt.map((k) => [String(k), passAtFigure(tries, k)] as const);
  const sampled = options.samples === undefined ? {} : { passAt: Object.fromEntries(passAt) };
  if (options.json) {
    const figures = { task: task.name, n, correct, accuracy, ci95, truncated, tokensPerSecond };
    return await terminal.print(JSON.stringify({ ...figures, ...sampled }));
  }
  const interval = ([low, high]: readonly [number, number]) => `95 % interval ${percent(low)} to ${percent(high)}`;
  await terminal.print(
    `${task.name} ${split}: ${percent(accuracy)} % (${interval(ci95)}), ${correct} of ${n} right, ` +
      `${truncated} truncated, ${Math.round(tokensPerSecond)} tokens/s`,
  );
  for (const [k, figure] of Object.entries(sampled.passAt ?? {})) {
    const text = figure === null ? 'too few questions' : `${percent(figure.value)} % (${interval(figure.ci95)})`;
    await terminal.print(`pass@${k}: ${text}, ${options.samples} samples of each question`);
  }
}

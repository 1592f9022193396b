// sipf eval: a model and a task -> its accuracy on the task's questions, greedy, with an interval.
import { Command, Option } from 'commander';
import { openBackend } from '../backends/open.ts';
import { nodeDisk, replaceFile } from '../disk.ts';
import { SipfError } from '../errors.ts';
import { MOST } from '../limits.ts';
import { inUnits } from '../pipeline/counts.ts';
import { type Answer, answerUnit, setReports } from '../pipeline/evaluate.ts';
import { passAtFigure, type Tries, triesOf } from '../pipeline/pass-at.ts';
import { makePrompter, PromptOptions } from '../pipeline/prompt.ts';
import { sampleAnswers } from '../pipeline/sample-answers.ts';
import type { Question } from '../records.ts';
import type { OpenTasks } from '../tasks/index.ts';
import type { Shot, Split, Task } from '../tasks/task.ts';
import { loadAsked } from './eval-questions.ts';
import {
  counts,
  finish,
  integer,
  limit,
  type ModelOptions,
  modelSource,
  type SandboxFlags,
  tasksWith,
  withModel,
  withSampling,
  withSandbox,
} from './options.ts';
import { openOne, withoutBrokenOnes } from './stage.ts';
import type { Terminal } from './terminal.ts';

/** Questions that share the slots of the model. */
const UNIT = 64;
const GRADE_RETRIES = 2;

export interface EvalOptions extends ModelOptions {
  readonly task: string;
  readonly data?: string;
  readonly split?: Split;
  readonly limit?: number;
  readonly shots: number;
  readonly shotsFile?: string;
  readonly chat?: boolean;
  readonly maxTokens?: number;
  /** Samples of each question for pass@k; absent: the greedy answer alone. */
  readonly samples?: number;
  readonly temperature: number;
  readonly topP: number;
  readonly topK: number;
  readonly passAt: readonly number[];
  readonly seed: number;
  readonly out?: string;
  readonly json?: boolean;
}

export function evalCommand(terminal: Terminal): Command {
  const described = new Command('eval').description(
    "Greedy accuracy (pass@1) of a model on a task's questions, with a 95 % interval (Wilson); with --samples also pass@k.",
  );
  const command = withSandbox(withSampling(withModel(described), 0.8))
    .requiredOption('--task <name>', 'kind of question')
    .option('--data <path>', "the task's file or folder (default: the hub, or generated)")
    .addOption(
      new Option('--split <name>', 'which questions (default: all of a file that --data names, else test)').choices([
        'train',
        'valid',
        'test',
      ]),
    )
    .option('--limit <n...>', 'the first n questions: 50, or first 50', limit)
    .option('--shots <k>', 'worked examples before each question', integer({ min: 0, max: MOST.shots }), 0)
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
    .option('--out <file>', 'JSONL to keep every completion with its grade in');
  return finish(
    command,
    'print {task, n, correct, accuracy, ci95: [lo, hi], truncated, tokensPerSecond}; with --samples also passAt: {"1": {value, ci95, n}, ...}',
    'sipf eval --model ./SmolLM2-135M --task gsm8k --data gsm8k/ --split test --limit 100 --shots 4 --json',
    'sipf eval --model ./SmolLM2-135M --task humaneval --samples 20 --temperature 0.8 --pass-at 1,10 --json',
  ).action((options: EvalOptions & SandboxFlags) => evaluate(options, terminal, tasksWith(options)));
}

export async function evaluate(options: EvalOptions, terminal: Terminal, tasks: OpenTasks): Promise<void> {
  await using opened = tasks;
  const task = openOne(opened, options.task, 'eval');
  checkOptions(options);
  // Hours of answers must not end at a path that cannot be written.
  if (options.out !== undefined) await nodeDisk.append(options.out, '', false);
  const asked = await loadAsked(opened, task, options, terminal);
  const { split, shots } = asked;
  const questions = await withoutBrokenOnes({ task }, asked.questions, terminal);
  const answers: Answer[] = [];
  const samples: Answer[] = [];
  const tokensPerSecond = await answerAll({ task, split, shots, questions, options, answers, samples }, terminal);
  if (options.out !== undefined) {
    await replaceFile(
      nodeDisk,
      options.out,
      [...answers, ...samples].map((answer) => `${JSON.stringify(answer)}\n`),
    );
  }
  await report({ task, split, options, answers, samples, tokensPerSecond }, terminal);
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

interface ReportArgs {
  readonly task: Task;
  readonly split: string;
  readonly options: EvalOptions;
  readonly answers: readonly Answer[];
  readonly samples: readonly Answer[];
  readonly tokensPerSecond: number;
}

async function report(
  { task, split, options, answers, samples, tokensPerSecond }: ReportArgs,
  terminal: Terminal,
): Promise<void> {
  const [own] = await setReports(answers, null);
  if (own === undefined) throw new Error('No report came of the answers.');
  const { n, correct, accuracy, ci95, truncated, errors } = own;
  if (errors > 0) terminal.log(`${errors} answers could not be judged and are left out of n.`);
  const passAt = options.samples === undefined ? null : passAtReport(triesOf(samples), options.passAt);
  if (options.json) {
    const figures = { task: task.name, n, correct, accuracy, ci95, truncated, tokensPerSecond };
    await terminal.print(JSON.stringify({ ...figures, ...(passAt === null ? {} : { passAt }) }));
    return;
  }
  const percent = (share: number) => (100 * share).toFixed(1);
  const interval = ([low, high]: readonly [number, number]) => `95 % interval ${percent(low)} to ${percent(high)}`;
  await terminal.print(
    `${task.name} ${split}: ${percent(accuracy)} % (${interval(ci95)}), ${correct} of ${n} right, ` +
      `${truncated} truncated, ${Math.round(tokensPerSecond)} tokens/s`,
  );
  for (const [k, figure] of Object.entries(passAt ?? {})) {
    const text = figure === null ? 'too few questions' : `${percent(figure.value)} % (${interval(figure.ci95)})`;
    await terminal.print(`pass@${k}: ${text}, ${options.samples} samples of each question`);
  }
}

function passAtReport(tries: readonly Tries[], ks: readonly number[]) {
  return Object.fromEntries(ks.map((k) => [String(k), passAtFigure(tries, k)]));
}

interface AnswerAllArgs {
  readonly task: Task;
  readonly split: string;
  readonly shots: readonly Shot[];
  readonly questions: readonly Question[];
  readonly options: EvalOptions;
  /** Filled in the order of `questions`. */
  readonly answers: Answer[];
  readonly samples: Answer[];
}

/** Answers every question and returns how many tokens the model wrote a second, its opening apart. */
async function answerAll(args: AnswerAllArgs, terminal: Terminal): Promise<number> {
  const { task, split, shots, questions, options, answers, samples } = args;
  await using backend = await openBackend(options, terminal.warn);
  const openPolicy = () => backend.openPolicy(modelSource(options));
  const style = PromptOptions.parse({ style: options.chat ? 'chat' : 'plain' });
  const prompt = await makePrompter({ task, options: style, shots, openPolicy });
  await using policy = await openPolicy();
  const set = { task, split, prompt, questions };
  const shared = { policy, maxTokens: options.maxTokens ?? null, signal: terminal.signal };
  const { temperature, topP, topK, seed } = options;
  const progress = terminal.progress({ title: `eval ${task.name}`, unit: 'questions', total: questions.length });
  const started = terminal.now();
  let tokens = 0;
  try {
    for await (const unit of inUnits(questions, UNIT)) {
      const items = unit.map((question) => ({ set, question }));
      const { maxTokens } = shared;
      const greedy = await answerUnit(items, { ...shared, options: { maxTokens, gradeRetries: GRADE_RETRIES } });
      answers.push(...greedy.records);
      tokens += greedy.counts.generatedTokens ?? 0;
      if (options.samples !== undefined) {
        const sampling = { temperature, topP, topK };
        const drawn = await sampleAnswers(items, {
          ...shared,
          samples: options.samples,
          sampling,
          gradeRetries: GRADE_RETRIES,
          seed,
        });
        samples.push(...drawn.records);
        tokens += drawn.counts.generatedTokens ?? 0;
      }
      progress.update(answers.length, `${answers.filter(({ outcome }) => outcome.kind === 'right').length} right`);
    }
  } finally {
    progress.end();
  }
  return tokens / Math.max(1e-3, (terminal.now() - started) / 1000);
}

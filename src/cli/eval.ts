// sipf eval: a model and a task -> its accuracy on the task's questions, greedy, with an interval.
import { Command, Option } from 'commander';
import type { Policy } from '../backends/backend.ts';
import { openBackend } from '../backends/open.ts';
import { nodeDisk, replaceFile } from '../disk.ts';
import { SipfError } from '../errors.ts';
import { inUnits } from '../pipeline/counts.ts';
import { type Answer, answerUnit, setReports } from '../pipeline/evaluate.ts';
import { passAtFigure, type Tries, triesOf } from '../pipeline/pass-at.ts';
import { type BuildPrompt, loadShots, makePrompter, PromptOptions } from '../pipeline/prompt.ts';
import { sampleAnswers } from '../pipeline/sample-answers.ts';
import type { Question } from '../records.ts';
import type { OpenTasks } from '../tasks/index.ts';
import type { Split, Task } from '../tasks/task.ts';
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
/** Generated questions to take worked examples from. */
const MINI_EXAMPLES = 64;
const GRADE_RETRIES = 2;

export interface EvalOptions extends ModelOptions {
  readonly task: string;
  readonly data?: string;
  readonly split: Split;
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
    .addOption(new Option('--split <name>', 'which questions').choices(['train', 'valid', 'test']).default('test'))
    .option('--limit <n...>', 'the first n questions: 50, or first 50', limit)
    .option('--shots <k>', 'worked examples before each question', integer({ min: 0 }), 0)
    .option(
      '--shots-file <file>',
      "JSONL of {question, steps} to take them from (default: the task's train split, or generated ones where it has none)",
    )
    .option('--chat', "put questions into the model's chat template")
    .option('--max-tokens <n>', "longest completion (default: the task's)", integer({ min: 1 }))
    .option('--samples <n>', 'draw n samples of each question, too, and estimate pass@k', integer({ min: 1 }))
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
  const { data, split } = options;
  checkOptions(options);
  // Hours of answers must not end at a path that cannot be written.
  if (options.out !== undefined) await nodeDisk.append(options.out, '', false);
  const loaded = await task.load({ data, split, limit: options.limit });
  const questions = await withoutBrokenOnes({ task }, loaded, terminal);
  if (questions.length === 0) {
    throw new SipfError(
      'nothing-left',
      `Expected questions in the ${split} split of ${task.name}, got none. Check --data and --split.`,
    );
  }
  const answers: Answer[] = [];
  const samples: Answer[] = [];
  const tokensPerSecond = await answerAll({ tasks: opened, task, questions, options, answers, samples }, terminal);
  if (options.out !== undefined) {
    await replaceFile(
      nodeDisk,
      options.out,
      [...answers, ...samples].map((answer) => `${JSON.stringify(answer)}\n`),
    );
  }
  await report({ task, options, answers, samples, tokensPerSecond }, terminal);
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
  readonly options: EvalOptions;
  readonly answers: readonly Answer[];
  readonly samples: readonly Answer[];
  readonly tokensPerSecond: number;
}

async function report(
  { task, options, answers, samples, tokensPerSecond }: ReportArgs,
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
    `${task.name} ${options.split}: ${percent(accuracy)} % (${interval(ci95)}), ${correct} of ${n} right, ` +
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
  readonly tasks: OpenTasks;
  readonly task: Task;
  readonly questions: readonly Question[];
  readonly options: EvalOptions;
  /** Filled in the order of `questions`. */
  readonly answers: Answer[];
  readonly samples: Answer[];
}

/** Answers every question and returns how many tokens the model wrote a second, its opening apart. */
async function answerAll(args: AnswerAllArgs, terminal: Terminal): Promise<number> {
  const { task, questions, options, answers, samples } = args;
  await using backend = await openBackend(options, terminal.warn);
  const openPolicy = () => backend.openPolicy(modelSource(options));
  const prompt = await openPrompt(args, openPolicy, terminal);
  await using policy = await openPolicy();
  const set = { task, split: options.split, prompt, questions };
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

async function openPrompt(
  { tasks, task, options }: AnswerAllArgs,
  openPolicy: () => Promise<Policy>,
  terminal: Terminal,
): Promise<BuildPrompt> {
  const { shots: count, shotsFile, chat, data } = options;
  const fallback = count > 0 && shotsFile === undefined ? await workedExamples(tasks, task, data, terminal) : [];
  const shots = await loadShots({ task, count, file: shotsFile ?? null, fallback, data });
  const style = PromptOptions.parse({ style: chat ? 'chat' : 'plain' });
  return makePrompter({ task, options: style, shots, openPolicy });
}

/** Questions with solutions, none of them a test question: the task's train split, or generated ones where the task is a test set only. */
async function workedExamples(
  tasks: OpenTasks,
  task: Task,
  data: string | undefined,
  terminal: Terminal,
): Promise<Question[]> {
  if (task.examples !== undefined) return [];
  if (task.testOnly !== true) return task.load({ data, split: 'train' });
  const name = task.judgedBy === 'tests' ? 'mini-code' : 'mini';
  terminal.log(
    `${task.name} is a test set only: its worked examples are generated ones (${name}). --shots-file names others.`,
  );
  return tasks.named(name).load({ split: 'train', limit: MINI_EXAMPLES });
}

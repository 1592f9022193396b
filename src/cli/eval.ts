// sipf eval: a model and a task -> its accuracy on the task's questions, greedy, with an interval.
import { Command, Option } from 'commander';
import { openBackend } from '../backends/open.ts';
import { nodeDisk, replaceFile } from '../disk.ts';
import { SipfError } from '../errors.ts';
import { inUnits } from '../pipeline/counts.ts';
import { type Answer, answerUnit, setReports } from '../pipeline/evaluate.ts';
import { loadShots, makePrompter, PromptOptions } from '../pipeline/prompt.ts';
import type { Question } from '../records.ts';
import { taskNamed } from '../tasks/index.ts';
import type { Split, Task } from '../tasks/task.ts';
import { finish, integer, limit, type ModelOptions, modelSource, withModel } from './options.ts';
import type { Terminal } from './terminal.ts';

/** Questions that share the slots of the model. */
const UNIT = 64;
/** Generated questions to take worked examples from. */
const MINI_EXAMPLES = 64;

interface EvalOptions extends ModelOptions {
  readonly task: string;
  readonly data?: string;
  readonly split: Split;
  readonly limit?: number;
  readonly shots: number;
  readonly shotsFile?: string;
  readonly chat?: boolean;
  readonly maxTokens?: number;
  readonly out?: string;
  readonly json?: boolean;
}

export function evalCommand(terminal: Terminal): Command {
  const command = withModel(
    new Command('eval').description("Greedy accuracy of a model on a task's questions, with a 95 % interval (Wilson)."),
  )
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
    .option('--out <file>', 'JSONL to keep every completion with its grade in');
  return finish(
    command,
    'print {task, n, correct, accuracy, ci95: [lo, hi], truncated, tokensPerSecond}',
    'sipf eval --model ./SmolLM2-135M --task gsm8k --data gsm8k/ --split test --limit 100 --shots 4 --json',
  ).action((options: EvalOptions) => evaluate(options, terminal));
}

async function evaluate(options: EvalOptions, terminal: Terminal): Promise<void> {
  const task = taskNamed(options.task);
  const { data, split } = options;
  if (Number.isNaN(options.limit)) {
    throw new SipfError('bad-input', 'Expected a number after --limit first, got none. Give one: --limit 50.');
  }
  // Hours of answers must not end at a path that cannot be written.
  if (options.out !== undefined) await nodeDisk.append(options.out, '', false);
  const questions = await task.load({ data, split, limit: options.limit });
  if (questions.length === 0) {
    throw new SipfError(
      'nothing-left',
      `Expected questions in the ${split} split of ${task.name}, got none. Check --data and --split.`,
    );
  }
  const answers: Answer[] = [];
  const tokensPerSecond = await answerAll({ task, questions, options, answers }, terminal);
  if (options.out !== undefined) {
    await replaceFile(
      nodeDisk,
      options.out,
      answers.map((answer) => `${JSON.stringify(answer)}\n`),
    );
  }
  const [report] = await setReports(answers, null);
  if (report === undefined) throw new Error('No report came of the answers.');
  const { n, correct, accuracy, ci95, truncated, errors } = report;
  if (errors > 0) terminal.log(`${errors} answers could not be judged and are left out of n.`);
  if (options.json) {
    await terminal.print(JSON.stringify({ task: task.name, n, correct, accuracy, ci95, truncated, tokensPerSecond }));
    return;
  }
  const percent = (share: number) => (100 * share).toFixed(1);
  await terminal.print(
    `${task.name} ${split}: ${percent(accuracy)} % (95 % interval ${percent(ci95[0])} to ${percent(ci95[1])}), ${correct} of ${n} right, ` +
      `${truncated} truncated, ${Math.round(tokensPerSecond)} tokens/s`,
  );
}

interface AnswerAllArgs {
  readonly task: Task;
  readonly questions: readonly Question[];
  readonly options: EvalOptions;
  /** Filled in the order of `questions`. */
  readonly answers: Answer[];
}

/** Answers every question and returns how many tokens the model wrote a second, its opening apart. */
async function answerAll({ task, questions, options, answers }: AnswerAllArgs, terminal: Terminal): Promise<number> {
  const { split, shots: count, shotsFile, chat, data } = options;
  await using backend = await openBackend(options);
  const openPolicy = () => backend.openPolicy(modelSource(options));
  const shotSource = count > 0 && shotsFile === undefined ? await workedExamples(task, data, terminal) : [];
  const shots = await loadShots({ task, count, file: shotsFile ?? null, fallback: shotSource, data });
  const style = PromptOptions.parse({ style: chat ? 'chat' : 'plain' });
  const prompt = await makePrompter({ task, options: style, shots, openPolicy });
  await using policy = await openPolicy();
  const set = { task, split, prompt, questions };
  const context = {
    policy,
    options: { maxTokens: options.maxTokens ?? null, gradeRetries: 2 },
    signal: terminal.signal,
  };
  const progress = terminal.progress({ title: `eval ${task.name}`, unit: 'questions', total: questions.length });
  const started = terminal.now();
  let tokens = 0;
  try {
    for await (const unit of inUnits(questions, UNIT)) {
      const { records, counts } = await answerUnit(
        unit.map((question) => ({ set, question })),
        context,
      );
      answers.push(...records);
      tokens += counts.generatedTokens ?? 0;
      progress.update(answers.length, `${answers.filter(({ outcome }) => outcome.kind === 'right').length} right`);
    }
  } finally {
    progress.end();
  }
  return tokens / Math.max(1e-3, (terminal.now() - started) / 1000);
}

/** Questions with solutions, none of them a test question: the task's train split, or those of mini where the task is a test set only. */
async function workedExamples(task: Task, data: string | undefined, terminal: Terminal): Promise<Question[]> {
  if (task.testOnly !== true) return task.load({ data, split: 'train' });
  terminal.log(
    `${task.name} is a test set only: its worked examples are generated ones (mini). --shots-file names others.`,
  );
  return taskNamed('mini').load({ split: 'train', limit: MINI_EXAMPLES });
}

// sipf grade: completions with their references, or programs with their tests -> right or wrong.
import { Command } from 'commander';
import { z } from 'zod';
import { SipfError } from '../../errors.ts';
import { jsonText } from '../../io/exact-json.ts';
import { ExactNumberValue, RecordId, type Row, readRows } from '../../io/jsonl.ts';
import { gradeWithRetries, type Task } from '../../task.ts';
import type { OpenTasks } from '../../tasks/index.ts';
import { referenceAnswer } from '../../tasks/math/answers.ts';
import { choicesOf } from '../../tasks/math/choices.ts';
import { finish, type SandboxFlags, tasksWith, withSandbox } from '../options.ts';
import type { Terminal } from '../terminal.ts';
import { ProgramLine, programGrader } from './grade-programs.ts';
import { openOne } from './stage-work.ts';

const AnswerLine = z.looseObject({
  id: RecordId,
  /** An answer, or a GSM8K solution whose answer follows `####`. */
  reference: z.union([z.string(), z.number(), ExactNumberValue]),
  completion: z.string(),
  /** Options of a multiple-choice question, as the task's data has them; `reference` is then a letter, an index or an option's text. */
  choices: z.unknown().optional(),
  options: z.unknown().optional(),
});
type AnswerLine = z.infer<typeof AnswerLine>;

export interface GradeOptions {
  readonly task: string;
  readonly in: string;
  readonly data?: string;
  readonly json?: boolean;
}

/** One line's grade as it is printed; `correct` null: it could not be graded. */
interface GradedLine {
  readonly id: RecordId;
  readonly correct: boolean | null;
}

/** Lines that are graded at a time. */
const AT_ONCE = 8;

export function gradeCommand(terminal: Terminal): Command {
  const command = withSandbox(new Command('grade'))
    .description(
      "Grade each answer, in the input's order: read it out of the completion and compare it with the reference, or run the program and its tests.",
    )
    .requiredOption('--task <name>', 'how answers are graded')
    .requiredOption(
      '--in <file>',
      'JSONL of {id?, reference, completion}; for code {id?, code, tests: []} or {task_id, completion}; - is stdin',
    )
    .option('--data <path>', "for {task_id, completion}: the task's file or folder (default: the hub)");
  return finish(
    command,
    'print {id, extracted, correct} a line; for code {id, correct, verdict, reason, detail}',
    'sipf grade --task gsm8k --in completions.jsonl --json',
    `echo '{"reference": "#### 29", "completion": "It costs $29.00."}' | sipf grade --task gsm8k --in - --json`,
    `echo '{"code": "def f(x): return x", "tests": ["assert f(1) == 1"]}' | sipf grade --task mbpp --in - --json`,
    'sipf grade --task humaneval --data HumanEval.jsonl --in samples.jsonl',
  ).action((options: GradeOptions & SandboxFlags) => grade(options, terminal, tasksWith(options)));
}

/**
 * `tasks`: where the task and its sandbox come from.
 * @throws SipfError 'bad-input' for an empty file, and where a completion got no grade.
 */
export async function grade(options: GradeOptions, terminal: Terminal, tasks: OpenTasks): Promise<void> {
  await using opened = tasks;
  const task = openOne(opened, options.task, 'grade');
  const { green, red, yellow } = terminal.colors;
  const counts = { n: 0, correct: 0, failed: 0 };
  for await (const { line, note } of gradedLines(task, options, terminal, opened)) {
    counts.n += 1;
    if (line.correct === null) counts.failed += 1;
    if (line.correct) counts.correct += 1;
    const word = line.correct ? green('right') : line.correct === null ? yellow('error') : red('wrong');
    await terminal.print(options.json ? jsonText(line) : `${word}  ${line.id}  ${note}`);
  }
  if (counts.n === 0)
    throw new SipfError(
      'bad-input',
      `Expected answers to grade in ${options.in}, got an empty file. Name another one.`,
    );
  if (!options.json) terminal.log(`${counts.correct} of ${counts.n} right`);
  if (counts.failed > 0) {
    throw new SipfError(
      'bad-input',
      `Expected to grade ${counts.n} completions, got no grade for ${counts.failed} (correct: null). Fix what their detail names, or run them again.`,
    );
  }
}

interface Noted {
  readonly line: GradedLine;
  /** For people. */
  readonly note: string;
}

function gradedLines(
  task: Task,
  { in: path, data }: GradeOptions,
  { signal }: Terminal,
  tasks: OpenTasks,
): AsyncGenerator<Noted> {
  if (task.gradedBy === 'answer') {
    return inOrder(readRows(path, AnswerLine, signal), (row) => gradeAnswer(task, row));
  }
  const gradeLine = programGrader({ task, data, sandbox: tasks.sandbox, signal });
  return inOrder(readRows(path, ProgramLine, signal), async (row) => {
    const line = await gradeLine(row);
    return { line, note: [line.reason, line.detail].filter((part) => part !== null && part !== '').join(': ') };
  });
}

async function gradeAnswer(task: Task, { index, place, value }: Row<AnswerLine>): Promise<Noted> {
  const { choices, options, reference } = value;
  const chosen = choicesOf({ value: { choices, options, reference }, index, place });
  const answer = chosen?.answer ?? answerOf(task, String(reference), place);
  const shown = chosen === null ? {} : { choices: [...chosen.options] };
  const question = { id: '', task: task.name, question: '', answer, ...shown };
  const given = { question, text: value.completion, finishReason: 'stop' } as const;
  const { extracted, outcome } = await gradeWithRetries(task, given);
  const line = {
    id: value.id ?? index,
    extracted,
    correct: outcome.kind === 'error' ? null : outcome.kind === 'right',
  };
  const error = outcome.kind === 'error' ? { error: outcome.reason } : {};
  return { line: { ...line, ...error }, note: extracted ?? '(no answer)' };
}

function answerOf(task: Task, reference: string, place: string): string {
  const answer = task.reference === undefined ? referenceAnswer(reference) : task.reference(reference);
  if (answer !== null) return answer;
  throw new SipfError(
    'bad-input',
    `${place}, field "reference": Expected an answer, got ${JSON.stringify(reference)}. Fix that line.`,
  );
}

/** Applies `work` to several items at a time; results come in the items' order, and an error only after those before it. */
export async function* inOrder<T, R>(
  items: AsyncIterable<T> | Iterable<T>,
  work: (item: T) => Promise<R>,
  atOnce = AT_ONCE,
): AsyncGenerator<R> {
  const running: Promise<R>[] = [];
  let failed: { readonly error: unknown } | null = null;
  try {
    for await (const item of items) {
      const result = work(item);
      result.catch(() => undefined);
      running.push(result);
      if (running.length >= atOnce) yield await running.shift()!;
    }
  } catch (error) {
    failed = { error };
  }
  while (running.length > 0) yield await running.shift()!;
  if (failed !== null) throw failed.error;
}

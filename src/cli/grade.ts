// sipf grade: completions with their references -> the answer found in each and whether it is right. Needs no model.
import { Command } from 'commander';
import { z } from 'zod';
import { SipfError } from '../errors.ts';
import { referenceAnswer } from '../tasks/answers.ts';
import { taskNamed } from '../tasks/index.ts';
import type { Task } from '../tasks/task.ts';
import { RecordId, type Row, readRows } from './jsonl.ts';
import { finish } from './options.ts';
import type { Terminal } from './terminal.ts';

const GradeLine = z.looseObject({
  id: RecordId,
  /** An answer, or a GSM8K solution whose answer follows `####`. */
  reference: z.union([z.string(), z.number()]),
  completion: z.string(),
});
type GradeLine = z.infer<typeof GradeLine>;

interface GradeOptions {
  readonly task: string;
  readonly in: string;
  readonly json?: boolean;
}

export function gradeCommand(terminal: Terminal): Command {
  const command = new Command('grade')
    .description("Read the answer out of each completion and compare it with the reference, in the input's order.")
    .requiredOption('--task <name>', 'how answers are read')
    .requiredOption('--in <file>', 'JSONL of {id?, reference, completion}; - is stdin');
  return finish(
    command,
    'print {id, extracted, correct} a line',
    'sipf grade --task gsm8k --in completions.jsonl --json',
    `echo '{"reference": "#### 29", "completion": "It costs $29.00."}' | sipf grade --task gsm8k --in - --json`,
  ).action((options: GradeOptions) => grade(options, terminal));
}

async function grade({ task: name, in: path, json }: GradeOptions, terminal: Terminal): Promise<void> {
  const task = taskNamed(name);
  const { green, red } = terminal.colors;
  const counts = { n: 0, correct: 0, failed: 0 };
  for await (const row of readRows(path, GradeLine, terminal.signal)) {
    const line = await gradeRow(task, row);
    counts.n += 1;
    if (line.correct === null) counts.failed += 1;
    if (line.correct) counts.correct += 1;
    const word = line.correct ? green('right') : red('wrong');
    await terminal.print(json ? JSON.stringify(line) : `${word}  ${line.id}  ${line.extracted ?? '(no answer)'}`);
  }
  if (!json) terminal.log(`${counts.correct} of ${counts.n} right`);
  if (counts.failed > 0) {
    throw new SipfError(
      'bad-input',
      `Expected to judge ${counts.n} completions, got no judgement for ${counts.failed} (correct: null). Run them again.`,
    );
  }
}

async function gradeRow(task: Task, { index, place, value }: Row<GradeLine>) {
  const answer = answerOf(value.reference, place);
  const { extracted, outcome } = await task.grade(
    { id: '', task: task.name, question: '', answer },
    value.completion,
    'stop',
  );
  const id = value.id ?? index;
  if (outcome.kind === 'error') return { id, extracted, correct: null, error: outcome.reason };
  return { id, extracted, correct: outcome.kind === 'right' };
}

function answerOf(reference: string | number, place: string): string {
  const answer = referenceAnswer(String(reference));
  if (answer !== null) return answer;
  throw new SipfError(
    'bad-input',
    `${place}, field "reference": Expected an answer, got ${JSON.stringify(reference)}. Mend that line.`,
  );
}

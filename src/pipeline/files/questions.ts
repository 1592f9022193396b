// A command's --questions, or --data and --split -> questions; files -> records by question.
import { z } from 'zod';
import { SipfError } from '../../errors.ts';
import { hashPath } from '../../io/file-hashes.ts';
import { ExactNumberValue, RecordId, type Row, readAllRows, readRows } from '../../io/jsonl.ts';
import { CodeTests, type Question, type Sample, type StepScores } from '../../records.ts';
import { requireReader, type Split, type Task, taskOf } from '../../task.ts';
import { settleIds } from '../../tasks/data/record-ids.ts';
import { choicesOf, withOptions } from '../../tasks/math/choices.ts';
import { goldSteps } from '../../tasks/text/steps.ts';
import type { Configured } from '../prompts.ts';
import { describeBroken, withoutBroken } from '../references.ts';
import { loadTrainSplit } from '../train-questions.ts';
import { isWholeForStages } from './own-file.ts';

export interface QuestionOptions {
  /** JSONL of questions, in place of the task's data. */
  readonly questions?: string | undefined;
  readonly split?: Split | undefined;
  readonly limit?: number | undefined;
}

/** Leaves out questions whose own solutions fail their tests, and says so. */
export async function withoutBrokenOnes(
  task: Task,
  questions: readonly Question[],
  terminal: { readonly signal: AbortSignal; log(line: string): void },
): Promise<readonly Question[]> {
  const { kept, broken } = await withoutBroken(task, questions, { signal: terminal.signal });
  if (broken.length > 0) terminal.log(describeBroken(broken, questions.length));
  return kept;
}

const QuestionLine = z.looseObject({
  id: RecordId,
  question: z.string(),
  /** Tests take its place for code. */
  answer: z.union([z.string(), z.number(), ExactNumberValue]).default(''),
  /** Options of a multiple-choice question; `answer` is one of them. */
  choices: z.unknown().optional(),
  options: z.unknown().optional(),
  solution: z.union([z.array(z.string()), z.string()]).nullish(),
  /** The question's own task, in a mixture. */
  task: z.string().optional(),
  tests: CodeTests.optional(),
  prefix: z.string().optional(),
});

/** The questions of --questions, else of the task's data; says so where all of a file is read. */
export async function loadQuestions(
  { config, task }: Configured,
  options: QuestionOptions,
  log: (line: string) => void = () => {},
): Promise<Question[]> {
  if (options.questions === undefined) {
    requireReader([task], config.task.data);
    const { data, seed } = config.task;
    const whole = options.split === undefined && (await isWholeForStages(task, data));
    const { split = 'train', limit = config.task.limit } = options;
    // The settings of task choose train questions: a run's other splits are whole, too.
    if (split !== 'train') return task.load({ data: data ?? undefined, split, limit: options.limit, seed });
    const loaded = await loadTrainSplit(task, { ...config.task, limit }, whole);
    if (whole)
      log(
        `Reads ${loaded.length} questions of ${data}, of all its parts. --split train reads the part that a run trains on.`,
      );
    return loaded;
  }
  const rows = await readAllRows(options.questions, QuestionLine);
  const ids = settleIds(
    rows.map(({ value: { id } }) => (id === undefined || id === null ? undefined : String(id))),
    rows,
    ({ index }) => String(index),
  );
  const questions = rows.map((row, i) => questionOf(row, ids[i]!, task));
  return options.limit === undefined ? questions : questions.slice(0, options.limit);
}

function questionOf({ index, place, value }: Row<z.infer<typeof QuestionLine>>, id: string, task: Task): Question {
  const { solution, task: name, tests, prefix, choices, options } = value;
  const record = { value: { choices, options, answer: value.answer }, index, place };
  const chosen = tests === undefined ? choicesOf(record) : null;
  const answer = chosen?.answer ?? String(value.answer);
  const question = chosen === null ? value.question : withOptions(value.question, chosen.options);
  const own = task.members === undefined ? task : taskOf(task, { task: name });
  const needed = own.gradedBy === 'tests' ? tests : answer;
  if (needed === undefined || needed === '') {
    const field = own.gradedBy === 'tests' ? 'tests' : 'answer';
    throw new SipfError(
      'bad-input',
      `${place}, field "${field}": Expected what answers to ${own.name} are graded by, got nothing. Fix that line.`,
    );
  }
  const stated = chosen?.letter ?? answer;
  const split = (text: string) => (tests === undefined ? goldSteps(text.split('\n'), stated) : own.split(text));
  const steps = typeof solution === 'string' ? split(solution) : solution;
  return {
    id,
    task: own.name,
    question,
    answer,
    ...(steps ? { solution: steps } : {}),
    ...(tests === undefined ? {} : { tests }),
    ...(prefix === undefined ? {} : { prefix }),
    ...(chosen === null ? {} : { choices: chosen.options }),
  };
}

/**
 * Records of a file grouped by question, in the file's order.
 * @throws SipfError 'bad-input' where `known` lacks a record's question; it names the line.
 */
export async function rowsByQuestion<T extends { readonly questionId: string }>(
  path: string,
  schema: z.ZodType<T>,
  known: ReadonlyMap<string, Question>,
  signal: AbortSignal,
  checkRow: (row: Row<T>) => void = () => {},
): Promise<Map<string, T[]>> {
  const groups = new Map<string, T[]>();
  for await (const row of readRows(path, schema, signal)) {
    const { place, value } = row;
    requireQuestion(known, value.questionId, place);
    checkRow(row);
    const group = groups.get(value.questionId) ?? [];
    group.push(value);
    groups.set(value.questionId, group);
  }
  return groups;
}

/** @throws SipfError 'bad-input' where no such question is known; it names the line. */
export function requireQuestion(known: ReadonlyMap<string, Question>, id: string, place: Row<unknown>['place']): void {
  if (known.has(id)) return;
  throw new SipfError(
    'bad-input',
    `${place}, field "questionId": Expected the id of one of ${known.size} questions, got ${JSON.stringify(id)}. Give the --task, --data and --split, or the --questions, that these records come from.`,
  );
}

/**
 * Scores of another file's samples would pair nothing, or the wrong paths.
 * @throws SipfError 'bad-input' naming place and field.
 */
export function requireSample(
  samples: ReadonlyMap<string, readonly Sample[]>,
  file: string,
): (row: Row<StepScores>) => void {
  return ({ place, value }) => {
    const { sampleId, scores } = value;
    const sample = samples.get(value.questionId)?.find(({ id }) => id === sampleId);
    if (sample === undefined) {
      throw new SipfError(
        'bad-input',
        `${place}, field "sampleId": Expected the id of a sample in ${file}, got ${JSON.stringify(sampleId)}. Give the samples that were scored, those of earlier rounds too.`,
      );
    }
    if (scores === null || scores.length === sample.steps.length) return;
    throw new SipfError(
      'bad-input',
      `${place}, field "scores": Expected ${sample.steps.length} of them, one a step of ${sampleId}, got ${scores.length}. Score that sample again.`,
    );
  };
}

/** What a journal needs to know of a file: its hash; stdin is never the same twice. */
export async function fileInput(path: string, now: number): Promise<string> {
  if (path === '-') return `stdin at ${now}`;
  return (await hashPath(path)) ?? 'missing';
}

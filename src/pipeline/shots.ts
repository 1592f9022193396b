// A JSONL file, a task's own examples or train questions -> the worked examples of prompts.
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { SipfError } from '../errors.ts';
import { renameHint } from '../io/field-names.ts';
import type { Question } from '../records.ts';
import { type Shot, type Task, taskOf } from '../task.ts';

const ShotLine = z.object({
  task: z.string().optional(),
  question: z.string(),
  steps: z.array(z.string()).min(1).optional(),
  solution: z.union([z.array(z.string()).min(1), z.string()]).optional(),
});

export interface ShotSource {
  readonly task: Task;
  readonly count: number;
  /** JSONL to take them from; null: the task's own examples, else `fallback`. */
  readonly file: string | null;
  readonly fallback: readonly Question[];
  /** The task's data, for its own examples. */
  readonly data?: string | undefined;
}

/** The first `count` worked examples of a JSONL file, else of questions that have a solution; of a mixture, so many of each task. */
export async function loadShots({ task, count, file, fallback, data }: ShotSource): Promise<Shot[]> {
  if (count === 0) return [];
  if (file !== null) return enough(await shotsOfFile(task, file, count), count, file, true);
  const source = (await task.examples?.({ data })) ?? fallback;
  const { members } = task;
  if (members === undefined) return enough(shotsOfQuestions(source, count), count, 'the train questions');
  return members.flatMap(({ name }) => {
    const own = shotsOfQuestions(
      source.filter((question) => question.task === name),
      count,
    );
    return enough(own, count, `the train questions of ${name}`).map((shot) => ({ ...shot, task: name }));
  });
}

/** A line of prompt.shotsFile, for messages. */
const SHOT_FORMAT = '{"question": "...", "solution": "one step a line"}';

function enough(shots: Shot[], count: number, place: string, isFile = false): Shot[] {
  if (shots.length >= count) return shots;
  const more = count - shots.length;
  const how = isFile
    ? `Add ${more} lines of ${SHOT_FORMAT} to it`
    : `Give prompt.shotsFile (--shots-file of eval), a JSONL of ${SHOT_FORMAT}, or add a "solution" to ${more} more of those questions`;
  throw new SipfError(
    'bad-input',
    `Expected ${count} worked examples in ${place}, got ${shots.length}. ${how}, or ask for fewer (prompt.shots).`,
  );
}

function shotsOfQuestions(questions: readonly Question[], count: number): Shot[] {
  return questions
    .filter((question) => question.solution !== undefined)
    .slice(0, count)
    .map(({ question, solution }) => ({ question, steps: solution ?? [] }));
}

async function shotsOfFile(task: Task, file: string, count: number): Promise<Shot[]> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (cause) {
    throw new SipfError('not-found', `Expected worked examples in ${file}, got no readable file. Check the path.`, {
      cause,
    });
  }
  const lines = text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .slice(0, count);
  return lines.map((line, index) => {
    const parsed = ShotLine.safeParse(parseJson(line));
    const {
      task: name,
      question,
      steps,
      solution,
    } = parsed.success ? parsed.data : { task: undefined, question: '', steps: undefined, solution: undefined };
    const found = steps ?? (typeof solution === 'string' ? taskOf(task, { task: name }).split(solution) : solution);
    if (!parsed.success || found === undefined) {
      const hint = renameHint(asRecord(parseJson(line)), 'solution', ['question', 'solution']);
      throw new SipfError(
        'bad-input',
        `Expected ${SHOT_FORMAT} or {"question": "...", "steps": ["...", "..."]} in ${file} line ${index + 1}, got ${line.slice(0, 80)}.${hint || ' Fix that line.'}`,
      );
    }
    return { ...(name === undefined ? {} : { task: name }), question, steps: found };
  });
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return value !== null && typeof value === 'object' ? (value as Readonly<Record<string, unknown>>) : {};
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

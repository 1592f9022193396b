// A JSONL file, a task's own examples or train questions -> the worked examples of prompts.
import { z } from 'zod';
import { SipfError } from '../errors.ts';
import { check } from '../io/check.ts';
import { renameHint } from '../io/field-names.ts';
import { bytesOf, valuesOf } from '../io/jsonl.ts';
import type { Question } from '../records.ts';
import { type Shot, type Task, taskOf } from '../task.ts';

const ShotLine = z.object({
  task: z.string().optional(),
  question: z.string(),
  steps: z.array(z.string()).min(1).optional(),
  solution: z.union([z.array(z.string()).min(1), z.string()]).optional(),
});

interface ShotSource {
  readonly task: Task;
  readonly count: number;
  /** JSONL to take them from; null: the task's own examples, else `fallback`. */
  readonly file: string | null;
  readonly fallback: readonly Question[];
  /** The task's data, for its own examples. */
  readonly data?: string | undefined;
}

/**
 * The first `count` worked examples of a JSONL file, else of questions that have a solution; of a mixture, so many of each task.
 * @throws SipfError 'bad-input' where there are fewer, or a line is none; 'not-found' for the file.
 * @example
 * const shots = await loadShots({ task, count: 2, file: null, fallback: questions });
 */
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
  const shots: Shot[] = [];
  for await (const { value, place } of valuesOf(bytesOf(file), { name: file })) {
    if (shots.length === count) break;
    const { task: name, question, steps, solution } = check(ShotLine, value, place);
    const found = steps ?? (typeof solution === 'string' ? taskOf(task, { task: name }).split(solution) : solution);
    if (found === undefined) {
      const hint = renameHint(value as Readonly<Record<string, unknown>>, 'solution', ['question', 'solution']);
      throw new SipfError(
        'bad-input',
        `${place}: Expected ${SHOT_FORMAT} or {"question": "...", "steps": ["...", "..."]}, got neither solution nor steps.${hint || ' Fix that line.'}`,
      );
    }
    shots.push({ ...(name === undefined ? {} : { task: name }), question, steps: found });
  }
  return shots;
}

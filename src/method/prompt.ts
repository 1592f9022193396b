// Question -> the text before the model's first token: plain, with worked examples, or in the model's chat template. The only place that builds prompts.

import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Policy } from '../backend.ts';
import { described } from '../described.ts';
import { SipfError } from '../errors.ts';
import { MOST } from '../limits.ts';
import type { Question } from '../records.ts';
import { type Prompted, type Shot, type Task, taskOf } from '../task.ts';
import { renameHint } from '../tasks/data/field-names.ts';
import { sharedWith } from '../tasks/data/same-question.ts';

export const PromptOptions = z.strictObject({
  style: described(
    z.enum(['plain', 'chat']).default('plain'),
    "plain: the task's own format, for base models. chat: the model's chat template around instruction and question. Take chat for an instruct model without warm-up.",
  ),
  shots: described(
    z.number().int().min(0).max(MOST.shots).default(0),
    'Worked examples before each question. Give 2 to 8 to a base model without warm-up; prompts get longer and cost more.',
  ),
  shotsFile: described(
    z.string().nullable().default(null),
    'JSONL of worked examples ({"question", "steps"} or {"question", "solution"}). null: the train split\'s first questions with a solution. Give it where the questions have none.',
  ),
  system: described(
    z.string().nullable().default(null),
    'System message, with style chat. null: none. Give it where the model expects one.',
  ),
  instruction: described(
    z.string().nullable().default(null),
    "Text before each question, with style chat. null: the task's own. Change it where answers come in a form that is not read.",
  ),
});
export type PromptOptions = z.infer<typeof PromptOptions>;

export type BuildPrompt = (question: Prompted) => string;

export interface PrompterArgs {
  readonly task: Task;
  readonly options: PromptOptions;
  readonly shots: readonly Shot[];
  /** Opened only for `style: chat`. */
  readonly openPolicy: () => Promise<Policy>;
}

const PLACEHOLDER = 'SIPFQUESTIONPLACEHOLDER';

/** Builds the one prompt function that sampling, rollouts, training and evaluation share; of a mixture, each question's as its task has it. */
export async function makePrompter({ task, options, shots, openPolicy }: PrompterArgs): Promise<BuildPrompt> {
  if (options.style === 'plain') {
    return (question) => {
      const own = taskOf(task, question);
      return own.prompt(question, shotsFor(own, shots));
    };
  }
  await using policy = await openPolicy();
  const frames = new Map<Task, Frame>();
  for (const member of task.members ?? [task]) frames.set(member, await chatFrame(member, options, shots, policy));
  return (question) => {
    const { before, after } = frames.get(taskOf(task, question))!;
    return before + question.question + after;
  };
}

/** The text of a chat around its last question. */
interface Frame {
  readonly before: string;
  readonly after: string;
}

async function chatFrame(
  task: Task,
  { instruction, system }: PromptOptions,
  shots: readonly Shot[],
  policy: Policy,
): Promise<Frame> {
  const user = (text: string) => `${instruction ?? task.instruction}\n\n${text}`;
  const messages: { role: 'system' | 'user' | 'assistant'; content: string }[] = [];
  if (system !== null) messages.push({ role: 'system', content: system });
  for (const shot of shotsFor(task, shots)) {
    messages.push({ role: 'user', content: user(shot.question) });
    messages.push({ role: 'assistant', content: task.pieces(shot.steps).join('').trimEnd() });
  }
  messages.push({ role: 'user', content: user(PLACEHOLDER) });
  const template = await policy.chatPrompt(messages);
  const [before, after, ...more] = template.split(PLACEHOLDER);
  if (before === undefined || after === undefined || more.length > 0) {
    throw new SipfError(
      'unsupported',
      `Expected the chat template to show the user's message once, got ${template.split(PLACEHOLDER).length - 1} times. Use prompt.style plain.`,
    );
  }
  return { before, after };
}

function shotsFor({ name }: Task, shots: readonly Shot[]): readonly Shot[] {
  return shots.filter(({ task }) => task === undefined || task === name);
}

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

/** Leaves out what is shown as a worked example: its answer is in the prompt, so asking it teaches nothing. */
export function withoutShots<T extends Pick<Question, 'question'>>(
  questions: readonly T[],
  shots: readonly Shot[],
): readonly T[] {
  const shown = new Set(sharedWith(questions, shots));
  return questions.filter((question) => !shown.has(question));
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

// Question -> the text before the model's first token: plain, with worked examples, or in the model's chat template. The only place that builds prompts.
import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import type { Policy } from '../backends/backend.ts';
import { SipfError } from '../errors.ts';
import type { Question } from '../records.ts';
import type { Shot, Task } from '../tasks/task.ts';

export const PromptOptions = z.strictObject({
  /** plain: the task's own format. chat: the model's chat template around `instruction` and the question. */
  style: z.enum(['plain', 'chat']).default('plain'),
  /** Worked examples before each question; taken from `shotsFile` (JSONL: question, steps or solution), else the train split's first with a solution. */
  shots: z.number().int().min(0).default(0),
  shotsFile: z.string().nullable().default(null),
  system: z.string().nullable().default(null),
  instruction: z
    .string()
    .default('Solve the problem step by step, one step per line. End with a line "The answer is N".'),
});
export type PromptOptions = z.infer<typeof PromptOptions>;

export type BuildPrompt = (question: Pick<Question, 'question'>) => string;

export interface PrompterArgs {
  readonly task: Task;
  readonly options: PromptOptions;
  readonly shots: readonly Shot[];
  /** Opened only for `style: chat`. */
  readonly openPolicy: () => Promise<Policy>;
}

const PLACEHOLDER = 'SIPFQUESTIONPLACEHOLDER';

/** Builds the one prompt function that sampling, rollouts, training and evaluation share. */
export async function makePrompter({ task, options, shots, openPolicy }: PrompterArgs): Promise<BuildPrompt> {
  if (options.style === 'plain') return (question) => task.prompt(question, shots);
  await using policy = await openPolicy();
  const user = (text: string) => `${options.instruction}\n\n${text}`;
  const messages: { role: 'system' | 'user' | 'assistant'; content: string }[] = [];
  if (options.system !== null) messages.push({ role: 'system', content: options.system });
  for (const shot of shots) {
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
  return (question) => before + question.question + after;
}

const ShotLine = z.object({
  question: z.string(),
  steps: z.array(z.string()).min(1).optional(),
  solution: z.union([z.array(z.string()).min(1), z.string()]).optional(),
});

/** The first `count` worked examples of a JSONL file, else of `fallback` questions that have a solution. */
export async function loadShots(
  task: Task,
  count: number,
  file: string | null,
  fallback: readonly Question[],
): Promise<Shot[]> {
  if (count === 0) return [];
  const shots = file === null ? shotsOfQuestions(fallback, count) : await shotsOfFile(task, file, count);
  if (shots.length < count) {
    throw new SipfError(
      'bad-input',
      `Expected ${count} worked examples in ${file ?? 'the train split'}, got ${shots.length}. Lower prompt.shots or give prompt.shotsFile.`,
    );
  }
  return shots;
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
    const { question, steps, solution } = parsed.success
      ? parsed.data
      : { question: '', steps: undefined, solution: undefined };
    const found = steps ?? (typeof solution === 'string' ? task.split(solution) : solution);
    if (!parsed.success || found === undefined) {
      throw new SipfError(
        'bad-input',
        `Expected {"question": text, "steps": [texts]} in ${file} line ${index + 1}, got ${line.slice(0, 80)}. Fix that line.`,
      );
    }
    return { question, steps: found };
  });
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

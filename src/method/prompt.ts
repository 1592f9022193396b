// Question -> the text before the model's first token: plain, with worked examples, or as a chat.
import { z } from 'zod';
import type { Policy } from '../backend.ts';
import { described } from '../described.ts';
import { SipfError } from '../errors.ts';
import { MOST } from '../limits.ts';
import type { Question } from '../records.ts';
import { sharedWith } from '../same-question.ts';
import { type Prompted, type Shot, type Task, taskOf } from '../task.ts';

/** How questions are put to a model. */
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

/** A question -> the text before the model's first token. */
export type BuildPrompt = (question: Prompted) => string;

export interface PrompterArgs {
  readonly task: Task;
  readonly options: PromptOptions;
  readonly shots: readonly Shot[];
  /** Opened only for `style: chat`. */
  readonly openPolicy: () => Promise<Policy>;
}

const PLACEHOLDER = 'SIPFQUESTIONPLACEHOLDER';

/**
 * Builds the one prompt function that sampling, rollouts, training and evaluation share. Of a mixture, each question's is its own task's.
 * @throws SipfError 'unsupported' where a chat template does not show the user's message exactly once.
 * @example
 * const options = parseConfig({ prompt: { style: 'chat' } }).prompt;
 * const prompt = await makePrompter({ task, options, shots: [], openPolicy: () => backend.openPolicy({ model: './SmolLM2-135M' }) });
 * prompt({ question: '1 + 2 = ?' });
 */
export async function makePrompter({ task, options, shots, openPolicy }: PrompterArgs): Promise<BuildPrompt> {
  if (options.style === 'plain') {
    return (question) => {
      const own = taskOf(task, question);
      return own.prompt(question, shotsFor(own, shots));
    };
  }
  await using policy = await openPolicy();
  const frames = new Map<Task, Awaited<ReturnType<typeof chatFrame>>>();
  for (const member of task.members ?? [task]) frames.set(member, await chatFrame(member, options, shots, policy));
  return (question) => {
    const { before, after } = frames.get(taskOf(task, question))!;
    return before + question.question + after;
  };
}

async function chatFrame(
  task: Task,
  { instruction, system }: PromptOptions,
  shots: readonly Shot[],
  policy: Policy,
): Promise<{ before: string; after: string }> {
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

/** Leaves out what is shown as a worked example: its answer is in the prompt, so asking it teaches nothing. */
export function withoutShots<T extends Pick<Question, 'question'>>(
  questions: readonly T[],
  shots: readonly Shot[],
): readonly T[] {
  const shown = new Set(sharedWith(questions, shots));
  return questions.filter((question) => !shown.has(question));
}

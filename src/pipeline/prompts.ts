// A configuration and questions -> worked examples, prompts, and the questions not shown there.
import type { Policy } from '../backend.ts';
import type { Config } from '../config/schema.ts';
import { type BuildPrompt, makePrompter, withoutShots } from '../method/prompt.ts';
import type { Question } from '../records.ts';
import type { Shot, Task } from '../task.ts';
import { loadShots } from './shots.ts';

/** A configuration with its task. */
export interface Configured {
  readonly config: Config;
  readonly task: Task;
}

export interface Prompts {
  readonly shots: readonly Shot[];
  readonly prompt: BuildPrompt;
  /** The questions that the prompt does not show: those of the rounds and of training. */
  readonly asked: readonly Question[];
}

/** The worked examples that the settings ask for, of `questions` where nothing else has them. */
export function shotsOf({ config, task }: Configured, questions: readonly Question[]): Promise<Shot[]> {
  const { shots: count, shotsFile: file } = config.prompt;
  return loadShots({ task, count, file, fallback: questions, data: config.task.data ?? undefined });
}

/** `openPolicy`: the model that reads the prompts, for its chat template. */
export async function openPrompts(
  configured: Configured,
  questions: readonly Question[],
  openPolicy: () => Promise<Policy>,
): Promise<Prompts> {
  const shots = await shotsOf(configured, questions);
  const prompt = await promptOf(configured, shots, openPolicy);
  return { shots, prompt, asked: withoutShots(questions, shots) };
}

/** The prompts as the model that `openPolicy` opens reads them. */
export function promptOf(
  { config, task }: Configured,
  shots: readonly Shot[],
  openPolicy: () => Promise<Policy>,
): Promise<BuildPrompt> {
  return makePrompter({ task, options: config.prompt, shots, openPolicy });
}

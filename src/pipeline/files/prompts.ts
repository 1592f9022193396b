// A command's configuration and questions -> its prompts, and the questions that they do not show.
import type { Backend } from '../../backend.ts';
import type { Config } from '../../config/schema.ts';
import { SipfError } from '../../errors.ts';
import { withoutShots } from '../../method/prompt.ts';
import type { ModelSource, Question } from '../../records.ts';
import type { Shot } from '../../task.ts';
import { type Configured, openPrompts, type Prompts } from '../prompts.ts';
import { withoutBroken } from '../references.ts';
import { loadQuestions, type QuestionOptions } from './questions.ts';

/**
 * The model that --model (or the configuration) names.
 * @throws SipfError 'bad-input' where none is named.
 */
export function requireModel({ model, adapter }: Config): ModelSource {
  if (typeof model === 'string' && model !== '') return { model, adapter: adapter ?? undefined };
  throw new SipfError('bad-input', 'Expected --model with a Hugging Face folder or a .gguf file, got none. Name one.');
}

interface PromptArgs {
  readonly stage: Configured;
  readonly options: QuestionOptions;
  readonly questions: readonly Question[];
  readonly backend: Backend;
}

/** The prompt function of sampling and training, with the configured shots or chat template. */
export async function openPrompt(args: PromptArgs): Promise<Prompts> {
  const { stage, backend } = args;
  const openPolicy = async () => backend.openPolicy(requireModel(stage.config));
  return openPrompts(stage, await shownOf(args), openPolicy);
}

/**
 * The questions that the prompt does not show as worked examples: those that a run samples, labels and trains on. Says how many it shows.
 * @throws SipfError 'nothing-left' where it shows all of them.
 */
export function askedOf(
  questions: readonly Question[],
  shots: readonly Shot[],
  log: (line: string) => void,
): readonly Question[] {
  const asked = withoutShots(questions, shots);
  const shown = questions.length - asked.length;
  if (shown === 0) return asked;
  const text = `${shown} of ${questions.length} questions are worked examples in the prompt`;
  if (asked.length > 0) log(`${text} and are not asked.`);
  else
    throw new SipfError(
      'nothing-left',
      `Expected questions that the prompt does not show, got none: ${text}. Give more questions, or lower the number of shots.`,
    );
  return asked;
}

/** What worked examples are taken from, as a run takes them: the train split, with any split asked. */
async function shownOf({ stage, options, questions }: PromptArgs): Promise<readonly Question[]> {
  const { config, task } = stage;
  const { shots, shotsFile } = config.prompt;
  if (shots === 0 || shotsFile !== null || task.examples !== undefined) return questions;
  const own = options.questions !== undefined || (options.split ?? 'train') === 'train';
  const train = own ? questions : await loadQuestions(stage, { split: 'train' });
  return (await withoutBroken(task, train)).kept;
}

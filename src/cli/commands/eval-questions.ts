// What sipf eval measures -> questions, worked examples, and warnings of what the model has seen.
import { SipfError } from '../../errors.ts';
import type { PromptOptions } from '../../method/prompt.ts';
import { isOwnFile } from '../../pipeline/files/own-file.ts';
import { answerWarnings, sharedWarnings } from '../../pipeline/question-sets.ts';
import { loadShots } from '../../pipeline/shots.ts';
import { trainedOn } from '../../pipeline/trained-questions.ts';
import type { Question } from '../../records.ts';
import { countDuplicates, sharedWith } from '../../same-question.ts';
import { requireReader, type Shot, type Split, type Task } from '../../task.ts';
import { splitInName } from '../../tasks/data/data-files.ts';
import { LEAST_QUESTIONS } from '../../tasks/data/splits.ts';
import type { OpenTasks } from '../../tasks/index.ts';
import type { ModelOptions } from '../options.ts';
import { modelSource } from '../options.ts';
import type { Terminal } from '../terminal.ts';

/** Generated questions to take worked examples from. */
const MINI_EXAMPLES = 64;

interface AskedOptions extends ModelOptions {
  readonly data?: string;
  readonly split?: Split;
  readonly limit?: number;
  readonly prompt: PromptOptions;
}

export interface Asked {
  /** Its name in reports: a split, or `all`. */
  readonly split: string;
  readonly questions: readonly Question[];
  readonly shots: readonly Shot[];
}

/**
 * Says which questions of a file are read, and warns where the model has seen some.
 * @throws SipfError 'nothing-left' where there is none.
 */
export async function loadAsked(
  tasks: OpenTasks,
  task: Task,
  options: AskedOptions,
  terminal: Terminal,
): Promise<Asked> {
  const { data, limit } = options;
  requireReader([task], data);
  const ofFile = await isOwnFile(task, data);
  const whole = ofFile && (options.split === undefined || task.testOnly === true);
  const split = options.split ?? 'test';
  const loaded = await task.load({ data, split, whole, ...(limit === undefined || whole ? {} : { limit }) });
  const shots = await openShots(
    { tasks, task, options, loaded: whole && task.testOnly !== true ? loaded : null },
    terminal,
  );
  // What is shown as an example of the same file cannot be asked as well.
  const shown = new Set(whole && options.prompt.shotsFile === null ? sharedWith(loaded, shots) : []);
  const questions = loaded.filter((question) => !shown.has(question)).slice(0, limit);
  if (questions.length === 0) {
    const message =
      shown.size > 0
        ? `Expected questions in ${data} besides the ${shown.size} worked examples, got none. Lower --shots, or give --shots-file.`
        : `Expected questions in the ${split} split of ${task.name}, got none. Check --data and --split.`;
    throw new SipfError('nothing-left', message);
  }
  const named = task.testOnly === true ? 'test' : splitInName(data ?? '');
  const cut = whole && named === undefined && loaded.length - countDuplicates(loaded) >= LEAST_QUESTIONS;
  const hint = cut ? ' --split test reads the part that a run keeps for test.' : '';
  if (ofFile) terminal.log(describe({ data: data ?? '', split, whole, questions, loaded, shown: shown.size }) + hint);
  const earlier = await trainedOn(modelSource(options));
  const name = whole ? (data ?? '') : `${task.name}/${split}`;
  const seen = sharedWarnings(name, questions, { train: [], shots, earlier });
  for (const warning of [...seen, ...answerWarnings(name, questions)]) terminal.warn(warning);
  return { split: whole ? (named ?? 'all') : split, questions, shots };
}

interface Described {
  readonly data: string;
  readonly split: Split;
  readonly whole: boolean;
  readonly questions: readonly Question[];
  readonly loaded: readonly Question[];
  readonly shown: number;
}

function describe({ data, split, whole, questions, loaded, shown }: Described): string {
  if (whole && loaded.length === 1) return `Reads the one question of ${data}.`;
  const examples = shown === 0 ? '' : ` ${shown} more are shown as worked examples.`;
  if (questions.length + shown < loaded.length)
    return `Reads the first ${questions.length} of the ${loaded.length} questions of ${data}.${examples}`;
  if (!whole) return `Reads the ${questions.length} questions that are the ${split} part of ${data}.`;
  return `Reads all ${questions.length} questions of ${data}${shown === 0 ? '' : ' but the examples'}.${examples}`;
}

interface ShotsArgs {
  readonly tasks: OpenTasks;
  readonly task: Task;
  readonly options: AskedOptions;
  /** The questions of a file that is read whole. */
  readonly loaded: readonly Question[] | null;
}

async function openShots({ tasks, task, options, loaded }: ShotsArgs, terminal: Terminal): Promise<Shot[]> {
  const { data, prompt } = options;
  const { shots: count, shotsFile: file } = prompt;
  const needed = count > 0 && file === null && task.examples === undefined;
  const fallback = !needed ? [] : (loaded ?? (await workedExamples(tasks, task, data, terminal)));
  return loadShots({ task, count, file, fallback, data });
}

/** Questions with solutions, none of them a test question: the task's train split, or generated ones where the task is a test set only. */
async function workedExamples(
  tasks: OpenTasks,
  task: Task,
  data: string | undefined,
  terminal: Terminal,
): Promise<Question[]> {
  if (task.testOnly !== true) return task.load({ data, split: 'train' });
  const name = task.gradedBy === 'tests' ? 'mini-code' : 'mini';
  terminal.log(
    `${task.name} is a test set only: its worked examples are generated ones (${name}). --shots-file names others.`,
  );
  return tasks.named(name).load({ split: 'train', limit: MINI_EXAMPLES });
}

// A configuration's evaluation sets -> their questions, and what they share with training.
import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Config } from '../config/schema.ts';
import { SipfError } from '../errors.ts';
import { canonicalJson } from '../hashing.ts';
import type { EvaluationSet } from '../method/evaluate.ts';
import type { Question } from '../records.ts';
import { questionKey, sharedWith } from '../same-question.ts';
import { wilson } from '../statistics/intervals.ts';
import type { Shot, Task } from '../task.ts';
import { splitInName } from '../tasks/data/data-files.ts';

export interface LoadedSet {
  readonly set: EvaluationSet;
  /** Of the run's own task, with its prompt. */
  readonly own: boolean;
  readonly task: Task;
  readonly questions: readonly Question[];
}

/** `jsonl/test` */
export function nameOfSet({ set, task }: Pick<LoadedSet, 'set' | 'task'>): string {
  return `${task.name}/${set.split}`;
}

/**
 * Every set of the rounds and of the end, each once, by `canonicalJson`. A set that cannot be read costs no round.
 * @throws SipfError of the code that the task gives where a set cannot be read, 'bad-config' where answers could not be told apart.
 */
export async function loadSets(
  config: Config,
  task: Task,
  tasks: (name: string) => Task,
): Promise<Map<string, LoadedSet>> {
  const { sets, final } = config.evaluate;
  for (const key of ['sets', 'final'] as const)
    checkNames(`evaluate.${key}`, config.evaluate[key], ({ name }) => (name === null ? task : tasks(name)));
  const loaded = new Map<string, LoadedSet>();
  for (const set of [...sets, ...final]) {
    const key = canonicalJson(set);
    if (!loaded.has(key)) loaded.set(key, await loadSet(set, config, task, tasks));
  }
  return loaded;
}

/** Answers and reports name a set by its task and split alone. */
function checkNames(key: string, sets: readonly EvaluationSet[], taskOfSet: (set: EvaluationSet) => Task): void {
  const names = new Set<string>();
  for (const set of sets) {
    const task = taskOfSet(set);
    for (const member of task.members ?? [task]) {
      const name = nameOfSet({ set, task: member });
      if (names.has(name))
        throw new SipfError(
          'bad-config',
          `Expected sets of different tasks or splits in ${key}, got ${name} twice: their answers could not be told apart. Put their questions into one file, or leave one to sipf eval.`,
        );
      names.add(name);
    }
  }
}

async function loadSet(
  set: EvaluationSet,
  { task: { name, data, seed } }: Config,
  task: Task,
  tasks: (name: string) => Task,
): Promise<LoadedSet> {
  const own = set.name === null || set.name === name;
  const used = own ? task : tasks(set.name ?? name);
  const from = set.data ?? (own ? data : dataBeside(data, used.name)) ?? undefined;
  // Only the train file itself is cut: of any other file that is named for a set, no question trains.
  const whole = set.data !== null && splitInName(set.data) === undefined && !(await isSamePath(set.data, data));
  const { split, limit } = set;
  const load = () => used.load({ data: from, split, whole, limit: limit ?? undefined, seed });
  const questions = await load().catch((cause: unknown) => {
    if (own || !(cause instanceof SipfError)) throw cause;
    const hint = `It is wanted for the set ${JSON.stringify({ name: used.name, split })} of evaluate.sets or evaluate.final: give that set its "data", or leave it out, as in --evaluate.final '[{"split":"test"}]'.`;
    throw new SipfError(cause.code, `${cause.message} ${hint}`, { cause });
  });
  return { set, own, task: used, questions };
}

/** Data of another task beside or inside the run's own data folder, where it is there; else undefined (the hub). */
function dataBeside(own: string | null, taskName: string): string | undefined {
  if (own === null) return undefined;
  const names = [taskName, taskName.replaceAll('-', '_')];
  return names.flatMap((name) => [join(own, name), join(dirname(own), name)]).find((path) => existsSync(path));
}

async function isSamePath(a: string, b: string | null): Promise<boolean> {
  if (b === null) return false;
  const real = (path: string) => realpath(path).catch(() => path);
  return (await real(a)) === (await real(b));
}

/** `Questions: 24 to train on, 3 of jsonl/valid, 3 of jsonl/test`: what a run makes of its data. */
export function describeQuestions(train: readonly Question[], sets: ReadonlyMap<string, LoadedSet>): string {
  const counts = [...sets.values()].map((one) => `${one.questions.length} of ${nameOfSet(one)}`);
  return `Questions: ${[`${train.length} to train on`, ...counts].join(', ')}`;
}

/** Questions that a model, or a prompt, has seen. */
export interface Seen {
  readonly train: readonly Question[];
  readonly shots: readonly Shot[];
  /** Of earlier runs that the model comes from, by their directories. */
  readonly earlier: readonly { readonly run: string; readonly questions: readonly Question[] }[];
}

/** One sentence for each way in which a set's figures would measure memory. Each says how many questions. */
export function sharedWarnings(name: string, questions: readonly Question[], seen: Seen): string[] {
  const shared = (others: readonly Pick<Question, 'question'>[]) => sharedWith(questions, others).length;
  const counts: [number, string][] = [
    [shared(seen.train), 'are train questions, too'],
    [shared(seen.shots), 'are shown as worked examples in the prompt'],
    ...seen.earlier.map(({ run, questions: own }): [number, string] => [
      shared(own),
      `were train questions of the run ${basename(run)}, which the model comes from`,
    ]),
  ];
  return counts.flatMap(([count, what]) =>
    count === 0
      ? []
      : `${count} of ${questions.length} questions of ${name} ${what}: right answers to them may be memory. Take them out of one of the two.`,
  );
}

/** Fewer questions tell hardly anything about a round. */
const FEW = 50;

/** A sentence where a set is too small to tell one policy from another. */
export function sizeWarning(name: string, count: number): string[] {
  if (count >= FEW) return [];
  const [low, high] = wilson(Math.round(count / 2), count).map((share) => Math.round(100 * share));
  const points = Math.round(100 / Math.max(1, count));
  return [
    `${name} has ${count} ${count === 1 ? 'question' : 'questions'}: one answer is ${points} points, and half of them right means ${low} to ${high} % (95 %). Give more questions before you trust a difference.`,
  ];
}

/** A model hardly ever writes a text of more words than this just as the data has it. */
const LONG_ANSWER = 8;

/** A sentence for each fault of the answers that no stage can know: whole sentences, and two answers to one question. */
export function answerWarnings(name: string, questions: readonly Question[]): string[] {
  const warnings: string[] = [];
  // Texts are compared word by word: nothing would ever be right.
  const long = questions.filter(({ answer }) => answer.trim().split(/\s+/).length > LONG_ANSWER).length;
  if (long > 0)
    warnings.push(
      `${long} of ${questions.length} answers of ${name} have more than ${LONG_ANSWER} words: only the very same words are right. Put the result alone into "answer", and the text into "solution".`,
    );
  const answers = new Map<string, Set<string>>();
  for (const question of questions) {
    const key = questionKey(question);
    answers.set(key, (answers.get(key) ?? new Set()).add(question.answer));
  }
  const contradicting = [...answers.values()].filter(({ size }) => size > 1).length;
  const first = questions.find((question) => answers.get(questionKey(question))!.size > 1);
  if (first !== undefined)
    warnings.push(
      `${contradicting} questions of ${name} are there more than once with different answers, such as ${JSON.stringify(first.question.slice(0, 80))}: one of the answers is wrong. Delete the wrong records.`,
    );
  return warnings;
}

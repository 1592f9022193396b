// A configuration -> the questions of a run, checked before anything is computed.
import type { Config } from '../config/schema.ts';
import { SipfError } from '../errors.ts';
import { METHODS, roundsOf } from '../method/methods.ts';
import type { Question } from '../records.ts';
import { sharedWith } from '../same-question.ts';
import { requireReader, type Task } from '../task.ts';
import { shotsOf } from './prompts.ts';
import { type LoadedSet, loadSets } from './question-sets.ts';

/**
 * Train questions and evaluation sets.
 * @throws SipfError of the code with which the run would end later: parts, worked examples or solutions that are missing.
 */
export async function loadRunQuestions(
  config: Config,
  task: Task,
  tasks: (name: string) => Task,
): Promise<{ train: readonly Question[]; sets: ReadonlyMap<string, LoadedSet> }> {
  const { sets, final } = config.evaluate;
  requireReader(
    [task, ...[...sets, ...final].map(({ name }) => (name === null ? task : tasks(name)))],
    config.task.data,
  );
  const train = await loadTrain(task, config);
  const shots = await shotsOf({ config, task }, train);
  const shown = new Set(sharedWith(train, shots));
  requireSolutions(
    config,
    train.filter((question) => !shown.has(question)),
  );
  return { train, sets: await loadSets(config, task, tasks) };
}

/** @throws SipfError 'nothing-left' where there are no questions besides the worked examples, or no solutions for a stage that trains on them. */
function requireSolutions({ sft, evaluate, method, task, iterations }: Config, questions: readonly Question[]): void {
  const place = task.data ?? task.name;
  if (questions.length === 0) {
    throw new SipfError(
      'nothing-left',
      `Expected train questions in ${place} besides the worked examples, got none. Lower prompt.shots, or give examples of their own with prompt.shotsFile.`,
    );
  }
  if (questions.some(({ solution }) => solution !== undefined && solution.length > 0)) return;
  const needed = (what: string, instead: string) =>
    new SipfError(
      'nothing-left',
      `Expected worked solutions for ${what}, got none in the ${questions.length} train questions of ${place}. Add a "solution" to some of them, or ${instead}.`,
    );
  if (sft.enabled)
    throw needed(
      'the warm-up (sft)',
      'set sft.enabled false and show the model what to do with prompt.shots, prompt.shotsFile or prompt.style chat',
    );
  // The warm-up's policy is all that there is then.
  if (roundsOf(METHODS[method], iterations) === 0) return;
  if (METHODS[method].align === 'gold') throw needed(`the method ${method}`, 'choose another method');
  if (evaluate.control === 'continued-sft' && evaluate.final.length > 0)
    throw needed('the control continued-sft', 'set evaluate.control none');
}

/**
 * The train questions.
 * @throws SipfError 'bad-input' where two share an id, 'nothing-left' where filters leave none.
 */
async function loadTrain(task: Task, { task: options }: Config): Promise<Question[]> {
  const questions = await loadTrainSplit(task, options);
  const seen = new Set<string>();
  for (const { id } of questions) {
    if (seen.has(id))
      throw new SipfError(
        'bad-input',
        `Expected question ids that differ, got ${id} twice in ${options.data ?? task.name}. Give each question its own id.`,
      );
    seen.add(id);
  }
  if (questions.length > 0) return questions;
  throw new SipfError(
    'nothing-left',
    `Expected train questions of ${task.name}, got none after filtering. Check task.data, task.limit and task.maxGoldSteps.`,
  );
}

/** As the settings choose and shorten it. `whole`: of all splits of a file. */
export async function loadTrainSplit(
  task: Task,
  { data, limit, maxGoldSteps, solutions, seed }: Config['task'],
  whole = false,
): Promise<Question[]> {
  const loaded = await task.load({
    data: data ?? undefined,
    split: 'train',
    whole,
    limit: limit ?? undefined,
    maxGoldSteps: maxGoldSteps ?? undefined,
    seed,
  });
  return withSolutions(loaded, solutions);
}

/** The questions, worked solutions kept on the first `count` (of each task of a mixture) only. */
function withSolutions(questions: readonly Question[], count: number | null): Question[] {
  if (count === null) return [...questions];
  const seen = new Map<string, number>();
  return questions.map(({ solution, ...rest }) => {
    const index = seen.get(rest.task) ?? 0;
    seen.set(rest.task, index + 1);
    return solution && index < count ? { ...rest, solution } : rest;
  });
}

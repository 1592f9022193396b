// A checked run -> what its questions, worked solutions and models are like, in numbers.
import type { SftExample } from '../../backend.ts';
import type { Config } from '../../config/schema.ts';
import { canonicalJson } from '../../hashing.ts';
import { goldRows } from '../../method/align-rows.ts';
import type { Typical } from '../../pipeline/round-costs.ts';
import type { RunStart, StartQuestions } from '../../pipeline/start.ts';
import type { Question } from '../../records.ts';
import { mean, sum } from '../../statistics/intervals.ts';
import { type GivenText, type Task, taskOf } from '../../task.ts';
import type { ProbePath } from './dry-run-paths.ts';
import { MOST_QUESTIONS, type Probe } from './dry-run-probes.ts';

/** Worked solutions whose lengths are looked at. */
const MOST_SOLUTIONS = 256;

/** Parameters of the helper models, as a multiple of the policy's. */
export function relativeSizes({ helperSizes, description: { parameters } }: RunStart) {
  const { simulator, verifier } = helperSizes;
  return { simulatorSize: simulator / parameters, verifierSize: verifier / parameters };
}

/** `asked`: the train questions that the prompt does not show. */
export function questionCounts(
  { config, sets }: Pick<StartQuestions, 'config' | 'sets'>,
  asked: readonly Question[],
): Partial<Typical> {
  const countOf = (chosen: Config['evaluate']['sets']) =>
    sum(chosen.map((set) => sets.get(canonicalJson(set))?.questions.length ?? 0));
  return {
    trainQuestions: asked.length,
    solvedQuestions: asked.filter(isSolved).length,
    evalQuestions: countOf(config.evaluate.sets),
    finalQuestions: countOf(config.evaluate.final),
  };
}

/** The worked solutions of some questions, as paths to grade. */
export function referencesOf(questions: readonly Question[], task: Task): GivenText[] {
  return questions.filter(isSolved).map((question) => {
    const text = taskOf(task, question)
      .pieces(question.solution ?? [])
      .join('');
    return { question, text, finishReason: 'stop' };
  });
}

/** Rows to try training with: worked solutions, else sampled paths. */
export function rowsOf(paths: readonly ProbePath[], { start: { task, prompts } }: Probe): readonly SftExample[] {
  const gold = goldRows(prompts.asked, 4 * MOST_QUESTIONS, 'dry-run', { task, prompt: prompts.prompt });
  if (gold.length > 0) return gold;
  return paths.map(({ question, text }) => ({ kind: 'sft', prompt: prompts.prompt(question), completion: [text] }));
}

/**
 * Lengths of paths as the rounds will have them: like worked solutions after a warm-up, else like the start model's.
 * None where there is neither: the guesses of `TYPICAL` stay.
 */
export async function pathFigures(
  { start: { config, task, prompts }, policy }: Probe,
  paths: readonly ProbePath[],
): Promise<Partial<Typical>> {
  if (!config.sft.enabled && paths.length > 0) {
    const steps = paths.map(({ question, text }) => taskOf(task, question).split(text).length);
    return { pathTokens: mean(paths.map(({ tokens }) => tokens)), stepsPerPath: mean(steps) };
  }
  const some = prompts.asked.filter(isSolved).slice(0, MOST_SOLUTIONS);
  if (some.length === 0) return {};
  const counts = await policy.countTokens(referencesOf(some, task).map(({ text }) => text));
  return { pathTokens: mean(counts) + 1, stepsPerPath: mean(some.map(({ solution = [] }) => solution.length)) };
}

/** The length of the line that states the right answer; none where answers are programs. */
export async function answerFigures({ start: { task }, policy, questions }: Probe): Promise<Partial<Typical>> {
  const lines = questions.flatMap((question) => taskOf(task, question).answerLine?.(question).join('') ?? []);
  return lines.length === 0 ? {} : { answerTokens: mean(await policy.countTokens(lines)) };
}

const isSolved = ({ solution }: Question): boolean => solution !== undefined && solution.length > 0;

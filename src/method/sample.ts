// Stage 1: questions and a policy -> distinct, graded samples.
import type { Policy } from '../backend.ts';
import { keyedOrder } from '../hashing.ts';
import type { Question, Sample } from '../records.ts';
import type { Counts } from '../reports.ts';
import { countInto, inUnits, type StageOutput } from '../run/units.ts';
import type { Task } from '../task.ts';
import {
  ask,
  type Draw,
  type Drawn,
  drawAndGrade,
  drawing,
  type Prefix,
  prefixOf,
  tokensIn,
  type UnitContext,
} from './draw.ts';
import { drawnTokens } from './drawn-tokens.ts';
import { hasFalseEquation } from './exact-checks.ts';
import { withHint } from './hint.ts';
import type { SampleOptions } from './sample-options.ts';
import { requireSignal, requireTexts } from './task-signals.ts';

/** What drawing samples depends on; `onDone` counts questions. */
interface SampleContext extends UnitContext<SampleOptions> {
  readonly policy: Policy;
}

/** A question to draw for. `known`: its samples of earlier rounds, which new ones must differ from. */
export interface SampleItem {
  readonly question: Question;
  readonly known: readonly Sample[];
  /** Add its gold solution (once in a run). */
  readonly addGold: boolean;
}

/** A question with what was found for it so far. */
interface Drawing extends Prefix {
  readonly item: SampleItem;
  readonly found: Sample[];
  /** The prompt tells the answer. */
  readonly isHinted: boolean;
}

/**
 * The questions of round `iteration` (from 1), in the order of `questions`. With `rotate` each round takes the next ones.
 * @example
 * const questions = chooseQuestions(all, { questions: 500, rotate: true }, seed, 2);
 */
export function chooseQuestions<T extends { readonly id: string }>(
  questions: readonly T[],
  { questions: count, rotate }: Pick<SampleOptions, 'questions' | 'rotate'>,
  seed: number,
  iteration: number,
): T[] {
  if (count === null || count >= questions.length) return [...questions];
  const order = keyedOrder(questions, `questions/${seed}`, ({ id }) => id);
  const start = rotate ? (iteration - 1) * count : 0;
  const chosen = new Set(Array.from({ length: count }, (_, i) => order[(start + i) % order.length]?.id));
  return questions.filter(({ id }) => chosen.has(id));
}

/**
 * A worked solution as a sample that is right by definition; null where there is none.
 * @example
 * const gold = questions.map(goldSample).filter((sample) => sample !== null);
 */
export function goldSample(question: Question): Sample | null {
  if (question.solution === undefined || question.solution.length === 0) return null;
  return {
    id: `${question.id}/gold`,
    questionId: question.id,
    source: 'gold',
    iteration: 0,
    index: -1,
    policy: null,
    steps: question.solution,
    finishReason: 'stop',
    tokens: 0,
    sumLogp: null,
    extracted: question.answer,
    outcome: { kind: 'right' },
  };
}

/**
 * Drops paths that repeat another one of equal outcome, of this round or a known one. Gold does not count: a policy's own right path
 * stays, also where it says what the solution says, or there would be nothing left to choose.
 */
export function keepDistinct(task: Task, known: readonly Sample[], fresh: readonly Sample[]): Sample[] {
  const kept = new Set<Sample>();
  for (const right of [true, false]) {
    const ofClass = (sample: Sample) => (sample.outcome.kind === 'right') === right;
    const old = known.filter((sample) => sample.source === 'policy' && ofClass(sample)).map(({ steps }) => steps);
    const oldDistinct = task.distinct(old).length;
    const candidates = fresh.filter(ofClass);
    for (const index of task.distinct(candidates.map(({ steps }) => steps))) {
      const sample = candidates[index];
      if (sample === undefined) continue;
      if (old.length === 0 || task.distinct([...old, sample.steps]).length > oldDistinct) kept.add(sample);
    }
  }
  return fresh.filter((sample) => kept.has(sample));
}

/**
 * Draws, grades and filters the samples of one unit of questions, which share the slots of the policy. Counts drawn, right,
 * wrong:REASON, error, promptTokens, generatedTokens, falseEquationsDropped, duplicates, gold, kept, keptRight, quotaUnmet, hintedRight, hintedWrong.
 * @throws SipfError 'unsupported' where the options give hints or have a calculator, and the task has no answers that are texts.
 */
export async function sampleUnit(items: readonly SampleItem[], context: SampleContext): Promise<StageOutput<Sample>> {
  const { policy, task, options, onDone } = context;
  const { samples, quota, hint = false } = options;
  if (hint) requireSignal(task, 'answer', 'sampling.hint true');
  if (options.calculator === true) requireTexts(task, 'sampling.calculator true');
  const counts: Record<string, number> = {};
  const drawings = items.map((item) => drawingOf(item, context));
  const further = (one: Drawing): Draw<Drawing>[] => {
    const more = moreNeeded(one, options);
    if (more > 0 || !needsHint(one, options)) return ask(one, more);
    const hinted = { ...one, prompt: context.prompt(withHint(one.question, task)), isHinted: true };
    drawings.push(hinted);
    return ask(hinted, one.asked);
  };
  const asked = drawings.flatMap((one) => ask(one, quota === null ? samples : Math.min(samples, quota.budget)));
  const tokens = await drawAndGrade(asked, drawing('sample', policy, context), {
    take: (drawn) => take(drawn, context, counts),
    // Only a quota and hints make further draws depend on outcomes.
    next: quota === null && !hint ? undefined : further,
    onEnded: () => onDone?.(items.length - new Set(drawings.filter(isOpen).map(({ item }) => item)).size),
  });
  Object.assign(counts, tokens);
  const first = drawings.slice(0, items.length);
  return { records: first.flatMap((one) => finish(one, options, counts)), counts };
}

/**
 * The samples of `questions`, unit by unit: stage 1 without a run directory. `onUnit` receives the counts of each unit.
 * @example
 * await using policy = await backend.openPolicy({ model: './SmolLM2-135M' });
 * const context = { policy, task, prompt, options: parseConfig({}).sampling, seed: 0, iteration: 1 };
 * for await (const sample of samplePaths(questions, context)) console.log(sample.outcome.kind, sample.steps);
 */
export async function* samplePaths(
  questions: AsyncIterable<Question> | Iterable<Question>,
  context: SampleContext,
  onUnit: (counts: Counts) => void = () => {},
): AsyncGenerator<Sample> {
  for await (const unit of inUnits(questions, context.options.unit)) {
    const items = unit.map((question) => ({ question, known: [], addGold: context.options.gold }));
    const { records, counts } = await sampleUnit(items, context);
    onUnit(counts);
    yield* records;
  }
}

function drawingOf(item: SampleItem, { task, prompt }: SampleContext): Drawing {
  const gold = item.addGold ? goldSample(item.question) : null;
  const found = gold === null ? [] : [gold];
  return { ...prefixOf(task, item.question, prompt(item.question)), item, found, isHinted: false };
}

const isOpen = ({ pending }: Drawing): boolean => pending > 0;

/** No path of this round or before is right, and all that were asked for have ended. */
function needsHint({ item, found, pending, isHinted }: Drawing, { hint }: SampleOptions): boolean {
  if (hint !== true || isHinted || pending > 0) return false;
  return ![...item.known, ...found].some(({ source, outcome }) => source === 'policy' && outcome.kind === 'right');
}

/** How many more samples a question needs for its quota, once all that were asked for have ended. */
function moreNeeded(
  { task, item, found, asked, pending, isHinted }: Drawing,
  { quota, distinct }: SampleOptions,
): number {
  if (quota === null || pending > 0 || isHinted) return 0;
  const paths = found.filter(({ source }) => source === 'policy');
  const kept = distinct ? keepDistinct(task, item.known, paths) : paths;
  const right = kept.filter(({ outcome }) => outcome.kind === 'right').length;
  if (right >= quota.right && kept.length - right >= quota.wrong) return 0;
  return Math.max(0, Math.min(quota.round, quota.budget - asked));
}

function take(
  { prefix, index, completion, graded }: Drawn<Drawing>,
  { policy, iteration, options }: SampleContext,
  counts: Record<string, number>,
): void {
  const { text, finishReason } = completion;
  const { question, task, found, isHinted } = prefix;
  const { extracted, outcome } = graded;
  countInto(counts, 'drawn');
  if (isHinted) countInto(counts, outcome.kind === 'right' ? 'hintedRight' : 'hintedWrong');
  countInto(counts, outcome.kind === 'wrong' ? `wrong:${outcome.reason}` : outcome.kind);
  if (outcome.kind === 'error') return;
  const steps = task.split(text);
  found.push({
    id: `${question.id}/${iteration}/${index}`,
    questionId: question.id,
    source: 'policy',
    iteration,
    index,
    policy: policy.hash,
    steps,
    finishReason,
    ...tokensIn(completion),
    extracted,
    outcome,
    ...(isHinted ? { hinted: true as const } : {}),
    ...(options.keepLogps === true ? { drawn: drawnTokens(completion, steps) } : {}),
  });
}

function finish(
  { task, item, found }: Drawing,
  { dropFalseEquations, distinct, quota }: SampleOptions,
  counts: Record<string, number>,
): Sample[] {
  const gold = found.filter(({ source }) => source === 'gold');
  const drawn = found.filter(({ source }) => source === 'policy').sort((a, b) => a.index - b.index);
  const clean = dropFalseEquations ? drawn.filter(({ steps }) => !hasFalseEquation(task, item.question, steps)) : drawn;
  const kept = distinct ? keepDistinct(task, item.known, clean) : clean;
  countInto(counts, 'falseEquationsDropped', drawn.length - clean.length);
  countInto(counts, 'duplicates', clean.length - kept.length);
  countInto(counts, 'gold', gold.length);
  countInto(counts, 'kept', kept.length);
  const right = kept.filter(({ outcome }) => outcome.kind === 'right').length;
  countInto(counts, 'keptRight', right);
  if (quota !== null && (right < quota.right || kept.length - right < quota.wrong)) countInto(counts, 'quotaUnmet');
  return [...gold, ...kept];
}

// Stage 1: questions and a policy -> distinct, graded samples. Leaves labels and scores to later stages.
import type { Completion, GenerateRequest, GenerateStats, Policy, SamplingOptions } from '../backend.ts';
import { drawKey, keyedOrder } from '../hashing.ts';
import type { Question, Sample } from '../records.ts';
import { type Counts, countInto, gradeWithRetries, inUnits, type StageOutput } from '../run/units.ts';
import { type Graded, type Task, taskOf } from '../task.ts';
import { gradeBeside } from './grade-beside.ts';
import type { BuildPrompt } from './prompt.ts';
import type { SampleOptions } from './sample-options.ts';

export interface SampleContext {
  readonly policy: Policy;
  readonly task: Task;
  readonly prompt: BuildPrompt;
  readonly options: SampleOptions;
  readonly seed: number;
  readonly iteration: number;
  readonly signal?: AbortSignal | undefined;
  /** Called with how many of the unit's questions have their samples. */
  readonly onDone?: ((done: number) => void) | undefined;
}

/** A question to draw for. `known`: its samples of earlier rounds, which new ones must differ from. */
export interface SampleItem {
  readonly question: Question;
  readonly known: readonly Sample[];
  /** Add its gold solution (once in a run). */
  readonly addGold: boolean;
}

interface Drawing {
  readonly item: SampleItem;
  readonly prompt: string;
  readonly found: Sample[];
  drawn: number;
  pending: number;
}

/** The questions of round `iteration`, in the order of `questions`. */
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

/** A worked solution as a sample that is right by definition; null where there is none. */
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

export function samplingOf(
  options: { temperature: number; topP: number; topK: number; maxTokens: number | null },
  task: Task,
): SamplingOptions {
  return {
    temperature: options.temperature,
    topP: options.topP,
    topK: options.topK,
    maxTokens: options.maxTokens ?? task.maxTokens,
    stopStrings: task.stopStrings,
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

/** Draws the samples of one unit of questions; requests of all of them share the slots. */
export async function sampleUnit(items: readonly SampleItem[], context: SampleContext): Promise<StageOutput<Sample>> {
  const { policy, options } = context;
  const counts: Record<string, number> = {};
  const drawings = items.map((item) => ({
    item,
    prompt: context.prompt(item.question),
    found: goldOf(item),
    drawn: 0,
    pending: 0,
  }));
  const first = drawings.flatMap((drawing) => draw(drawings, drawing, firstDraw(options), context));
  const { result: stats, grades } = await gradeBeside<GenerateStats, Taken>((hand) => {
    const onFinished = async (finished: readonly Completion[]): Promise<GenerateRequest[]> => {
      const places = finished.map(({ id }) => placeOf(drawings, id));
      const grade = (place: Place, i: number) => gradeOf(place, finished[i]!, context);
      // Only a quota makes further draws depend on outcomes.
      const known = options.quota === null ? [] : await Promise.all(places.map(grade));
      const next: GenerateRequest[] = [];
      for (const [i, place] of places.entries()) {
        const { drawing } = place;
        drawing.pending -= 1;
        const taken = known[i];
        if (taken === undefined) hand(grade(place, i));
        else {
          take(taken, context, counts);
          if (drawing.pending === 0) next.push(...draw(drawings, drawing, moreNeeded(drawing, context), context));
        }
      }
      context.onDone?.(drawings.filter(({ pending }) => pending === 0).length);
      return next;
    };
    return policy.generate(first, onFinished, { signal: context.signal });
  });
  for (const taken of grades) take(taken, context, counts);
  countInto(counts, 'promptTokens', stats.promptTokens);
  countInto(counts, 'generatedTokens', stats.generatedTokens);
  return { records: drawings.flatMap((drawing) => finish(drawing, context, counts)), counts };
}

/** The stage on its own: streams the samples of `questions`, unit by unit. */
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

function goldOf(item: SampleItem): Sample[] {
  const gold = item.addGold ? goldSample(item.question) : null;
  return gold === null ? [] : [gold];
}

function firstDraw({ samples, quota }: SampleOptions): number {
  return quota === null ? samples : Math.min(samples, quota.budget);
}

function draw(all: readonly Drawing[], drawing: Drawing, count: number, context: SampleContext): GenerateRequest[] {
  const { seed, iteration, task, options } = context;
  const from = drawing.drawn;
  drawing.drawn += count;
  drawing.pending += count;
  const questionId = drawing.item.question.id;
  return Array.from({ length: count }, (_, i) => ({
    // The question's id is for messages.
    id: `${all.indexOf(drawing)}/${from + i} (${questionId})`,
    context: [drawing.prompt],
    key: drawKey({ seed, stage: 'sample', iteration, questionId, prefix: drawing.prompt, index: from + i }),
    sampling: samplingOf(options, taskOf(task, drawing.item.question)),
  }));
}

function moreNeeded(drawing: Drawing, { task, options }: SampleContext): number {
  const { quota } = options;
  if (quota === null) return 0;
  const paths = drawing.found.filter(({ source }) => source === 'policy');
  const own = taskOf(task, drawing.item.question);
  const kept = options.distinct ? keepDistinct(own, drawing.item.known, paths) : paths;
  const right = kept.filter(({ outcome }) => outcome.kind === 'right').length;
  if (right >= quota.right && kept.length - right >= quota.wrong) return 0;
  return Math.max(0, Math.min(quota.round, quota.budget - drawing.drawn));
}

interface Place {
  readonly drawing: Drawing;
  readonly index: number;
}

interface Taken extends Place {
  readonly completion: Completion;
  readonly graded: Graded;
}

function placeOf(drawings: readonly Drawing[], id: string): Place {
  const [at, index] = id.split(' ', 1)[0]?.split('/').map(Number) ?? [];
  const drawing = drawings[at ?? -1];
  if (drawing === undefined || index === undefined) throw new Error(`Unknown completion ${id}.`);
  return { drawing, index };
}

async function gradeOf(place: Place, completion: Completion, { task, options, signal }: SampleContext): Promise<Taken> {
  const { question } = place.drawing.item;
  const { text, finishReason } = completion;
  const graded = await gradeWithRetries(task, { question, text, finishReason }, options.gradeRetries, signal);
  return { ...place, completion, graded };
}

function take(
  { drawing, index, completion, graded }: Taken,
  { task, policy, iteration }: SampleContext,
  counts: Record<string, number>,
): void {
  const { text, finishReason } = completion;
  const { question } = drawing.item;
  const { extracted, outcome } = graded;
  countInto(counts, 'drawn');
  countInto(counts, outcome.kind === 'wrong' ? `wrong:${outcome.reason}` : outcome.kind);
  if (outcome.kind === 'error') return;
  drawing.found.push({
    id: `${question.id}/${iteration}/${index}`,
    questionId: question.id,
    source: 'policy',
    iteration,
    index,
    policy: policy.hash,
    steps: taskOf(task, question).split(text),
    finishReason,
    tokens: completion.tokenIds.length,
    sumLogp: completion.logps.reduce((sum, logp) => sum + logp, 0),
    extracted,
    outcome,
  });
}

function finish({ item, found }: Drawing, context: SampleContext, counts: Record<string, number>): Sample[] {
  const { options } = context;
  const task = taskOf(context.task, item.question);
  const gold = found.filter(({ source }) => source === 'gold');
  const drawn = found.filter(({ source }) => source === 'policy').sort((a, b) => a.index - b.index);
  const clean = options.dropFalseEquations ? drawn.filter(({ steps }) => !task.hasFalseEquation(steps)) : drawn;
  const kept = options.distinct ? keepDistinct(task, item.known, clean) : clean;
  countInto(counts, 'falseEquationsDropped', drawn.length - clean.length);
  countInto(counts, 'duplicates', clean.length - kept.length);
  countInto(counts, 'gold', gold.length);
  countInto(counts, 'kept', kept.length);
  const right = kept.filter(({ outcome }) => outcome.kind === 'right').length;
  countInto(counts, 'keptRight', right);
  const { quota } = options;
  if (quota !== null && (right < quota.right || kept.length - right < quota.wrong)) countInto(counts, 'quotaUnmet');
  return [...gold, ...kept];
}

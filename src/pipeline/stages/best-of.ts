// At the end: samples of the final sets' questions, scored -> what chooses best among them.
import { readRecords } from '../../io/jsonl.ts';
import { bestOfReports, cheapScores, pathOf, type SampledQuestion } from '../../method/best-of.ts';
import type { AnswerItem, OpenSet } from '../../method/evaluate.ts';
import { pathScores, stepScoresById } from '../../method/path-score.ts';
import { scoreUnit } from '../../method/score.ts';
import { readsNewPaths, type Scorer, scorerReads } from '../../method/scorers.ts';
import type { LabelledQuestion } from '../../method/step-labels.ts';
import { type Answer, type Checkpoint, StepScores } from '../../records.ts';
import type { BestOfReport } from '../../reports.ts';
import type { StageName } from '../../run/marker.ts';
import { addCounts, inUnits, QuestionStream, type StageOutput } from '../../run/units.ts';
import { type Task, taskOf } from '../../task.ts';
import type { Round } from '../loop.ts';
import { answer, answersHash, answersOf } from './answer.ts';
import { openScorerOf, scorerInputsOf } from './score.ts';

/** A policy of the final evaluation. */
export interface FinalSamples {
  /** Its name in the report and in files. */
  readonly name: string;
  readonly policy: Checkpoint;
  readonly sets: readonly OpenSet[];
  /** The round whose scorer scores the samples; null: none does. */
  readonly scoredBy: Round | null;
}

/** Where the final evaluation keeps what it has of a policy. */
export function finalPlace(name: string, what: 'answers' | 'samples' | 'scores'): StageName {
  return { folder: 'final', name: `${name}-${what}`, iteration: 0 };
}

/** The last round, where its scorer reads new paths; null where none does. A sample's log-probability is known since it was drawn. */
export function scoringRound(rounds: readonly Round[]): Round | null {
  const last = rounds.at(-1);
  const scorer = last?.scorer ?? null;
  return last !== undefined && scorer !== null && scorer !== 'logprob' && readsNewPaths(scorer) ? last : null;
}

/** A set of another task may have nothing that the scorer reads. */
function canScore({ scorer }: Round, task: Task): boolean {
  return scorer !== null && scorerReads(scorer, task);
}

/** Draws samples of every question and scores them; returns the hashes of what it wrote. */
export async function drawFinal(round: Round, final: FinalSamples): Promise<readonly string[]> {
  const { samples: count, temperature } = round.config.evaluate;
  const { name, policy, sets, scoredBy } = final;
  const stage = finalPlace(name, 'samples');
  const sampled = { count, temperature, seed: round.config.seed };
  await answer(round, { stage, sets, policy, sampled });
  const samples = await answersHash(round, stage);
  if (scoredBy === null) return [samples];
  await scoreFinal(round, { ...final, scoredBy }, samples);
  return [samples, await answersHash(round, finalPlace(name, 'scores'))];
}

/** A question of a set with its samples as paths. */
interface ScoredItem {
  readonly set: OpenSet;
  readonly paths: LabelledQuestion;
}

async function scoreFinal(round: Round, final: FinalSamples & { scoredBy: Round }, samples: string): Promise<void> {
  const { run, config } = round;
  const { name, sets, scoredBy } = final;
  const scored = sets.filter(({ task }) => canScore(scoredBy, task));
  const total = scored.reduce((sum, { questions }) => sum + questions.length, 0);
  await run.collect<ScoredItem, Scorer>({
    stage: finalPlace(name, 'scores'),
    inputs: { samples, unit: config.score.unit, scorer: scoredBy.scorer, ...scorerInputsOf(scoredBy) },
    items: () => ({ total, items: itemsOf(round, final) }),
    counted: 'questions',
    unit: config.score.unit,
    open: () => openScorerOf(scoredBy),
    each: (unit, scorer) => scoreItems(unit, scorer, run.signal),
  });
}

async function* itemsOf(round: Round, final: FinalSamples & { scoredBy: Round }): AsyncGenerator<ScoredItem> {
  for await (const { set, question, samples } of drawnOf(round, final)) {
    if (!canScore(final.scoredBy, set.task)) continue;
    const paths = samples.map((sample) => pathOf(sample, { task: set.task, question }));
    yield { set, paths: { question, samples: paths, labels: [] } };
  }
}

/** Every set has its own prompts. */
async function scoreItems(
  unit: readonly ScoredItem[],
  scorer: Scorer,
  signal: AbortSignal | undefined,
): Promise<StageOutput<StepScores>> {
  let all: StageOutput<StepScores> = { records: [], counts: {} };
  for (const set of new Set(unit.map((item) => item.set))) {
    const own = unit.filter((item) => item.set === set).map(({ paths }) => paths);
    const { records, counts } = await scoreUnit(own, { scorer, task: set.task, prompt: set.prompt, signal });
    all = { records: [...all.records, ...records], counts: addCounts(all.counts, counts) };
  }
  return all;
}

/** Every question of the sets with its samples, in their order. */
async function* drawnOf(
  round: Round,
  { name, sets }: FinalSamples,
): AsyncGenerator<AnswerItem & { readonly samples: readonly Answer[] }> {
  const items = sets.flatMap((set) => set.questions.map((question) => ({ set, question })));
  const drawn = inUnits(answersOf(round, finalPlace(name, 'samples')), round.config.evaluate.samples);
  for await (const samples of drawn) yield { ...items.shift()!, samples };
}

/** How majority vote and best-of-N do on each set. */
export async function bestOfFinal(round: Round, final: FinalSamples): Promise<BestOfReport[]> {
  const { run, config } = round;
  const { name, scoredBy } = final;
  const greedy = answersOf(round, finalPlace(name, 'answers'));
  await using scored =
    scoredBy && new QuestionStream(readRecords(run.path('final', `${name}-scores.jsonl`), StepScores));
  const questions: SampledQuestion[] = [];
  for await (const { set, question, samples } of drawnOf(round, final)) {
    const answered = await greedy.next();
    if (answered.done === true) throw new Error(`Expected an answer of ${name} to ${question.id}, got none.`);
    const own = scored && scoredBy && canScore(scoredBy, set.task) ? await scored.take(question.id) : null;
    // Whether samples are right is not known where one is to be chosen: the value of the question stays unknown.
    const byId = own && pathScores(stepScoresById(own), config.score, []);
    const ofScorer = byId && samples.map(({ sample }) => byId.get(`${question.id}/${sample}`) ?? null);
    const scores = { ...cheapScores(samples), ...(ofScorer && { [scoredBy!.scorer!]: ofScorer }) };
    const task = taskOf(set.task, question);
    questions.push({ task, greedy: lean(answered.value), samples: samples.map(lean), scores });
  }
  return bestOfReports(questions, config.evaluate.samples);
}

/** Without its text, which no figure reads. */
function lean(answer: Answer): Answer {
  return { ...answer, question: '', reference: '', completion: '' };
}

// An evaluation's samples and scorers -> the score of each sample, and what chooses best.
import type { Backend } from '../../backend.ts';
import { SipfError } from '../../errors.ts';
import { bestOfReports, cheapScores, pathOf, type RankName, type SampleScores } from '../../method/best-of.ts';
import { type PathScoreRule, pathScore, stepScoresById } from '../../method/path-score.ts';
import { Probe } from '../../method/probe.ts';
import type { BuildPrompt } from '../../method/prompt.ts';
import { scoreUnit } from '../../method/score.ts';
import { ScoreCalibration } from '../../method/score-calibration.ts';
import { openScorer, type Scorer, type ScorerName, scorerNeeds, scorerReads } from '../../method/scorers.ts';
import type { Answer, ModelSource, Question } from '../../records.ts';
import type { BestOfReport } from '../../reports.ts';
import type { Task } from '../../task.ts';
import type { Terminal } from '../terminal.ts';
import { readIfNeeded } from './score.ts';

/** What may rank samples, by the names that --scorer takes. The first three need weights, the next two a task with equations or true steps. */
export const RANKS = [
  'prm',
  'prm-logprob',
  'probe',
  'equations',
  'oracle',
  'logprob',
  'shortness',
] as const satisfies readonly RankName[];

export type RankOption = (typeof RANKS)[number];

/** Those that every sample has, whatever drew it. */
const CHEAP = ['logprob', 'shortness'] as const;

/** How the best of several samples is chosen. */
export interface BestOfOptions {
  /** Among how many samples; absent: nothing is chosen. */
  readonly bestOf?: number;
  readonly scorer?: readonly RankOption[];
  readonly prm?: string;
  readonly calibration?: string;
  readonly probe?: string;
  /** How step scores make a path score. */
  readonly path?: PathScoreRule['path'];
}

/** Weights of scorers, as their files have them; null: none is needed. */
export interface RankWeights {
  readonly calibration: ScoreCalibration | null;
  readonly probe: Probe | null;
}

/** What ranks: as --scorer says, else all that costs nothing, and the PRM that is given. */
export function ranksOf({ scorer, prm }: BestOfOptions): readonly RankOption[] {
  return scorer ?? [...(prm === undefined ? [] : (['prm'] as const)), ...CHEAP];
}

/**
 * The weights of the scorers that are asked for.
 * @throws SipfError 'bad-input' where options of best-of do not belong together or something that a scorer needs is missing.
 */
export async function checkBestOf(
  options: BestOfOptions & { readonly samples?: number; readonly temperature: number },
  task: Task,
): Promise<RankWeights> {
  const { bestOf, samples, temperature } = options;
  if (bestOf === undefined) return withoutBestOf(options);
  if ((samples ?? bestOf) < bestOf)
    throw refusal(`at least ${bestOf} --samples for --best-of ${bestOf}`, String(samples), 'Draw more.');
  if (temperature === 0)
    throw refusal('a --temperature above 0 for --best-of', '0, which draws one text again and again', 'Raise it.');
  checkFiles(options);
  const blind = ranksOf(options).find((name) => isScorer(name) && !scorerReads(name, task));
  if (blind !== undefined)
    throw refusal(`a task with steps that --scorer ${blind} can check`, task.name, 'Choose another scorer.');
  return readWeights(options);
}

function withoutBestOf(options: BestOfOptions): RankWeights {
  const given = (['scorer', 'prm', 'calibration', 'probe', 'path'] as const).find((key) => options[key] !== undefined);
  if (given === undefined) return { calibration: null, probe: null };
  throw refusal(`--best-of N with --${given}`, 'none', 'Give it: --best-of 8.');
}

/** What options name, as scorers need it. */
const FILES = ['prm', 'calibration', 'probe'] as const;

/** The first scorer asked for that needs it; undefined: none does. */
function readerOf(options: BestOfOptions, need: (typeof FILES)[number]): ScorerName | undefined {
  for (const name of ranksOf(options)) if (isScorer(name) && scorerNeeds(name, need)) return name;
  return undefined;
}

function checkFiles(options: BestOfOptions): void {
  const reader = readerOf(options, 'prm');
  if (reader !== undefined && options.prm === undefined)
    throw refusal(`--prm (a folder that train-prm wrote) for --scorer ${reader}`, 'none', 'Give it.');
  const unread = FILES.find((file) => options[file] !== undefined && readerOf(options, file) === undefined);
  if (unread === undefined) return;
  const readers = RANKS.filter((name) => isScorer(name) && scorerNeeds(name, unread)).join(' or ');
  const got = ranksOf(options).join(',');
  throw refusal(`--scorer ${readers} for --${unread}`, got, `Name it, or leave --${unread} out.`);
}

async function readWeights(options: BestOfOptions): Promise<RankWeights> {
  const [weighs, probes] = [readerOf(options, 'calibration'), readerOf(options, 'probe')];
  return {
    calibration: weighs ? await readIfNeeded(weighs, 'calibration', options.calibration, ScoreCalibration) : null,
    probe: probes ? await readIfNeeded(probes, 'probe', options.probe, Probe) : null,
  };
}

function refusal(expected: string, got: string, fix: string): SipfError {
  return new SipfError('bad-input', `Expected ${expected}, got ${got}. ${fix}`);
}

const isScorer = (name: RankName): name is ScorerName => name !== 'shortness';

interface RankModels {
  readonly backend: Backend;
  /** The policy that is evaluated: prm-logprob and probe read with it. */
  readonly source: ModelSource;
  readonly options: BestOfOptions;
  readonly weights: RankWeights;
}

interface ScoredSamples extends RankModels {
  readonly task: Task;
  readonly questions: readonly Question[];
  /** In the order of the questions. */
  readonly samples: readonly Answer[];
  readonly prompt: BuildPrompt;
}

/**
 * Opens the models that will score, once, and closes them: hours of answers must not end at a PRM that is none.
 * @throws SipfError what opening them throws.
 */
export async function checkScorers(given: RankModels): Promise<void> {
  if (given.options.bestOf === undefined) return;
  const readers = new Set([readerOf(given.options, 'prm'), readerOf(given.options, 'probe')]);
  for (const name of readers) if (name !== undefined) await (await openRank(name, given))[Symbol.asyncDispose]();
}

function openRank(name: ScorerName, { backend, source, options: { prm }, weights }: RankModels): Promise<Scorer> {
  return openScorer(name, {
    prm: prm === undefined ? undefined : () => backend.openPrm({ model: prm }),
    policy: () => backend.openPolicy(source),
    calibration: weights.calibration ?? undefined,
    probe: weights.probe ?? undefined,
  });
}

/** The samples to choose from, `[question][sample]`: the first N of each question. */
function candidates(samples: readonly Answer[], { bestOf = 0 }: BestOfOptions): Answer[][] {
  const first = samples.filter(({ sample = 0 }) => sample < bestOf);
  return Array.from({ length: first.length / bestOf }, (_, i) => first.slice(i * bestOf, (i + 1) * bestOf));
}

/** Path scores by scorer and `question/sample`, of the scorers that read paths. */
export type PathScoresBy = ReadonlyMap<ScorerName, ReadonlyMap<string, number>>;

/** Scores the samples by each scorer that was asked for. */
export async function scoreSamples(given: ScoredSamples, terminal: Terminal): Promise<PathScoresBy> {
  const scores = new Map<ScorerName, ReadonlyMap<string, number>>();
  if (given.options.bestOf === undefined) return scores;
  for (const name of ranksOf(given.options))
    if (isScorer(name) && name !== 'logprob') scores.set(name, await scoresBy(name, given, terminal));
  return scores;
}

/** Questions whose samples the models see in one call. */
const UNIT = 32;

async function scoresBy(name: ScorerName, given: ScoredSamples, terminal: Terminal): Promise<Map<string, number>> {
  const { task, questions, prompt, options } = given;
  const { path = 'mean' } = options;
  await using scorer = await openRank(name, given);
  const samples = candidates(given.samples, options);
  using progress = terminal.progress({ title: `score ${name}`, unit: 'questions', total: questions.length });
  const scores = new Map<string, number>();
  for (let at = 0; at < questions.length; at += UNIT) {
    const items = questions.slice(at, at + UNIT).map((question, i) => ({
      question,
      samples: (samples[at + i] ?? []).map((answer) => pathOf(answer, { task, question })),
      labels: [],
    }));
    const { records } = await scoreUnit(items, { scorer, task, prompt, signal: terminal.signal });
    for (const [id, steps] of stepScoresById(records)) scores.set(id, pathScore(steps, path));
    progress.update(at + items.length);
  }
  return scores;
}

interface Chosen extends Pick<ScoredSamples, 'task' | 'samples' | 'options'> {
  readonly answers: readonly Answer[];
  readonly scores: PathScoresBy;
}

/** What majority vote and the best of N samples give; null where nothing is chosen. */
export async function bestOfReport({ task, answers, samples, options, scores }: Chosen): Promise<BestOfReport | null> {
  if (options.bestOf === undefined) return null;
  const drawn = candidates(samples, options);
  const questions = answers.map((greedy, i) => {
    const own = drawn[i] ?? [];
    return { task, greedy, samples: own, scores: ranked(own, ranksOf(options), scores) };
  });
  const [report] = await bestOfReports(questions, options.bestOf);
  return report ?? null;
}

function ranked(samples: readonly Answer[], ranks: readonly RankName[], scores: PathScoresBy): SampleScores {
  const cheap = cheapScores(samples);
  const own = ranks.map((name) => {
    const byId = isScorer(name) ? scores.get(name) : undefined;
    const read = samples.map(({ questionId, sample }) => byId?.get(`${questionId}/${sample}`) ?? null);
    return [name, byId === undefined ? cheap[name] : read] as const;
  });
  return Object.fromEntries(own.filter(([, values]) => values !== undefined));
}

// An evaluation's samples and scorers -> the score of each sample, and what chooses best.
import type { Backend } from '../../backend.ts';
import { SipfError } from '../../errors.ts';
import { bestOfReports, cheapScores, pathOf, type RankName, type SampleScores } from '../../method/best-of.ts';
import { type PathScoreRule, pathScore, stepScoresById } from '../../method/path-score.ts';
import type { BuildPrompt } from '../../method/prompt.ts';
import { scoreUnit } from '../../method/score.ts';
import { ScoreCalibration } from '../../method/score-calibration.ts';
import { openScorer, type ScorerName, scorerNeeds, scorerReads } from '../../method/scorers.ts';
import type { Answer, ModelSource, Question } from '../../records.ts';
import type { BestOfReport } from '../../reports.ts';
import type { Task } from '../../task.ts';
import type { Terminal } from '../terminal.ts';
import { readIfNeeded } from './score.ts';

/** What may rank samples, by the names that --scorer takes. The first two need models, the next two a task with equations or true steps. */
export const RANKS = [
  'prm',
  'prm-logprob',
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
  /** How step scores make a path score. */
  readonly path?: PathScoreRule['path'];
}

/** What ranks: as --scorer says, else all that costs nothing, and the PRM that is given. */
export function ranksOf({ scorer, prm }: BestOfOptions): readonly RankOption[] {
  return scorer ?? [...(prm === undefined ? [] : (['prm'] as const)), ...CHEAP];
}

/**
 * The weights of prm-logprob, where it is asked for.
 * @throws SipfError 'bad-input' where options of best-of do not belong together or something that a scorer needs is missing.
 */
export async function checkBestOf(
  options: BestOfOptions & { readonly samples?: number },
  task: Task,
): Promise<ScoreCalibration | null> {
  const { bestOf, scorer, prm, calibration, samples } = options;
  if (bestOf === undefined) {
    if (scorer === undefined && prm === undefined && calibration === undefined) return null;
    throw refusal('--best-of N with --scorer, --prm or --calibration', 'none', 'Give it: --best-of 8.');
  }
  if ((samples ?? bestOf) < bestOf)
    throw refusal(`at least ${bestOf} --samples for --best-of ${bestOf}`, String(samples), 'Draw more.');
  const ranks = ranksOf(options);
  const reader = ranks.find((name) => isScorer(name) && scorerNeeds(name, 'prm'));
  if (reader !== undefined && prm === undefined)
    throw refusal(`--prm (a folder that train-prm wrote) for --scorer ${reader}`, 'none', 'Give it.');
  if (reader === undefined && prm !== undefined)
    throw refusal('--scorer prm or prm-logprob for --prm', ranks.join(','), 'Name one of them, or leave --prm out.');
  const blind = ranks.find((name) => isScorer(name) && !scorerReads(name, task));
  if (blind !== undefined)
    throw refusal(`a task with steps that --scorer ${blind} can check`, task.name, 'Choose another scorer.');
  return ranks.includes('prm-logprob')
    ? await readIfNeeded('prm-logprob', 'calibration', calibration, ScoreCalibration)
    : null;
}

function refusal(expected: string, got: string, fix: string): SipfError {
  return new SipfError('bad-input', `Expected ${expected}, got ${got}. ${fix}`);
}

const isScorer = (name: RankName): name is ScorerName => name !== 'shortness';

interface ScoredSamples {
  readonly task: Task;
  readonly questions: readonly Question[];
  /** In the order of the questions. */
  readonly samples: readonly Answer[];
  readonly prompt: BuildPrompt;
  readonly backend: Backend;
  /** The policy that is evaluated: prm-logprob reads with it. */
  readonly source: ModelSource;
  readonly options: BestOfOptions;
  readonly calibration: ScoreCalibration | null;
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
  const { task, questions, prompt, backend, source, options, calibration } = given;
  const { prm, path = 'mean' } = options;
  await using scorer = await openScorer(name, {
    prm: prm === undefined ? undefined : () => backend.openPrm({ model: prm }),
    policy: () => backend.openPolicy(source),
    calibration: calibration ?? undefined,
  });
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

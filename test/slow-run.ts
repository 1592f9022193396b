// The records of a run in memory -> what the viewer is to answer, by loops over all of them.
import { pathScoring } from '../src/method/path-score.ts';
import { hardLabels } from '../src/method/step-labels.ts';
import type { Question, Sample, StepLabels, StepScores } from '../src/records.ts';
import type { PathFilter, QuestionRow } from '../src/viewer/api.ts';
import type { QuestionSort } from '../src/viewer/open-run.ts';
import type { RandomRun } from './random-run.ts';

export interface SlowPath {
  readonly sample: Sample;
  /** Where it was new. */
  readonly round: number;
  readonly labels: StepLabels | null;
  readonly scores: StepScores | null;
  readonly pathScore: number | null;
  readonly hardLabels: readonly boolean[] | null;
  readonly isDuplicate: boolean;
}

/** A step is false where it says so. */
export const slowTruth = (steps: readonly string[]): (boolean | null)[] =>
  steps.map((step) => (step.startsWith('false') ? false : step.includes('=') ? true : null));

/** The paths of a question in round `k`, in the order of the page. */
export function slowPaths({ config, rounds }: RandomRun, k: number, { id }: Question): SlowPath[] {
  const upTo = rounds.slice(0, k).map((round, i) => ({ ...round, number: i + 1 }));
  const [now] = upTo.slice(-1);
  const own = <T extends { questionId: string }>(records: readonly T[] | null | undefined) =>
    (records ?? []).filter(({ questionId }) => questionId === id);
  const samples = upTo.flatMap(({ samples, number }) => own(samples).map((sample) => ({ sample, round: number })));
  const labels = upTo.flatMap((round) => own(round.labels).map((record) => ({ record, round: round.number })));
  const scores = own(now?.scores);
  const sides = own(now?.pairs).flatMap(({ chosen, rejected }) => [chosen.sampleId, rejected?.sampleId]);
  const rollouts = labels
    .flatMap(({ record, round }) => (record.rollouts ?? []).map((sample) => ({ sample, round })))
    .filter(({ sample }) => scores.some((one) => one.sampleId === sample.id) || sides.includes(sample.id));
  const scoreOf = pathScoring(
    config.score,
    samples.map(({ sample }) => sample),
  );
  return [...samples, ...rollouts].map(({ sample, round }) => {
    const record = labels.findLast((one) => one.record.sampleId === sample.id)?.record ?? null;
    const found = scores.find(({ sampleId }) => sampleId === sample.id) ?? null;
    return {
      sample,
      round,
      labels: record,
      scores: found,
      pathScore: found?.scores ? scoreOf(found.scores) : null,
      hardLabels: record && slowHard(record, config.labels),
      isDuplicate:
        sample.source !== 'rollout' &&
        samples.some((other) => other.sample.id !== sample.id && isEqual(other.sample, sample)),
    };
  });
}

function isEqual(a: Sample, b: Sample): boolean {
  return JSON.stringify(a.steps) === JSON.stringify(b.steps);
}

function slowHard(record: StepLabels, rule: RandomRun['config']['labels']): boolean[] | null {
  try {
    return hardLabels(record, rule);
  } catch {
    return null;
  }
}

interface SlowAsk {
  readonly round: number;
  readonly filter: PathFilter;
  readonly sort: QuestionSort;
  readonly descending: boolean;
}

/** The whole list. */
export function slowQuestions(run: RandomRun, { round, filter, sort, descending }: SlowAsk): QuestionRow[] {
  const all = run.questions.map((question, place) => ({ question, place, paths: slowPaths(run, round, question) }));
  const scores = all.flatMap(({ paths }) => paths.flatMap(({ pathScore }) => pathScore ?? [])).sort((a, b) => a - b);
  const listed = all.flatMap((item) => {
    const fits = item.paths.filter((path) => fitsAll(item.question, path, filter, scores)).length;
    return fits === 0 ? [] : [{ ...item, fits, key: keyOf(sort, item) }];
  });
  listed.sort((a, b) => {
    if (a.key === null || b.key === null) return Number(a.key === null) - Number(b.key === null) || a.place - b.place;
    return (descending ? b.key - a.key : a.key - b.key) || a.place - b.place;
  });
  return listed.map(({ question, paths, fits }) => ({
    id: question.id,
    question: [...question.question].slice(0, 200).join(''),
    answer: question.answer,
    fits,
    paths: paths.length,
    right: paths.filter(({ sample }) => sample.outcome.kind === 'right').length,
    scores: boundsOf(paths),
    labelled: paths.filter(({ labels }) => labels !== null).length,
    pairs: (run.rounds[round - 1]?.pairs ?? []).filter(
      ({ questionId, rejected }) => questionId === question.id && rejected !== null,
    ).length,
  }));
}

function boundsOf(paths: readonly SlowPath[]): [number, number] | null {
  const scores = paths.flatMap(({ pathScore }) => pathScore ?? []);
  return scores.length === 0 ? null : [Math.min(...scores), Math.max(...scores)];
}

function keyOf(sort: QuestionSort, { place, paths }: { place: number; paths: readonly SlowPath[] }): number | null {
  const share = (of: (path: SlowPath) => number) => paths.reduce((sum, path) => sum + of(path), 0) / paths.length;
  const scores = paths.flatMap(({ pathScore }) => pathScore ?? []);
  const bounds = boundsOf(paths);
  if (sort === 'file') return place;
  if (sort === 'paths') return paths.length;
  if (sort === 'tokens') return share(({ sample }) => sample.tokens);
  if (sort === 'right') return share(({ sample }) => Number(sample.outcome.kind === 'right'));
  if (bounds === null) return null;
  return sort === 'spread' ? bounds[1] - bounds[0] : scores.reduce((sum, score) => sum + score, 0) / scores.length;
}

function fitsAll(question: Question, path: SlowPath, filter: PathFilter, scores: readonly number[]): boolean {
  const { sample, pathScore, round } = path;
  const { kind } = sample.outcome;
  const reason = sample.outcome.kind === 'wrong' ? sample.outcome.reason : null;
  const isCut = sample.finishReason === 'length';
  const { drawnIn, outcome, scoreFrom, scoreTo, tokensFrom, tokensTo, truncated, duplicate, list, text } = filter;
  return (
    (drawnIn === undefined || round === drawnIn) &&
    (outcome === undefined || kind === outcome) &&
    (filter.reason === undefined || reason === filter.reason) &&
    (scoreFrom === undefined || (pathScore !== null && pathScore >= scoreFrom)) &&
    (scoreTo === undefined || (pathScore !== null && pathScore <= scoreTo)) &&
    (tokensFrom === undefined || sample.tokens >= tokensFrom) &&
    (tokensTo === undefined || sample.tokens <= tokensTo) &&
    (truncated === undefined || isCut === truncated) &&
    (duplicate === undefined || path.isDuplicate === duplicate) &&
    (list === undefined || isListed(list, path, scores)) &&
    (text === undefined || textsOf(question, sample).some((one) => has(one, text)))
  );
}

function isListed(list: NonNullable<PathFilter['list']>, path: SlowPath, scores: readonly number[]): boolean {
  const { sample, pathScore } = path;
  const { kind } = sample.outcome;
  const reason = sample.outcome.kind === 'wrong' ? sample.outcome.reason : null;
  const low = scores[Math.ceil(scores.length / 4) - 1] ?? Number.NaN;
  const high = scores[Math.floor((3 * scores.length) / 4)] ?? Number.NaN;
  if (list === 'false-step') return kind === 'right' && slowTruth(sample.steps).includes(false);
  if (list === 'low-right') return kind === 'right' && pathScore !== null && pathScore <= low;
  if (list === 'high-wrong') return kind === 'wrong' && pathScore !== null && pathScore >= high;
  if (list === 'unscorable')
    return reason === 'no-answer' || sample.finishReason === 'length' || (path.scores !== null && pathScore === null);
  const labels = path.hardLabels ?? [];
  return (path.scores?.scores ?? []).some((score, j) => labels[j] !== undefined && score >= 0.5 !== labels[j]);
}

function textsOf({ question, answer }: Question, { steps, extracted, outcome }: Sample): string[] {
  const detail = outcome.kind === 'wrong' ? (outcome.detail ?? null) : null;
  return [question, answer, ...steps, extracted, detail].filter((text) => text !== null);
}

/** Letter by letter, each folded by itself. */
function has(text: string, part: string): boolean {
  const [letters, wanted] = [[...text].map(folded), [...part].map(folded)];
  return letters.some((_, at) => wanted.every((letter, i) => letters[at + i] === letter));
}

function folded(letter: string): string {
  const upper = letter.toUpperCase();
  return [...upper].length === 1 ? upper : letter;
}

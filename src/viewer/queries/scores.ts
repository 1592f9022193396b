// Held-out questions with their labels and scores -> how good the scores are, beside stand-ins.
import { setImmediate } from 'node:timers/promises';
import { isHeldOut, shareHeldOut } from '../../hashing.ts';
import { type FigureRules, sampledFigurePaths } from '../../method/figure-paths.ts';
import { stepScoresById } from '../../method/path-score.ts';
import type { RecordGroup } from '../../pipeline/run-index/read-records.ts';
import { createRandom } from '../../random.ts';
import type { Estimate } from '../../reports.ts';
import { mean, type Part, pooledShare } from '../../statistics/intervals.ts';
import { type FigurePath, scoreFigures, THRESHOLD } from '../../statistics/prm-figures.ts';
import { withinGroupRoc } from '../../statistics/roc.ts';
import type { ScorerFigures, ScoresReply, StepGroup } from '../api.ts';
import type { OpenRun } from '../open-run.ts';

type Figures = Omit<ScoresReply, 'human'>;

/** A labelled and scored path, with the lengths of its steps in characters. */
interface ScoredPath extends FigurePath {
  readonly lengths: readonly number[];
}

interface HeldOut {
  readonly round: number;
  /** Of the questions: their labels train nothing. */
  readonly share: number;
  readonly rules: FigureRules;
}

/** The labelled and scored paths of each held-out question. */
export async function heldOutPaths(
  run: Pick<OpenRun, 'groups'>,
  { round, share, rules }: HeldOut,
): Promise<ScoredPath[][]> {
  const ids: string[] = [];
  const pathsOf = async (isWanted: (id: string) => boolean): Promise<ScoredPath[][]> => {
    const found: ScoredPath[][] = [];
    for await (const group of run.groups(round, isWanted)) found.push(scoredPaths(group, rules));
    return found;
  };
  const found = await pathsOf((id) => {
    ids.push(id);
    return isHeldOut(id, share);
  });
  // Of few questions the hash may take none: then those are held out that come next in its order.
  const settled = shareHeldOut(ids, share);
  return settled === share ? found : await pathsOf((id) => isHeldOut(id, settled));
}

function scoredPaths(group: RecordGroup, rules: FigureRules): ScoredPath[] {
  return sampledFigurePaths(group, stepScoresById(group.scores), rules).map(({ sample, figure }) => ({
    ...figure,
    lengths: sample.steps.map(({ length }) => length),
  }));
}

/** Figures of the scores of held-out paths. `known`: those of the round's report, where it has them; null: no path has labels and scores. */
export async function scoresReply(
  questions: readonly ScoredPath[][],
  known: Figures['figures'] = null,
): Promise<Figures> {
  const figures = known ?? (questions.some(({ length }) => length > 0) ? await scoreFigures(questions) : null);
  return {
    figures,
    scorers: figures === null ? [] : await scorersOf(questions, figures),
    byPosition: await groupSteps(questions, (_, j) => Math.min(j, LAST_POSITION), positionLabel),
    byLength: await groupSteps(questions, ({ lengths }, j) => lengthClass(lengths[j] ?? 0), lengthLabel),
  };
}

const RANKS = ['scores', 'tallies', 'meanLogp', 'shortness'] as const;

async function scorersOf(
  questions: readonly ScoredPath[][],
  figures: NonNullable<Figures['figures']>,
): Promise<ScorerFigures[]> {
  const scorers: ScorerFigures[] = [];
  for (const name of RANKS) {
    const ranked = questions.map((paths) => paths.map(({ ranks, right }) => ({ score: ranks[name], positive: right })));
    scorers.push({
      name,
      auc: figures.aucOutcome[name],
      stepAccuracy: name === 'scores' ? figures.stepAccuracy : null,
      roc: withinGroupRoc(ranked),
    });
    // Other requests have their turn between two curves.
    await setImmediate();
  }
  return [...scorers, { name: 'majority', auc: null, stepAccuracy: commonerLabel(questions), roc: [] }];
}

/** Step accuracy of the label that most steps have. */
function commonerLabel(questions: readonly ScoredPath[][]): Estimate {
  const labels = questions.map((paths) => paths.flatMap((path) => path.labels));
  const good = labels.flat().filter(Boolean).length;
  const commoner = 2 * good >= labels.flat().length;
  return shareOf(labels.map((own) => own.map((label) => label === commoner)));
}

/** Over questions; the same resamples each time. */
function shareOf(questions: readonly (readonly boolean[])[]): Estimate {
  const parts = questions.map((own): Part => ({ part: own.filter(Boolean).length, whole: own.length }));
  return pooledShare(parts, { random: createRandom('viewer-scores') });
}

/** Steps from this one on are one group. */
const LAST_POSITION = 9;

function positionLabel(place: number): string {
  return place === LAST_POSITION ? `${place + 1} or later` : String(place + 1);
}

/** Characters of a step, upper bounds of the classes but the last. */
const LENGTHS = [20, 40, 80, 160, 320];

function lengthClass(length: number): number {
  const found = LENGTHS.findIndex((most) => length <= most);
  return found < 0 ? LENGTHS.length : found;
}

function lengthLabel(place: number): string {
  const from = place === 0 ? 0 : (LENGTHS[place - 1] ?? 0) + 1;
  const to = LENGTHS[place];
  return to === undefined ? `${from} or more` : `${from} to ${to}`;
}

/** A step as groups see it. */
interface ScoredStep {
  readonly score: number;
  readonly label: boolean;
}

/** Steps by the class that `classOf` gives them, in the order of classes; those that no step is in are left out. */
async function groupSteps(
  questions: readonly ScoredPath[][],
  classOf: (path: ScoredPath, step: number) => number,
  labelOf: (place: number) => string,
): Promise<StepGroup[]> {
  const classes = new Map<number, ScoredStep[][]>();
  for (const [q, paths] of questions.entries())
    for (const path of paths)
      for (const [j, label] of path.labels.entries()) {
        const place = classOf(path, j);
        const own = classes.get(place) ?? questions.map((): ScoredStep[] => []);
        classes.set(place, own);
        own[q]!.push({ score: path.scores[j]!, label });
      }
  const groups: StepGroup[] = [];
  for (const [place, steps] of [...classes].sort(([a], [b]) => a - b)) {
    groups.push(groupOf(labelOf(place), steps));
    // Other requests have their turn between two intervals.
    await setImmediate();
  }
  return groups;
}

function groupOf(label: string, questions: readonly ScoredStep[][]): StepGroup {
  const steps = questions.flat();
  return {
    label,
    n: steps.length,
    score: mean(steps.map(({ score }) => score)),
    frequency: mean(steps.map((step) => Number(step.label))),
    accuracy: shareOf(questions.map((own) => own.map((step) => step.score >= THRESHOLD === step.label))),
  };
}

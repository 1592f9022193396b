// Summaries of cells -> rows of means over seeds, and a paired test of every two of them.
import { createRandom } from '../random.ts';
import type { Interval } from '../reports.ts';
import { holm } from '../statistics/holm.ts';
import { mean, middle95, pairedDifference, sum } from '../statistics/intervals.ts';
import { resampledMeans } from '../statistics/resampled-means.ts';
import { type Cell, rowName } from './cell.ts';
import type { CellSummary } from './cell-summary.ts';

/** A method (with a variant's settings) in a column. Figures are means over its seeds. */
export interface Row extends Omit<Cell, 'seed'> {
  /** `sipf`, `sipf+few`, `sipf at equal FLOPs`. */
  readonly name: string;
  /** On the first set of evaluate.final. */
  readonly accuracy: number;
  readonly seeds: readonly { readonly seed: number; readonly accuracy: number; readonly n: number }[];
  /** Right and without a false step; null: no step can be checked. */
  readonly sound: number | null;
  /** On the other sets, by `task/split`. */
  readonly otherSets: Readonly<Record<string, number>>;
  /** null: it makes none. */
  readonly pairs: number | null;
  readonly optimizerTokens: number;
  readonly flops: number;
  readonly seconds: number | null;
}

/** What is compared: right answers, or sound ones. */
export type Measure = 'accuracy' | 'sound';

/** The share of row `a` minus that of row `b`, on the first set's questions that every row has a grade for. */
export interface PairedTest {
  readonly measure: Measure;
  readonly a: string;
  readonly b: string;
  /** Mean over the seeds that both have; the interval resamples seeds, and questions within each. */
  readonly difference: number;
  readonly ci95: Interval;
  readonly seeds: readonly { readonly seed: number; readonly difference: number; readonly ci95: Interval }[];
  /** Standard deviation between seeds (n - 1); null with one seed. */
  readonly deviation: number | null;
  /** Questions of all seeds together that a alone, and b alone, answers so; p of the exact McNemar test, and with Holm's correction for all tests of the measure. */
  readonly better: number;
  readonly worse: number;
  readonly pValue: number;
  readonly holm: number;
}

export interface Comparison {
  /** The warm-up, then the rows of column `tokens`, then those of column `flops`, in the order they came. */
  readonly rows: readonly Row[];
  readonly tests: readonly PairedTest[];
  /** Largest relative distance of a row's optimizer tokens from those asked for, and of the second column's FLOPs from the reference's. */
  readonly unequal: { readonly tokens: number; readonly flops: number };
}

interface CompareArgs {
  readonly tokens: number;
  readonly reference: string;
}

export function compareCells(summaries: readonly CellSummary[], { tokens, reference }: CompareArgs): Comparison {
  const keys = [...new Set(summaries.map(rowName))];
  const groups = keys.map((key) => summaries.filter((summary) => rowName(summary) === key));
  const inColumn = (column: Cell['column']) => groups.filter(([first]) => first?.column === column);
  const ordered = [...inColumn('tokens'), ...inColumn('flops')];
  const flopsOf = ({ seed, variant }: Cell): number =>
    summaries.find((one) => one.method === reference && one.seed === seed && one.variant === variant)?.total.flops ?? 0;
  const trained = summaries.filter(({ column, total }) => column === 'tokens' && total.optimizerTokens > 0);
  const matched = summaries.filter(({ column }) => column === 'flops');
  return {
    rows: ordered.map(rowOf),
    tests: [...testsOf(ordered, 'accuracy'), ...testsOf(ordered, 'sound')],
    unequal: {
      tokens: farthest(trained.map(({ total }) => [total.optimizerTokens, tokens])),
      flops: farthest(matched.map((cell) => [cell.total.flops, flopsOf(cell)])),
    },
  };
}

type Group = readonly CellSummary[];

function rowOf(group: Group): Row {
  const [{ method, variant, column, sets }] = group as readonly [CellSummary, ...CellSummary[]];
  const seeds = group.map((cell) => ({ seed: cell.seed, ...shareOf(cell.sets[0]?.right) }));
  const sound = group.map((cell) => cell.sets[0]?.sound ?? null);
  const pairs = group.map(({ rounds }) => sum(rounds.map((round) => round.pairs?.pairs ?? 0)));
  const seconds = group.map(({ total }) => total.seconds);
  const others = sets.slice(1).map(({ task, split }, i) => {
    const accuracies = group.map((cell) => shareOf(cell.sets[i + 1]?.right).accuracy);
    return [`${task}/${split}`, mean(accuracies)] as const;
  });
  return {
    method,
    variant,
    column,
    name: rowName({ method, variant, column }),
    accuracy: mean(seeds.map(({ accuracy }) => accuracy)),
    seeds,
    sound: sound.includes(null) ? null : mean(sound.map((marks) => shareOf(marks ?? undefined).accuracy)),
    otherSets: Object.fromEntries(others),
    pairs: sum(pairs) === 0 ? null : mean(pairs),
    optimizerTokens: mean(group.map(({ total }) => total.optimizerTokens)),
    flops: mean(group.map(({ total }) => total.flops)),
    seconds: seconds.includes(null) ? null : mean(seconds.map((value) => value ?? 0)),
  };
}

function shareOf(marks = ''): { accuracy: number; n: number } {
  const known = [...marks].filter((mark) => mark !== '-');
  return { accuracy: known.filter((mark) => mark === '1').length / Math.max(1, known.length), n: known.length };
}

/** A row's outcomes (1 right, 0 wrong) by what names a seed and its questions. */
interface Graded {
  readonly name: string;
  readonly byPlace: ReadonlyMap<string, { readonly seed: number; readonly right: readonly number[] }>;
}

const placeOf = ({ seed, sets }: CellSummary): string => `${seed} ${sets[0]?.questions ?? ''}`;

/** What is known of a cell's first set; empty: nothing. */
const marksOf = ({ sets: [first] }: CellSummary, measure: Measure): string =>
  (measure === 'accuracy' ? first?.right : first?.sound) ?? '';

/** A question that some row of its seed has no grade for counts in none. */
function gradedRows(groups: readonly Group[], measure: Measure): Graded[] {
  const ungraded = new Map<string, Set<number>>();
  for (const cell of groups.flat()) {
    const lost = ungraded.get(placeOf(cell)) ?? new Set<number>();
    for (const [i, mark] of [...marksOf(cell, measure)].entries()) if (mark === '-') lost.add(i);
    ungraded.set(placeOf(cell), lost);
  }
  return groups.map((group) => ({
    name: rowName(group[0]!),
    byPlace: new Map(
      group.map((cell) => {
        const marks = [...marksOf(cell, measure)].filter((_, i) => !ungraded.get(placeOf(cell))?.has(i));
        return [placeOf(cell), { seed: cell.seed, right: marks.map(Number) }];
      }),
    ),
  }));
}

/** Every two rows that answered the same questions in a seed at least. */
function testsOf(groups: readonly Group[], measure: Measure): PairedTest[] {
  const rows = gradedRows(groups, measure);
  const resampled = new Map<string, ReadonlyMap<string, Float64Array>>();
  const tests = rows.flatMap((a, i) =>
    rows.slice(i + 1).flatMap((b) => {
      const isKnown = (key: string) =>
        (a.byPlace.get(key)?.right.length ?? 0) > 0 && (b.byPlace.get(key)?.right.length ?? 0) > 0;
      const common = [...a.byPlace.keys()].filter(isKnown);
      if (common.length === 0) return [];
      const drawn = resampled.get(common.join()) ?? resamplesOf(rows, common);
      resampled.set(common.join(), drawn);
      return [{ measure, ...testOf(a, b, common, drawn) }];
    }),
  );
  const adjusted = holm(tests.map(({ pValue }) => pValue));
  return tests.map((test, i) => ({ ...test, holm: adjusted[i] ?? 1 }));
}

function resamplesOf(rows: readonly Graded[], places: readonly string[]): Map<string, Float64Array> {
  const having = rows.filter(({ byPlace }) => places.every((place) => (byPlace.get(place)?.right.length ?? 0) > 0));
  const values = having.map((row) => places.map((place) => rightIn(row, place)));
  const means = resampledMeans(values, { random: createRandom('comparison'), resamples: 2000 });
  return new Map(having.map(({ name }, i) => [name, means[i]!]));
}

function testOf(
  a: Graded,
  b: Graded,
  places: readonly string[],
  resampled: ReadonlyMap<string, Float64Array>,
): Omit<PairedTest, 'holm' | 'measure'> {
  const outcomes = (row: Graded, place: string) => rightIn(row, place).map((right) => right === 1);
  const seeds = places.map((place) => {
    const { difference, ci95 } = pairedDifference(outcomes(a, place), outcomes(b, place));
    return { seed: a.byPlace.get(place)!.seed, difference, ci95 };
  });
  const pooled = (row: Graded) => places.flatMap((place) => outcomes(row, place));
  const { better, worse, pValue } = pairedDifference(pooled(a), pooled(b));
  const [first, second] = [resampled.get(a.name)!, resampled.get(b.name)!];
  const differences = seeds.map(({ difference }) => difference);
  return {
    a: a.name,
    b: b.name,
    difference: mean(differences),
    ci95: middle95([...first].map((value, i) => value - (second[i] ?? 0))),
    seeds,
    deviation: deviationOf(differences),
    better,
    worse,
    pValue,
  };
}

function rightIn({ byPlace }: Graded, place: string): readonly number[] {
  return byPlace.get(place)?.right ?? [];
}

function deviationOf(values: readonly number[]): number | null {
  if (values.length < 2) return null;
  const centre = mean(values);
  return Math.sqrt(sum(values.map((value) => (value - centre) ** 2)) / (values.length - 1));
}

/** The largest relative distance of a value from the one it should have. */
function farthest(values: readonly (readonly [number, number])[]): number {
  return Math.max(0, ...values.flatMap(([value, wanted]) => (wanted === 0 ? [] : [Math.abs(value - wanted) / wanted])));
}

// Paths with known first errors, and scores of their steps -> how well each scorer finds the error.
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { createRandom, type Random } from '#sipf/random.js';
import { bootstrap, mean } from '#sipf/statistics/intervals.js';
import { type FirstError, firstErrorAccuracy } from '#sipf/statistics/prm-figures.js';

const USE = `Use: node scripts/tool.mjs experiments/first-errors/f1 --in PATHS.jsonl NAME=SCORES.jsonl ...

PATHS: {id, steps, label} a line, label the index of the first wrong step or -1. SCORES: what \`sipf score --in PATHS.jsonl --json\` printed.
Prints ProcessBench's F1 of each scorer: at 0.5, and at the threshold that is best on the other half of the paths.`;

/** Draws of random scores, whose mean is shown. */
const DRAWS = 20;
/** Thresholds that are tried: quantiles of a scorer's own scores. */
const GRID = 40;

interface Path {
  readonly scores: readonly number[];
  readonly label: number;
}

const lines = <T>(file: string): T[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);

const errorAt =
  (threshold: number) =>
  ({ scores, label }: Path): FirstError => ({ predicted: scores.findIndex((score) => score < threshold), label });

function bestThreshold(paths: readonly Path[]): number {
  const sorted = paths.flatMap(({ scores }) => scores).sort((a, b) => a - b);
  const grid = Array.from({ length: GRID }, (_, i) => sorted[Math.floor((i * sorted.length) / GRID)]!);
  const f1 = (threshold: number) => firstErrorAccuracy(paths.map(errorAt(threshold))).f1 ?? 0;
  return grid.reduce((best, threshold) => (f1(threshold) > f1(best) ? threshold : best));
}

/** Each half at the threshold of the other. Neighbours stay together: they may be the wrong and the right path of one problem. */
function crossFitted(paths: readonly Path[]): FirstError[] {
  const halves = [0, 1].map((half) => paths.filter((_, i) => Math.floor(i / 2) % 2 === half));
  return halves.flatMap((own, i) => own.map(errorAt(bestThreshold(halves[1 - i]!))));
}

const percent = (share: number) => (100 * share).toFixed(1);

function cells(errors: readonly FirstError[]): string[] {
  const { wrong, right } = firstErrorAccuracy(errors);
  const f1 = bootstrap(errors, (some) => firstErrorAccuracy(some).f1, { random: createRandom('f1'), resamples: 2000 });
  const interval = f1 === null ? '-' : `${percent(f1.value)} (${f1.ci95.map(percent).join('-')})`;
  return [interval, ...[wrong, right].map(({ part, whole }) => (whole === 0 ? '-' : percent(part / whole)))];
}

const row = (...columns: readonly string[]) => console.log(`| ${columns.join(' | ')} |`);

function scored(file: string, paths: readonly { readonly label: number }[]): Path[] {
  const scores = lines<{ scores: number[] | null }>(file);
  if (scores.length !== paths.length) throw new Error(`${file}: ${scores.length} lines for ${paths.length} paths.`);
  return paths.flatMap(({ label }, i) => {
    const own = scores[i]!.scores;
    return own === null ? [] : [{ scores: own, label }];
  });
}

function randomly(paths: readonly Path[], random: Random): Path[] {
  return paths.map(({ scores, label }) => ({ scores: scores.map(() => random.next()), label }));
}

const { values, positionals } = parseArgs({ allowPositionals: true, options: { in: { type: 'string' } } });
if (values.in === undefined || positionals.length === 0) throw new Error(USE);
const paths = lines<{ steps: string[]; label: number }>(values.in);

row('scorer', 'F1 (95 %)', 'error found, of wrong paths', 'none claimed, of right paths', 'F1 at 0.5', 'paths');
row('---', '---:', '---:', '---:', '---:', '---:');
for (const [name, file] of positionals.map((word) => word.split('=') as [string, string])) {
  const own = scored(file, paths);
  const atHalf = firstErrorAccuracy(own.map(errorAt(0.5))).f1;
  row(name, ...cells(crossFitted(own)), atHalf === null ? '-' : percent(atHalf), String(own.length));
}
const plain = paths.map(({ steps, label }) => ({ scores: steps.map(() => 0), label }));
const random = createRandom('random scores');
const draws = Array.from({ length: DRAWS }, () => firstErrorAccuracy(crossFitted(randomly(plain, random))));
const share = (kind: 'wrong' | 'right') => percent(mean(draws.map((draw) => draw[kind].part / draw[kind].whole)));
row(
  'random scores',
  percent(mean(draws.map(({ f1 }) => f1 ?? 0))),
  share('wrong'),
  share('right'),
  '-',
  String(paths.length),
);
const labels = paths.map(({ label }) => label);
const commonest = [...new Set(labels)].reduce((best, label) => {
  const count = (of: number) => labels.filter((other) => other === of).length;
  return count(label) > count(best) ? label : best;
});
row(
  `always ${commonest}, the commonest label`,
  ...cells(labels.map((label) => ({ predicted: commonest, label }))),
  '-',
  String(paths.length),
);

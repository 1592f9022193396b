// A comparison of cells -> tables for a terminal, Markdown, and small result files.
import { join } from 'node:path';
import { rowName, START } from '../../experiment/cell.ts';
import type { CellRound, CellSummary } from '../../experiment/cell-summary.ts';
import type { Comparison, PairedTest, Row } from '../../experiment/comparison.ts';
import { summaryFile } from '../../experiment/kept-results.ts';
import { makeFolders, nodeDisk, replaceFile } from '../../io/files.ts';
import type { Estimate } from '../../reports.ts';
import { formatDuration } from '../progress.ts';
import { percent } from './show-rounds.ts';
import { type Look, renderTable, wrap } from './show-steps.ts';

export interface ExperimentReport {
  readonly comparison: Comparison;
  readonly summaries: readonly CellSummary[];
  /** The command that makes these figures again. */
  readonly command: string;
  readonly reference: string;
  readonly tuningSeeds: readonly number[];
  /** Cells that were left out, and why, one line each. */
  readonly notes: readonly string[];
}

type Table = readonly (readonly string[])[];

/** A part of the report: a sentence, and its table. */
interface Part {
  readonly words: string;
  readonly table: Table;
}

/** All parts, in their order. */
function partsOf({ comparison, summaries, reference }: ExperimentReport): Part[] {
  const { rows, tests, unequal } = comparison;
  const [tokens, flops] = (['tokens', 'flops'] as const).map((column) => rows.filter((row) => row.column === column));
  const table = (some: readonly Row[] = []) => rowTable(some, comparison, reference);
  const parts: Part[] = [
    {
      words: `A. Equal optimizer tokens after the warm-up (largest deviation ${percent(unequal.tokens)} %). Points of accuracy with 95 % intervals:`,
      table: table(tokens),
    },
  ];
  if (flops !== undefined && flops.length > 0)
    parts.push({
      words: `B. Equal model FLOPs after the warm-up: rollouts, PRM training and scoring are charged to ${reference}, and a row that is cheaper trains longer (largest deviation ${percent(unequal.flops)} %):`,
      table: table(flops),
    });
  for (const measure of ['accuracy', 'sound'] as const) {
    const own = tests.filter((test) => test.measure === measure);
    if (own.length > 0) parts.push({ words: TEST_WORDS[measure](own.length), table: testTable(own) });
  }
  const figures = figureTable(summaries);
  if (figures.length > 1)
    parts.push({
      words:
        'E. How well scores rank the paths of one question (within-question AUC for a right answer, 0.5 is chance), on questions that never trained a PRM, beside cheap scorers. Tallies are without the last step, which is the outcome itself; so scores of the scorer tallies are not shown. True steps: the same AUC for "every step is true":',
      table: figures,
    });
  return parts;
}

const TEST_WORDS = {
  accuracy: (count: number) =>
    `C. Right answers of every two rows, paired by question. Won and lost: questions of all seeds together that only the first, or only the second, has right. p: exact McNemar test; beside it with Holm's correction for all ${count} tests:`,
  sound: (count: number) => `D. The same of sound answers, which are right and have no false step (${count} tests):`,
};

const INTERVALS =
  'Intervals of differences resample seeds, and the questions within each (2,000 resamples, paired by question): they say what other seeds and other questions of this kind would show, as far as so few seeds can. A test over questions takes the trained models as they are. Time is of the stages after the warm-up, evaluation apart, on a machine that other runs may have shared.';

function headOf({ comparison, summaries, command, tuningSeeds }: ExperimentReport): string {
  const seeds = [...new Set(summaries.map(({ seed }) => seed))].sort((a, b) => a - b);
  const tuned = seeds.some((seed) => tuningSeeds.includes(seed));
  const questions = [...new Set(comparison.rows.flatMap((row) => row.seeds.map(({ n }) => n.toLocaleString('en'))))];
  const tuning = tuned
    ? 'TUNING, not a result: settings are chosen on these seeds.'
    : tuningSeeds.length === 0
      ? ''
      : `None of them was used in tuning: that was ${tuningSeeds.join(', ')}.`;
  return `Command: \`${command}\`. Seeds ${seeds.join(', ')}. ${tuning} A seed chooses weights, draws and the problems of a generated task. The rows of a seed share one warm-up (\`start\`) and answer ${questions.join(' / ')} test questions greedily, once.`.replace(
    / {2,}/g,
    ' ',
  );
}

/** For a terminal. */
export function renderText(report: ExperimentReport, { colors, width }: Look): string[] {
  const parts = partsOf(report).flatMap(({ words, table }) => [
    '',
    ...wrap(words, width),
    ...renderTable(table, colors),
  ]);
  const notes = report.notes.flatMap((note) => wrap(note, width).map(colors.yellow));
  return [...wrap(headOf(report), width), ...parts, '', ...wrap(INTERVALS, width).map(colors.dim), ...notes];
}

/** For a document. */
export function renderMarkdown(report: ExperimentReport): string {
  const parts = partsOf(report).flatMap(({ words, table }) => {
    const [, letter = '', rest = ''] = /^(\w)\. (.*)$/s.exec(words) ?? [];
    return [`**${letter}.** ${rest}`, '', ...markdownTable(table), ''];
  });
  const notes = report.notes.length === 0 ? [] : ['', ...report.notes.map((note) => `- ${note}`)];
  return [headOf(report), '', ...parts, INTERVALS, ...notes].join('\n');
}

/** Columns as wide as their widest cell, as formatters of Markdown leave them: the first to the left, the others to the right. */
function markdownTable(rows: Table): string[] {
  const [head = [], ...body] = rows;
  const widths = head.map((_, at) => Math.max(4, ...rows.map((row) => row[at]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join(' | ')} |`;
  const rule = widths.map((width, at) => (at === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(head), line(rule), ...body.map(line)];
}

function rowTable(rows: readonly Row[], { tests }: Comparison, reference: string): Table {
  const others = [...new Set(rows.flatMap(({ otherSets }) => Object.keys(otherSets)))];
  const of = (row: Row, method: string) =>
    differenceOf(tests, row.name, rowName({ method, variant: row.variant, column: 'tokens' }));
  const sound = rows.some((row) => row.sound !== null) ? ['sound, %'] : [];
  const head = ['row', 'accuracy, %', 'single seeds', ...sound, ...others, '- start', `- ${reference}`];
  const costs = ['pairs', 'optimizer tokens', 'model FLOPs', 'time'];
  const cells = rows.map((row) => [
    row.name,
    percent(row.accuracy),
    row.seeds.map(({ accuracy }) => percent(accuracy)).join(', '),
    ...sound.map(() => (row.sound === null ? '-' : percent(row.sound))),
    ...others.map((set) => (row.otherSets[set] === undefined ? '-' : percent(row.otherSets[set]))),
    of(row, START),
    of(row, reference),
    row.pairs === null ? '-' : whole(row.pairs),
    whole(row.optimizerTokens),
    row.flops === 0 ? '0' : row.flops.toExponential(2),
    row.seconds === null || row.seconds === 0 ? '-' : formatDuration(row.seconds * 1000),
  ]);
  return [[...head, ...costs], ...cells];
}

/** `+3.1 (0.4 to 5.8)`; `-` where both are one row, or there is no test of them. */
function differenceOf(tests: readonly PairedTest[], of: string, against: string): string {
  const ofRight = tests.filter(({ measure }) => measure === 'accuracy');
  const test = ofRight.find(({ a, b }) => a === of && b === against);
  if (test !== undefined) return interval(test.difference, test.ci95);
  const flipped = ofRight.find(({ a, b }) => a === against && b === of);
  if (flipped === undefined) return '-';
  const [low, high] = flipped.ci95;
  return interval(-flipped.difference, [-high, -low]);
}

function testTable(tests: readonly PairedTest[]): Table {
  const head = ['rows', 'points (95 %)', 'single seeds (sd)', 'won', 'lost', 'p', 'p (Holm)'];
  const cells = tests.map((test) => [
    `${test.a} - ${test.b}`,
    interval(test.difference, test.ci95),
    `${test.seeds.map(({ difference }) => signed(difference)).join(', ')}${test.deviation === null ? '' : ` (${percent(test.deviation)})`}`,
    whole(test.better),
    whole(test.worse),
    probability(test.pValue),
    probability(test.holm),
  ]);
  return [head, ...cells];
}

/** PRM figures of every cell and round that has them. */
function figureTable(summaries: readonly CellSummary[]): Table {
  const head = ['row', 'seed', 'round', 'step accuracy', 'AUC scores', 'AUC tallies', 'AUC log-prob.', 'AUC shortness'];
  const rows = summaries
    .filter(({ column }) => column === 'tokens')
    .flatMap((summary) => summary.rounds.flatMap((round) => figureRow(summary, round)));
  return [[...head, 'AUC scores, true steps'], ...rows];
}

function figureRow(summary: CellSummary, { iteration, figures }: CellRound): string[][] {
  if (figures === null) return [];
  const { seed, scorer } = summary;
  const { scores, tallies, meanLogp, shortness } = figures.aucOutcome;
  const isShown = scorer !== 'tallies';
  const own = isShown ? [figures.stepAccuracy, scores] : [null, null];
  const all = [...own, tallies, meanLogp, shortness, isShown ? (figures.aucTrue?.scores ?? null) : null];
  return [[rowName(summary), String(seed), String(iteration), ...all.map(estimate)]];
}

function estimate(of: Estimate): string {
  return of === null ? '-' : `${of.value.toFixed(2)} (${of.ci95[0].toFixed(2)}-${of.ci95[1].toFixed(2)})`;
}

function interval(value: number, [low, high]: PairedTest['ci95']): string {
  return `${signed(value)} (${signed(low)} to ${signed(high)})`;
}

function signed(share: number): string {
  const text = percent(share);
  return share > 0 && text !== '0.0' ? `+${text}` : text === '-0.0' ? '0.0' : text;
}

function probability(p: number): string {
  return p < 0.0001 ? '<0.0001' : p.toFixed(4);
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}

/** results.json (the comparison), table.md, and one small file a cell. Files of other cells stay: they may be hours of work. */
export async function writeResults(folder: string, report: ExperimentReport): Promise<void> {
  const files = new Map<string, unknown>([['results.json', report.comparison]]);
  for (const summary of report.summaries) files.set(summaryFile(summary), summary);
  await makeFolders(folder);
  for (const [name, value] of files)
    await replaceFile(nodeDisk, join(folder, name), [`${JSON.stringify(value, null, 2)}\n`]);
  await replaceFile(nodeDisk, join(folder, 'table.md'), [`${renderMarkdown(report)}\n`]);
}

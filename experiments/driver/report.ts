// A comparison of arms -> Markdown, and its place between two markers of a file.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { formatDuration } from '#sipf/cli/progress.js';
import { SipfError } from '#sipf/errors.js';
import { readTextFile } from '#sipf/io/file-bytes.js';
import { type Disk, makeFolders, nodeDisk, replaceFile } from '#sipf/io/files.js';
import type { Estimate } from '#sipf/reports.js';
import type { ArmRound, ArmSummary } from './arm-summary.ts';
import type { ArmDifference, ArmRow, Comparison } from './comparison.ts';

export interface ReportArgs {
  readonly comparison: Comparison;
  readonly summaries: readonly ArmSummary[];
  /** The command that makes these figures again. */
  readonly command: string;
  readonly tuningSeeds: readonly number[];
  /** Arms that were left out, and why, one line each. */
  readonly notes: readonly string[];
}

/** The whole section, without its markers. */
export function renderExperiment({ comparison, summaries, command, tuningSeeds, notes }: ReportArgs): string {
  const { rows, unequal } = comparison;
  const seeds = [...new Set(summaries.map(({ seed }) => seed))].sort((a, b) => a - b);
  const tuned = seeds.filter((seed) => tuningSeeds.includes(seed));
  const questions = rows[0]?.seeds.map(({ n }) => n.toLocaleString('en')) ?? [];
  const tokens = rows.filter(({ column }) => column === 'tokens');
  const flops = rows.filter(({ column }) => column === 'flops');
  const figures = figureRows(summaries);
  return [
    `Command: \`${command}\`. Seeds ${seeds.join(', ')} (${tuned.length === 0 ? 'none of them used in tuning: that was' : `of which ${tuned.join(', ')} used in tuning, on`} ${tuningSeeds.join(', ')}); a seed chooses weights, draws and problems. ` +
      `Each seed's arms share one warm-up (\`start\`), the train problems and the first round's samples, and answer ${[...new Set(questions)].join(' / ')} test problems greedily, once.`,
    '',
    `**A. Equal optimizer tokens** (alignment alone; largest deviation from sipf ${percent(unequal.tokens)} %). Points of accuracy with 95 % intervals:`,
    '',
    ...renderRows(tokens),
    ...(flops.length === 0
      ? []
      : [
          '',
          `**B. Equal model FLOPs after the warm-up** (rollouts, PRM training and scoring charged to sipf; an arm that is cheaper trains on; largest deviation from sipf ${percent(unequal.flops)} %):`,
          '',
          ...renderRows(flops),
        ]),
    '',
    'Intervals resample the questions within each seed (2,000 bootstrap resamples, paired by question) and average the seeds. They say what other problems of this kind would show of ' +
      'THESE trained models; they do not cover what other seeds would have trained: for that look at the differences of the single seeds and their standard deviation (sd). ' +
      'Several comparisons are made and none is corrected for that. Time is of the stages after the warm-up, evaluation apart, on a machine that other arms may have shared.',
    ...(figures.length === 0 ? [] : ['', ...figures]),
    ...(notes.length === 0 ? [] : ['', ...notes.map((note) => `- ${note}`)]),
  ].join('\n');
}

function renderRows(rows: readonly ArmRow[]): string[] {
  const head = [
    'arm',
    'test accuracy, %',
    '- start',
    'single seeds (sd)',
    '- continued-sft',
    'sipf - arm',
    'pairs',
    'optimizer tokens',
    'model FLOPs',
    'time',
  ];
  const cells = rows.map((row) => [
    row.arm,
    `${percent(row.accuracy)} (${row.seeds.map(({ accuracy }) => percent(accuracy)).join(', ')})`,
    difference(row.againstStart),
    singleSeeds(row.againstStart),
    difference(row.againstContinuedSft),
    difference(row.sipfAgainst),
    row.pairs === null ? '-' : whole(row.pairs),
    whole(row.optimizerTokens),
    row.flops === 0 ? '0' : row.flops.toExponential(2),
    row.seconds === null ? '-' : formatDuration(row.seconds * 1000),
  ]);
  return table([head, ...cells]);
}

/** Arms whose labels and scores are of interest beside their accuracy. */
const FIGURES_OF: readonly string[] = ['sipf', 'prm-logprob', 'tallies'];

/** PRM figures of every arm, seed and round that has them. */
function figureRows(summaries: readonly ArmSummary[]): string[] {
  const rows = summaries
    .filter(({ arm, column }) => column === 'tokens' && FIGURES_OF.includes(arm))
    .flatMap((summary) => summary.rounds.flatMap((round) => figureRow(summary, round)));
  if (rows.length === 0) return [];
  const head = [
    'arm',
    'seed',
    'round',
    'step accuracy',
    'AUC scores',
    'AUC tallies',
    'AUC log-prob.',
    'AUC shortness',
    'AUC scores, true steps',
  ];
  return [
    'How well scores rank the paths of ONE question (within-question AUC for a right answer, 0.5 is chance), on questions that never trained a PRM, beside cheap scorers. ' +
      "The scores of the arm sipf are the PRM's, those of prm-logprob a PRM's weighed with log-probabilities (those of the arm tallies hold the outcome itself and are not shown). Tallies are without the last step, " +
      'which is the outcome: in the arm tallies complete, in the others from scans that may have stopped at a first success. True steps: the same AUC of the scores for "every step is true":',
    '',
    ...table([head, ...rows]),
  ];
}

function figureRow({ arm, seed }: ArmSummary, { iteration, figures }: ArmRound): string[][] {
  if (figures === null) return [];
  const { scores, tallies, meanLogp, shortness } = figures.aucOutcome;
  const shown = arm !== 'tallies';
  const own = shown ? [figures.stepAccuracy, scores] : [null, null];
  const all = [...own, tallies, meanLogp, shortness, shown ? (figures.aucTrue?.scores ?? null) : null];
  return [[arm, String(seed), String(iteration), ...all.map(estimate)]];
}

/** Columns as wide as their widest cell, as formatters of Markdown leave them: the first to the left, the others to the right. */
function table(rows: readonly (readonly string[])[]): string[] {
  const [head = [], ...body] = rows;
  const widths = head.map((_, at) => Math.max(4, ...rows.map((row) => row[at]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join(' | ')} |`;
  const rule = widths.map((width, at) => (at === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(head), line(rule), ...body.map(line)];
}

function difference(of: ArmDifference | null): string {
  return of === null ? '-' : `${signed(of.value)} (${signed(of.ci95[0])} to ${signed(of.ci95[1])})`;
}

function singleSeeds(of: ArmDifference | null): string {
  if (of === null) return '-';
  const deviation = of.deviation === null ? '' : ` (${percent(of.deviation)})`;
  return `${of.seeds.map(({ value }) => signed(value)).join(', ')}${deviation}`;
}

function estimate(of: Estimate): string {
  return of === null ? '-' : `${of.value.toFixed(2)} (${of.ci95[0].toFixed(2)}-${of.ci95[1].toFixed(2)})`;
}

function signed(share: number): string {
  const text = percent(share);
  return share > 0 && text !== '0.0' ? `+${text}` : text === '-0.0' ? '0.0' : text;
}

function percent(share: number): string {
  return (100 * share).toFixed(1);
}

function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}

interface Section {
  readonly path: string;
  /** `experiment:mini` */
  readonly name: string;
}

const markersOf = ({ name }: Section) => ({ open: `<!-- ${name} -->`, close: `<!-- /${name} -->` });

/**
 * `text` with `body` between the section's markers, all else untouched; without markers the section goes to the end.
 * @throws SipfError 'bad-input' for half a pair.
 */
export function replaceSection(text: string, body: string, section: Section): string {
  const { open, close } = markersOf(section);
  const [from, to] = [text.indexOf(open), text.indexOf(close)];
  if (from === -1 && to === -1) {
    const gap = text === '' ? '' : text.endsWith('\n') ? '\n' : '\n\n';
    return `${text}${gap}${open}\n${body}\n${close}\n`;
  }
  if (from === -1 || to < from || text.indexOf(open, from + 1) !== -1) {
    throw new SipfError(
      'bad-input',
      `Expected one ${open} and one ${close} after it in ${section.path}, got something else. Fix the markers; what is between them is replaced.`,
    );
  }
  return `${text.slice(0, from + open.length)}\n${body}\n${text.slice(to)}`;
}

/** The check of `replaceSection`, before hours of work. @throws SipfError 'bad-input' for half a pair. */
export async function checkSection(section: Section): Promise<void> {
  replaceSection((await readTextFile(section.path)) ?? '', '', section);
}

export async function writeSection(section: Section, body: string, disk: Disk = nodeDisk): Promise<void> {
  await replaceFile(disk, section.path, [replaceSection((await readTextFile(section.path)) ?? '', body, section)]);
}

export interface Results {
  readonly text: string;
  readonly comparison: Comparison;
  readonly summaries: readonly ArmSummary[];
}

/** results.json (the comparison), table.md, and one small file a run. Files of runs that are no longer compared go. */
export async function writeResults(folder: string, { text, comparison, summaries }: Results): Promise<void> {
  const files = new Map<string, unknown>([['results.json', comparison]]);
  for (const summary of summaries) {
    const { seed, arm, column } = summary;
    files.set(`seed-${seed}-${arm}${column === 'flops' ? '-equal-flops' : ''}.json`, summary);
  }
  await makeFolders(folder);
  for (const name of await readdir(folder))
    if (/^seed-\d+-.*\.json$/.test(name) && !files.has(name)) await nodeDisk.remove(join(folder, name));
  for (const [name, value] of files)
    await replaceFile(nodeDisk, join(folder, name), [`${JSON.stringify(value, null, 2)}\n`]);
  await replaceFile(nodeDisk, join(folder, 'table.md'), [`${text}\n`]);
}

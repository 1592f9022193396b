// A run's figures -> tables that a person reads: one row a round, and what test said at the end.
import type { RoundSummary, RunView } from '../../pipeline/run-reader.ts';
import type { Estimate, PairedDifference, SetReport } from '../../reports.ts';
import { warningsOf } from '../../viewer/queries/rounds.ts';
import { formatDuration } from '../progress.ts';
import { type Look, renderTable, wrap } from './show-steps.ts';

/** `41.2 % (38.0-44.5)` */
export function formatShare(share: Pick<NonNullable<Estimate>, 'value' | 'ci95'> | null): string {
  return share === null ? '-' : `${percent(share.value)} % (${percent(share.ci95[0])}-${percent(share.ci95[1])})`;
}

/** `+3.1 (0.4 to 5.8)`: points of a difference. */
export function formatPoints(value: number, [low, high]: readonly [number, number]): string {
  return `${value >= 0 ? '+' : ''}${percent(value)} (${percent(low)} to ${percent(high)})`;
}

function formatDifference(paired: PairedDifference | null): string {
  return paired === null ? '-' : formatPoints(paired.difference, paired.ci95);
}

/** The tables of rounds: accuracy with interval, PRM figures beside cheap scorers, pairs, time; then sound answers. */
export function renderRounds(rounds: readonly RoundSummary[], look: Look): string[] {
  const reports = rounds.map(({ report }) => report?.sets ?? []);
  const sets = columnsOf(reports, accuracyColumns('against before'));
  const figures = ['step acc', 'AUC', 'tallies', 'logp', 'short', 'pairs', 'time'];
  const names = rounds.map(({ iteration }) => (iteration === 0 ? '0 (start)' : String(iteration)));
  const rows = rounds.map(({ report, seconds }, i) => {
    const auc = report?.scores?.aucOutcome;
    const estimates = [report?.scores?.stepAccuracy, auc?.scores, auc?.tallies, auc?.meanLogp, auc?.shortness];
    return [
      names[i] ?? '',
      ...sets.cells(report?.sets ?? []),
      ...estimates.map((estimate) => estimate?.value.toFixed(2) ?? '-'),
      report?.pairs?.pairs === undefined ? '-' : String(report.pairs.pairs),
      seconds === null ? '-' : formatDuration(seconds * 1000),
    ];
  });
  const legend =
    'step acc: accuracy of the scores on step labels. AUC: do the scores rank right paths of one question above wrong ones (0.5: chance); tallies, logp, ' +
    'short: the same for the rollouts themselves, the mean log-probability and shortness. All on questions that never trained a PRM.';
  const hasScores = rounds.some(({ report }) => report?.scores);
  return [
    ...tableWith([['round', ...sets.head, ...figures], ...rows], hasScores ? legend : null, look),
    ...renderSound({ of: 'round', names, reports, against: 'against before', note: SOUND_LEGEND }, look),
  ];
}

/** What test said: start, last policy and control, each set with its difference to the start. Empty where the run has not got there. */
export function renderFinal({ final }: Pick<RunView, 'final'>, look: Look): string[] {
  if (final === null) return [];
  const reports = final.rows.map((row) => row.sets);
  const sets = columnsOf(reports, accuracyColumns('against start'));
  const rows = final.rows.map(({ name, sets: own, optimizerTokens, flops }) => [
    name,
    ...sets.cells(own),
    Math.round(optimizerTokens).toLocaleString('en'),
    flops === 0 ? '0' : flops.toExponential(1),
  ]);
  const note =
    'What the last policy gained is the effect of the loop, not yet of process feedback: continued-sft spent as many optimizer tokens on worked ' +
    'solutions alone. Other methods (--method) and scorers (--scorer) tell more.';
  const hasControl = final.rows.some(({ name }) => name === 'continued-sft');
  const names = final.rows.map(({ name }) => name);
  const head = ['policy', ...sets.head, 'optimizer tokens', 'model FLOPs'];
  return [
    ...tableWith([head, ...rows], null, look),
    ...controlLines(final.rows),
    ...(hasControl ? wrap(note, look.width).map(look.colors.dim) : []),
    ...renderSound({ of: 'policy', names, reports, against: 'against start', note: null }, look),
  ];
}

/** The last policy's paired differences to the control, a line each set. */
function controlLines(rows: NonNullable<RunView['final']>['rows']): string[] {
  return rows.flatMap(({ againstControl = [] }) =>
    againstControl.map((set) => {
      const sound = set.pairedSound === null ? '' : `, sound ${formatDifference(set.pairedSound)}`;
      return `last - continued-sft, ${nameOf(set)}: ${formatDifference(set.paired)}${sound}`;
    }),
  );
}

/** What a table says of a set of questions. */
interface Column {
  readonly head: (name: string) => string;
  readonly cell: (set: SetReport) => string;
}

/** `against`: what the difference is to. */
const accuracyColumns = (against: string): Column[] => [
  {
    head: (name) => `${name} (95 %)`,
    cell: ({ accuracy: value, ci95, n }) => formatShare(n === 0 ? null : { value, ci95 }),
  },
  { head: () => against, cell: ({ paired }) => formatDifference(paired) },
];

const soundColumns = (against: string): Column[] => [
  { head: (name) => `${name} sound (95 %)`, cell: ({ sound }) => formatShare(sound) },
  { head: () => against, cell: ({ pairedSound }) => formatDifference(pairedSound) },
  { head: () => 'false steps in right (95 %)', cell: ({ falseAmongRight }) => formatShare(falseAmongRight) },
];

/** The columns of each set that a row has. */
function columnsOf(reports: readonly (readonly SetReport[])[], columns: readonly Column[]) {
  const names = [...new Set(reports.flat().map(nameOf))];
  return {
    head: names.flatMap((name) => columns.map(({ head }) => head(name))),
    cells: (sets: readonly SetReport[]): string[] =>
      names.flatMap((name) => {
        const set = sets.find((candidate) => nameOf(candidate) === name);
        return columns.map(({ cell }) => (set === undefined ? '-' : cell(set)));
      }),
  };
}

interface SoundRows {
  /** What a row is: its column's head. */
  readonly of: string;
  readonly names: readonly string[];
  readonly reports: readonly (readonly SetReport[])[];
  readonly against: string;
  /** What the words mean; null: said above. */
  readonly note: string | null;
}

const SOUND_LEGEND =
  'sound: right, and no step is false (true steps where the task knows them, else exact equations), of all answers. ' +
  'false steps in right: of the right answers with a step that can be checked, those with a false one.';

/** A table of sound answers; empty where no set has steps that can be checked. */
function renderSound({ of, names, reports, against, note }: SoundRows, look: Look): string[] {
  const checked = reports.map((sets) => sets.filter(({ sound }) => sound !== null));
  if (checked.flat().length === 0) return [];
  const { head, cells } = columnsOf(checked, soundColumns(against));
  const rows = checked.map((sets, i) => [names[i] ?? '', ...cells(sets)]);
  return ['', ...tableWith([[of, ...head], ...rows], note, look)];
}

function tableWith(rows: readonly string[][], note: string | null, { colors, width }: Look): string[] {
  return [...renderTable(rows, colors), ...(note === null ? [] : wrap(note, width).map(colors.dim))];
}

/** Every warning once, with the rounds that gave it (or `final`), and where it is explained. */
export function renderWarnings(view: Pick<RunView, 'rounds' | 'final'>, look: Look): string[] {
  const lines = warningsOf(view).flatMap(({ text, where: of }) => {
    const where =
      of.length === 1 && of[0] === 'final' ? 'final' : `${of.length > 1 ? 'rounds' : 'round'} ${of.join(', ')}`;
    return wrap(`${where}: ${text}`, look.width).map(look.colors.yellow);
  });
  return lines.length === 0 ? [] : [...lines, look.colors.dim('What each warning means: docs/warnings.md')];
}

function nameOf({ task, split }: Pick<SetReport, 'task' | 'split'>): string {
  return `${task}/${split}`;
}

/** `41.2`, of a share. */
export function percent(share: number): string {
  return (100 * share).toFixed(1).replace(/^-0\.0$/, '0.0');
}

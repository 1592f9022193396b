// A run's figures -> tables that a person reads: one row a round, and what test said at the end.

import type { RoundSummary, RunView } from '../../pipeline/run-reader.ts';
import type { SetReport } from '../../reports.ts';
import { formatDuration } from '../progress.ts';
import { type Look, renderTable, wrap } from './show-steps.ts';

/** `41.2 % (38.0-44.5)` */
function formatAccuracy({ accuracy, ci95, n }: Pick<SetReport, 'accuracy' | 'ci95' | 'n'>): string {
  if (n === 0) return '-';
  return `${percent(accuracy)} % (${percent(ci95[0])}-${percent(ci95[1])})`;
}

/** `+3.1 (0.4 to 5.8)`: points of the paired difference. */
function formatDifference(paired: SetReport['paired']): string {
  if (paired === null) return '-';
  const sign = paired.difference >= 0 ? '+' : '';
  return `${sign}${percent(paired.difference)} (${percent(paired.ci95[0])} to ${percent(paired.ci95[1])})`;
}

/** The table of rounds: accuracy with interval, PRM figures beside cheap scorers, pairs, time. */
export function renderRounds(rounds: readonly RoundSummary[], look: Look): string[] {
  const sets = setsOf(
    rounds.map(({ report }) => report?.sets ?? []),
    'against before',
  );
  const figures = ['step acc', 'AUC', 'tallies', 'logp', 'short', 'pairs', 'time'];
  const rows = rounds.map(({ iteration, report, seconds }) => {
    const auc = report?.scores?.aucOutcome;
    const estimates = [report?.scores?.stepAccuracy, auc?.scores, auc?.tallies, auc?.meanLogp, auc?.shortness];
    return [
      iteration === 0 ? '0 (start)' : String(iteration),
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
  return tableWith([['round', ...sets.head, ...figures], ...rows], hasScores ? legend : null, look);
}

/** What test said: start, last policy and control, each set with its difference to the start. Empty where the run has not got there. */
export function renderFinal({ final }: Pick<RunView, 'final'>, look: Look): string[] {
  if (final === null) return [];
  const sets = setsOf(
    final.rows.map((row) => row.sets),
    'against start',
  );
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
  return tableWith(
    [['policy', ...sets.head, 'optimizer tokens', 'model FLOPs'], ...rows],
    hasControl ? note : null,
    look,
  );
}

/** Two columns a set of questions: accuracy, and the difference to what `against` says. */
function setsOf(reports: readonly (readonly SetReport[])[], against: string) {
  const names = [...new Set(reports.flat().map(nameOf))];
  return {
    head: names.flatMap((name) => [`${name} (95 %)`, against]),
    cells: (sets: readonly SetReport[]): string[] =>
      names.flatMap((name) => {
        const set = sets.find((candidate) => nameOf(candidate) === name);
        return set === undefined ? ['-', '-'] : [formatAccuracy(set), formatDifference(set.paired)];
      }),
  };
}

function tableWith(rows: readonly string[][], note: string | null, { colors, width }: Look): string[] {
  return [...renderTable(rows, colors), ...(note === null ? [] : wrap(note, width).map(colors.dim))];
}

/** Every warning once, with the rounds that gave it (or `final`), and where it is explained. */
export function renderWarnings({ rounds, final }: Pick<RunView, 'rounds' | 'final'>, look: Look): string[] {
  const given = new Map<string, string[]>();
  const add = (where: string, texts: readonly string[] = []) => {
    for (const text of texts) given.set(text, [...(given.get(text) ?? []), where]);
  };
  for (const { iteration, report } of rounds) add(String(iteration), report?.warnings);
  add('final', final?.warnings);
  const lines = [...given].flatMap(([text, of]) => {
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
  return (100 * share).toFixed(1);
}

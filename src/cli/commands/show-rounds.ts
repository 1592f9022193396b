// A run's figures -> tables that a person reads: one row a round, and what test said at the end.

import type { RoundSummary, RunView } from '../../pipeline/run-reader.ts';
import type { Estimate, SetReport } from '../../reports.ts';
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
  const sets = [...new Set(rounds.flatMap(({ report }) => report?.sets.map(nameOf) ?? []))];
  const head = [
    'round',
    ...sets.flatMap((name) => [`${name} (95 %)`, 'against before']),
    'step acc',
    'AUC',
    'tallies',
    'logp',
    'short',
    'pairs',
    'time',
  ];
  const rows = rounds.map((round) => rowOf(round, sets));
  const legend =
    'step acc: accuracy of the scores on step labels. AUC: do the scores rank right paths of one question above wrong ones (0.5: chance); tallies, logp, ' +
    'short: the same for the rollouts themselves, the mean log-probability and shortness. All on questions that never trained a PRM.';
  const hasScores = rounds.some(({ report }) => report?.scores);
  return [
    ...renderTable([head, ...rows], look.colors),
    ...(hasScores ? wrap(legend, look.width).map(look.colors.dim) : []),
  ];
}

function rowOf({ iteration, report, seconds }: RoundSummary, sets: readonly string[]): string[] {
  const scores = report?.scores ?? null;
  const cells = sets.flatMap((name) => {
    const set = report?.sets.find((candidate) => nameOf(candidate) === name);
    return set === undefined ? ['-', '-'] : [formatAccuracy(set), formatDifference(set.paired)];
  });
  const auc = scores?.aucOutcome;
  return [
    iteration === 0 ? '0 (start)' : String(iteration),
    ...cells,
    formatEstimate(scores?.stepAccuracy),
    formatEstimate(auc?.scores),
    formatEstimate(auc?.tallies),
    formatEstimate(auc?.meanLogp),
    formatEstimate(auc?.shortness),
    report?.pairs?.pairs === undefined ? '-' : String(report.pairs.pairs),
    seconds === null ? '-' : formatDuration(seconds * 1000),
  ];
}

/** What test said: start, last policy and control, each set with its difference to the start. Empty where the run has not got there. */
export function renderFinal({ final }: Pick<RunView, 'final'>, look: Look): string[] {
  if (final === null) return [];
  const sets = [...new Set(final.rows.flatMap((row) => row.sets.map(nameOf)))];
  const head = [
    'policy',
    ...sets.flatMap((name) => [`${name} (95 %)`, 'against start']),
    'optimizer tokens',
    'model FLOPs',
  ];
  const rows = final.rows.map((row) => [
    row.name,
    ...sets.flatMap((name) => {
      const set = row.sets.find((candidate) => nameOf(candidate) === name);
      return set === undefined ? ['-', '-'] : [formatAccuracy(set), formatDifference(set.paired)];
    }),
    Math.round(row.optimizerTokens).toLocaleString('en'),
    row.flops === 0 ? '0' : row.flops.toExponential(1),
  ]);
  const note =
    'What the last policy gained is the effect of the loop, not yet of process feedback: continued-sft spent as many optimizer tokens on worked ' +
    'solutions alone. Other methods (--method) and scorers (--scorer) tell more.';
  const hasControl = final.rows.some(({ name }) => name === 'continued-sft');
  return [
    ...renderTable([head, ...rows], look.colors),
    ...(hasControl ? wrap(note, look.width).map(look.colors.dim) : []),
  ];
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

function formatEstimate(estimate: Estimate | undefined): string {
  return estimate === null || estimate === undefined ? '-' : estimate.value.toFixed(2);
}

function percent(share: number): string {
  return (100 * share).toFixed(1);
}

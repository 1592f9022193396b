// Best-of-N reports -> a table that a person reads: a row for each way to choose an answer.
import type { BestOfReport, Estimate } from '../../reports.ts';
import { formatPoints, formatShare } from './show-rounds.ts';
import { type Look, renderTable, wrap } from './show-steps.ts';

/** A report, and whose answers it is of. */
export interface OfPolicy {
  readonly policy: string;
  readonly report: BestOfReport;
}

/** What greedy answers, majority vote and best-of-N by each scorer give. Empty without reports. */
export function renderBestOf(reports: readonly OfPolicy[], look: Look): string[] {
  if (reports.length === 0) return [];
  const head = ['policy', 'questions', 'answer', 'right (95 %)', 'sound (95 %)', 'against greedy', 'against majority'];
  const rows = reports.flatMap(({ policy, report }) =>
    report.rules.map(({ rule, accuracy, sound, againstGreedy, againstMajority }) => [
      policy,
      `${report.task}/${report.split} (${report.questions})`,
      ruleInWords(rule, report.samples),
      formatShare(accuracy),
      formatShare(sound),
      formatEstimate(againstGreedy),
      formatEstimate(againstMajority),
    ]),
  );
  const legend =
    'Differences are on the same questions. Of equally good samples the first drawn is taken. ' +
    'A random sample is what no choice at all gives; any is pass@N, which no choice can exceed.';
  return [...renderTable([head, ...rows], look.colors), ...wrap(legend, look.width).map(look.colors.dim)];
}

const RULES: Readonly<Record<string, string>> = {
  greedy: 'greedy',
  random: 'random sample',
  majority: 'majority of',
  any: 'any of',
};

function ruleInWords(rule: string, samples: number): string {
  const words = RULES[rule];
  if (words === undefined) return `best of ${samples} by ${rule}`;
  return words.endsWith(' of') ? `${words} ${samples}` : words;
}

function formatEstimate(figure: Estimate): string {
  return figure === null ? '-' : formatPoints(figure.value, figure.ci95);
}

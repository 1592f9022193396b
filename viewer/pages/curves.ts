// Reports of rounds and figures of scores -> the curves that the pages draw, with their bands.

import type { Estimate, EvalReport, SetReport } from '../../src/reports.ts';
import type { RoundRow, ScorerFigures, ScoresReply, TrainingReply } from '../../src/viewer/api.ts';
import type { PlotProps, Series } from '../parts/plot.tsx';
import { fixed } from '../text/format.ts';

/** A line of estimates; its band is their intervals. */
function lineOf(label: string, figures: readonly (Estimate | undefined)[], scale = 1): Series {
  return {
    label,
    values: figures.map((figure) => (figure == null ? null : scale * figure.value)),
    low: figures.map((figure) => (figure == null ? null : scale * figure.ci95[0])),
    high: figures.map((figure) => (figure == null ? null : scale * figure.ci95[1])),
  };
}

function plainLine(label: string, values: readonly (number | null | undefined)[]): Series {
  return { label, values: values.map((value) => value ?? null) };
}

/** Names of all sets that a report has, in their order. */
export function setNames(rounds: readonly RoundRow[]): string[] {
  return [...new Set(rounds.flatMap(({ report }) => report?.sets.map(nameOf) ?? []))];
}

export function nameOf({ task, split }: Pick<SetReport, 'task' | 'split'>): string {
  return `${task}/${split}`;
}

export function setOf(report: EvalReport | null, name: string): SetReport | null {
  return report?.sets.find((set) => nameOf(set) === name) ?? null;
}

/** The curves of the page of rounds. Those without numbers draw nothing. */
export function roundCurves(rounds: readonly RoundRow[], trainings: TrainingReply['trainings']): readonly PlotProps[] {
  const x = rounds.map(({ iteration }) => iteration);
  const xNames = x.map((round) => (round === 0 ? 'start' : String(round)));
  const shared = { x, xNames, xLabel: 'round', isCourse: true };
  const reports = rounds.map(({ report }) => report);
  const curves = [...setCurves(reports, setNames(rounds)), ...scoreCurves(reports), ...pairCurves(reports)];
  return [...curves, { title: 'Loss, last tenth', digits: 3, series: lossSeries(x, trainings) }].map((curve) => ({
    ...shared,
    ...curve,
  }));
}

type Reports = readonly (EvalReport | null)[];
/** Without what all curves of the page share. */
type Curve = Pick<PlotProps, 'title' | 'digits' | 'series'>;

function setCurves(reports: Reports, names: readonly string[]): readonly Curve[] {
  const ofSets = (pick: (set: SetReport) => Estimate): Series[] =>
    names.map((name) => {
      const sets = reports.map((report) => setOf(report, name));
      return lineOf(
        name,
        sets.map((set) => (set === null ? null : pick(set))),
        100,
      );
    });
  return [
    { title: 'Accuracy, %', digits: 1, series: ofSets((set) => ({ ...set, value: set.accuracy })) },
    { title: 'Sound answers, %', digits: 1, series: ofSets((set) => set.sound) },
  ];
}

function scoreCurves(reports: Reports): readonly Curve[] {
  const scores = reports.map((report) => report?.scores ?? null);
  const auc = (label: string, key: keyof EvalScores['aucOutcome']): Series =>
    lineOf(
      label,
      scores.map((own) => own?.aucOutcome[key]),
    );
  const accuracy = lineOf(
    'scores',
    scores.map((own) => own?.stepAccuracy),
  );
  const majority = plainLine(
    'commoner label',
    scores.map((own) => own?.majority),
  );
  return [
    {
      title: 'AUC within questions',
      series: [
        auc('scores', 'scores'),
        auc('tallies', 'tallies'),
        auc('mean log P', 'meanLogp'),
        auc('shortness', 'shortness'),
      ],
    },
    { title: 'Step accuracy', series: [accuracy, majority] },
  ];
}

function pairCurves(reports: Reports): readonly Curve[] {
  const logps = (side: 'chosen' | 'rejected', when: 'before' | 'after'): Series =>
    plainLine(
      `${side}, ${when}`,
      reports.map((report) => report?.logps?.[side][when]),
    );
  const counted = (label: string, name: string): Series =>
    plainLine(
      label,
      reports.map((report) => report?.pairs?.[name]),
    );
  return [
    {
      title: 'Mean log P in pairs',
      digits: 3,
      series: [
        logps('chosen', 'after'),
        logps('rejected', 'after'),
        logps('chosen', 'before'),
        logps('rejected', 'before'),
      ],
    },
    { title: 'Pairs', digits: 0, series: [counted('pairs', 'pairs'), counted('paths alone', 'nllRows')] },
  ];
}

type EvalScores = NonNullable<EvalReport['scores']>;

function lossSeries(x: readonly number[], trainings: TrainingReply['trainings']): Series[] {
  // The control's training belongs to no round.
  const stages = [...new Set(trainings.map(({ stage }) => stage))].filter((stage) => /^\d/.test(stage));
  return stages.map((stage) =>
    plainLine(
      stage,
      x.map((round) => lastLoss(trainings.find((t) => t.stage === stage && t.iteration === round)?.series ?? [])),
    ),
  );
}

function lastLoss(series: readonly { readonly loss: number }[]): number | null {
  const last = series.slice(-Math.max(1, Math.ceil(series.length / 10)));
  return last.length === 0 ? null : last.reduce((sum, { loss }) => sum + loss, 0) / last.length;
}

/** Share of steps labelled right by score, with Wilson's intervals; a calibrated scorer is on the diagonal. */
export function calibrationSeries(figures: ScoresReply['figures']): PlotProps {
  const bins = (figures?.calibration.bins ?? []).filter(({ n }) => n > 0);
  const intervals = bins.map(({ frequency, n }) => wilson(frequency ?? 0, n));
  return {
    title: 'Calibration',
    xLabel: 'mean score of the steps in a bin',
    x: bins.map(({ score, from }) => score ?? from),
    rowNames: bins.map(({ score, n }) => `${fixed(score, 2)} (n ${n})`),
    xRange: [0, 1],
    yRange: [0, 1],
    diagonal: true,
    series: [
      {
        label: 'labelled right',
        values: bins.map(({ frequency }) => frequency),
        low: intervals.map(([low]) => low),
        high: intervals.map(([, high]) => high),
      },
    ],
  };
}

/** 95 %. */
function wilson(share: number, n: number): readonly [number, number] {
  const z2 = 1.96 ** 2;
  const middle = (share + z2 / (2 * n)) / (1 + z2 / n);
  const half = (Math.sqrt((share * (1 - share)) / n + z2 / (4 * n * n)) * 1.96) / (1 + z2 / n);
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

/** Points of a ROC on one grid of false positives, so that all curves share their x. */
const GRID = Array.from({ length: 101 }, (_, i) => i / 100);

export function rocSeries(scorers: readonly ScorerFigures[]): PlotProps {
  return {
    title: 'ROC within questions',
    xLabel: 'share of wrong paths above the threshold',
    x: GRID,
    yRange: [0, 1],
    diagonal: true,
    series: scorers
      .filter(({ roc }) => roc.length > 0)
      .map(({ name, roc }) => ({ label: name, values: GRID.map((x) => truePositiveAt(roc, x)) })),
  };
}

/** Linear between the points; of several at one place, the highest. */
function truePositiveAt(roc: ScorerFigures['roc'], x: number): number {
  const before = roc.findLast(([fp]) => fp <= x) ?? [0, 0];
  const after = roc.find(([fp]) => fp > x) ?? [1, 1];
  const share = after[0] === before[0] ? 0 : (x - before[0]) / (after[0] - before[0]);
  return before[1] + share * (after[1] - before[1]);
}

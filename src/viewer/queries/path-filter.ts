// What a list is narrowed to -> whether a path fits, by what the index knows of it.
import { ERROR, isWrong, RIGHT, reasonNumber } from '../../pipeline/run-index/outcomes.ts';
import { PATH_FLAGS, ROUND_FLAGS } from '../../pipeline/run-index/tables.ts';
import type { PathFilter } from '../api.ts';
import type { RoundColumns } from './round-columns.ts';

type FitsRow = (row: number) => boolean;

const OUTCOMES: Readonly<Record<NonNullable<PathFilter['outcome']>, (outcome: number) => boolean>> = {
  right: (outcome) => outcome === RIGHT,
  wrong: isWrong,
  error: (outcome) => outcome === ERROR,
};

/** Whether a path of the round fits; `text`, and whether a right path has a false step, take its texts and are no part of it. */
export function pathFilter(filter: PathFilter, columns: RoundColumns): FitsRow {
  const checks = [...ofPath(filter, columns), ...ofScore(filter, columns), ...listed(filter.list, columns)];
  return (row) => checks.every((fits) => fits(row));
}

function ofPath(filter: PathFilter, { index, round }: RoundColumns): FitsRow[] {
  const { paths } = index.tables;
  const { drawnIn, outcome, reason, tokensFrom, tokensTo, truncated, duplicate } = filter;
  const checks: FitsRow[] = [];
  if (drawnIn !== undefined) checks.push((row) => paths.round.values[row] === drawnIn);
  if (outcome !== undefined) checks.push((row) => OUTCOMES[outcome](paths.outcome.values[row]!));
  if (reason !== undefined) {
    const wanted = reasonNumber(reason);
    checks.push((row) => paths.outcome.values[row] === wanted);
  }
  if (tokensFrom !== undefined) checks.push((row) => paths.tokens.values[row]! >= tokensFrom);
  if (tokensTo !== undefined) checks.push((row) => paths.tokens.values[row]! <= tokensTo);
  if (truncated !== undefined)
    checks.push((row) => ((paths.flags.values[row]! & PATH_FLAGS.truncated) !== 0) === truncated);
  if (duplicate !== undefined) checks.push((row) => paths.twin.values[row]! <= round === duplicate);
  return checks;
}

function ofScore({ scoreFrom, scoreTo }: PathFilter, { scores }: RoundColumns): FitsRow[] {
  const checks: FitsRow[] = [];
  if (scoreFrom !== undefined) checks.push((row) => (scores[row] ?? Number.NaN) >= scoreFrom);
  if (scoreTo !== undefined) checks.push((row) => (scores[row] ?? Number.NaN) <= scoreTo);
  return checks;
}

function listed(list: PathFilter['list'], columns: RoundColumns): FitsRow[] {
  const { outcome, flags } = columns.index.tables.paths;
  const ofRound = columns.flags;
  const isRight: FitsRow = (row) => outcome.values[row] === RIGHT;
  switch (list) {
    case undefined:
      return [];
    case 'false-step':
      return [isRight];
    case 'low-right': {
      const [low] = columns.quarters();
      return [isRight, (row) => columns.score(row) <= low];
    }
    case 'high-wrong': {
      const [, high] = columns.quarters();
      return [(row) => isWrong(outcome.values[row]!), (row) => columns.score(row) >= high];
    }
    case 'disagree':
      return [(row) => (ofRound[row]! & ROUND_FLAGS.disagree) !== 0];
    case 'unscorable': {
      const unanswered = reasonNumber('no-answer');
      return [
        (row) =>
          outcome.values[row] === unanswered ||
          (flags.values[row]! & PATH_FLAGS.truncated) !== 0 ||
          (ofRound[row]! & ROUND_FLAGS.tooLong) !== 0,
      ];
    }
  }
}

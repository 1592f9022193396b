// What a list is narrowed to -> whether a path fits, by what the index knows of it.
import { ERROR, isWrong, RIGHT, reasonNumber } from '../../pipeline/run-index/outcomes.ts';
import { PATH_FLAGS, ROUND_FLAGS } from '../../pipeline/run-index/tables.ts';
import type { PathFilter } from '../api.ts';
import type { RoundColumns } from './round-columns.ts';

export type FitsRow = (row: number) => boolean;

const OUTCOMES: Readonly<Record<NonNullable<PathFilter['outcome']>, (outcome: number) => boolean>> = {
  right: (outcome) => outcome === RIGHT,
  wrong: isWrong,
  error: (outcome) => outcome === ERROR,
};

/** What a path of the round must be, each by itself; `text`, and whether a right path has a false step, take its texts and are no part of it. */
export function pathChecks(filter: PathFilter, columns: RoundColumns): FitsRow[] {
  return [...ofPath(filter, columns), ...ofScore(filter, columns), ...listed(filter.list, columns)];
}

function ofPath(filter: PathFilter, { index, round }: RoundColumns): FitsRow[] {
  // The arrays themselves: a million paths are looked at.
  const { paths } = index.tables;
  const [rounds, outcomes, tokens] = [paths.round.values, paths.outcome.values, paths.tokens.values];
  const [flags, twins] = [paths.flags.values, paths.twin.values];
  const { drawnIn, outcome, reason, tokensFrom, tokensTo, truncated, duplicate } = filter;
  const checks: FitsRow[] = [];
  if (drawnIn !== undefined) checks.push((row) => rounds[row] === drawnIn);
  if (outcome !== undefined) {
    const isWanted = OUTCOMES[outcome];
    checks.push((row) => isWanted(outcomes[row]!));
  }
  if (reason !== undefined) {
    const wanted = reasonNumber(reason);
    checks.push((row) => outcomes[row] === wanted);
  }
  if (tokensFrom !== undefined) checks.push((row) => tokens[row]! >= tokensFrom);
  if (tokensTo !== undefined) checks.push((row) => tokens[row]! <= tokensTo);
  if (truncated !== undefined) checks.push((row) => ((flags[row]! & PATH_FLAGS.truncated) !== 0) === truncated);
  if (duplicate !== undefined) checks.push((row) => twins[row]! <= round === duplicate);
  return checks;
}

function ofScore({ scoreFrom, scoreTo }: PathFilter, { scores }: RoundColumns): FitsRow[] {
  const checks: FitsRow[] = [];
  if (scoreFrom !== undefined) checks.push((row) => (scores[row] ?? Number.NaN) >= scoreFrom);
  if (scoreTo !== undefined) checks.push((row) => (scores[row] ?? Number.NaN) <= scoreTo);
  return checks;
}

function listed(list: PathFilter['list'], columns: RoundColumns): FitsRow[] {
  const { paths } = columns.index.tables;
  const [outcomes, flags] = [paths.outcome.values, paths.flags.values];
  const { flags: ofRound, scores } = columns;
  const isRight: FitsRow = (row) => outcomes[row] === RIGHT;
  switch (list) {
    case undefined:
      return [];
    case 'false-step':
      return [isRight];
    case 'low-right': {
      const [low] = columns.quarters();
      return [isRight, (row) => (scores[row] ?? Number.NaN) <= low];
    }
    case 'high-wrong': {
      const [, high] = columns.quarters();
      return [(row) => isWrong(outcomes[row]!), (row) => (scores[row] ?? Number.NaN) >= high];
    }
    case 'disagree':
      return [(row) => (ofRound[row]! & ROUND_FLAGS.disagree) !== 0];
    case 'unscorable': {
      const unanswered = reasonNumber('no-answer');
      return [
        (row) =>
          outcomes[row] === unanswered ||
          (flags[row]! & PATH_FLAGS.truncated) !== 0 ||
          (ofRound[row]! & ROUND_FLAGS.tooLong) !== 0,
      ];
    }
  }
}

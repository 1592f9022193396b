// A finished run directory -> one cell of an experiment: outcomes, costs, figures.
import { join } from 'node:path';
import { z } from 'zod';
import { SipfError } from '../errors.ts';
import { canonicalJson, sha256 } from '../hashing.ts';
import { readTextFile } from '../io/file-bytes.ts';
import { readRecords } from '../io/jsonl.ts';
import { checksSteps } from '../method/set-reports.ts';
import { isSound } from '../method/step-truth.ts';
import { addCosts, NO_COST } from '../pipeline/cost.ts';
import { type RoundSummary, readRun } from '../pipeline/run-reader.ts';
import { stageOf } from '../pipeline/workspace.ts';
import { Answer } from '../records.ts';
import type { FinalReport } from '../reports.ts';
import { stageSeconds } from '../run/events.ts';
import { readMarker } from '../run/marker.ts';
import { sum } from '../statistics/intervals.ts';
import type { Cell } from './cell.ts';
import type { CellRound, CellSummary, SetOutcomes } from './cell-summary.ts';

interface ReadCellArgs extends Cell, Pick<CellSummary, 'settings'> {
  readonly dir: string;
  /** Runs that this one's stages were copied from: where their times are. */
  readonly copiedFrom: readonly string[];
}

/** Reads a finished run. @throws SipfError 'not-found' where there is none, 'bad-input' where it is not finished. */
export async function readCell({ dir, copiedFrom, ...cell }: ReadCellArgs): Promise<CellSummary> {
  const view = await readRun(dir);
  const { final, config } = view;
  const [start] = final?.rows ?? [];
  const last = final?.rows.find(({ name }) => name === 'last') ?? start;
  if (!view.finished || start === undefined || last === undefined)
    throw new SipfError(
      'bad-input',
      `Expected a finished run with evaluate.final in ${dir}, got one that is not. Run it to its end.`,
    );
  const seconds = await secondsOfRuns([dir, ...copiedFrom]);
  const rounds = view.rounds.filter(({ iteration }) => iteration > 0).map((round) => cellRound(round, seconds));
  return {
    ...cell,
    runs: config.method,
    scorer: config.score.scorer,
    parameters: await parametersOf(dir),
    lora: config.align.train.lora !== null,
    policies: { start: start.policy, last: last.policy },
    sets: await outcomesOf(dir, last),
    rounds,
    total: {
      optimizerTokens: last.optimizerTokens,
      flops: last.flops,
      seconds: rounds.some((round) => round.seconds === null) ? null : sum(rounds.map((round) => round.seconds ?? 0)),
    },
  };
}

function cellRound(
  { iteration, report, policy, prm, stages }: RoundSummary,
  seconds: ReadonlyMap<string, number>,
): CellRound {
  const own = stages.filter((name) => !name.startsWith('7-')).map((name) => seconds.get(`${iteration}/${name}`));
  const { flops = 0, ...cost } = report?.cost ?? { ...NO_COST, flops: 0 };
  return {
    iteration,
    valid: report?.sets[0]?.accuracy ?? null,
    optimizerTokens: policy?.trainTokens ?? 0,
    prmTokens: prm?.trainTokens ?? 0,
    cost: { ...addCosts(NO_COST, cost), flops },
    pairs: report?.pairs ?? null,
    figures: report?.scores ?? null,
    warnings: report?.warnings ?? [],
    seconds: own.includes(undefined) ? null : sum(own.map((value) => value ?? 0)),
  };
}

/** Greedy answers of a final policy to each of its sets. */
async function outcomesOf(dir: string, { name, sets }: FinalReport['rows'][number]): Promise<SetOutcomes[]> {
  const answers: Answer[] = [];
  for await (const answer of readRecords(join(dir, 'final', `${name}-answers.jsonl`), Answer)) answers.push(answer);
  return sets.map(({ task, split }) => {
    const own = answers.filter((answer) => answer.task === task && answer.split === split);
    const questions = sha256(canonicalJson(own.map(({ questionId }) => questionId)));
    const marks = (holds: (answer: Answer) => boolean) => own.map((answer) => markOf(answer, holds)).join('');
    const isRight = ({ outcome }: Answer) => outcome.kind === 'right';
    const isChecked = checksSteps(own.filter(({ outcome }) => outcome.kind !== 'error'));
    const sound = isChecked ? marks((answer) => isSound(isRight(answer), answer.truth ?? [])) : null;
    return { task, split, questions, right: marks(isRight), sound };
  });
}

function markOf(answer: Answer, holds: (answer: Answer) => boolean): string {
  return answer.outcome.kind === 'error' ? '-' : holds(answer) ? '1' : '0';
}

async function parametersOf(dir: string): Promise<number> {
  const marker = await readMarker(dir, stageOf(0, '0-inputs'));
  return z.object({ parameters: z.number() }).parse(marker?.result).parameters;
}

/** Seconds by `iteration/stage` over several runs; the first run that computed a stage counts. What a kill cut short counts until its last sign of life. */
async function secondsOfRuns(dirs: readonly string[]): Promise<Map<string, number>> {
  const all = new Map<string, number>();
  for (const dir of dirs) {
    for (const [stage, seconds] of stageSeconds((await readTextFile(join(dir, 'events.jsonl'))) ?? ''))
      if (!all.has(stage)) all.set(stage, seconds);
  }
  return all;
}

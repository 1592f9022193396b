// A finished run directory -> one arm of an experiment: outcomes, costs, figures.
import { join } from 'node:path';
import { z } from 'zod';
import { SipfError } from '#sipf/errors.js';
import { canonicalJson, sha256 } from '#sipf/hashing.js';
import { readTextFile } from '#sipf/io/file-bytes.js';
import { readRecords } from '#sipf/io/jsonl.js';
import { addCosts, NO_COST, type TokenCost } from '#sipf/pipeline/estimate.js';
import { type RoundSummary, type RunView, readRun } from '#sipf/pipeline/run-reader.js';
import { stageOf } from '#sipf/pipeline/workspace.js';
import { Answer } from '#sipf/records.js';
import type { ScoreFigures } from '#sipf/reports.js';
import { stageSeconds } from '#sipf/run/events.js';
import { readMarker } from '#sipf/run/marker.js';
import { sum } from '#sipf/statistics/intervals.js';

export interface ArmRound {
  readonly iteration: number;
  /** Accuracy on the first of evaluate.sets (valid); null without one. */
  readonly valid: number | null;
  readonly optimizerTokens: number;
  readonly prmTokens: number;
  readonly cost: TokenCost & { readonly flops: number };
  readonly pairs: Readonly<Record<string, number>> | null;
  readonly figures: ScoreFigures | null;
  readonly warnings: readonly string[];
  /** Of its stages, evaluation apart, those included that were copied from another run; null where a stage's time is not known. */
  readonly seconds: number | null;
}

/** What an arm's run says, small enough to keep under version control; the table can be made from these alone. */
export interface ArmSummary {
  readonly arm: string;
  /** What was made equal: the alignment's optimizer tokens, or all model FLOPs after the warm-up. */
  readonly column: 'tokens' | 'flops';
  readonly seed: number;
  readonly method: string;
  readonly scorer: string;
  readonly parameters: number;
  readonly lora: boolean;
  /** Checkpoint hashes of the warm-up and of the last policy. */
  readonly policies: { readonly start: string; readonly last: string };
  readonly test: {
    readonly task: string;
    readonly split: string;
    /** Hash of the question ids in order. */
    readonly questions: string;
    /** One character a question: 1 right, 0 wrong, - not graded. */
    readonly start: string;
    readonly last: string;
  };
  readonly rounds: readonly ArmRound[];
  readonly total: { readonly optimizerTokens: number; readonly flops: number; readonly seconds: number | null };
}

interface ReadArmArgs {
  readonly dir: string;
  readonly arm: string;
  readonly column: ArmSummary['column'];
  readonly seed: number;
  /** Runs that this one's stages were copied from: where their times are. */
  readonly copiedFrom: readonly string[];
}

/** Reads a finished run. @throws SipfError 'not-found' where there is none, 'bad-input' where it is not finished. */
export async function readArm({ dir, arm, column, seed, copiedFrom }: ReadArmArgs): Promise<ArmSummary> {
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
  const rounds = view.rounds.filter(({ iteration }) => iteration > 0).map((round) => armRound(round, seconds));
  return {
    arm,
    column,
    seed,
    method: config.method,
    scorer: config.score.scorer,
    parameters: await parametersOf(dir),
    lora: config.align.train.lora !== null,
    policies: { start: start.policy, last: last.policy },
    test: await testOf(view),
    rounds,
    total: {
      optimizerTokens: last.optimizerTokens,
      flops: last.flops,
      seconds: rounds.some((round) => round.seconds === null) ? null : sum(rounds.map((round) => round.seconds ?? 0)),
    },
  };
}

function armRound(
  { iteration, report, policy, prm, stages }: RoundSummary,
  seconds: ReadonlyMap<string, number>,
): ArmRound {
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

/** Outcomes on the first set of evaluate.final. */
async function testOf({ dir, final }: RunView): Promise<ArmSummary['test']> {
  const set = final?.rows[0]?.sets[0];
  if (set === undefined)
    throw new SipfError(
      'bad-input',
      `Expected answers to a test set in ${dir}/final, got none. Name a set in evaluate.final.`,
    );
  const read = async (name: string) => {
    const answers: Answer[] = [];
    for await (const answer of readRecords(join(dir, 'final', `${name}-answers.jsonl`), Answer))
      if (answer.task === set.task && answer.split === set.split) answers.push(answer);
    return { ids: answers.map(({ questionId }) => questionId), outcomes: answers.map(markOf).join('') };
  };
  const start = await read('start');
  const last = (final?.rows.length ?? 0) > 1 ? await read('last') : start;
  return {
    task: set.task,
    split: set.split,
    questions: sha256(canonicalJson(start.ids)),
    start: start.outcomes,
    last: last.outcomes,
  };
}

function markOf({ outcome }: Answer): string {
  return outcome.kind === 'right' ? '1' : outcome.kind === 'wrong' ? '0' : '-';
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

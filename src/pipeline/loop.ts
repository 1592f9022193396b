// A started run -> its rounds: what each round's stages share, found and cost.
import { methodIn, needs, scorerOf } from '../method/methods.ts';
import type { Checkpoint } from '../records.ts';
import type { Counts, EvalReport } from '../reports.ts';
import type { Run } from '../run/run.ts';
import { mean, sum } from '../statistics/intervals.ts';
import { addCosts, flopsOf, type ModelSizes, NO_COST, readersOf, type TokenCost } from './cost.ts';
import type { OpenSets } from './open-sets.ts';
import type { Found, Shared, Work } from './workspace.ts';

/** Of `method`, what a round does follows: another one may come first. */
interface LoopArgs extends Omit<Shared, 'scorer' | 'need'> {
  readonly run: Run;
  readonly openSets: OpenSets;
  readonly base: Checkpoint;
  readonly sizes: ModelSizes;
  /** What was counted before the first round, by stage. */
  readonly counts: Readonly<Record<string, Counts>>;
}

export interface Loop extends LoopArgs {
  /** Round 0 is the warm-up. */
  readonly rounds: Round[];
  /** Begins round `k` with the policy M_(k-1). */
  round(k: number, policy: Checkpoint): Round;
}

/** A round of a run, with the report that its evaluation adds. */
export interface Round extends Work, Pick<LoopArgs, 'run' | 'openSets' | 'sizes'> {
  report: EvalReport | null;
}

export function openLoop(args: LoopArgs): Loop {
  const rounds: Round[] = [];
  return {
    ...args,
    rounds,
    round(k, policy) {
      const counts = k === 0 ? { ...args.counts } : {};
      const found: Found = { counts, prm: null, calibration: null, probe: null, trained: null, losses: [] };
      const [warmUp] = rounds;
      const sft = warmUp === undefined ? args.base : policyAfter(warmUp);
      const earlierPrm = rounds.at(-1)?.found.prm?.checkpoint ?? null;
      const method = methodIn(args.method, k);
      const scorer = scorerOf(method, args.config.score.scorer);
      const own = { method, scorer, need: needs(scorer), k, policy, sft, earlierPrm };
      const round: Round = { ...args, ...own, found, report: null };
      rounds.push(round);
      return round;
    },
  };
}

/** M_k; without a training the policy stays as it was. */
export function policyAfter({ found, policy }: Work): Checkpoint {
  return found.trained?.checkpoint ?? policy;
}

/** Tokens of a round's stages, its evaluation apart. */
export function costOf({ counts, trained, prm }: Found): TokenCost {
  const stages = [...Object.values(counts), trained?.counts ?? {}].reduce<TokenCost>(addCosts, NO_COST);
  return addCosts(stages, { trainTokens: (trained?.trainTokens ?? 0) + (prm?.trainTokens ?? 0) });
}

/** Model FLOPs of a round's stages, its evaluation apart: each at the size of the models that it ran. */
export function roundFlops({ found, config, scorer, sizes }: Round): number {
  const { counts, trained, prm } = found;
  const readers = scorer === null ? [] : readersOf(scorer, sizes);
  const sizeOf: Readonly<Record<string, number>> = {
    '2-step-labels': sizes.simulator,
    '3-probe': sizes.verifier,
    '4-calibration': mean([sizes.verifier, sizes.policy]),
    '4-scores': readers.length === 0 ? sizes.policy : mean(readers),
  };
  const stages = [...Object.entries(counts), ['6-policy', trained?.counts ?? {}] as const];
  const read = stages.map(([name, cost]) => flopsOf(addCosts(NO_COST, cost), sizeOf[name] ?? sizes.policy, false));
  return sum([
    ...read,
    flopsOf({ ...NO_COST, trainTokens: trained?.trainTokens ?? 0 }, sizes.policy, config.align.train.lora !== null),
    flopsOf({ ...NO_COST, trainTokens: prm?.trainTokens ?? 0 }, sizes.verifier, config.prm.train.lora !== null),
  ]);
}

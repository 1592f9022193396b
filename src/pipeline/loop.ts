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
export function roundFlops({
  found,
  config,
  scorer,
  sizes,
}: Pick<Round, 'found' | 'config' | 'scorer' | 'sizes'>): number {
  const { counts, trained, prm } = found;
  const scoring = scoringSizes(config, scorer, sizes);
  const stages = [...Object.entries(counts), ['6-policy', trained?.counts ?? {}] as const];
  const read = stages.flatMap(([name, cost]) => {
    const { scoredTokens, ...drawn } = addCosts(NO_COST, cost);
    const drawing = name === '2-step-labels' ? sizes.simulator : sizes.policy;
    return [
      flopsOf({ ...drawn, scoredTokens: 0 }, drawing, false),
      flopsOf({ ...NO_COST, scoredTokens }, scoring[name] ?? sizes.policy, false),
    ];
  });
  return sum([
    ...read,
    flopsOf({ ...NO_COST, trainTokens: trained?.trainTokens ?? 0 }, sizes.policy, config.align.train.lora !== null),
    flopsOf({ ...NO_COST, trainTokens: prm?.trainTokens ?? 0 }, sizes.verifier, config.prm.train.lora !== null),
  ]);
}

/** Sizes of the models that score, by stage; the policy's where a stage is not named. */
function scoringSizes(
  { labels }: Round['config'],
  scorer: Round['scorer'],
  sizes: ModelSizes,
): Readonly<Record<string, number>> {
  const readers = scorer === null ? [] : readersOf(scorer, sizes);
  return {
    // In the mode verify a process reward model proposes first errors.
    '2-step-labels': labels.mode === 'verify' ? sizes.verifier : sizes.simulator,
    '3-probe': sizes.verifier,
    '4-calibration': mean([sizes.verifier, sizes.policy]),
    '4-scores': readers.length === 0 ? sizes.policy : mean(readers),
  };
}

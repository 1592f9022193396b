// A method's name -> settings of the same stages (docs/method.md, section 3).
import { z } from 'zod';
import { type ConfiguredScorer, type ScorerName, type ScorerNeed, scorerNeeds } from './scorers.ts';

export const MethodName = z.enum(['sipf', 'siof', 'random-pairs', 'online-rft', 'rft', 'continued-sft', 'sft']);
export type MethodName = z.infer<typeof MethodName>;

export interface Method {
  /** Rounds after the warm-up: as configured, or at most this many. */
  readonly maxRounds: number | null;
  readonly samples: boolean;
  /** Where path scores come from. process: the configured scorer; outcome: 1 or 0 by the final answer; none: no pairs. */
  readonly feedback: 'process' | 'outcome' | 'none';
  /** Scores are shuffled among paths of equal outcome of a question before pairing. */
  readonly shuffleScores: boolean;
  /** pairs: ORPO on pairs; right: SFT on gold rows and distinct right samples; gold: SFT on gold rows alone. */
  readonly align: 'pairs' | 'right' | 'gold';
}

const full: Method = { maxRounds: null, samples: true, feedback: 'process', shuffleScores: false, align: 'pairs' };
const onlineRft: Method = { ...full, feedback: 'none', align: 'right' };

/**
 * Each method as settings of the same loop. Nothing else knows methods by name.
 * @example
 * METHODS['online-rft'].align; // 'right'
 */
export const METHODS: Readonly<Record<MethodName, Method>> = {
  sipf: full,
  siof: { ...full, feedback: 'outcome' },
  'random-pairs': { ...full, shuffleScores: true },
  'online-rft': onlineRft,
  rft: { ...onlineRft, maxRounds: 1 },
  'continued-sft': { ...full, samples: false, feedback: 'none', align: 'gold' },
  sft: { ...full, maxRounds: 0, samples: false, feedback: 'none', align: 'gold' },
};

/** Rounds that `method` runs when `configured` are asked for. */
export function roundsOf(method: Method, configured: number): number {
  return method.maxRounds === null ? configured : Math.min(configured, method.maxRounds);
}

/** What scores the paths of a method; null: nothing. */
export function scorerOf({ feedback }: Method, configured: ConfiguredScorer): ScorerName | null {
  if (feedback === 'none') return null;
  return feedback === 'outcome' ? 'outcome' : configured;
}

export type Needs = Readonly<ReturnType<typeof needs>>;

/** What a scorer needs to be computed first; null: nothing is scored. */
export function needs(scorer: ScorerName | null) {
  const reads = (need: ScorerNeed) => scorer !== null && scorerNeeds(scorer, need);
  const [prm, probe] = [reads('prm'), reads('probe')];
  return { labels: prm || probe || reads('tallies'), prm, probe, calibration: reads('calibration') };
}

// A method's name -> settings of the same stages (docs/method.md, section 3).
import { z } from 'zod';
import { type ConfiguredScorer, type ScorerName, type ScorerNeed, scorerNeeds } from './scorers.ts';

/** Settings by dotted key. */
export type MethodSettings = Readonly<Record<string, string | number | boolean>>;

export interface Method {
  /** Rounds after the warm-up: as configured, or at most this many. */
  readonly maxRounds: number | null;
  readonly samples: boolean;
  /** Where path scores come from. process: the configured scorer; outcome: 1 or 0 by the final answer; none: nothing is scored. */
  readonly feedback: 'process' | 'outcome' | 'none';
  /** Scores are shuffled among paths of equal outcome of a question before pairing. */
  readonly shuffleScores: boolean;
  /**
   * What a round trains on. pairs: a preference loss on pairs. SFT for the others. chosen: the chosen sides of the same pairs. right: gold rows
   * and distinct right samples (with process feedback: those that could be chosen). samples: right samples alone. gold: gold rows alone.
   */
  readonly align: 'pairs' | 'chosen' | 'right' | 'samples' | 'gold';
  /** What the first round does instead; null: the same. */
  readonly first: Method | null;
  /** What else makes the method what it is: over presets. The configuration refuses a file or flag that says otherwise. */
  readonly fixes: MethodSettings;
  /** What it begins with: over presets, under files and flags. */
  readonly begins: MethodSettings;
}

const sipf: Method = {
  maxRounds: null,
  samples: true,
  feedback: 'process',
  shuffleScores: false,
  align: 'pairs',
  first: null,
  fixes: {},
  begins: {},
};
const siof: Method = { ...sipf, feedback: 'outcome' };
const onlineRft: Method = { ...sipf, feedback: 'none', align: 'right' };
const continuedSft: Method = { ...onlineRft, samples: false, align: 'gold' };
const sft: Method = { ...continuedSft, maxRounds: 0 };

/** DPO has no term for a row without a rejected path. */
const DPO_ALONE: MethodSettings = {
  'align.loss.kind': 'dpo',
  'align.loss.nllWeight': 0,
  'align.gold': 0,
  'pairs.nllRows': false,
};

/**
 * Each method as settings of the same loop. Nothing else knows methods by name.
 * @example
 * METHODS['online-rft'].align; // 'right'
 */
export const METHODS = {
  sipf,
  siof,
  'random-pairs': { ...sipf, shuffleScores: true },
  'wo-or': { ...sipf, align: 'chosen' },
  'wo-pfor': { ...siof, align: 'chosen' },
  sapo: { ...sipf, fixes: { 'score.scorer': 'prm', 'labels.mode': 'verify', 'labels.keepRollouts': true } },
  'online-rft': onlineRft,
  rft: { ...onlineRft, maxRounds: 1 },
  prft: { ...sipf, align: 'right', maxRounds: 1 },
  star: { ...onlineRft, align: 'samples', fixes: { 'sampling.hint': true } },
  srf: { ...siof, maxRounds: 1, fixes: DPO_ALONE },
  psrf: { ...sipf, maxRounds: 1, fixes: DPO_ALONE },
  rpo: { ...siof, fixes: { 'align.loss.kind': 'dpo', 'align.loss.nllWeight': 1 } },
  'rft-dpo': { ...siof, first: onlineRft, fixes: { ...DPO_ALONE, iterations: 2 } },
  'continued-sft': continuedSft,
  sft,
  cot: { ...sft, fixes: { 'sft.enabled': false }, begins: { 'prompt.shots': 8 } },
} satisfies Readonly<Record<string, Method>>;

export type MethodName = keyof typeof METHODS;
export const MethodName = z.enum(Object.keys(METHODS) as [MethodName, ...MethodName[]]);

/** What `method` does in round `k`. */
export function methodIn(method: Method, k: number): Method {
  return k === 1 ? (method.first ?? method) : method;
}

/** Rounds that `method` runs when `configured` are asked for. */
export function roundsOf(method: Method, configured: number): number {
  return method.maxRounds === null ? configured : Math.min(configured, method.maxRounds);
}

/** Whether a round's pair stage makes pairs. */
export function makesPairs({ align }: Method): boolean {
  return align === 'pairs' || align === 'chosen';
}

/** Whether a round trains on every worked solution. */
export function trainsOnGold({ align }: Method): boolean {
  return align === 'right' || align === 'gold';
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

// Questions and a base model -> a policy that learned from its own process feedback. METHOD.md's algorithm box; leaves each stage to its own file.

import { needs, roundsOf } from '../method/methods.ts';
import type { Checkpoint } from '../records.ts';
import type { Counts, EvalReport, FinalReport, Trained } from '../reports.ts';
import { calibrate } from './calibrate.ts';
import { flopsOf } from './estimate.ts';
import { costOfRound, evaluate, evaluateFinal, type SetOpener } from './evaluation.ts';
import { align, continuedSft, trainPrm, warmUp } from './policies.ts';
import { type Loop, label, pair, sample, score } from './stages.ts';

export interface IterateArgs {
  readonly loop: Loop;
  readonly opener: SetOpener;
  readonly base: Checkpoint;
  readonly parameters: number;
}

export interface LoopOutcome {
  readonly rounds: readonly EvalReport[];
  readonly final: FinalReport | null;
  readonly policy: Checkpoint;
}

export async function iterate({ loop, opener, base, parameters }: IterateArgs): Promise<LoopOutcome> {
  const { config, method } = loop;
  const need = needs(method, config.score.scorer);
  const start = await warmUp(loop, base);
  const judge = {
    labelled: need.labels,
    scored: method.feedback !== 'none',
    paired: method.align !== 'gold',
    parameters,
  };
  const none = { labelled: false, scored: false, paired: false };
  const rounds = [
    await evaluate(loop, opener, {
      ...judge,
      ...none,
      k: 0,
      before: null,
      trained: start,
      prm: null,
      counts: loop.inputCounts,
    }),
  ];
  const spent = { optimizerTokens: 0, flops: 0 };

  let policy = start.checkpoint;
  for (let k = 1; k <= roundsOf(method, config.iterations); k += 1) {
    const counts: Record<string, Counts> = {};
    if (method.samples) counts['1-samples'] = await sample(loop, k, policy);
    if (need.labels) counts['2-step-labels'] = await label(loop, k, policy);
    const prm: Trained | null = need.prm ? await trainPrm(loop, k, policy) : null;
    const weighed = need.calibration && prm ? await calibrate(loop, k, policy, prm.checkpoint) : null;
    if (weighed) counts['4-calibration'] = weighed.counts;
    const scoring = { policy, prm: prm?.checkpoint ?? null, calibration: weighed?.calibration ?? null };
    if (judge.scored) counts['4-scores'] = await score(loop, k, scoring);
    if (judge.paired) counts['5-pairs'] = await pair(loop, k);
    const trained = await align(loop, k, { base, sft: start.checkpoint, previous: policy });
    rounds.push(await evaluate(loop, opener, { ...judge, k, before: policy, trained, prm, counts }));
    policy = trained.checkpoint;
    spent.optimizerTokens += trained.trainTokens;
    spent.flops += flopsOf(costOfRound({ counts, trained, prm }), parameters, config.align.train.lora !== null);
  }
  return { rounds, final: await finish({ loop, opener, parameters, start, policy, spent }), policy };
}

interface FinishArgs extends Pick<IterateArgs, 'loop' | 'opener' | 'parameters'> {
  readonly start: Trained;
  readonly policy: Checkpoint;
  readonly spent: { readonly optimizerTokens: number; readonly flops: number };
}

/** Test, once: the start, the last policy, and the control that spent as many optimizer tokens on gold rows. */
async function finish({ loop, opener, parameters, start, policy, spent }: FinishArgs): Promise<FinalReport | null> {
  const { config } = loop;
  if (config.evaluate.final.length === 0) return null;
  const first = { name: 'start', policy: start.checkpoint, optimizerTokens: 0, flops: 0 } as const;
  if (policy.hash === start.checkpoint.hash) return evaluateFinal(loop, opener, [first]);
  const last = { name: 'last', policy, ...spent } as const;
  if (config.evaluate.control === 'none') return evaluateFinal(loop, opener, [first, last]);
  const { checkpoint, trainTokens } = await continuedSft(loop, start.checkpoint, spent.optimizerTokens);
  const cost = { promptTokens: 0, generatedTokens: 0, scoredTokens: 0, trainTokens };
  const flops = flopsOf(cost, parameters, config.align.train.lora !== null);
  const control = { name: 'continued-sft', policy: checkpoint, optimizerTokens: trainTokens, flops } as const;
  return evaluateFinal(loop, opener, [first, last, control]);
}

// The end, once: start, last policy and control on the final sets; the only reading of test.
import { ruleInputs } from '../../method/path-score.ts';
import { setReports } from '../../method/set-reports.ts';
import type { Checkpoint } from '../../records.ts';
import { FinalReport } from '../../reports.ts';
import { sum } from '../../statistics/intervals.ts';
import { flopsOf, NO_COST } from '../cost.ts';
import { type Loop, policyAfter, type Round, roundFlops } from '../loop.ts';
import { answer, answersHash, answersOf } from './answer.ts';
import { bestOfFinal, drawFinal, finalPlace, scoringRound } from './best-of.ts';
import { continuedSft } from './warm-up.ts';

interface FinalPolicy extends Omit<FinalReport['rows'][number], 'policy' | 'sets'> {
  readonly policy: Checkpoint;
}

/** Writes final/eval.json. null: no set is named for it. */
export async function evaluateFinal({ run, config, openSets, rounds }: Loop): Promise<FinalReport | null> {
  const [warmUp] = rounds;
  if (warmUp === undefined || config.evaluate.final.length === 0) return null;
  const policies = await finalPolicies(warmUp, rounds.slice(1));
  const sets = await openSets(config.evaluate.final);
  const placeOf = (name: string) => finalPlace(name, 'answers');
  for (const { name, policy } of policies) await answer(warmUp, { stage: placeOf(name), sets, policy });
  const scoredBy = scoringRound(rounds.slice(1));
  const sampled = config.evaluate.samples === 0 ? [] : policies.map((one) => ({ ...one, sets, scoredBy }));
  const drawn: (readonly string[])[] = [];
  for (const one of sampled) drawn.push(await drawFinal(warmUp, one));
  const stage = { folder: 'final', name: 'eval', iteration: 0 };
  const read = (name: string) => answersOf(warmUp, placeOf(name));
  const body = async (): Promise<FinalReport> => {
    const rows: FinalReport['rows'] = [];
    for (const [i, { name, policy, optimizerTokens, flops }] of policies.entries()) {
      const own = await setReports(read(name), name === 'start' ? null : read('start'));
      const row = { name, policy: policy.hash, optimizerTokens, flops, sets: own };
      rows.push(sampled[i] === undefined ? row : { ...row, bestOf: await bestOfFinal(warmUp, sampled[i]) });
    }
    const report = { rows, warnings: sets.flatMap(({ warnings }) => warnings) };
    await run.writeJson(stage, 'eval.json', report);
    return report;
  };
  const answers = await Promise.all(policies.map(({ name }) => answersHash(warmUp, placeOf(name))));
  const spent = policies.map(({ name, optimizerTokens, flops }) => ({ name, optimizerTokens, flops }));
  const inputs = { answers, spent, ...(drawn.length === 0 ? {} : { drawn, ...ruleInputs(config.score) }) };
  return run.once({ stage, inputs, outputs: ['eval.json'], result: FinalReport, body });
}

/** The start alone where nothing has changed it; the control trains now. */
async function finalPolicies(warmUp: Round, rounds: readonly Round[]): Promise<FinalPolicy[]> {
  const { config, sizes } = warmUp;
  const first = { name: 'start', policy: policyAfter(warmUp), optimizerTokens: 0, flops: 0 } as const;
  const lastRound = rounds.at(-1);
  if (lastRound === undefined || policyAfter(lastRound).hash === first.policy.hash) return [first];
  const spent = sum(rounds.map(({ found }) => found.trained?.trainTokens ?? 0));
  const flops = sum(rounds.map(roundFlops));
  const last = { name: 'last', policy: policyAfter(lastRound), optimizerTokens: spent, flops } as const;
  if (config.evaluate.control === 'none') return [first, last];
  const { checkpoint, trainTokens } = await continuedSft(lastRound, spent);
  const cost = flopsOf({ ...NO_COST, trainTokens }, sizes.policy, config.align.train.lora !== null);
  return [first, last, { name: 'continued-sft', policy: checkpoint, optimizerTokens: trainTokens, flops: cost }];
}

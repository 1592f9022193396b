// Arms differ in what makes them what they are and in nothing else.
import { describe, expect, it } from 'vitest';
import { jsonDifference } from '#sipf/hashing.js';
import { ARMS, type ArmName, armConfig, EXPERIMENTS, MINI_EXPERIMENT } from './arms.ts';

const experiment = MINI_EXPERIMENT;

describe('armConfig', () => {
  it.each(ARMS)('gives %s the settings of the others but for its own', async (arm) => {
    const sipf = await armConfig({ experiment, arm: 'sipf', seed: 11 });
    const config = await armConfig({ experiment, arm, seed: 11 });
    const settingsOf = (name: ArmName) => Object.keys(experiment.armSettings[name] ?? {});
    const own = ['method', 'score.scorer', 'labels.mode', 'pairs.kind', ...settingsOf('sipf'), ...settingsOf(arm)];
    expect(jsonDifference(sipf, config).filter(({ key }) => !own.includes(key))).toEqual([]);
    expect(config.align.train.tokens).toBe(sipf.align.train.tokens);
    expect(config.task.seed).toBe(11);
  });

  it('lets flags win over the experiment, but not over what an arm is', async () => {
    const flags = { 'align.loss.lambda': '0.7', 'pairs.eta': '0.3', method: 'siof' };
    const config = await armConfig({ experiment, arm: 'logprob', seed: 1, flags });
    expect(config).toMatchObject({ method: 'sipf', align: { loss: { lambda: 0.7 } }, pairs: { eta: 0.3 } });
  });

  it('takes the tokens of an equal-FLOP arm', async () => {
    const config = await armConfig({ experiment, arm: 'continued-sft', seed: 1, tokens: 1234.4 });
    expect(config.align.train.tokens).toBe(1234);
  });

  it('refuses settings that would make arms unequal or grade nothing', async () => {
    const of = (flags: Record<string, string>) => armConfig({ experiment, arm: 'sipf', seed: 1, flags });
    await expect(of({ 'align.train.tokens': 'null' })).rejects.toMatchObject({ code: 'bad-config' });
    await expect(of({ 'evaluate.final': '[]' })).rejects.toMatchObject({ code: 'bad-config' });
  });

  it.each(Object.entries(EXPERIMENTS))(
    'grades %s on seeds that were never tuned on, and 4,000 problems',
    async (_, one) => {
      expect(one.seeds.filter((seed) => one.tuningSeeds.includes(seed))).toEqual([]);
      const { evaluate } = await armConfig({ experiment: one, arm: 'sipf', seed: 11 });
      expect(evaluate.final[0]?.limit).toBeGreaterThanOrEqual(4000);
    },
  );
});

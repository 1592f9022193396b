// Configurations and speeds -> checks of what a run is expected to cost.
import { describe, expect, it } from 'vitest';
import { loadConfig, parseConfig } from '../config/load.ts';
import { estimate, flopsOf } from './estimate.ts';

describe('estimate', () => {
  const description = {
    hash: 'h',
    architecture: 'llama',
    parameters: 135e6,
    contextLength: 2048,
    hasChatTemplate: false,
    linearLayers: [],
    warnings: [],
  };

  it('adds up stages and gives time only with a calibration', async () => {
    const config = await loadConfig({ preset: 'gsm8k-smollm2', flags: { model: 'm' } });
    const plain = estimate(config, description);
    expect(plain.total.seconds).toBeNull();
    const speeds = { generatedTokensPerSecond: 800, promptTokensPerSecond: 1500, trainTokensPerSecond: 450 };
    const timed = estimate(config, description, { ...speeds, secondsPerGrade: 0 });
    expect(timed.total.seconds).toBeCloseTo(timed.stages.reduce((sum, { seconds }) => sum + (seconds ?? 0), 0));
    expect(timed.stages.find(({ stage, iteration }) => stage === '6-policy' && iteration === 0)?.trainTokens).toBe(
      200_000,
    );
    const names = timed.stages.map(({ stage, iteration }) => `${iteration}/${stage}`);
    for (const name of ['1/1-samples', '2/2-step-labels', '2/3-prm', '1/4-scores', '2/6-policy', '0/final'])
      expect(names).toContain(name);
    // The samples of a round are graded, and each rollout, and each answer.
    const slow = estimate(config, description, { ...speeds, secondsPerGrade: 0.1 });
    for (const [i, { stage, iteration, graded, seconds, rollouts }] of slow.stages.entries()) {
      expect((seconds ?? 0) - (timed.stages[i]?.seconds ?? 0)).toBeCloseTo(0.1 * graded);
      if (stage === '1-samples') expect(graded).toBe(220 * 8);
      if (stage === '2-step-labels') expect(graded).toBe(rollouts);
      if (stage === '7-eval' && iteration === 0) expect(graded).toBe(500);
    }
    expect(timed.memoryBytes).toBeGreaterThan(4e9);
    expect(timed.memoryBytes).toBeLessThan(8e9);
  });

  it('counts the memory of weights as they are held', async () => {
    const config = await loadConfig({ preset: 'gsm8k-smollm2', flags: { model: 'm' } });
    const of = (weightBytes: number) => estimate(config, { ...description, weightBytes }).memoryBytes;
    expect(of(540e6)).toBe(estimate(config, description).memoryBytes);
    expect(of(540e6) - of(180e6)).toBe(360e6);
  });

  it('charges scans less than full tallies and nothing that a method does not do', () => {
    const rollouts = (labels: object, method: 'sipf' | 'siof' | 'sft' = 'sipf') =>
      estimate(parseConfig({ model: 'm', method, labels }), description).total.rollouts;
    expect(rollouts({})).toBeLessThan(rollouts({ mode: 'full' }) / 3);
    expect(rollouts({}, 'siof')).toBe(0);
    expect(
      estimate(parseConfig({ model: 'm', method: 'sft', iterations: 3 }), description).stages.map(
        ({ iteration }) => iteration,
      ),
    ).toEqual([0, 0]);
  });

  it('charges a probe what the model reads twice, and no training of a PRM', () => {
    const of = (scorer: 'prm' | 'probe') => {
      const { stages } = estimate(parseConfig({ model: 'm', iterations: 1, score: { scorer } }), description);
      return new Map(stages.filter(({ iteration }) => iteration === 1).map((stage) => [stage.stage, stage]));
    };
    const [prm, probe] = [of('prm'), of('probe')];
    expect([prm.has('3-prm'), prm.has('3-probe'), probe.has('3-prm')]).toEqual([true, false, false]);
    expect(probe.get('3-probe')?.scoredTokens).toBeGreaterThan(0);
    expect(probe.get('3-probe')?.trainTokens).toBe(0);
    expect(probe.get('4-scores')?.scoredTokens).toBe(2 * prm.get('4-scores')!.scoredTokens);
    expect(probe.get('2-step-labels')).toEqual(prm.get('2-step-labels'));
  });

  it('counts 2 FLOPs a parameter forward, 6 in training, 4 with LoRA', () => {
    const cost = { promptTokens: 1, generatedTokens: 2, scoredTokens: 3, trainTokens: 10 };
    expect(flopsOf(cost, 100, false)).toBe(100 * (12 + 60));
    expect(flopsOf(cost, 100, true)).toBe(100 * (12 + 40));
  });
});

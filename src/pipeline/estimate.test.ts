// Configurations and speeds -> checks of what a run is expected to cost.
import { describe, expect, it } from 'vitest';
import { loadConfig, parseConfig } from '../config/load.ts';
import type { ConfigInput } from '../config/schema.ts';
import { flopsOf } from './cost.ts';
import { estimate } from './estimate.ts';

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

  describe('of a typical run by hand', () => {
    // 10 questions of 100 tokens; paths of 4 steps and 80 tokens, half of them right; the answer's line has 5.
    const typical = {
      ...{ promptTokens: 100, pathTokens: 80, stepsPerPath: 4, answerTokens: 5, pRight: 0.5 },
      ...{ distinctRight: 1, distinctWrong: 1 },
      ...{ trainQuestions: 10, solvedQuestions: 10, simulatorSize: 3, verifierSize: 5 },
    };
    const stagesOf = (settings: ConfigInput, k = 1) => {
      const common = { model: 'm', iterations: k, sampling: { samples: 2 }, align: { train: { epochs: 1 } } };
      const { stages } = estimate(parseConfig({ ...common, ...settings }), description, undefined, typical);
      return new Map(stages.filter(({ iteration }) => iteration === k).map((stage) => [stage.stage, stage]));
    };

    it('reads a path, and the line of the answer before each of its steps, for labels by likelihood', () => {
      const labels = stagesOf({ labels: { mode: 'gold-likelihood' } }).get('2-step-labels');
      expect(labels).toMatchObject({ rollouts: 0, size: 3, scoredTokens: 20 * (100 + 80 + 4 * 5) });
      const scores = stagesOf({ score: { scorer: 'likelihood' }, pairs: { chosenGate: 'none' } }).get('4-scores');
      expect(scores).toMatchObject({ size: 1, scoredTokens: 20 * (100 + 80 + 3 * 5) });
    });

    it('has the shared half of a step pair once, in training and for the reference', () => {
      const stages = stagesOf({
        pairs: { kind: 'step', total: 8 },
        align: { loss: { kind: 'dpo' }, train: { epochs: 1 } },
      });
      expect(stages.get('6-reference')?.scoredTokens).toBe(8 * (100 + 40 + 2 * 40));
      expect(stages.get('6-policy')?.trainTokens).toBe(8 * (100 + 40 + 2 * 40));
      expect(stagesOf({ pairs: { total: 8 } }).get('6-policy')?.trainTokens).toBe(8 * (100 + 2 * 80));
    });

    it('asks again with a hint where no sample is right', () => {
      const drawn = stagesOf({ method: 'star' }).get('1-samples');
      // A quarter of the questions: neither of two samples is right.
      expect(drawn).toMatchObject({ promptTokens: 12.5 * 100, generatedTokens: 12.5 * 2 * 80, graded: 25 });
    });

    it('lets the verifier propose first errors from the second round on', () => {
      expect(stagesOf({ method: 'sapo' }).has('2-proposals')).toBe(false);
      expect(stagesOf({ method: 'sapo' }, 2).get('2-proposals')).toMatchObject({ size: 5, scoredTokens: 20 * 180 });
    });

    it('rolls out wrong paths alone where right ones are their own witness', () => {
      const rollouts = (labels: ConfigInput['labels']) =>
        stagesOf({ labels: { mode: 'full', K: 4, ...labels } }).get('2-step-labels')?.rollouts;
      expect(rollouts({})).toBe(20 * 3 * 4);
      expect(rollouts({ ownWitness: true })).toBe(10 * 3 * 4);
      expect(rollouts({ ownWitness: true, paths: 4 })).toBe(2 * 3 * 4);
    });

    it('reads the questions for calibration with the verifier and the policy', () => {
      const stages = stagesOf({ score: { scorer: 'prm-logprob' }, labels: { heldOut: 0.25 } });
      expect(stages.get('4-calibration')).toMatchObject({ size: 3, scoredTokens: 2 * 5 * 180 });
    });
  });

  it('counts 2 FLOPs a parameter forward, 6 in training, 4 with LoRA', () => {
    const cost = { promptTokens: 1, generatedTokens: 2, scoredTokens: 3, trainTokens: 10 };
    expect(flopsOf(cost, 100, false)).toBe(100 * (12 + 60));
    expect(flopsOf(cost, 100, true)).toBe(100 * (12 + 40));
  });
});

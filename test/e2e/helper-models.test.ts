// A run whose simulator and verifier have other architectures, widths and tokenizers -> it works.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend, ModelDescription, SftExample, TrainOptions } from '../../src/backend.ts';
import { createInProcessBackend } from '../../src/backends/local/in-process.ts';
import { parseConfig } from '../../src/config/load.ts';
import type { ConfigInput } from '../../src/config/schema.ts';
import { Probe } from '../../src/method/probe.ts';
import { flopsOf } from '../../src/pipeline/cost.ts';
import { type LoopResult, runLoop } from '../../src/pipeline/run-loop.ts';
import type { Question } from '../../src/records.ts';
import { StepLabels } from '../../src/records.ts';
import { sumsTask } from '../scripted-sums.ts';
import { fixtures } from '../tiny-model.ts';

const folder = mkdtempSync(join(tmpdir(), 'sipf-helpers-'));
const path = (...parts: string[]) => join(folder, ...parts);
let backend: Backend;

type Json = Record<string, unknown>;
const tokenizer = JSON.parse(readFileSync(join(fixtures, 'tokenizer', 'tokenizer.json'), 'utf8')) as Json;
/** The same without merges: a token is a byte. */
const ofBytes = { ...tokenizer, model: { ...(tokenizer['model'] as Json), merges: [] } };
const tokenizerConfig = { bos_token: '<s>', eos_token: '</s>' };

function make(name: string, own: Json, model: Json): Promise<ModelDescription> {
  const sizes = { num_hidden_layers: 2, num_attention_heads: 2, max_position_embeddings: 256, initializer_range: 0.1 };
  return backend.initModel(path(name), { config: { ...sizes, ...own }, tokenizer: model, tokenizerConfig, seed: 1 });
}

const TRAIN: TrainOptions = {
  objective: { kind: 'sft', scope: 'completion' },
  ...{
    lora: null,
    learningRate: 1e-2,
    schedule: 'linear',
    warmup: 0,
    weightDecay: 0,
    clip: 1,
    betas: [0.9, 0.99],
    eps: 1e-8,
  },
  ...{ batchSize: 4, epochs: 60, tokensPerPass: 1024, activationsGiB: 8, maxLength: 256 },
  ...{ seed: 1, shuffle: true, checkpointEverySteps: 1000 },
};

const LIMIT = 16;
const example = (question: Question): SftExample => ({
  kind: 'sft',
  prompt: sumsTask.prompt(question),
  completion: sumsTask.pieces(question.solution ?? []),
});

const train = { learningRate: 1e-2, batchSize: 4, maxLength: 256 };
const run = (out: string, change: ConfigInput, fromRun?: string): Promise<LoopResult> =>
  runLoop({
    config: parseConfig({
      model: path('policy'),
      simulator: path('longer'),
      verifier: path('wider'),
      task: { name: 'sums', limit: LIMIT },
      iterations: 1,
      sft: { train: { ...train, epochs: 8 } },
      sampling: { samples: 3, maxTokens: 60, unit: 16 },
      labels: { K: 2, maxTokens: 60, heldOut: 0.2 },
      prm: { train: { ...train, maxSteps: 4 } },
      pairs: { eta: 0, chosenGate: 'none' },
      align: { train: { ...train, maxSteps: 2 } },
      evaluate: { sets: [{ split: 'valid', limit: 4 }], maxTokens: 40 },
      ...change,
    }),
    out: path(out),
    backend,
    tasks: () => sumsTask,
    ...(fromRun === undefined ? {} : { fromRun: path(fromRun) }),
  });

let sizes: Record<'policy' | 'simulator' | 'verifier', ModelDescription>;
let result: LoopResult;
beforeAll(async () => {
  backend = createInProcessBackend({ provider: 'cpu', threads: 1, cache: path('cache'), slots: 16 });
  const policy = await make('policy', { hidden_size: 32, intermediate_size: 64 }, ofBytes);
  await make('start', { model_type: 'qwen2', hidden_size: 64, intermediate_size: 128 }, tokenizer);
  const wider = { model_type: 'gemma', hidden_size: 80, intermediate_size: 96, head_dim: 16, num_key_value_heads: 1 };
  const verifier = await make('wider', wider, tokenizer);
  const questions = await sumsTask.load({ split: 'train', limit: LIMIT });
  const job = {
    source: { model: path('start') },
    examples: questions.map(example),
    options: TRAIN,
    out: path('longer'),
  };
  await backend.train(job, () => {});
  sizes = { policy, simulator: await backend.describe({ model: path('longer') }), verifier };
  result = await run('helped', {});
});
afterAll(async () => {
  await backend?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const labelsOf = (out: string) =>
  readFileSync(path(out, 'iteration-1/2-step-labels.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => StepLabels.parse(JSON.parse(line)));

describe('a simulator and a verifier that are other models', () => {
  it('roll out and learn in their own tokens', async () => {
    for (const { simulator } of labelsOf('helped')) expect(simulator).toBe(sizes.simulator.hash);
    const prm = JSON.parse(readFileSync(path('helped/iteration-1/3-prm/config.json'), 'utf8')) as Json;
    expect(prm).toMatchObject({ model_type: 'gemma', hidden_size: 80 });
    const [, round] = result.rounds;
    expect(round?.counts['4-scores']?.paths).toBeGreaterThan(10);
    expect(round?.pairs?.pairs).toBeGreaterThan(0);
  });

  it('rolls out right where it was trained longer than the policy', async () => {
    const own = await run('alone', { simulator: 'self' }, 'helped');
    const rightOf = ({ rounds }: LoopResult) => rounds[1]?.counts['2-step-labels']?.['rollouts:right'] ?? 0;
    expect(rightOf(result)).toBeGreaterThan(2 * rightOf(own));
    expect(rightOf(result)).toBeGreaterThan(10);
  });

  it('are charged by their own size', () => {
    const { counts, cost } = result.rounds[1]!;
    const { policy, simulator, verifier } = sizes;
    const none = { promptTokens: 0, generatedTokens: 0, scoredTokens: 0, trainTokens: 0 };
    const of = (stage: string) => flopsOf({ ...none, ...counts[stage] }, 1, false);
    const trained = { ...none, trainTokens: cost.trainTokens };
    const least = simulator.parameters * of('2-step-labels') + verifier.parameters * of('4-scores');
    expect(cost.flops).toBeGreaterThan(least + policy.parameters * (of('1-samples') + flopsOf(trained, 1, false)));
  });

  it('can be probed: the states are of the wider model', async () => {
    const { rounds } = await run('probed', { score: { scorer: 'probe' } }, 'helped');
    const probe = Probe.parse(JSON.parse(readFileSync(path('probed/iteration-1/3-probe.json'), 'utf8')));
    expect(probe.model).toBe(sizes.verifier.hash);
    expect(probe.weights).toHaveLength(80 + 2);
    expect(rounds[1]?.counts['4-scores']?.paths).toBeGreaterThan(10);
  });
});

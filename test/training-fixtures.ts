// Committed fixtures -> models, token examples, gradients by name, comparisons.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { TrainOptions } from '../src/backend.ts';
import type { Tensor } from '../src/engine/graph.ts';
import { Engine, type Precision, type Provider } from '../src/engine/runtime/session.ts';
import type { AdapterFiles } from '../src/models/files/adapter-files.ts';
import { openBase, openModel } from '../src/models/open-model.ts';
import { type Feeding, GraphWeights } from '../src/models/weights/graph-weights.ts';
import { mergeWeights } from '../src/models/weights/merged-weights.ts';
import type { Quantisation } from '../src/models/weights/quantisers/quantisers.ts';
import type { Loss } from '../src/objectives/objective.ts';
import { OBJECTIVES, type Objective } from '../src/objectives/objectives.ts';
import type { Pass } from '../src/training/batches.ts';
import type { TokenExample } from '../src/training/examples.ts';
import { fullTrainee } from '../src/training/full-weights.ts';
import { loraTrainee } from '../src/training/lora-weights.ts';
import { placeStep } from '../src/training/placed.ts';
import { TrainingProgram } from '../src/training/program.ts';
import { HostState } from '../src/training/states/host.ts';

export const fixtures = join(import.meta.dirname, 'fixtures');
export const scratch = mkdtempSync(join(tmpdir(), 'sipf-training-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** The CPU in float32, or what SIPF_TEST_PROVIDER and SIPF_TEST_PRECISION name. */
export const engine = new Engine({
  provider: (process.env['SIPF_TEST_PROVIDER'] ?? 'cpu') as Provider,
  precision: (process.env['SIPF_TEST_PRECISION'] ?? 'float32') as Precision,
  threads: 1,
});
export const cache = join(scratch, 'cache');

/**
 * A copy of a fixture's model folder with the fixtures' tokenizer in it.
 * @param context raises max_position_embeddings: TRL and torch went beyond the 128 positions of the fixtures' models.
 */
export function modelWithTokenizer(folder: string, context = 128): string {
  const copy = join(scratch, `${folder.replaceAll('/', '-')}-${context}`);
  mkdirSync(copy, { recursive: true });
  cpSync(join(fixtures, folder, 'model.safetensors'), join(copy, 'model.safetensors'));
  const config = {
    ...readJson<Record<string, unknown>>(join(folder, 'config.json')),
    max_position_embeddings: context,
  };
  writeFileSync(join(copy, 'config.json'), JSON.stringify(config));
  cpSync(join(fixtures, 'tokenizer'), copy, { recursive: true });
  return copy;
}

export function readJson<T>(file: string): T {
  return JSON.parse(readFileSync(join(fixtures, file), 'utf8')) as T;
}

export const tokenExample = (
  prompt: readonly number[],
  branches: readonly (readonly number[])[],
  stepEnds: TokenExample['stepEnds'] = [],
  index = 0,
  reference: TokenExample['reference'] = [],
): TokenExample => ({ index, prompt, branches, stepEnds, reference });

export const lossOf = (objective: Objective): Loss => OBJECTIVES[objective.kind].open(objective);

export const OPTIONS: TrainOptions = {
  objective: { kind: 'sft', scope: 'completion' },
  lora: null,
  learningRate: 1e-3,
  schedule: 'constant',
  warmup: 0,
  weightDecay: 0.01,
  clip: 1,
  betas: [0.9, 0.999],
  eps: 1e-8,
  batchSize: 4,
  epochs: 1,
  tokensPerPass: 512,
  activationsGiB: 8,
  maxLength: 128,
  seed: 1,
  shuffle: false,
  checkpointEverySteps: 1000,
};

interface GradientArgs {
  readonly model: string;
  readonly adapter?: string;
  readonly objective: Objective;
  readonly lora?: TrainOptions['lora'];
  readonly feeding?: Feeding;
  readonly quantisation?: Quantisation | null;
  /** Positions whose logits are computed at once. */
  readonly maxPositions?: number;
  readonly maxActivationBytes?: number;
}

interface StepGradients {
  readonly loss: number;
  readonly perPosition: Float32Array[];
  readonly gradients: Map<string, Float32Array>;
  readonly figures: Record<string, number>;
}

/** Opens a model once; returns the loss and gradients of any division of a step into passes. */
export async function gradientsOf(args: GradientArgs) {
  const {
    model: path,
    adapter,
    objective,
    lora = null,
    feeding = 'fed',
    quantisation = null,
    maxPositions = 1e6,
    maxActivationBytes = 1e12,
  } = args;
  const model = await openModel({ model: path, adapter }, { cache, quantisation });
  const traineeArgs = { engine, model, objective, feeding, options: { lora, seed: 1 } };
  await using merged = await mergeWeights(engine, lora === null ? model : { ...model, adapter: null }, { cache });
  const base =
    quantisation === null ? new GraphWeights(engine, merged.slices, feeding) : await openBase(engine, model, { cache });
  const trainee =
    lora === null ? fullTrainee(traineeArgs, merged.slices, { cache }) : loraTrainee(traineeArgs, lora, base);
  const loss = withReads(lossOf(objective));
  const program = await TrainingProgram.compile({
    engine,
    decoder: model.decoder,
    trainee,
    loss,
    dropout: (lora?.dropout ?? 0) > 0,
    maxPositions,
    maxActivationBytes,
  });
  const { layout } = program;
  const params = layout.zeros();
  for (const { name, shape, offset } of layout.tensors) params.set(await trainee.initial(name, shape), offset);
  const start = { params: params.slice(), m: layout.zeros(), v: layout.zeros() };
  const state = await HostState.open({ engine, layout, options: OPTIONS, start });
  const run = async (passes: readonly Pass[], values = params): Promise<StepGradients> => {
    state.values.params.set(values);
    const perPosition: Float32Array[] = [];
    const sums: Record<string, number> = {};
    let total = 0;
    const placed = placeStep(passes);
    for (const [n, of] of placed.entries()) {
      const result = await program.run(of, state, { first: n === 0, dropoutKey: 'test' });
      const { [READS]: reads, ...figures } = result.figures;
      total += result.loss;
      perPosition.push(reads as Float32Array);
      for (const [key, [value = 0]] of Object.entries(figures)) sums[key] = (sums[key] ?? 0) + value;
    }
    const gradients = new Map(layout.tensors.map((t) => [t.name, layout.view(state.gradient, t).slice()]));
    const figures = loss.report(
      sums,
      placed.flatMap(({ examples }) => examples),
    );
    return { loss: total, perPosition, gradients, figures };
  };
  return {
    run,
    params,
    layout,
    async [Symbol.asyncDispose]() {
      for (const each of [state, program, trainee]) await each[Symbol.asyncDispose]();
    },
  };
}

const READS = 'reads';

/** A loss that also gives what it reads at each position: log-probabilities, or log-odds of steps. */
function withReads(loss: Loss): Loss {
  return {
    ...loss,
    build(context) {
      let reads: Tensor | undefined;
      const kept = (read: () => Tensor) => () => (reads = read());
      const built = loss.build({ ...context, logps: kept(context.logps), stepLogOdds: kept(context.stepLogOdds) });
      return { ...built, figures: { ...built.figures, [READS]: reads as Tensor } };
    },
  };
}

/** One pass with each example in a row of its own. */
export function rowEach(examples: readonly TokenExample[], seq: number): Pass {
  return { batch: examples.length, seq, placements: examples.map((example, row) => ({ example, row, offset: 0 })) };
}

/** max |a - b| / max |b|. */
export function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`${a.length} and ${b.length} values`);
  let [difference, scale] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    difference = Math.max(difference, Math.abs((a[i] as number) - (b[i] as number)));
    scale = Math.max(scale, Math.abs(b[i] as number));
  }
  return scale === 0 ? difference : difference / scale;
}

/** Euclidean distance between the factors of two adapters. */
export function adapterDistance(x: AdapterFiles, y: AdapterFiles): number {
  let sum = 0;
  for (const [module, { a, b }] of y.tensors) {
    const other = x.tensors.get(module);
    if (!other) throw new Error(`no factors of ${module}`);
    for (const [i, value] of a.entries()) sum += (value - (other.a[i] as number)) ** 2;
    for (const [i, value] of b.entries()) sum += (value - (other.b[i] as number)) ** 2;
  }
  return Math.sqrt(sum);
}

// A decoder, its weights and rows of tokens -> what the float64 interpreter computes of them.
import { gradients } from '../../src/engine/backward.ts';
import { flatten, mul, neg, reduceSum, tokenLogp } from '../../src/engine/build.ts';
import { Graph, type Tensor, type WeightSlice } from '../../src/engine/graph.ts';
import { int64, vector } from '../../src/engine/host-arrays.ts';
import { type Decoder, decode } from '../../src/models/architectures/architecture.ts';
import { FedParameters, FrozenParameters } from '../../src/models/architectures/parameters.ts';
import { declareInputs, declareStep, passInputs, ropeInputs, stepInputs } from '../../src/models/pass-inputs.ts';
import { LoraParameters } from '../../src/models/weights/lora.ts';
import type { Row } from '../architecture-fixture.ts';
import { interpret, type ReferenceArray, type ReferenceFeed } from './reference.ts';

/** Values by name: those of all weights, or the factors of an adapter beside frozen ones. */
interface Trained {
  readonly values: ReadonlyMap<string, ReferenceFeed>;
  /** Absent: `values` are all weights. */
  readonly adapter?: {
    readonly rank: number;
    readonly scale: number;
    readonly frozen: ReadonlyMap<string, WeightSlice>;
  };
}

/** Logits `[tokens, vocab]` and log P of each row's tokens (the first has none), the mean NLL of the completions, and its derivatives. */
export function interpretPass(decoder: Decoder, { values, adapter }: Trained, rows: readonly Row[]) {
  const seq = Math.max(...rows.map(({ ids }) => ids.length));
  const graph = new Graph();
  const shapes = new Map([...values].map(([name, { shape }]) => [name, shape]));
  const parameters = adapter
    ? new LoraParameters(new FrozenParameters(graph, adapter.frozen), { ...adapter, targets: 'all-linear', dropout: 0 })
    : new FedParameters(graph, shapes);
  const { hidden } = decode(decoder, parameters, declareInputs(graph, decoder.config));
  const logits = decoder.logits(parameters, hidden);
  const logps = tokenLogp(flatten(logits), graph.input('targets', 'int64', ['batch*seq']));
  const loss = neg(reduceSum(mul(logps, graph.input('weights', 'float32', ['batch*seq']))));
  const names = [...parameters.inputs.keys()];
  const derivatives = gradients(loss, [...parameters.inputs.values()]);
  const outputs = {
    logits,
    logps,
    loss,
    ...Object.fromEntries(names.map((name, n) => [name, derivatives[n] as Tensor])),
  };
  const found = interpret(graph, outputs, {
    ...passInputs(
      { batch: rows.length, seq },
      rows.map(({ ids }, row) => ({ row, offset: 0, prompt: ids, branches: [] })),
    ),
    ...ropeInputs(decoder.config, seq),
    ...completionFeeds(rows, seq),
    ...Object.fromEntries(values),
  });
  const { vocab } = decoder.config;
  const data = (name: string) => (found[name] as ReferenceArray).data as Float64Array;
  return {
    logits: rows.map(({ ids }, row) => data('logits').subarray(row * seq * vocab, (row * seq + ids.length) * vocab)),
    logps: rows.map(({ ids }, row) => data('logps').subarray(row * seq, row * seq + ids.length - 1)),
    loss: data('loss')[0] as number,
    gradients: new Map(names.map((name) => [name, data(name)])),
  };
}

/** What each place predicts, and its weight in the mean over the tokens of all completions. */
function completionFeeds(rows: readonly Row[], seq: number): Record<string, ReferenceFeed> {
  const targets = new Int32Array(rows.length * seq);
  const weights = new Float64Array(rows.length * seq);
  const count = rows.reduce((sum, { ids, start }) => sum + ids.length - start, 0);
  for (const [row, { ids, start }] of rows.entries())
    for (const [n, id] of ids.entries()) {
      if (n === 0) continue;
      targets[row * seq + n - 1] = id;
      weights[row * seq + n - 1] = n < start ? 0 : 1 / count;
    }
  return { targets: vector(int64(targets)), weights: { data: weights, shape: [weights.length] } };
}

/** The best tokens behind `prompt`, one step at a time over a cache; `excluded` is never chosen. */
export function interpretGreedy(
  { decoder, weights }: { readonly decoder: Decoder; readonly weights: ReadonlyMap<string, WeightSlice> },
  prompt: readonly number[],
  count: number,
  excluded: number,
): number[] {
  const { config } = decoder;
  const graph = new Graph();
  const parameters = new FrozenParameters(graph, weights);
  const { hidden, present } = decode(decoder, parameters, declareStep(graph, config));
  const fresh = present.flatMap(({ keys, values }, n) => [
    [`past.${n}.keys`, keys] as const,
    [`past.${n}.values`, values] as const,
  ]);
  const outputs = { logits: decoder.logits(parameters, hidden), ...Object.fromEntries(fresh) };
  const tables = ropeInputs(config, prompt.length + count);
  const cached = new Map(fresh.map(([name]) => [name, [] as Float64Array[]]));
  const ids = [...prompt];
  for (let n = 0; n < prompt.length + count - 1; n++) {
    const cache = [...cached].map(([name, steps]) => [name, joinedHeads(steps, config)] as const);
    const columns = { data: Float64Array.from({ length: n }, (_, column) => column), shape: [n] };
    const token = ids[n] as number;
    const found = interpret(graph, outputs, {
      ...stepInputs([token], [n]),
      ...tables,
      columns,
      ...Object.fromEntries(cache),
    });
    for (const [name, steps] of cached) steps.push((found[name] as ReferenceArray).data as Float64Array);
    if (n >= prompt.length - 1) ids.push(best((found['logits'] as ReferenceArray).data as Float64Array, excluded));
  }
  return ids.slice(prompt.length);
}

/** Steps of `[1, kvHeads, 1, headDim]` -> `[1, kvHeads, steps, headDim]`. */
function joinedHeads(steps: readonly Float64Array[], { kvHeads, headDim }: Decoder['config']): ReferenceFeed {
  const data = new Float64Array(kvHeads * steps.length * headDim);
  for (const [n, step] of steps.entries())
    for (let head = 0; head < kvHeads; head++)
      data.set(step.subarray(head * headDim, (head + 1) * headDim), (head * steps.length + n) * headDim);
  return { data, shape: [1, kvHeads, steps.length, headDim] };
}

function best(logits: Float64Array, excluded: number): number {
  return logits.reduce((top, value, id) => (id !== excluded && value > (logits[top] as number) ? id : top), 0);
}

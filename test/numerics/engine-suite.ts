// A case of the op suite -> its graph with gradients, what to feed, and comparisons of arrays.

import { gradients } from '../../src/engine/backward.ts';
import { mul, reduceSum } from '../../src/engine/build.ts';
import { Graph, type Tensor } from '../../src/engine/graph.ts';
import { GRADIENTS } from '../../src/engine/ops/gradients.ts';
import type { HostArray } from '../../src/engine/runtime/session.ts';
import { createRandom } from '../../src/random.ts';
import { interpret, type ReferenceArray, type ReferenceFeed } from '../reference/reference.ts';
import type { OpCase } from './engine-case.ts';

interface Assembled {
  readonly graph: Graph;
  /** `out0`, `out1`, ... and, where the case has a gradient, `loss` and `d NAME` for each input that it is taken by. */
  readonly outputs: Readonly<Record<string, Tensor>>;
  readonly feeds: Readonly<Record<string, HostArray>>;
  readonly tensors: Readonly<Record<string, Tensor>>;
  readonly differentiated: readonly string[];
}

/** The case's graph; its loss is the first output weighted by random numbers and summed. */
export function assemble({ op, inputs, build }: OpCase): Assembled {
  const graph = new Graph();
  const names = Object.keys(inputs);
  const tensors = Object.fromEntries(
    names.map((name) => {
      const { dtype, shape } = inputs[name] as OpCase['inputs'][string];
      return [name, graph.input(name, dtype, shape)];
    }),
  );
  const built = build(tensors, graph);
  const outputs: Record<string, Tensor> = Object.fromEntries(built.map((tensor, n) => [`out${n}`, tensor]));
  const feeds: Record<string, HostArray> = Object.fromEntries(
    names.map((name) => {
      const { data, sizes } = inputs[name] as OpCase['inputs'][string];
      return [name, { data, shape: sizes }];
    }),
  );
  const first = built[0] as Tensor;
  const differentiated =
    op in GRADIENTS && first.dtype === 'float32' ? names.filter((name) => inputs[name]?.differentiate) : [];
  if (differentiated.length > 0) {
    const { shape } = interpret(graph, { first }, feeds)['first'] as ReferenceArray;
    const loss = reduceSum(mul(first, graph.input('random weights', 'float32', first.shape)));
    feeds['random weights'] = { data: randomWeights(shape), shape };
    outputs['loss'] = loss;
    const derivatives = gradients(
      loss,
      differentiated.map((name) => tensors[name] as Tensor),
    );
    differentiated.forEach((name, n) => {
      outputs[`d ${name}`] = derivatives[n] as Tensor;
    });
  }
  return { graph, outputs, feeds, tensors, differentiated };
}

function randomWeights(shape: readonly number[]): Float32Array {
  const random = createRandom('weights of the loss');
  return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => 2 * random.next() - 1);
}

/** d loss / d `name` by central differences in float64. */
export function finiteDifferences({ graph, outputs, feeds }: Assembled, name: string, step = 1e-6): Float64Array {
  const loss = outputs['loss'] as Tensor;
  const { data, shape } = feeds[name] as HostArray;
  const moved = Float64Array.from(data as Float32Array);
  const lossAt = (index: number, value: number): number => {
    const before = moved[index] as number;
    moved[index] = value;
    const result = interpret(graph, { loss }, { ...feeds, [name]: { data: moved, shape } } as Record<
      string,
      ReferenceFeed
    >);
    moved[index] = before;
    return Number(result['loss']?.data[0]);
  };
  return moved.map((value, index) => (lossAt(index, value + step) - lossAt(index, value - step)) / (2 * step));
}

/** Largest |found - expected| over the largest |expected| (at least `floor`); infinite where one is not finite and they differ. */
export function relativeError(
  found: ArrayLike<number | bigint>,
  expected: ArrayLike<number | bigint>,
  floor = 1e-3,
): number {
  if (found.length !== expected.length) return Infinity;
  let [difference, scale] = [0, floor];
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [Number(found[i]), Number(expected[i])];
    if (a === b) continue;
    if (!Number.isFinite(a) || !Number.isFinite(b)) return Infinity;
    difference = Math.max(difference, Math.abs(a - b));
  }
  for (let i = 0; i < expected.length; i++) {
    if (Number.isFinite(Number(expected[i]))) scale = Math.max(scale, Math.abs(Number(expected[i])));
  }
  return difference / scale;
}

export const titleOf = ({ op, variant }: OpCase): string => (variant ? `${op}: ${variant}` : op);

// A graph and its feeds -> its outputs in float64: the slow oracle that providers must match.
import { closeSync, openSync, readSync } from 'node:fs';
import { type Dim, evaluate, isName } from '../../src/engine/dims.ts';
import type { DType, Graph, Node, Tensor, WeightSlice } from '../../src/engine/graph.ts';
import type { HostArray } from '../../src/engine/runtime/arrays.ts';
import { count, type Values } from './arrays.ts';
import { KERNELS } from './kernels.ts';

/** float32 tensors as Float64Array, int64 as BigInt64Array, bool as Uint8Array. */
export interface ReferenceArray {
  readonly data: Float64Array | BigInt64Array | Uint8Array;
  readonly shape: readonly number[];
}

/** What is fed: what a program takes, or float64. */
export type ReferenceFeed = HostArray | ReferenceArray;

/**
 * Computes `outputs` from `feeds`; weights are read from their files, whole numbers are exact below 2^53.
 * @throws Error naming the input that is missing, or the node whose result has not the sizes that the graph declares.
 */
export function interpret(
  graph: Graph,
  outputs: Readonly<Record<string, Tensor>>,
  feeds: Readonly<Record<string, ReferenceFeed>>,
): Record<string, ReferenceArray> {
  const values = new Map<Tensor, Values>();
  const bindings = new Map<string, number>();
  for (const input of graph.inputs) {
    const feed = feeds[input.name];
    if (!feed) continue;
    values.set(input, { data: Float64Array.from(feed.data as ArrayLike<number>, Number), shape: feed.shape });
    input.shape.forEach((dim, axis) => {
      if (isName(dim)) bindings.set(dim, feed.shape[axis] as number);
    });
  }
  for (const { tensor, data } of graph.constants) {
    values.set(tensor, { data: Float64Array.from(data as ArrayLike<number>, Number), shape: tensor.shape as number[] });
  }
  const size = (dim: Dim) => evaluate(dim, bindings);
  for (const node of graph.needed(Object.values(outputs)).nodes) runNode(node, graph, values, size);
  return Object.fromEntries(
    Object.entries(outputs).map(([name, tensor]) => [name, typed(tensor.dtype, lookUp(tensor, graph, values))]),
  );
}

function runNode(node: Node, graph: Graph, values: Map<Tensor, Values>, size: (dim: Dim) => number | undefined): void {
  const kernel = KERNELS[node.op];
  if (!kernel) throw new Error(`${node.op}: no reference kernel. Add one to kernels.ts.`);
  const inputs = node.inputs.map((input) => lookUp(input, graph, values));
  const results = kernel({ attributes: node.attributes, size }, ...inputs);
  node.outputs.forEach((output, index) => {
    const result = results[index] as Values;
    const declared = output.shape.map((dim, axis) => size(dim) ?? result.shape[axis]);
    if (declared.join() !== result.shape.join() || count(result.shape) !== result.data.length) {
      throw new Error(
        `${output.name}: declared [${output.shape.join(', ')}] = [${declared.join(', ')}], computed [${result.shape.join(', ')}]`,
      );
    }
    values.set(output, result);
  });
}

function lookUp(tensor: Tensor, graph: Graph, values: Map<Tensor, Values>): Values {
  const known = values.get(tensor);
  if (known) return known;
  const weight = graph.weights.get(tensor.name);
  if (!weight) throw new Error(`Input ${tensor.name} is missing`);
  const loaded = { data: readWeight(weight.slice), shape: weight.slice.shape };
  values.set(tensor, loaded);
  return loaded;
}

function readWeight({ file, offset, length }: WeightSlice): Float64Array {
  const bytes = Buffer.alloc(length);
  const handle = openSync(file, 'r');
  try {
    const read = readSync(handle, bytes, 0, length, offset);
    if (read !== length) throw new Error(`${file}: expected ${length} bytes at ${offset}, got ${read}`);
  } finally {
    closeSync(handle);
  }
  return Float64Array.from({ length: length / 4 }, (_, i) => bytes.readFloatLE(i * 4));
}

function typed(dtype: DType, { data, shape }: Values): ReferenceArray {
  if (dtype === 'int64') return { data: BigInt64Array.from(data, BigInt), shape };
  if (dtype === 'bool') return { data: Uint8Array.from(data), shape };
  return { data, shape };
}

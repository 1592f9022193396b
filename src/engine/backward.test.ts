// The backward walk: what it adds up, what it skips, and how it refuses.
import { describe, expect, it } from 'vitest';
import { interpret } from '../../test/reference/reference.ts';
import { gradients } from './backward.ts';
import { add, argMax, cast, concat, exp, gather, matmul, mul, reduceSum, reshape, sub, topK } from './build.ts';
import { Graph, type Tensor } from './graph.ts';
import { serialise } from './runtime/onnx.ts';

const vector = (graph: Graph, name: string, size: number | string = 3) => graph.input(name, 'float32', [size]);
const feed = (...data: number[]) => ({ data: Float64Array.from(data), shape: [data.length] });

describe('gradients', () => {
  it('adds up what reaches a tensor by several ways', () => {
    const graph = new Graph();
    const x = vector(graph, 'x');
    const loss = reduceSum(add(mul(x, x), sub(mul(x, 3), x)));
    const [dx] = gradients(loss, [x]) as [Tensor];
    expect(interpret(graph, { dx }, { x: feed(1, 2, 5) })['dx']?.data).toEqual(Float64Array.of(4, 6, 12));
  });

  it('is taken by inner tensors and by the loss itself', () => {
    const graph = new Graph();
    const x = vector(graph, 'x');
    const square = mul(x, x);
    const loss = reduceSum(mul(square, 5));
    const [inner, own] = gradients(loss, [square, loss]) as [Tensor, Tensor];
    const found = interpret(graph, { inner, own }, { x: feed(1, 2, 3) });
    expect(found['inner']?.data).toEqual(Float64Array.of(5, 5, 5));
    expect(found['own']).toEqual({ data: Float64Array.of(1), shape: [] });
  });

  it('costs nothing for what is not asked for: no weight gradient of a frozen layer', () => {
    const graph = new Graph();
    const x = graph.input('x', 'float32', [2, 3]);
    const frozen = graph.weight('frozen', { file: 'none', offset: 0, length: 24, shape: [3, 2] });
    const loss = reduceSum(matmul(x, frozen));
    const [dx] = gradients(loss, [x]) as [Tensor];
    const { bytes } = serialise(graph, { dx }, { provider: 'cpu', locate: () => '' });
    const model = Buffer.from(bytes).toString('latin1');
    expect(model.match(/FusedMatMul/g), 'dx = dy · frozenᵀ and no other').toHaveLength(1);
  });

  it('does not pass through indices and masks', () => {
    const graph = new Graph();
    const x = graph.input('x', 'float32', [1, 3]);
    const table = graph.input('table', 'float32', [3, 2]);
    const picked = gather(table, reshape(argMax(x), [1]));
    const loss = reduceSum(mul(picked, reduceSum(cast(topK(x, 1).indices, 'float32'))));
    expect(gradients(loss, [table])).toHaveLength(1);
    expect(() => gradients(loss, [x])).toThrow('The loss does not depend on x');
  });

  it('computes again what it is told to, after the derivative is known and once', () => {
    const build = (again: boolean) => {
      const graph = new Graph();
      const x = vector(graph, 'x');
      const weight = vector(graph, 'weight');
      const inner = mul(x, 2);
      const body = () => exp(mul(inner, weight));
      const loss = reduceSum(mul(again ? graph.recompute(body) : body(), 3));
      const [dx, dw] = gradients(loss, [x, weight]) as [Tensor, Tensor];
      return { graph, outputs: { loss, dx, dw } };
    };
    const feeds = { x: feed(1, 2, -1), weight: feed(0.5, -1, 2) };
    const [kept, recomputed] = [build(false), build(true)];
    expect(interpret(recomputed.graph, recomputed.outputs, feeds)).toEqual(interpret(kept.graph, kept.outputs, feeds));
    const count = ({ graph }: ReturnType<typeof build>, op: string) =>
      graph.nodes.filter((node) => node.op === op).length;
    expect([count(kept, 'exp'), count(recomputed, 'exp'), count(recomputed, 'after')]).toEqual([1, 2, 2]);
    const graph = new Graph();
    const x = vector(graph, 'x');
    expect(gradients(reduceSum(graph.recompute(() => x)), [x])).toHaveLength(1);
    expect(() => graph.recompute(() => graph.recompute(() => exp(x)))).toThrow('cannot hold more of its kind');
  });

  it('refuses what it cannot do, by name', () => {
    const graph = new Graph();
    const [x, y] = [vector(graph, 'x', 'n'), vector(graph, 'y', 'm')];
    expect(() => gradients(mul(x, 2), [x])).toThrow('The loss must be a scalar, got [n]');
    expect(() => gradients(reduceSum(x), [y])).toThrow('The loss does not depend on y');
    expect(() => gradients(reduceSum(concat([x, y], 0)), [x])).toThrow('concat: no gradient along the named size n');
    const matrix = graph.input('matrix', 'float32', [2, 5]);
    expect(() => gradients(reduceSum(topK(matrix, 2).values), [matrix])).toThrow('topK: no gradient rule');
    const block = graph.input('block', 'float32', [4, 2, 2]);
    const at = graph.input('at', 'int64', [3]);
    expect(() => gradients(reduceSum(gather(block, at)), [block])).toThrow(
      'gather: the gradient needs a table [n, width], got [4,2,2]',
    );
  });
});

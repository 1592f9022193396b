// The oracle itself: values computed by hand, and its refusals.
import { describe, expect, it } from 'vitest';
import { add, matmul, mul, reshape, rope, slice, softmax, tokenLogp } from '../../src/engine/build.ts';
import { Graph } from '../../src/engine/graph.ts';
import { interpret } from './reference.ts';

const array = (shape: readonly number[], ...data: number[]) => ({ data: Float64Array.from(data), shape });

describe('interpret', () => {
  it('computes what a person computes', () => {
    const graph = new Graph();
    const [a, b] = [graph.input('a', 'float32', [2, 2]), graph.input('b', 'float32', [2, 2])];
    const outputs = {
      plain: matmul(a, b),
      turned: matmul(a, b, { transA: true, transB: true, alpha: 2 }),
      row: add(a, slice(b, 0, 0, 1)),
    };
    const found = interpret(graph, outputs, { a: array([2, 2], 1, 2, 3, 4), b: array([2, 2], 5, 6, 7, 8) });
    expect(found['plain']?.data).toEqual(Float64Array.of(19, 22, 43, 50));
    expect(found['turned']?.data).toEqual(Float64Array.of(46, 62, 68, 92));
    expect(found['row']?.data).toEqual(Float64Array.of(6, 8, 8, 10));
  });

  it('keeps log-probabilities exact where exponentials overflow', () => {
    const graph = new Graph();
    const logits = graph.input('logits', 'float32', [1, 3]);
    const logp = tokenLogp(logits, graph.input('at', 'int64', [1]));
    const feeds = { logits: array([1, 3], 1000, 0, 1000), at: { data: BigInt64Array.of(1n), shape: [1] } };
    const found = interpret(graph, { logp, p: softmax(logits) }, feeds);
    expect(found['logp']?.data[0]).toBeCloseTo(-1000 - Math.log(2), 12);
    for (const [n, p] of [0.5, 0, 0.5].entries()) expect(found['p']?.data[n]).toBeCloseTo(p, 12);
  });

  it('turns the halves of a head by the angle of its position', () => {
    const graph = new Graph();
    const x = graph.input('x', 'float32', [1, 2, 2]);
    const at = graph.input('at', 'int64', [1, 2]);
    const [cos, sin] = [graph.input('cos', 'float32', [2, 1]), graph.input('sin', 'float32', [2, 1])];
    const feeds = {
      x: array([1, 2, 2], 1, 0, 0, 1),
      at: { data: BigInt64Array.of(1n, 1n), shape: [1, 2] },
      cos: array([2, 1], 1, 0),
      sin: array([2, 1], 0, 1),
    };
    expect(interpret(graph, { y: rope(x, at, cos, sin, 1) }, feeds)['y']?.data).toEqual(Float64Array.of(0, 1, -1, 0));
  });

  it('refuses missing inputs, indices out of range and results that are not as declared', () => {
    const graph = new Graph();
    const x = graph.input('x', 'float32', ['n', 4]);
    const at = graph.input('at', 'int64', ['n']);
    const y = mul(x, 2);
    expect(() => interpret(graph, { y }, {})).toThrow('Input x is missing');
    const bad = { x: array([1, 4], 1, 2, 3, 4), at: { data: BigInt64Array.of(4n), shape: [1] } };
    expect(() => interpret(graph, { logp: tokenLogp(x, at) }, bad)).toThrow('index 4 of 4');
    const short = slice(graph.input('z', 'float32', ['m']), 0, 0, 5);
    expect(() => interpret(graph, { short }, { z: array([3], 1, 2, 3) })).toThrow('[0, 5) of axis 0 of [3]');
    const whole = reshape(x, ['4*n']);
    expect(interpret(graph, { whole }, bad)['whole']?.shape).toEqual([4]);
  });
});

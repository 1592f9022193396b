// Every gradient rule in float64 -> central finite differences of the same graph.
import { describe, expect, it } from 'vitest';
import { gradients } from '../../src/engine/backward.ts';
import { reduceMax, reduceSum } from '../../src/engine/build.ts';
import { Graph } from '../../src/engine/graph.ts';
import { GRADIENTS } from '../../src/engine/ops/gradients.ts';
import { OPS } from '../../src/engine/ops/ops.ts';
import { KERNELS } from '../reference/kernels.ts';
import { interpret } from '../reference/reference.ts';
import { CASES } from './engine-cases.ts';
import { assemble, finiteDifferences, relativeError, titleOf } from './engine-suite.ts';

const differentiable = CASES.filter((each) => assemble(each).differentiated.length > 0);

describe('the suite covers', () => {
  it('every op, with a reference kernel', () => {
    expect(Object.keys(KERNELS).sort()).toEqual(Object.keys(OPS).sort());
    const covered = new Set(CASES.map(({ op }) => op));
    expect(Object.keys(OPS).filter((op) => !covered.has(op))).toEqual([]);
  });

  it('every gradient rule', () => {
    const covered = new Set(differentiable.map(({ op }) => op));
    expect(Object.keys(GRADIENTS).filter((op) => !covered.has(op))).toEqual([]);
    expect(Object.keys(GRADIENTS).filter((op) => !(op in OPS))).toEqual([]);
  });

  it('each case once', () => {
    const titles = CASES.map(titleOf);
    expect(titles.filter((title, n) => titles.indexOf(title) !== n)).toEqual([]);
  });
});

describe('gradient against finite differences', () => {
  it.each(differentiable.map((each) => [titleOf(each), each] as const))('%s', (_, each) => {
    const assembled = assemble(each);
    const { graph, outputs, feeds, tensors, differentiated } = assembled;
    const results = interpret(graph, outputs, feeds);
    for (const name of differentiated) {
      expect(outputs[`d ${name}`]?.shape, `declared shape of d ${name}`).toEqual(tensors[name]?.shape);
      const analytic = results[`d ${name}`] as { data: Float64Array; shape: readonly number[] };
      expect(analytic.shape).toEqual(feeds[name]?.shape);
      const numeric = finiteDifferences(assembled, name);
      expect(relativeError(analytic.data, numeric), `d ${name}: ${analytic.data} against ${numeric}`).toBeLessThan(
        1e-6,
      );
    }
  });

  it('shares the derivative among equal operands of min and max', () => {
    for (const op of ['min', 'max'] as const) {
      const tie = CASES.find((each) => each.op === op && each.variant === 'mixed');
      if (!tie) throw new Error('no case');
      const data = Float32Array.of(2, 2, 2, 2);
      const x = { shape: [4], sizes: [4], dtype: 'float32', data, differentiate: true } as const;
      const { graph, outputs, feeds } = assemble({ ...tie, inputs: { x, y: x } });
      const results = interpret(graph, outputs, feeds);
      const half = Float64Array.from(feeds['random weights']?.data as Float32Array, (weight) => weight / 2);
      expect(results['d x']?.data).toEqual(half);
      expect(results['d y']?.data).toEqual(half);
    }
  });

  it('names the op that has no rule', () => {
    const graph = new Graph();
    const x = graph.input('x', 'float32', [2, 3]);
    expect(() => gradients(reduceSum(reduceMax(x, { axes: [1] })), [x])).toThrow('reduceMax: no gradient rule');
  });
});

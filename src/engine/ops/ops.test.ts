// Nodes of the graph -> what the shape rules accept, and an error with op, tensor and sizes.
import { describe, expect, it } from 'vitest';
import * as build from '../build.ts';
import { Graph } from '../graph.ts';

const graph = new Graph();
const f = (name: string, ...shape: (number | string)[]) => graph.input(name, 'float32', shape);
const x = f('x', 'batch', 'seq', 8);
const y = f('y', 'batch', 8, 4);
const odd = f('odd', 'batch', 7);
const wide = f('wide', 'other', 'seq', 8);
const ids = graph.input('ids', 'int64', ['batch', 'seq']);
const tables = [f('cos', 'n', 3), f('sin', 'n', 3)] as const;
const narrow = [f('cos2', 'n', 2), f('sin2', 'n', 2)] as const;
const [vector, w, table] = [f('v', 8), f('w', 7), f('table', 50, 3)];
const mask = graph.input('mask', 'bool', ['batch', 'seq']);

describe('shapes', () => {
  it('come from names and numbers', () => {
    expect(build.matmul(x, y).shape).toEqual(['batch', 'seq', 4]);
    expect(build.matmul(x, x, { transA: true }).shape).toEqual(['batch', 8, 8]);
    expect(build.flatten(x).shape).toEqual(['batch*seq', 8]);
    expect(build.concat([x, x], 1).shape).toEqual(['batch', '2*seq', 8]);
    expect(build.gather(table, ids).shape).toEqual(['batch', 'seq', 3]);
    expect(build.reduceSum(x, { axes: [-1, 0], keepDims: true }).shape).toEqual([1, 'seq', 1]);
    expect(build.reduceMean(x).shape).toEqual([]);
    expect(build.topK(x, 3).indices).toMatchObject({ dtype: 'int64', shape: ['batch', 'seq', 3] });
    expect(build.greater(ids, 3)).toMatchObject({ dtype: 'bool', shape: ['batch', 'seq'] });
  });
});

describe('errors name the op, the tensors and their sizes', () => {
  const all = 'x: float32[batch, seq, 8]';
  it.each<readonly [string, () => unknown, ...string[]]>([
    ['matmul', () => build.matmul(x, odd), 'matmul: inner sizes 8 and batch differ', all, 'odd: float32[batch, 7]'],
    ['matmul batches', () => build.matmul(wide, y), 'matmul: sizes other and batch do not broadcast'],
    ['matmul rank', () => build.matmul(x, vector), 'matmul: needs matrices'],
    ['matmul types', () => build.matmul(ids, x), 'matmul: ids is int64, not float32'],
    ['add', () => build.add(x, w), 'Add: sizes 8 and 7 do not broadcast', all, 'w: float32[7]'],
    ['add types', () => build.add(x, ids), 'Add: element types differ', 'ids: int64[batch, seq]'],
    ['and', () => build.and(mask, x), 'And: x is float32, not bool'],
    ['not', () => build.not(x), 'Not: x is float32, not bool'],
    ['exp', () => build.exp(ids), 'Exp: ids is int64, not float32'],
    ['reduceSum axis', () => build.reduceSum(x, { axes: [3] }), 'there is no axis 3', all],
    ['reshape', () => build.reshape(x, ['batch', 'seq', 9]), 'reshape: cannot become [batch, seq, 9]', all],
    ['reshape names', () => build.reshape(x, ['batch', 'other', 8]), 'reshape: cannot become [batch, other, 8]'],
    ['transpose', () => build.transpose(x, [0, 1]), 'transpose: [0,1] is no order of its axes', all],
    [
      'concat',
      () => build.concat([x, wide], 1),
      'concat: sizes differ beside axis 1',
      all,
      'wide: float32[other, seq, 8]',
    ],
    ['concat ranks', () => build.concat([x, odd], 0), 'concat: sizes differ beside axis 0'],
    ['concat types', () => build.concat([ids, mask], 0), 'concat: element types differ'],
    ['slice', () => build.slice(x, 2, 4, 9), 'slice: [4, 9)', all],
    ['slice nothing', () => build.slice(x, 2, 4, 4), 'slice: [4, 4)'],
    ['gather', () => build.gather(x, odd), 'gather: indices must be int64'],
    ['gatherElements', () => build.gatherElements(x, ids), 'gatherElements: rows differ'],
    ['tokenLogp', () => build.tokenLogp(x, ids), 'tokenLogp: needs logits [n, vocab] and targets [n]'],
    ['rmsNorm', () => build.rmsNorm(x, w, 1e-5), 'rmsNorm: weight does not fit', 'w: float32[7]'],
    ['rope tables', () => build.rope(x, ids, ...tables, 2), 'rope: the tables must be 2 wide'],
    ['rope positions', () => build.rope(wide, ids, ...narrow, 2), 'rope: needs a position for each row of x'],
    ['where', () => build.where(x, x, x), 'where: needs a bool and two tensors of one type'],
    [
      'another graph',
      () => build.add(x, new Graph().input('alien', 'float32', [8])),
      'add: alien belongs to another graph',
    ],
  ])('%s', (_, make, ...texts) => {
    for (const text of texts) expect(make).toThrow(text);
  });

  it('says which reshape the runtime cannot express', async () => {
    const { serialise } = await import('../runtime/onnx.ts');
    const split = build.reshape(f('packed', 'a*b', 'c'), ['a', 'b', 'c']);
    expect(() => serialise(graph, { split }, { provider: 'cpu', locate: () => '' })).toThrow(
      'reshape: cannot express [a, b, c]: use reshapeLike. Inputs: packed: float32[a*b, c]',
    );
  });

  it('gives every tensor a name of its own', () => {
    expect([f('twice', 3), f('twice', 3)].map(({ name }) => name)).toEqual(['twice', 'twice_1']);
  });

  it('keeps large values out of the model file', () => {
    expect(() => graph.constant(new Float32Array(300_000), [300_000])).toThrow(
      'A constant of 1200000 bytes: use a weight',
    );
    expect(() => graph.constant([1, 2], [3])).toThrow('2 values for shape [3]');
  });
});

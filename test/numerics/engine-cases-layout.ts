// Cases of matrix products and of ops that move elements, empty axes among them.
import * as build from '../../src/engine/build.ts';
import type { Shape } from '../../src/engine/dims.ts';
import { PACKINGS, type Packing } from '../../src/engine/ops/quantised.ts';
import { bytes, f, fixed, i, type OpCase, one, x } from './engine-case.ts';

/** Batch axes of a and b. */
const PRODUCTS: readonly (readonly [string, readonly number[], readonly number[], Shape?, Shape?])[] = [
  ['matrices', [], []],
  ['batches', [2], [2]],
  ['two batch axes', [2, 3], [2, 3]],
  ['a shared matrix b', [2], []],
  ['a shared matrix b under two axes', [2, 3], []],
  ['a shared matrix a', [], [2]],
  ['broadcast batches', [2, 1], [1, 3]],
  ['named batches', [2, 3], [2, 3], ['batch', 3], ['batch', 3]],
  ['named batch, shared b', [2], [], ['batch'], []],
];

const matmulCases = PRODUCTS.flatMap(([variant, batchA, batchB, shapeA = batchA, shapeB = batchB]) =>
  [false, true].flatMap((transA) =>
    [false, true].flatMap((transB) =>
      [1, 0.25].map((alpha) => {
        const [rowsA, rowsB] = [transA ? [4, 3] : [3, 4], transB ? [5, 4] : [4, 5]];
        const inputs = {
          x: f([...batchA, ...rowsA], { shape: [...shapeA, ...rowsA] }),
          y: f([...batchB, ...rowsB], { shape: [...shapeB, ...rowsB] }),
        };
        const name = `${variant}${transA ? ', aᵀ' : ''}${transB ? ', bᵀ' : ''}${alpha === 1 ? '' : ', scaled'}`;
        return one('matmul', name, inputs, (t) => build.matmul(x(t), x(t, 'y'), { transA, transB, alpha }));
      }),
    ),
  ),
);

/** Blocks of several rows, of parts of rows, and of one row. */
const quantisedCases = [
  [8, 24],
  [24, 8],
  [5, 64],
  [3, 128],
].flatMap(([rows = 0, columns = 0]) =>
  (Object.keys(PACKINGS) as Packing[])
    .filter((packing) => packing !== 'int4' || columns % 32 === 0)
    .flatMap((packing) =>
      [false, true].map((transB) => {
        const inputs = {
          x: f([2, 3, transB ? columns : rows], { shape: ['batch', 3, transB ? columns : rows] }),
          packed: bytes(PACKINGS[packing].dtype, PACKINGS[packing].packed(rows, columns)),
          scales: fixed(PACKINGS[packing].scales(rows, columns), { low: 0.01, high: 0.1 }),
        };
        return one('quantisedMatmul', `${packing} [${rows}, ${columns}]${transB ? ', bᵀ' : ''}`, inputs, (t) =>
          build.quantisedMatmul(
            x(t),
            { packing, shape: [rows, columns], packed: x(t, 'packed'), scales: x(t, 'scales') },
            { transB },
          ),
        );
      }),
    ),
);

const emptyCases = [
  one(
    'matmul',
    'no inner size',
    { x: fixed([2, 3, 0], { shape: ['batch', 3, 'past'] }), y: fixed([2, 0, 4], { shape: ['batch', 'past', 4] }) },
    (t) => build.matmul(x(t), x(t, 'y')),
  ),
  one(
    'matmul',
    'no columns',
    { x: fixed([2, 3, 4], { shape: ['batch', 3, 4] }), y: fixed([2, 0, 4], { shape: ['batch', 'past', 4] }) },
    (t) => build.matmul(x(t), x(t, 'y'), { transB: true, alpha: 0.5 }),
  ),
  one('matmul', 'no rows', { x: fixed([0, 4], { shape: ['rows', 4] }), y: fixed([4, 5]) }, (t) =>
    build.matmul(x(t), x(t, 'y')),
  ),
  one(
    'concat',
    'with an empty part',
    { x: fixed([2, 0, 3], { shape: ['batch', 'past', 3] }), y: fixed([2, 4, 3], { shape: ['batch', 4, 3] }) },
    (t) => build.concat([x(t), x(t, 'y')], 1),
  ),
  one('reshape', 'no elements', { x: fixed([2, 0, 6], { shape: ['batch', 'past', 6] }) }, (t) =>
    build.reshape(x(t), ['batch', 'past', 2, 3]),
  ),
  one('reshape', 'no elements, flattened', { x: fixed([2, 0, 6], { shape: ['batch', 'past', 6] }) }, (t) =>
    build.flatten(x(t)),
  ),
  one('transpose', 'no elements', { x: fixed([2, 0, 3], { shape: ['batch', 'past', 3] }) }, (t) =>
    build.transpose(x(t), [1, 2, 0]),
  ),
  one('gather', 'no indices', { x: fixed([3, 2]), at: i([0], [], ['n']) }, (t) => build.gather(x(t), x(t, 'at'))),
  one('reduceSum', 'no elements', { x: fixed([2, 0], { shape: [2, 'past'] }) }, (t) =>
    build.reduceSum(x(t), { axes: [1] }),
  ),
  ...[0, 1, 2].map((index) =>
    one('part', `${index} of 3, uneven`, { x: fixed([7, 2], { shape: ['n', 2] }) }, (t) => build.part(x(t), index, 3)),
  ),
  one('part', 'int64, a number of rows', { x: i([5], [4, 3, 2, 1, 0]) }, (t) => build.part(x(t), 1, 2)),
  one('part', 'fewer rows than parts', { x: fixed([1, 2], { shape: ['n', 2] }) }, (t) => build.part(x(t), 0, 4)),
  one('join', 'three uneven parts', { x: f([7, 2]) }, (t) => {
    const doubled = build.mul(x(t), 2);
    return build.join(
      [0, 2, 4].map((start, k) => build.slice(doubled, 0, start, [2, 4, 7][k] as number)),
      doubled,
    );
  }),
  one('after', 'a scalar and a matrix', { x: f([3, 2], { shape: ['n', 2] }), y: fixed([2, 2]) }, (t) =>
    build.after(x(t), [build.reduceSum(x(t, 'y')), x(t, 'y')]),
  ),
  ...(['start', 'end'] as const).map((from) =>
    one(
      'sliceLike',
      `nothing from the ${from}`,
      { x: fixed([2, 5], { shape: [2, 'all'] }), y: fixed([0, 3], { shape: ['past', 3] }) },
      (t) => build.sliceLike(x(t), x(t, 'y'), 1, 0, from),
    ),
  ),
];

const layoutCases = [
  one('reshape', 'split', { x: f([3, 8]) }, (t) => build.reshape(x(t), [3, 2, 4])),
  one('reshape', 'join', { x: f([2, 3, 4]) }, (t) => build.reshape(x(t), [6, 4])),
  one('reshape', 'to a scalar', { x: f([1, 1]) }, (t) => build.reshape(x(t), [])),
  one('reshape', 'named split', { x: f([2, 3, 8], { shape: ['batch', 'seq', 8] }) }, (t) =>
    build.reshape(x(t), ['batch', 'seq', 2, 4]),
  ),
  one('reshape', 'named join', { x: f([2, 3, 4], { shape: ['batch', 'seq', 4] }) }, (t) =>
    build.reshape(x(t), ['batch*seq', 4]),
  ),
  one('reshape', 'named multiple', { x: f([2, 2, 3, 4], { shape: ['batch', 2, 'seq', 4] }) }, (t) =>
    build.reshape(x(t), ['batch', '2*seq', 4]),
  ),
  one(
    'reshape',
    'named multiple back',
    { x: f([2, 3, 4], { shape: ['batch', 'seq', 4] }), y: f([2, 6, 4], { shape: ['batch', '2*seq', 4] }) },
    (t) => build.add(build.reshape(x(t, 'y'), ['batch', 2, 'seq', 4]), build.reshape(x(t), ['batch', 1, 'seq', 4])),
  ),
  one(
    'reshapeLike',
    'named',
    { x: f([6, 4], { shape: ['batch*seq', 4] }), y: fixed([2, 3, 4], { shape: ['batch', 'seq', 4] }) },
    (t) => build.reshapeLike(x(t), x(t, 'y')),
  ),
  one('expandLike', 'row', { x: f([4]), y: fixed([2, 3, 4]) }, (t) => build.expandLike(x(t), x(t, 'y'))),
  one(
    'expandLike',
    'column',
    { x: f([2, 3, 1], { shape: ['batch', 'seq', 1] }), y: fixed([2, 3, 4], { shape: ['batch', 'seq', 4] }) },
    (t) => build.expandLike(x(t), x(t, 'y')),
  ),
  one('expandLike', 'scalar', { x: f([]), y: fixed([2, 3]) }, (t) => build.expandLike(x(t), x(t, 'y'))),
  one('transpose', '[1, 0]', { x: f([3, 4]) }, (t) => build.transpose(x(t), [1, 0])),
  one('transpose', '[0, 2, 1, 3]', { x: f([2, 3, 2, 2], { shape: ['batch', 'seq', 2, 2] }) }, (t) =>
    build.transpose(x(t), [0, 2, 1, 3]),
  ),
  one('transpose', '[2, 0, 1]', { x: f([2, 3, 4]) }, (t) => build.transpose(x(t), [2, 0, 1])),
  ...[0, 1, 2].map((axis) => {
    const [a, c] = [[2, 3, 4].map((n, k) => (k === axis ? 1 : n)), [2, 3, 4]];
    return one('concat', `three parts, axis ${axis}`, { x: f(a), y: f(c), z: f(a, { low: -1 }) }, (t) =>
      build.concat([x(t), x(t, 'y'), x(t, 'z')], axis),
    );
  }),
  one('concat', 'one tensor twice', { x: f([2, 3]) }, (t) => build.concat([x(t), x(t)], -1)),
  one(
    'concat',
    'named sizes',
    { x: fixed([2, 3], { shape: ['batch', 'past'] }), y: fixed([2, 2], { shape: ['batch', 'seq'] }) },
    (t) => build.concat([x(t), x(t, 'y')], 1),
  ),
  one('concat', 'int64', { x: i([2], [1, 2]), y: i([1], [3]) }, (t) => build.concat([x(t), x(t, 'y')], 0)),
  ...[0, 1, 2].flatMap((axis) =>
    (
      [
        [0, 2],
        [1, 3],
        [2, 5],
        [0, 5],
      ] as const
    ).map(([start, end]) =>
      one('slice', `[${start}, ${end}) of axis ${axis}`, { x: f([2, 3, 4].map((n, k) => (k === axis ? 5 : n))) }, (t) =>
        build.slice(x(t), axis, start, end),
      ),
    ),
  ),
  one('slice', 'a named axis', { x: f([5, 2], { shape: ['seq', 2] }) }, (t) => build.slice(x(t), 0, 1, 3)),
  ...[0, 1, 2].flatMap((axis) =>
    (
      [
        [0, 2],
        [1, 3],
        [3, 5],
      ] as const
    ).map(([start, end]) =>
      one(
        'padLike',
        `[${start}, ${end}) of axis ${axis}`,
        {
          x: fixed([2, 3, 4].map((n, k) => (k === axis ? 2 : n))),
          y: fixed(
            [2, 3, 4].map((n, k) => (k === axis ? 5 : n)),
            { shape: axis === 1 ? ['batch', 'seq', 4] : [2, 3, 4].map((n, k) => (k === axis ? 5 : n)) },
          ),
        },
        (t) => build.padLike(x(t), x(t, 'y'), axis, start, end),
      ),
    ),
  ),
  ...(['start', 'end'] as const).map((from) =>
    one(
      'sliceLike',
      `from the ${from}`,
      { x: fixed([2, 5, 3], { shape: [2, '(past+seq)', 3] }), y: fixed([2, 3], { shape: ['seq', 'past'] }) },
      (t) => build.sliceLike(x(t), x(t, 'y'), 1, 1, from),
    ),
  ),
];

export const LAYOUT: readonly OpCase[] = [...matmulCases, ...quantisedCases, ...emptyCases, ...layoutCases];

// Cases of ops that work element by element, broadcast or reduce.
import * as build from '../../src/engine/build.ts';
import type { Shape } from '../../src/engine/dims.ts';
import type { Tensor } from '../../src/engine/graph.ts';
import { b, type FloatOptions, f, fixed, i, type OpCase, one, x } from './engine-case.ts';

const UNARY: readonly (readonly [string, (x: Tensor) => Tensor, FloatOptions])[] = [
  ['neg', build.neg, {}],
  ['exp', build.exp, {}],
  ['log', build.log, { low: 0.2, high: 3 }],
  ['sqrt', build.sqrt, { low: 0.2, high: 3 }],
  ['sin', build.sin, { low: -6, high: 6, differentiate: false }],
  ['floor', build.floor, { low: -3, high: 3, differentiate: false }],
  ['tanh', build.tanh, {}],
  ['sigmoid', build.sigmoid, { low: -6, high: 6 }],
  ['softplus', build.softplus, { low: -6, high: 6 }],
];

const unaryCases = UNARY.flatMap(([op, apply, options]) => {
  return [
    one(op, 'matrix', { x: f([3, 5], options) }, (t) => apply(x(t))),
    one(op, 'named sizes', { x: f([2, 3, 4], { ...options, shape: ['batch', 'seq', 4] }) }, (t) => apply(x(t))),
    one(op, 'scalar', { x: f([], options) }, (t) => apply(x(t))),
    one(op, 'no elements', { x: f([0, 4], { ...options, shape: ['past', 4], differentiate: false }) }, (t) =>
      apply(x(t)),
    ),
  ];
});

const extreme = [-100, -88, -30, -1e-6, 0, 1e-6, 30, 88, 100];
const extremeCases = UNARY.filter(([op]) => ['sigmoid', 'softplus', 'tanh'].includes(op)).map(([op, apply]) =>
  one(op, 'far out', { x: f([9], { values: extreme }) }, (t) => apply(x(t))),
);

/** Shapes of the two operands: [a, b], as sizes and as declared. */
const BROADCASTS: readonly (readonly [string, readonly number[], readonly number[], Shape?, Shape?])[] = [
  ['same', [3, 4], [3, 4]],
  ['scalar b', [3, 4], []],
  ['scalar a', [], [3, 4]],
  ['row', [3, 4], [4]],
  ['column', [3, 4], [3, 1]],
  ['outer', [3, 1], [1, 4]],
  ['one element', [2, 3], [1, 1]],
  ['first axis', [2, 3, 4], [1, 3, 4]],
  ['middle axis', [2, 3, 4], [2, 1, 4]],
  ['first and last axis', [2, 3, 4], [1, 3, 1]],
  ['fewer axes with a one', [2, 3, 4], [3, 1]],
  ['both ways', [2, 1, 4], [3, 1]],
  ['more axes on b', [4], [2, 3, 4]],
  ['named sizes', [2, 3, 4], [3, 4], ['batch', 'seq', 4], ['seq', 4]],
  ['named column', [2, 3, 4], [2, 3, 1], ['batch', 'seq', 4], ['batch', 'seq', 1]],
  ['named size that is 1', [2, 1, 4], [1, 4], ['batch', 'seq', 4], ['seq', 4]],
];

type Binary = (a: Tensor, b: Tensor) => Tensor;
const BINARY: readonly (readonly [string, Binary])[] = [
  ['add', build.add],
  ['sub', build.sub],
  ['mul', build.mul],
  ['div', build.div],
  ['min', build.min],
  ['max', build.max],
  ['less', build.less],
  ['greater', build.greater],
];
const binaryCases = BINARY.flatMap(([op, apply]) =>
  BROADCASTS.map(([variant, a, c, shapeA = a, shapeB = c]) =>
    one(
      op,
      variant,
      // Far from 0 for division, and apart from each other for min and max.
      { x: f(a, { shape: shapeA, low: 0.5, high: 2 }), y: f(c, { shape: shapeB, low: -3, high: -0.4 }) },
      (t) => apply(x(t), x(t, 'y')),
    ),
  ),
);

const selectionCases = BINARY.filter(([op]) => op === 'min' || op === 'max').flatMap(([op, apply]) => [
  one(op, 'mixed', { x: f([4], { values: [1, -2, 3, 0.5] }), y: f([4], { values: [2, -3, 2, 0.25] }) }, (t) =>
    apply(x(t), x(t, 'y')),
  ),
  one(op, 'int64', { x: i([3], [4, -5, 6]), y: i([3], [3, 3, 6]) }, (t) => apply(x(t), x(t, 'y'))),
]);

const logicCases = [
  one('equal', 'int64', { x: i([2, 3], [1, 2, 3, 4, 5, 6]), y: i([3], [1, 5, 6]) }, (t) =>
    build.equal(x(t), x(t, 'y')),
  ),
  one('equal', 'float32', { x: f([4], { values: [0, 1, -0, 2] }), y: f([4], { values: [0, 1.5, 0, 2] }) }, (t) =>
    build.equal(x(t), x(t, 'y')),
  ),
  one('less', 'ties', { x: f([3], { values: [1, 2, 3] }), y: f([3], { values: [1, 3, 2] }) }, (t) =>
    build.less(x(t), x(t, 'y')),
  ),
  one('greater', 'int64', { x: i([3], [1, 2, 3]), y: i([3], [1, 3, 2]) }, (t) => build.greater(x(t), x(t, 'y'))),
  one('not', '', { x: b([4], [0, 1, 1, 0]) }, (t) => build.not(x(t))),
  one('and', 'broadcast', { x: b([2, 2], [0, 1, 1, 0]), y: b([2], [0, 1]) }, (t) => build.and(x(t), x(t, 'y'))),
  one('or', 'broadcast', { x: b([2, 2], [0, 1, 1, 0]), y: b([2, 1], [0, 1]) }, (t) => build.or(x(t), x(t, 'y'))),
];

const REDUCTIONS = [
  ['reduceSum', build.reduceSum],
  ['reduceMean', build.reduceMean],
  ['reduceMax', build.reduceMax],
] as const;
const AXES: readonly (readonly number[] | undefined)[] = [undefined, [0], [1], [-1], [0, 1], [0, 2], [1, 2]];
const reductionCases = REDUCTIONS.flatMap(([op, apply]) => [
  ...AXES.flatMap((axes) =>
    [false, true].map((keepDims) =>
      one(op, `${axes ? `axes ${axes}` : 'all'}${keepDims ? ', kept' : ''}`, { x: f([2, 3, 4]) }, (t) =>
        apply(x(t), axes ? { axes, keepDims } : { keepDims }),
      ),
    ),
  ),
  ...AXES.map((axes) =>
    one(op, `named sizes, ${axes ? `axes ${axes}` : 'all'}`, { x: f([2, 3, 4], { shape: ['batch', 'seq', 4] }) }, (t) =>
      apply(x(t), axes ? { axes } : {}),
    ),
  ),
  one(op, 'no axes', { x: f([2, 3]) }, (t) => apply(x(t), { axes: [] })),
  one(op, 'a scalar', { x: f([]) }, (t) => apply(x(t))),
]);

const compositeCases = [
  one('mul', 'a tensor by itself', { x: f([3]) }, (t) => build.mul(x(t), x(t))),
  one('mul', 'silu', { x: f([3, 4], { low: -6, high: 6 }) }, (t) => build.silu(x(t))),
  one('mul', 'gelu', { x: f([3, 4], { low: -4, high: 4 }) }, (t) => build.geluTanh(x(t))),
  one('mul', 'a mask computed from x itself', { x: f([3, 4]) }, (t) =>
    build.mul(x(t), build.cast(build.greater(x(t), 0), 'float32')),
  ),
  one('gather', 'the row of the largest', { x: fixed([2, 3]), y: f([3, 2]) }, (t) =>
    build.gather(x(t, 'y'), build.reshape(build.argMax(x(t, 'x')), [2])),
  ),
];

export const ELEMENTWISE: readonly OpCase[] = [
  ...unaryCases,
  ...extremeCases,
  ...binaryCases,
  ...selectionCases,
  ...logicCases,
  ...reductionCases,
  ...compositeCases,
];

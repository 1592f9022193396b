// The op suite's table: for each op the inputs, variants and whether its gradient is checked. Leaves running them to engine-suite.ts.
import * as build from '../../src/engine/build.ts';
import type { Shape } from '../../src/engine/dims.ts';
import type { DType, Graph, Tensor } from '../../src/engine/graph.ts';
import { createRandom } from '../../src/random.ts';

/** One input of a case. */
export interface CaseInput {
  /** As declared in the graph. */
  readonly shape: Shape;
  /** Values of the names in `shape`, in this order of axes; default: the numbers of `shape`. */
  readonly sizes: readonly number[];
  readonly dtype: DType;
  readonly data: Float32Array | BigInt64Array | Uint8Array;
  /** Whether the loss is differentiated by it. */
  readonly differentiate: boolean;
}

export interface OpCase {
  readonly op: string;
  readonly variant: string;
  readonly inputs: Readonly<Record<string, CaseInput>>;
  /** Tensors to compare; the gradient check uses the first. */
  build(t: Readonly<Record<string, Tensor>>, graph: Graph): Tensor[];
}

interface FloatOptions {
  readonly shape?: Shape;
  /** Uniform in [low, high]. */
  readonly low?: number;
  readonly high?: number;
  readonly values?: readonly number[];
  readonly differentiate?: boolean;
}

const count = (sizes: readonly number[]) => sizes.reduce((a, b) => a * b, 1);

/** Random float32 values, never nearer to each other than is good for finite differences. */
function f(sizes: readonly number[], options: FloatOptions = {}): CaseInput {
  const { shape = sizes, low = -2, high = 2, values, differentiate = true } = options;
  const random = createRandom(`engine-cases ${sizes.join('x')} ${low} ${high}`);
  const data = Float32Array.from(
    values ?? Array.from({ length: count(sizes) }, () => low + (high - low) * random.next()),
  );
  return { shape, sizes, dtype: 'float32', data, differentiate };
}

/** A float32 input that no derivative is taken by. */
const fixed = (sizes: readonly number[], options: FloatOptions = {}) => f(sizes, { ...options, differentiate: false });

const i = (sizes: readonly number[], values: readonly number[], shape: Shape = sizes): CaseInput => ({
  shape,
  sizes,
  dtype: 'int64',
  data: BigInt64Array.from(values, BigInt),
  differentiate: false,
});

const b = (sizes: readonly number[], values: readonly number[], shape: Shape = sizes): CaseInput => ({
  shape,
  sizes,
  dtype: 'bool',
  data: Uint8Array.from(values),
  differentiate: false,
});

type Builder = OpCase['build'];
const one = (
  op: string,
  variant: string,
  inputs: OpCase['inputs'],
  result: (t: Readonly<Record<string, Tensor>>) => Tensor,
): OpCase => ({
  op,
  variant,
  inputs,
  build: (t) => [result(t)],
});
const many = (op: string, variant: string, inputs: OpCase['inputs'], builder: Builder): OpCase => ({
  op,
  variant,
  inputs,
  build: builder,
});

/** Tensor of a case by name. */
const x = (t: Readonly<Record<string, Tensor>>, name = 'x'): Tensor => t[name] as Tensor;

const UNARY: readonly (readonly [keyof typeof build & string, FloatOptions])[] = [
  ['neg', {}],
  ['exp', {}],
  ['log', { low: 0.2, high: 3 }],
  ['sqrt', { low: 0.2, high: 3 }],
  ['sin', { low: -6, high: 6, differentiate: false }],
  ['floor', { low: -3, high: 3, differentiate: false }],
  ['tanh', {}],
  ['sigmoid', { low: -6, high: 6 }],
  ['softplus', { low: -6, high: 6 }],
];

const unaryCases = UNARY.flatMap(([op, options]) => {
  const apply = build[op] as (t: Tensor) => Tensor;
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
const extremeCases = ['sigmoid', 'softplus', 'tanh'].map((op) =>
  one(op, 'far out', { x: f([9], { values: extreme }) }, (t) => (build[op as 'tanh'] as (t: Tensor) => Tensor)(x(t))),
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

const BINARY = ['add', 'sub', 'mul', 'div', 'min', 'max', 'less', 'greater'] as const;
const binaryCases = BINARY.flatMap((op) =>
  BROADCASTS.map(([variant, a, c, shapeA = a, shapeB = c]) =>
    one(
      op,
      variant,
      // Far from 0 for division, and apart from each other for min and max.
      { x: f(a, { shape: shapeA, low: 0.5, high: 2 }), y: f(c, { shape: shapeB, low: -3, high: -0.4 }) },
      (t) => build[op](x(t), x(t, 'y')),
    ),
  ),
);

const selectionCases = (['min', 'max'] as const).flatMap((op) => [
  one(op, 'mixed', { x: f([4], { values: [1, -2, 3, 0.5] }), y: f([4], { values: [2, -3, 2, 0.25] }) }, (t) =>
    build[op](x(t), x(t, 'y')),
  ),
  one(op, 'int64', { x: i([3], [4, -5, 6]), y: i([3], [3, 3, 6]) }, (t) => build[op](x(t), x(t, 'y'))),
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

const indexCases = [
  one('gather', 'rows', { x: f([5, 3]), at: i([4], [0, 4, 2, 2]) }, (t) => build.gather(x(t), x(t, 'at'))),
  one('gather', 'a batch of rows', { x: f([5, 3]), at: i([2, 3], [0, 4, 2, 2, 2, 1], ['batch', 'seq']) }, (t) =>
    build.gather(x(t), x(t, 'at')),
  ),
  one(
    'gather',
    'many duplicates',
    {
      x: f([3, 2]),
      at: i(
        [40],
        Array.from({ length: 40 }, (_, n) => (n * 7) % 3),
        ['n'],
      ),
    },
    (t) => build.gather(x(t), x(t, 'at')),
  ),
  one('gather', 'int64 from a vector', { x: i([4], [10, 11, 12, 13]), at: i([3], [3, 0, 3]) }, (t) =>
    build.gather(x(t), x(t, 'at')),
  ),
  one('scatterRows', 'duplicates', { x: fixed([6, 3]), at: i([6], [0, 2, 2, 2, 0, 3]), y: fixed([5, 3]) }, (t) =>
    build.scatterRows(x(t), x(t, 'at'), x(t, 'y')),
  ),
  one('gatherElements', 'three a row', { x: fixed([2, 5]), at: i([2, 3], [4, 0, 0, 1, 1, 2]) }, (t) =>
    build.gatherElements(x(t), x(t, 'at')),
  ),
  one(
    'argMax',
    'ties take the first',
    { x: fixed([3, 4], { values: [1, 3, 3, 0, -1, -1, -1, -1, 0, 1, 2, 3] }) },
    (t) => build.argMax(x(t)),
  ),
  one('argMax', 'random', { x: fixed([2, 3, 7], { shape: ['batch', 'seq', 7] }) }, (t) => build.argMax(x(t))),
  many('topK', 'descending', { x: fixed([3, 8]) }, (t) => Object.values(build.topK(x(t), 4))),
  many('topK', 'ties', { x: fixed([2, 6], { values: [1, 2, 2, 1, 2, 0, 5, 5, 5, 5, 5, 5] }) }, (t) =>
    Object.values(build.topK(x(t), 3)),
  ),
  one('cast', 'bool to float32', { x: b([3], [1, 0, 1]) }, (t) => build.cast(x(t), 'float32')),
  one('cast', 'int64 to float32', { x: i([3], [-3, 0, 5]) }, (t) => build.cast(x(t), 'float32')),
  one('cast', 'float32 to int64', { x: fixed([6], { values: [-1.7, -0.2, 0, 0.9, 1.5, 1000] }) }, (t) =>
    build.cast(x(t), 'int64'),
  ),
  one('cast', 'float32 to bool', { x: fixed([3], { values: [0, 0.5, -2] }) }, (t) => build.cast(x(t), 'bool')),
];

const AXES: readonly (readonly number[] | undefined)[] = [undefined, [0], [1], [-1], [0, 1], [0, 2], [1, 2]];
const reductionCases = (['reduceSum', 'reduceMean', 'reduceMax'] as const).flatMap((op) => [
  ...AXES.flatMap((axes) =>
    [false, true].map((keepDims) =>
      one(op, `${axes ? `axes ${axes}` : 'all'}${keepDims ? ', kept' : ''}`, { x: f([2, 3, 4]) }, (t) =>
        build[op](x(t), axes ? { axes, keepDims } : { keepDims }),
      ),
    ),
  ),
  ...AXES.map((axes) =>
    one(op, `named sizes, ${axes ? `axes ${axes}` : 'all'}`, { x: f([2, 3, 4], { shape: ['batch', 'seq', 4] }) }, (t) =>
      build[op](x(t), axes ? { axes } : {}),
    ),
  ),
  one(op, 'no axes', { x: f([2, 3]) }, (t) => build[op](x(t), { axes: [] })),
  one(op, 'a scalar', { x: f([]) }, (t) => build[op](x(t))),
]);

const far = Array.from({ length: 12 }, (_, n) => (n % 5 === 0 ? 80 : n % 3 === 0 ? -80 : n / 4));
const normCases = [
  many('tokenLogp', 'two rows', { x: f([2, 7]), at: i([2], [0, 6]) }, (t) => [build.tokenLogp(x(t), x(t, 'at'))]),
  many('tokenLogp', 'named rows', { x: f([3, 5], { shape: ['rows', 5] }), at: i([3], [4, 2, 2], ['rows']) }, (t) => [
    build.tokenLogp(x(t), x(t, 'at')),
  ]),
  many('tokenLogp', 'extreme logits', { x: f([3, 4], { values: far }), at: i([3], [0, 1, 3]) }, (t) => [
    build.tokenLogp(x(t), x(t, 'at')),
  ]),
  many('tokenLogp', 'certain', { x: f([1, 3], { values: [80, -80, -80] }), at: i([1], [0]) }, (t) => [
    build.tokenLogp(x(t), x(t, 'at')),
  ]),
  many('tokenLogp', 'hopeless', { x: f([1, 3], { values: [80, -80, 0] }), at: i([1], [1]) }, (t) => [
    build.tokenLogp(x(t), x(t, 'at')),
  ]),
  one('tokenLogpGradient', '', { dy: fixed([2]), x: fixed([2, 4], { low: -5, high: -0.1 }), at: i([2], [3, 0]) }, (t) =>
    build.tokenLogpGradient(x(t, 'dy'), x(t), x(t, 'at')),
  ),
  one('rmsNorm', 'rows', { x: f([3, 8]), w: f([8], { low: 0.5 }) }, (t) => build.rmsNorm(x(t), x(t, 'w'), 1e-5)),
  one('rmsNorm', 'named sizes', { x: f([2, 3, 8], { shape: ['batch', 'seq', 8] }), w: f([8]) }, (t) =>
    build.rmsNorm(x(t), x(t, 'w'), 1e-6),
  ),
  one('rmsNorm', 'tiny values, where epsilon rules', { x: f([2, 4], { low: -1e-3, high: 1e-3 }), w: f([4]) }, (t) =>
    build.rmsNorm(x(t), x(t, 'w'), 1e-5),
  ),
  one('softmax', 'rows', { x: f([3, 5]) }, (t) => build.softmax(x(t))),
  one('softmax', 'four axes', { x: f([2, 2, 3, 4], { shape: ['batch', 2, 'seq', 4] }) }, (t) => build.softmax(x(t))),
  one('softmax', 'masked by -1e9', { x: f([2, 4], { values: [0, 1, -1e9, -1e9, 2, -1e9, 1, 0] }) }, (t) =>
    build.softmax(x(t)),
  ),
  one(
    'softmax',
    'masked by -infinity',
    { x: fixed([2, 4], { values: [0, 1, -Infinity, -Infinity, 2, -Infinity, 1, 0] }) },
    (t) => build.softmax(x(t)),
  ),
  one(
    'softmax',
    'everything masked by -1e9 stays finite',
    { x: fixed([1, 4], { values: [-1e9, -1e9, -1e9, -1e9] }) },
    (t) => build.softmax(x(t)),
  ),
  one('cumSum', 'rows', { x: fixed([2, 3, 5], { shape: ['batch', 3, 5] }) }, (t) => build.cumSum(x(t))),
  one('where', 'same shapes', { c: b([2, 3], [1, 0, 1, 0, 0, 1]), x: f([2, 3]), y: f([2, 3], { low: 0 }) }, (t) =>
    build.where(x(t, 'c'), x(t), x(t, 'y')),
  ),
  one(
    'where',
    'broadcast condition',
    { c: b([2, 1], [1, 0], ['batch', 1]), x: f([2, 3], { shape: ['batch', 3] }), y: f([]) },
    (t) => build.where(x(t, 'c'), x(t), x(t, 'y')),
  ),
  one('where', 'broadcast values', { c: b([2, 3], [1, 0, 1, 0, 0, 1]), x: f([3]), y: f([2, 1]) }, (t) =>
    build.where(x(t, 'c'), x(t), x(t, 'y')),
  ),
  one('where', 'int64', { c: b([3], [1, 0, 1]), x: i([3], [1, 2, 3]), y: i([1], [9]) }, (t) =>
    build.where(x(t, 'c'), x(t), x(t, 'y')),
  ),
];

/** Cosines and sines of `positions` rows and `half` columns. */
function tables(positions: number, half: number): Record<'cos' | 'sin', CaseInput> {
  const angles = Array.from({ length: positions * half }, (_, n) => Math.floor(n / half) * 10 ** (-(n % half) / half));
  const shape = ['ropeLength', half];
  return {
    cos: fixed([positions, half], { shape, values: angles.map(Math.cos) }),
    sin: fixed([positions, half], { shape, values: angles.map(Math.sin) }),
  };
}

const ROPES: readonly (readonly [string, number, readonly number[]])[] = [
  ['one head', 1, [0, 1, 2, 0, 1, 2]],
  ['three heads', 3, [0, 1, 2, 3, 4, 5]],
  ['positions that restart and jump', 2, [0, 1, 0, 5, 5, 1]],
];
const ropeCases = ROPES.map(([variant, heads, positions]) =>
  one(
    'rope',
    variant,
    {
      x: f([2, 3, heads * 4], { shape: ['batch', 'seq', heads * 4] }),
      at: i([2, 3], positions, ['batch', 'seq']),
      ...tables(6, 2),
    },
    (t) => build.rope(x(t), x(t, 'at'), x(t, 'cos'), x(t, 'sin'), heads),
  ),
);

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

/** Every case of the suite. */
export const CASES: readonly OpCase[] = [
  ...unaryCases,
  ...extremeCases,
  ...binaryCases,
  ...selectionCases,
  ...logicCases,
  ...matmulCases,
  ...emptyCases,
  ...layoutCases,
  ...indexCases,
  ...reductionCases,
  ...normCases,
  ...ropeCases,
  ...compositeCases,
];

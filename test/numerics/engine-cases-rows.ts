// Cases of ops that index rows or normalise them.
import * as build from '../../src/engine/build.ts';
import { b, type CaseInput, f, fixed, i, many, type OpCase, one, x } from './engine-case.ts';

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
  many('topK', 'counted in the run', { x: fixed([3, 8]) }, (t) => {
    const count = build.reshape(build.cast(build.reduceSum(build.mul(x(t), 0)), 'int64'), [1]);
    return Object.values(build.topKOf(x(t), build.add(count, 3), 'few'));
  }),
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

export const ROWS: readonly OpCase[] = [...indexCases, ...normCases, ...ropeCases];

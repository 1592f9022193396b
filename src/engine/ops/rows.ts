// Ops that index rows, normalise them or find their largest.
import type { Tensor } from '../graph.ts';
import {
  type Binary,
  checkIndices,
  checkTypes,
  fail,
  MICROSOFT,
  type Op,
  same,
  type Ternary,
  type Unary,
} from './op.ts';
import * as webgpu from './webgpu.ts';

/** Rows of a table: `data [n, ...rest]`, `indices [...]` -> `[...indices, ...rest]`. */
const gather: Binary = {
  infer(inputs) {
    const [data, indices] = inputs;
    checkIndices('gather', inputs);
    return [{ dtype: data.dtype, shape: [...indices.shape, ...data.shape.slice(1)] }];
  },
  lower: same('Gather', () => ({ axis: 0 })),
};

/** Gradient of gather: zeros like `data` plus each update added to its row. Inputs: updates [k, width], indices [k], data [n, width]. */
const scatterRows: Ternary = {
  infer: ([, , data]) => [data],
  lower({ inputs: [updates, indices, data], outputs }, emit) {
    const column = emit.value('Unsqueeze', [indices, emit.int64([1])]);
    const wide = emit.value('Expand', [column, emit.value('Shape', [updates])]);
    const zeros = emit.value('Expand', [emit.float32(0), emit.value('Shape', [data])]);
    emit.node('ScatterElements', [zeros, wide, updates], outputs, { axis: 0, reduction: 'add' });
  },
};

/** `logits [n, vocab]`, `targets [n]` -> log-probability of each target `[n]`, and the normaliser's table `[n, vocab]` for the gradient. */
const tokenLogp: Binary = {
  infer(inputs) {
    const [logits, targets] = inputs;
    if (logits.shape.length !== 2 || targets.shape.length !== 1 || logits.shape[0] !== targets.shape[0]) {
      fail('tokenLogp', inputs, 'needs logits [n, vocab] and targets [n]');
    }
    checkIndices('tokenLogp', inputs);
    return [{ dtype: 'float32', shape: targets.shape }, logits];
  },
  lower({ inputs: [logits, targets], outputs }, emit) {
    const [logp, table] = outputs as readonly [Tensor, Tensor];
    if (emit.provider === 'webgpu') webgpu.logSoftmax(logits, table, emit);
    else emit.node('LogSoftmax', [logits], [table], { axis: -1 });
    const one = emit.int64([1]);
    const column = emit.value('Unsqueeze', [targets, one]);
    emit.node('Squeeze', [emit.value('GatherElements', [table, column], { axis: 1 }), one], [logp]);
  },
};

/** Gradient of tokenLogp's first output: `dy [n]`, `table [n, vocab]`, `targets [n]` -> dy (onehot - softmax). */
const tokenLogpGradient: Ternary = {
  infer: ([, table]) => [table],
  lower({ inputs: [dy, table, targets], outputs }, emit) {
    const one = emit.int64([1]);
    const column = emit.value('Unsqueeze', [targets, one]);
    const dyColumn = emit.value('Unsqueeze', [dy, one]);
    const negative = emit.value('Neg', [dyColumn]);
    const base = emit.value('Mul', [emit.value('Exp', [table]), negative]);
    emit.node('ScatterElements', [base, column, dyColumn], outputs, { axis: 1, reduction: 'add' });
  },
};

/** Picks one element a row: `x [n, m]`, `indices [n, k]` -> `[n, k]`. */
const gatherElements: Binary = {
  infer(inputs) {
    const [x, indices] = inputs;
    checkIndices('gatherElements', inputs);
    const rows = (t: Tensor) => t.shape.slice(0, -1).join();
    if (x.shape.length !== indices.shape.length || rows(x) !== rows(indices))
      fail('gatherElements', inputs, 'rows differ');
    return [{ dtype: x.dtype, shape: indices.shape }];
  },
  lower: same('GatherElements', () => ({ axis: -1 })),
};

/** x / sqrt(mean(x²) + eps) · weight over the last axis; second output: the inverse root `[..., 1]`. */
const rmsNorm: Binary<{ epsilon: number }> = {
  infer(inputs) {
    const [x, weight] = inputs;
    if (weight.shape.length !== 1 || weight.shape[0] !== x.shape.at(-1)) fail('rmsNorm', inputs, 'weight does not fit');
    return [x, { dtype: 'float32', shape: [...x.shape.slice(0, -1), 1] }];
  },
  lower({ inputs, outputs, attributes: { epsilon } }, emit) {
    const [y, inverse] = outputs as readonly [Tensor, Tensor];
    const own = emit.provider === 'webgpu';
    const written = own || !emit.reads(inverse) ? [y] : [y, inverse];
    const attributes = { axis: -1, epsilon: { float: epsilon }, stash_type: 1 };
    emit.node('SimplifiedLayerNormalization', inputs, written, attributes);
    if (own && emit.reads(inverse)) webgpu.inverseRoot(inputs[0], inverse, epsilon, emit);
  },
};

/** Rotary position embedding (half-split pairs): `x [batch, seq, heads·headDim]`, `positions [batch, seq]`, `cos, sin [n, headDim/2]`. */
const rope: Op<readonly [x: Tensor, positions: Tensor, cos: Tensor, sin: Tensor], { heads: number }> = {
  infer(inputs, { heads }) {
    const [x, positions, cos] = inputs;
    const half = Number(x.shape[2]) / heads / 2;
    if (cos.shape[1] !== half) fail('rope', inputs, `the tables must be ${half} wide`);
    checkIndices('rope', inputs);
    if (positions.shape.join() !== x.shape.slice(0, 2).join())
      fail('rope', inputs, 'needs a position for each row of x');
    return [x];
  },
  lower: same('RotaryEmbedding', ({ heads }) => ({ num_heads: heads }), MICROSOFT),
};

const softmax: Unary = {
  infer(inputs) {
    checkTypes('softmax', inputs, ['float32']);
    return inputs;
  },
  lower: same('Softmax', () => ({ axis: -1 })),
};

const cumSum: Unary = {
  infer(inputs) {
    checkTypes('cumSum', inputs, ['float32']);
    return inputs;
  },
  lower: ({ inputs: [x], outputs }, emit) => emit.node('CumSum', [x, emit.int64([x.shape.length - 1])], outputs),
};

/** Index of the largest element of the last axis, the first among equals; that axis becomes 1. */
const argMax: Unary = {
  infer: ([{ shape }]) => [{ dtype: 'int64', shape: [...shape.slice(0, -1), 1] }],
  lower: same('ArgMax', () => ({ axis: -1, keepdims: 1 })),
};

/** The k largest of the last axis in descending order, and their places; k is an attribute, or an int64 [1] that names the new size `size`. */
const topK: Op<readonly [x: Tensor, ...count: Tensor[]], { k: number } | { size: string }> = {
  infer([x], given) {
    const shape = [...x.shape.slice(0, -1), 'k' in given ? given.k : given.size];
    return [
      { dtype: 'float32', shape },
      { dtype: 'int64', shape },
    ];
  },
  lower({ inputs: [x, count], outputs, attributes: given }, emit) {
    const k = 'k' in given ? emit.int64([given.k]) : (count as Tensor);
    emit.node('TopK', [x, k], outputs, { axis: -1, largest: 1, sorted: 1 });
  },
};

/** By name. */
export const ROWS: Readonly<Record<string, Op>> = {
  gather,
  scatterRows,
  gatherElements,
  tokenLogp,
  tokenLogpGradient,
  rmsNorm,
  rope,
  softmax,
  cumSum,
  argMax,
  topK,
};

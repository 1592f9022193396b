// Ops that index rows, normalise them or find their largest.
import type { Tensor } from '../graph.ts';
import { unary } from './elementwise.ts';
import { checkIndices, fail, int, MICROSOFT, names, type Op, only } from './op.ts';
import * as webgpu from './webgpu.ts';

/** Rows of a table: `data [n, ...rest]`, `indices [...]` -> `[...indices, ...rest]`. */
const gather: Op = {
  infer(inputs) {
    const [data, indices] = inputs as [Tensor, Tensor];
    checkIndices('gather', inputs, 1);
    return [{ dtype: data.dtype, shape: [...indices.shape, ...data.shape.slice(1)] }];
  },
  lower: (node, emit) => emit.node('Gather', names(node.inputs), names(node.outputs), { axis: 0 }),
};

/** Gradient of gather: zeros like `data` plus each update added to its row. Inputs: updates [k, width], indices [k], data [n, width]. */
const scatterRows: Op = {
  infer: ([, , data]) => [{ dtype: 'float32', shape: (data as Tensor).shape }],
  lower(node, emit) {
    const [updates, indices, data] = names(node.inputs) as [string, string, string];
    const [column, wide, shape, dataShape, zeros] = ['column', 'wide', 'shape', 'dataShape', 'zeros'].map((h) =>
      emit.fresh(h),
    ) as [string, string, string, string, string];
    emit.node('Unsqueeze', [indices, emit.int64([1])], [column]);
    emit.node('Shape', [updates], [shape]);
    emit.node('Expand', [column, shape], [wide]);
    emit.node('Shape', [data], [dataShape]);
    emit.node('Expand', [emit.float32(0), dataShape], [zeros]);
    emit.node('ScatterElements', [zeros, wide, updates], names(node.outputs), { axis: 0, reduction: 'add' });
  },
};

/** `logits [n, vocab]`, `targets [n]` -> log-probability of each target `[n]`, and the normaliser's table `[n, vocab]` for the gradient. */
const tokenLogp: Op = {
  infer(inputs) {
    const [logits, targets] = inputs as [Tensor, Tensor];
    if (logits.shape.length !== 2 || targets.shape.length !== 1 || logits.shape[0] !== targets.shape[0]) {
      fail('tokenLogp', inputs, 'needs logits [n, vocab] and targets [n]');
    }
    checkIndices('tokenLogp', inputs, 1);
    return [
      { dtype: 'float32', shape: targets.shape },
      { dtype: 'float32', shape: logits.shape },
    ];
  },
  lower(node, emit) {
    const [logits, targets] = names(node.inputs) as [string, string];
    const [logp, table] = names(node.outputs) as [string, string];
    const [column, picked] = [emit.fresh('column'), emit.fresh('picked')];
    if (emit.provider === 'webgpu') webgpu.logSoftmax(logits, table, emit);
    else emit.node('LogSoftmax', [logits], [table], { axis: -1 });
    emit.node('Unsqueeze', [targets, emit.int64([1])], [column]);
    emit.node('GatherElements', [table, column], [picked], { axis: 1 });
    emit.node('Squeeze', [picked, emit.int64([1])], [logp]);
  },
};

/** Gradient of tokenLogp's first output: `dy [n]`, `table [n, vocab]`, `targets [n]` -> dy (onehot - softmax). */
const tokenLogpGradient: Op = {
  infer: ([, table]) => [{ dtype: 'float32', shape: (table as Tensor).shape }],
  lower(node, emit) {
    const [dy, table, targets] = names(node.inputs) as [string, string, string];
    const [column, dyColumn, negative, softmax, base] = ['column', 'dy', 'negative', 'softmax', 'base'].map((h) =>
      emit.fresh(h),
    ) as [string, string, string, string, string];
    const one = emit.int64([1]);
    emit.node('Unsqueeze', [targets, one], [column]);
    emit.node('Unsqueeze', [dy, one], [dyColumn]);
    emit.node('Neg', [dyColumn], [negative]);
    emit.node('Exp', [table], [softmax]);
    emit.node('Mul', [softmax, negative], [base]);
    emit.node('ScatterElements', [base, column, dyColumn], names(node.outputs), { axis: 1, reduction: 'add' });
  },
};

/** Picks one element a row: `x [n, m]`, `indices [n, k]` -> `[n, k]`. */
const gatherElements: Op = {
  infer(inputs) {
    const [x, indices] = inputs as [Tensor, Tensor];
    checkIndices('gatherElements', inputs, 1);
    const rows = (t: Tensor) => t.shape.slice(0, -1).join();
    if (x.shape.length !== indices.shape.length || rows(x) !== rows(indices))
      fail('gatherElements', inputs, 'rows differ');
    return [{ dtype: x.dtype, shape: indices.shape }];
  },
  lower: (node, emit) =>
    emit.node('GatherElements', names(node.inputs), names(node.outputs), { axis: only(node).shape.length - 1 }),
};

/** x / sqrt(mean(x²) + eps) · weight over the last axis; second output: the inverse root `[..., 1]`. */
const rmsNorm: Op = {
  infer(inputs) {
    const [x, weight] = inputs as [Tensor, Tensor];
    if (weight.shape.length !== 1 || weight.shape[0] !== x.shape.at(-1)) fail('rmsNorm', inputs, 'weight does not fit');
    return [
      { dtype: 'float32', shape: x.shape },
      { dtype: 'float32', shape: [...x.shape.slice(0, -1), 1] },
    ];
  },
  lower(node, emit) {
    const [y, inverse] = node.outputs as [Tensor, Tensor];
    const own = emit.provider === 'webgpu';
    const outputs = names(own || !emit.reads(inverse) ? [y] : [y, inverse]);
    const epsilon = int(node.attributes, 'epsilon');
    const attributes = { axis: -1, epsilon: { float: epsilon }, stash_type: 1 };
    emit.node('SimplifiedLayerNormalization', names(node.inputs), outputs, attributes);
    if (own && emit.reads(inverse)) webgpu.inverseRoot((node.inputs[0] as Tensor).name, inverse.name, epsilon, emit);
  },
};

/** Rotary position embedding (half-split pairs): `x [batch, seq, heads·headDim]`, `positions [batch, seq]`, `cos, sin [n, headDim/2]`. */
const rope: Op = {
  infer(inputs, attributes) {
    const [x, positions, cos] = inputs as [Tensor, Tensor, Tensor];
    const half = Number(x.shape[2]) / int(attributes, 'heads') / 2;
    if (cos.shape[1] !== half) fail('rope', inputs, `the tables must be ${half} wide`);
    checkIndices('rope', inputs, 1);
    if (positions.shape.join() !== x.shape.slice(0, 2).join())
      fail('rope', inputs, 'needs a position for each row of x');
    return [{ dtype: 'float32', shape: x.shape }];
  },
  lower: (node, emit) =>
    emit.node(
      'RotaryEmbedding',
      names(node.inputs),
      names(node.outputs),
      { num_heads: int(node.attributes, 'heads') },
      MICROSOFT,
    ),
};

const softmax: Op = {
  infer: unary('softmax').infer,
  lower: (node, emit) => emit.node('Softmax', names(node.inputs), names(node.outputs), { axis: -1 }),
};

const cumSum: Op = {
  infer: unary('cumSum').infer,
  lower(node, emit) {
    const axis = emit.int64([(node.inputs[0] as Tensor).shape.length - 1]);
    emit.node('CumSum', [(node.inputs[0] as Tensor).name, axis], names(node.outputs));
  },
};

/** Index of the largest element of the last axis, the first among equals; that axis becomes 1. */
const argMax: Op = {
  infer: ([x]) => [{ dtype: 'int64', shape: [...(x as Tensor).shape.slice(0, -1), 1] }],
  lower: (node, emit) => emit.node('ArgMax', names(node.inputs), names(node.outputs), { axis: -1, keepdims: 1 }),
};

/** The k largest of the last axis in descending order, and their places; k is an attribute, or an int64 [1] that names the new size `size`. */
const topK: Op = {
  infer([x, count], attributes) {
    const size = count ? (attributes['size'] as string) : int(attributes, 'k');
    const shape = [...(x as Tensor).shape.slice(0, -1), size];
    return [
      { dtype: 'float32', shape },
      { dtype: 'int64', shape },
    ];
  },
  lower(node, emit) {
    const [x, count] = node.inputs as [Tensor, Tensor | undefined];
    const k = count?.name ?? emit.int64([int(node.attributes, 'k')]);
    emit.node('TopK', [x.name, k], names(node.outputs), { axis: -1, largest: 1, sorted: 1 });
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

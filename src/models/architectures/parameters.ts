// Names of weights -> tensors of a graph. Model code does not know which are trained.
import { add, flatten, matmul, reshape, transpose } from '../../engine/build.ts';
import type { Graph, Tensor, WeightSlice } from '../../engine/graph.ts';
import { SipfError } from '../../errors.ts';

/** Where model code gets its weights, by Hugging Face names. */
export interface Parameters {
  readonly graph: Graph;
  has(name: string): boolean;
  /** The tensor `name`, checked to have `shape`. */
  weight(name: string, shape: readonly number[]): Tensor;
  /** `x [..., width]` -> `[..., out]` through the matrix `name [out, width]`. */
  product(x: Tensor, name: string, out: number): Tensor;
  /**
   * `x [..., width]` -> `[..., out]` through `MODULE.weight [out, width]` and `MODULE.bias [out]`.
   * @param biased the bias must be there; else it is used where there is one.
   */
  linear(x: Tensor, module: string, out: number, biased?: boolean): Tensor;
}

/** Weights read from disk, never trained. */
export class FrozenParameters implements Parameters {
  readonly graph: Graph;
  readonly #slices: ReadonlyMap<string, WeightSlice>;

  constructor(graph: Graph, slices: ReadonlyMap<string, WeightSlice>) {
    this.graph = graph;
    this.#slices = slices;
  }

  has(name: string): boolean {
    return this.#slices.has(name);
  }

  weight(name: string, shape: readonly number[]): Tensor {
    const slice = this.#slices.get(name);
    if (!slice) throw missing(name, shape);
    checkShape(name, slice.shape, shape);
    return this.graph.weight(name, slice);
  }

  product(x: Tensor, name: string, out: number): Tensor {
    return product(this, x, name, out);
  }

  linear(x: Tensor, module: string, out: number, biased?: boolean): Tensor {
    return linear(this, x, module, out, biased);
  }
}

/** Weights fed at every run: because they are trained, or so that one session serves all weights of these shapes. */
export class FedParameters implements Parameters {
  readonly graph: Graph;
  /** Inputs by name, in the order asked for. */
  readonly inputs = new Map<string, Tensor>();
  readonly #shapes: ReadonlyMap<string, readonly number[]>;

  constructor(graph: Graph, shapes: ReadonlyMap<string, readonly number[]>) {
    this.graph = graph;
    this.#shapes = shapes;
  }

  has(name: string): boolean {
    return this.#shapes.has(name);
  }

  weight(name: string, shape: readonly number[]): Tensor {
    const found = this.#shapes.get(name);
    if (!found) throw missing(name, shape);
    checkShape(name, found, shape);
    const known = this.inputs.get(name) ?? this.graph.input(name, 'float32', shape);
    this.inputs.set(name, known);
    return known;
  }

  product(x: Tensor, name: string, out: number): Tensor {
    return product(this, x, name, out);
  }

  linear(x: Tensor, module: string, out: number, biased?: boolean): Tensor {
    return linear(this, x, module, out, biased);
  }
}

/**
 * Any parameters with products as W xᵀ instead of x Wᵀ, for few rows (decode steps) of weights that are not pre-packed. The kernel copies its
 * second operand into a layout of its own in every run; here that is the rows, which are small. So a decode step takes about as long as over
 * pre-packed weights.
 */
export class WeightsFirst implements Parameters {
  readonly graph: Graph;
  readonly #inner: Parameters;

  constructor(inner: Parameters) {
    this.graph = inner.graph;
    this.#inner = inner;
  }

  has(name: string): boolean {
    return this.#inner.has(name);
  }

  weight(name: string, shape: readonly number[]): Tensor {
    return this.#inner.weight(name, shape);
  }

  product(x: Tensor, name: string, out: number): Tensor {
    const weight = this.weight(name, [out, Number(x.shape.at(-1))]);
    const y = transpose(matmul(weight, flatten(x), { transB: true }), [1, 0]);
    return reshape(y, [...x.shape.slice(0, -1), out]);
  }

  linear(x: Tensor, module: string, out: number, biased?: boolean): Tensor {
    return linear(this, x, module, out, biased);
  }
}

/** x Wᵀ over any source of weights. */
export function product(parameters: Pick<Parameters, 'weight'>, x: Tensor, name: string, out: number): Tensor {
  return matmul(x, parameters.weight(name, [out, Number(x.shape.at(-1))]), { transB: true });
}

/** The plain linear layer over any source of weights. */
export function linear(
  parameters: Pick<Parameters, 'has' | 'weight' | 'product'>,
  x: Tensor,
  module: string,
  out: number,
  biased = false,
): Tensor {
  const y = parameters.product(x, `${module}.weight`, out);
  return biased || parameters.has(`${module}.bias`) ? add(y, parameters.weight(`${module}.bias`, [out])) : y;
}

function missing(name: string, shape: readonly number[]): SipfError {
  return new SipfError(
    'bad-input',
    `Expected a weight ${name} [${shape.join(', ')}], got none. The weight files do not match config.json.`,
  );
}

function checkShape(name: string, found: readonly number[], expected: readonly number[]): void {
  if (found.length === expected.length && found.every((size, axis) => size === expected[axis])) return;
  throw new SipfError(
    'bad-input',
    `Expected ${name} to be [${expected.join(', ')}] by config.json, got [${found.join(', ')}] in the weight file. Use matching files.`,
  );
}

// Names of weights -> tensors of a graph. Model code does not know which are trained.
import { add, flatten, matmul, quantisedMatmul, reshape, transpose } from '../../engine/build.ts';
import type { Graph, Tensor, WeightSlice } from '../../engine/graph.ts';
import { PACKINGS, type Packing } from '../../engine/ops/quantised.ts';
import { SipfError } from '../../errors.ts';

/** Where model code gets its weights, by Hugging Face names. */
export abstract class Parameters {
  abstract readonly graph: Graph;
  abstract has(name: string): boolean;
  /** The tensor `name`, checked to have `shape`. */
  abstract weight(name: string, shape: readonly number[]): Tensor;

  /** `x [..., width]` -> `[..., out]` through the matrix `name [out, width]`. */
  product(x: Tensor, name: string, out: number): Tensor {
    return matmul(x, this.weight(name, [out, Number(x.shape.at(-1))]), { transB: true });
  }

  /**
   * `x [..., width]` -> `[..., out]` through `MODULE.weight [out, width]` and `MODULE.bias [out]`.
   * @param biased the bias must be there; else it is used where there is one.
   */
  linear(x: Tensor, module: string, out: number, biased = false): Tensor {
    const y = this.product(x, `${module}.weight`, out);
    return biased || this.has(`${module}.bias`) ? add(y, this.weight(`${module}.bias`, [out])) : y;
  }
}

/** Weights that a list names. */
abstract class ListedParameters<T> extends Parameters {
  readonly graph: Graph;
  protected readonly listed: ReadonlyMap<string, T>;
  readonly #place: string;

  /** @param place where the weights are, for messages. */
  constructor(graph: Graph, listed: ReadonlyMap<string, T>, place = 'the weight files') {
    super();
    this.graph = graph;
    this.listed = listed;
    this.#place = place;
  }

  has(name: string): boolean {
    return this.listed.has(name);
  }

  /** @throws SipfError 'bad-input' where the weight is missing or has another shape. */
  protected checkShape(name: string, found: readonly number[] | undefined, expected: readonly number[]): void {
    const wanted = `[${expected.join(', ')}]`;
    if (!found) {
      throw new SipfError(
        'bad-input',
        `Expected a weight ${name} ${wanted} in ${this.#place}, got none. Use the weights that belong to this configuration.`,
      );
    }
    if (found.length === expected.length && found.every((size, axis) => size === expected[axis])) return;
    throw new SipfError(
      'bad-input',
      `Expected ${name} in ${this.#place} to be ${wanted} by its configuration, got [${found.join(', ')}]. Use matching files.`,
    );
  }
}

/** A matrix on disk in few bits. */
export interface QuantisedSlices {
  readonly packing: Packing;
  readonly shape: readonly [rows: number, columns: number];
  readonly packed: WeightSlice;
  readonly scales: WeightSlice;
}

/** Weights read from disk, never trained; those that are quantised serve products alone. */
export class FrozenParameters extends ListedParameters<WeightSlice> {
  readonly #quantised: ReadonlyMap<string, QuantisedSlices>;

  constructor(
    graph: Graph,
    listed: ReadonlyMap<string, WeightSlice>,
    quantised: ReadonlyMap<string, QuantisedSlices> = new Map(),
  ) {
    super(graph, listed);
    this.#quantised = quantised;
  }

  override product(x: Tensor, name: string, out: number): Tensor {
    const found = this.#quantised.get(name);
    if (!found) return super.product(x, name, out);
    this.checkShape(name, found.shape, [out, Number(x.shape.at(-1))]);
    const packed = this.graph.weight(name, found.packed, PACKINGS[found.packing].dtype);
    const scales = this.graph.weight(`${name}.scales`, found.scales);
    return quantisedMatmul(x, { packing: found.packing, shape: found.shape, packed, scales }, { transB: true });
  }

  weight(name: string, shape: readonly number[]): Tensor {
    const slice = this.listed.get(name);
    this.checkShape(name, slice?.shape, shape);
    return this.graph.weight(name, slice as WeightSlice);
  }
}

/** Weights fed at every run: because they are trained, or so that one session serves all weights of these shapes. */
export class FedParameters extends ListedParameters<readonly number[]> {
  /** Inputs by name, in the order asked for. */
  readonly inputs = new Map<string, Tensor>();

  weight(name: string, shape: readonly number[]): Tensor {
    this.checkShape(name, this.listed.get(name), shape);
    const known = this.inputs.get(name) ?? this.graph.input(name, 'float32', shape);
    this.inputs.set(name, known);
    return known;
  }
}

/**
 * Any parameters with products as W xᵀ instead of x Wᵀ, for few rows (decode steps) of weights that are not pre-packed. The kernel copies its
 * second operand into a layout of its own in every run; here that is the rows, which are small. So a decode step takes about as long as over
 * pre-packed weights.
 */
export class WeightsFirst extends Parameters {
  readonly graph: Graph;
  readonly #inner: Parameters;

  constructor(inner: Parameters) {
    super();
    this.graph = inner.graph;
    this.#inner = inner;
  }

  has(name: string): boolean {
    return this.#inner.has(name);
  }

  weight(name: string, shape: readonly number[]): Tensor {
    return this.#inner.weight(name, shape);
  }

  override product(x: Tensor, name: string, out: number): Tensor {
    const weight = this.weight(name, [out, Number(x.shape.at(-1))]);
    const y = transpose(matmul(weight, flatten(x), { transB: true }), [1, 0]);
    return reshape(y, [...x.shape.slice(0, -1), out]);
  }
}

// Nodes with named, checked dimensions -> a graph to differentiate, serialise and run.
import type { Shape } from './dims.ts';

/** uint8 and int8 are packed weights alone: `quantisedMatmul` reads them. float16 is moved and cast; products make it themselves. */
export type DType = 'float32' | 'int64' | 'bool' | 'uint8' | 'int8' | 'float16';

export type Attribute = number | string | boolean | readonly number[];
export type Attributes = Readonly<Record<string, Attribute>>;

/** An edge of the graph. Compared by identity. */
export interface Tensor {
  readonly graph: Graph;
  /** Unique in its graph; the name in the serialised model. */
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  /** The node that computes it; null for inputs, weights and constants. */
  readonly producer: Node | null;
}

/** One application of an op of the table in ops.ts. */
export interface Node<Inputs extends readonly Tensor[] = readonly Tensor[], Given = Attributes> {
  readonly op: string;
  readonly inputs: Inputs;
  readonly outputs: readonly Tensor[];
  readonly attributes: Given;
}

/** Where a frozen tensor is on disk, little-endian, row-major. */
export interface WeightSlice {
  readonly file: string;
  readonly offset: number;
  readonly length: number;
  readonly shape: readonly number[];
}

/** Small values inside the model file; anything large is a weight or an input. */
interface Constant {
  readonly tensor: Tensor;
  readonly data: Float32Array | BigInt64Array;
}

/** Bytes of one element. */
export const ELEMENT_BYTES: Readonly<Record<DType, number>> = {
  float32: 4,
  int64: 8,
  bool: 1,
  uint8: 1,
  int8: 1,
  float16: 2,
};

/** Bytes a constant may have: large ones would bloat the serialised model (protobuf ends at 2 GiB). */
const LARGEST_CONSTANT = 1 << 20;

/**
 * A graph under construction: an append-only list of nodes in topological order.
 * @example
 * const graph = new Graph();
 * const x = graph.input('x', 'float32', ['batch', 2]);
 * const y = mul(x, 2);
 */
export class Graph {
  readonly nodes: Node[] = [];
  readonly inputs: Tensor[] = [];
  readonly constants: Constant[] = [];
  readonly weights = new Map<string, { tensor: Tensor; slice: WeightSlice }>();
  /** Stretches of the list, [first, end), whose results the backward pass computes again instead of keeping them. */
  readonly recomputed: { readonly first: number; readonly end: number }[] = [];
  readonly #names = new Set<string>();
  #scope = '';

  /**
   * An input that each run feeds under the tensor's name: `name`, or with a suffix where the graph has that name already.
   * Names in the shape are bound by the fed arrays and must agree among all inputs.
   */
  input(name: string, dtype: DType, shape: Shape): Tensor {
    const tensor = this.#tensor(this.#claim(name), dtype, shape, null);
    this.inputs.push(tensor);
    return tensor;
  }

  /** A frozen tensor read from disk when a session is created; asked for twice it is the same tensor. */
  weight(name: string, slice: WeightSlice, dtype: DType = 'float32'): Tensor {
    const known = this.weights.get(name);
    if (known) return known.tensor;
    const bytes = ELEMENT_BYTES[dtype] * slice.shape.reduce((a, b) => a * b, 1);
    if (slice.length !== bytes)
      throw new Error(
        `Weight ${name} [${slice.shape}]: ${bytes} bytes, but its slice of ${slice.file} has ${slice.length}`,
      );
    const tensor = this.#tensor(this.#claim(name), dtype, slice.shape, null);
    this.weights.set(name, { tensor, slice });
    return tensor;
  }

  /** A small float32 constant. */
  constant(data: Float32Array | readonly number[], shape: readonly number[]): Tensor {
    return this.#constant(Float32Array.from(data), 'float32', shape);
  }

  /** A float32 scalar. */
  scalar(value: number): Tensor {
    return this.constant([value], []);
  }

  /** A small int64 constant. */
  integers(data: readonly number[], shape: readonly number[] = [data.length]): Tensor {
    return this.#constant(BigInt64Array.from(data, BigInt), 'int64', shape);
  }

  #constant(data: Float32Array | BigInt64Array, dtype: DType, shape: readonly number[]): Tensor {
    if (data.byteLength > LARGEST_CONSTANT) throw new Error(`A constant of ${data.byteLength} bytes: use a weight`);
    if (shape.reduce((a, b) => a * b, 1) !== data.length) throw new Error(`${data.length} values for shape [${shape}]`);
    const tensor = this.#tensor(this.#claim('constant'), dtype, shape, null);
    this.constants.push({ tensor, data });
    return tensor;
  }

  /** What `body` builds is computed again where the backward pass needs it (backward.ts): time for memory. */
  recompute<T>(body: () => T): T {
    const first = this.nodes.length;
    const result = body();
    if ((this.recomputed.at(-1)?.end ?? 0) > first) throw new Error('What is recomputed cannot hold more of its kind');
    if (this.nodes.length > first) this.recomputed.push({ first, end: this.nodes.length });
    return result;
  }

  /** Appends a node; used by the builders in build.ts, and by backward.ts for copies. */
  append(
    op: string,
    inputs: readonly Tensor[],
    attributes: Attributes,
    outputs: readonly { dtype: DType; shape: Shape }[],
  ): Node {
    for (const input of inputs) {
      if (input.graph !== this) throw new Error(`${op}: ${input.name} belongs to another graph`);
    }
    const node: Node & { outputs: readonly Tensor[] } = { op, inputs, attributes, outputs: [] };
    node.outputs = outputs.map(({ dtype, shape }) =>
      this.#tensor(this.#claim(`${this.#scope}${op}`), dtype, shape, node),
    );
    this.nodes.push(node);
    return node;
  }

  /** The nodes that `outputs` depend on, in order, and all tensors that these read or that are wanted. */
  needed(outputs: readonly Tensor[]): { nodes: Node[]; used: Set<Tensor> } {
    const used = new Set(outputs);
    const nodes = this.nodes.toReversed().filter((node) => {
      const wanted = node.outputs.some((output) => used.has(output));
      if (wanted) for (const input of node.inputs) used.add(input);
      return wanted;
    });
    return { nodes: nodes.reverse(), used };
  }

  /** Prefixes the names of nodes built by `body`, so that a profile or an error says where it is. */
  scope<T>(name: string, body: () => T): T {
    const outer = this.#scope;
    this.#scope = `${outer}${name}/`;
    try {
      return body();
    } finally {
      this.#scope = outer;
    }
  }

  #claim(name: string): string {
    let unique = name;
    for (let n = 1; this.#names.has(unique); n++) unique = `${name}_${n}`;
    this.#names.add(unique);
    return unique;
  }

  #tensor(name: string, dtype: DType, shape: Shape, producer: Node | null): Tensor {
    return { graph: this, name, dtype, shape, producer };
  }
}

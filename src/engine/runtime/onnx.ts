// A graph and wanted outputs -> the bytes of an ONNX model; weights stay in their files.
import { PbfWriter } from 'pbf';
import type { Dim } from '../dims.ts';
import type { DType, Graph, Tensor, WeightSlice } from '../graph.ts';
import {
  type Emitter,
  type LoweredAttribute,
  type LoweredAttributes,
  ONNX_DTYPE,
  type Precision,
  type Provider,
  type Value,
} from '../ops/op.ts';
import { OPS } from '../ops/ops.ts';

const IR_VERSION = 9;
const OPSET = 20;
const ATTRIBUTE = { float: 1, int: 2, string: 3, ints: 7 } as const;

interface LoweredNode {
  readonly opType: string;
  readonly domain: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: LoweredAttributes;
}

interface Initializer {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly raw?: Uint8Array;
  readonly external?: { location: string; offset: number; length: number };
}

interface Serialised {
  readonly bytes: Uint8Array;
  /** Inputs that the outputs depend on, in the graph's order. */
  readonly inputs: readonly Tensor[];
  /** Dimensions that must not be 0 in a run. */
  readonly nonEmpty: readonly Dim[];
}

/** The name in the model of an output called `name`: apart from the names of tensors, which may be the same. */
export const outputName = (name: string): string => `output:${name}`;

interface SerialiseOptions {
  readonly provider: Provider;
  /** Default: float32. */
  readonly precision?: Precision;
  /** Path of a weight file as the model shall name it, relative to the model's folder. */
  locate(slice: WeightSlice): string;
}

/** @param outputs tensors by name; in the model they are called `outputName(name)`. */
export function serialise(
  graph: Graph,
  outputs: Readonly<Record<string, Tensor>>,
  { provider, precision = 'float32', locate }: SerialiseOptions,
): Serialised {
  const { nodes, used } = graph.needed(Object.values(outputs));
  const lowering = new Lowering(provider, precision, used);
  for (const node of nodes) {
    const op = OPS[node.op];
    if (!op) throw new Error(`No op is called ${node.op}`);
    op.lower(node, lowering);
  }
  for (const [name, tensor] of Object.entries(outputs)) {
    lowering.node('Identity', [tensor], [outputName(name)]);
  }
  const inputs = graph.inputs.filter((input) => used.has(input));
  const initializers = [...lowering.initializers];
  for (const { tensor, data } of graph.constants) {
    if (!used.has(tensor)) continue;
    initializers.push({ name: tensor.name, dtype: tensor.dtype, shape: tensor.shape as number[], raw: bytesOf(data) });
  }
  for (const { tensor, slice } of graph.weights.values()) {
    if (!used.has(tensor)) continue;
    const external = { location: locate(slice), offset: slice.offset, length: slice.length };
    initializers.push({ name: tensor.name, dtype: tensor.dtype, shape: slice.shape, external });
  }
  const writer = new PbfWriter();
  writeModel({ nodes: lowering.nodes, initializers, inputs, outputs }, writer);
  return { bytes: writer.finish(), inputs, nonEmpty: [...lowering.nonEmptyDims] };
}

class Lowering implements Emitter {
  readonly provider: Provider;
  readonly precision: Precision;
  readonly #used: ReadonlySet<Tensor>;
  readonly nodes: LoweredNode[] = [];
  readonly initializers: Initializer[] = [];
  readonly nonEmptyDims = new Set<Dim>();
  readonly #integers = new Map<string, string>();
  readonly #floats = new Map<string, string>();
  #count = 0;

  constructor(provider: Provider, precision: Precision, used: ReadonlySet<Tensor>) {
    this.provider = provider;
    this.precision = precision;
    this.#used = used;
  }

  reads(output: Tensor): boolean {
    return this.#used.has(output);
  }

  node(
    opType: string,
    inputs: readonly Value[],
    outputs: readonly Value[],
    attributes: LoweredAttributes = {},
    domain = '',
  ): void {
    this.nodes.push({ opType, domain, inputs: inputs.map(nameOf), outputs: outputs.map(nameOf), attributes });
  }

  value(opType: string, inputs: readonly Value[], attributes: LoweredAttributes = {}, domain = ''): string {
    const name = this.#fresh(opType);
    this.node(opType, inputs, [name], attributes, domain);
    return name;
  }

  int64(values: readonly number[]): string {
    const key = values.join(',');
    const known = this.#integers.get(key);
    if (known) return known;
    const name = `int64:[${key}]`;
    this.#integers.set(key, name);
    const raw = bytesOf(BigInt64Array.from(values, BigInt));
    this.initializers.push({ name, dtype: 'int64', shape: [values.length], raw });
    return name;
  }

  float32(value: number): string {
    const name = this.#fresh('float32');
    this.initializers.push({ name, dtype: 'float32', shape: [], raw: bytesOf(Float32Array.of(value)) });
    return name;
  }

  floats(values: readonly number[], shape: readonly number[]): string {
    const key = `float32:[${values.join(',')}]:[${shape.join(',')}]`;
    const known = this.#floats.get(key);
    if (known) return known;
    const name = this.#fresh('float32');
    this.#floats.set(key, name);
    this.initializers.push({ name, dtype: 'float32', shape, raw: bytesOf(Float32Array.from(values)) });
    return name;
  }

  nonEmpty(dim: Dim): void {
    if (typeof dim === 'string' || dim === 0) this.nonEmptyDims.add(dim);
  }

  #fresh(hint: string): string {
    return `lowered:${hint}:${this.#count++}`;
  }
}

const nameOf = (value: Value): string => (typeof value === 'string' ? value : value.name);

function bytesOf(data: Float32Array | BigInt64Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

interface Model {
  readonly nodes: readonly LoweredNode[];
  readonly initializers: readonly Initializer[];
  readonly inputs: readonly Tensor[];
  readonly outputs: Readonly<Record<string, Tensor>>;
}

// Field numbers from onnx.proto (onnx/onnx, IR version 9).

function writeModel(model: Model, pbf: PbfWriter): void {
  pbf.writeVarintField(1, IR_VERSION);
  pbf.writeStringField(2, 'sipf');
  pbf.writeMessage(7, writeGraph, model);
  pbf.writeMessage(8, writeOpset, { domain: '', version: OPSET });
  pbf.writeMessage(8, writeOpset, { domain: 'com.microsoft', version: 1 });
}

function writeOpset({ domain, version }: { domain: string; version: number }, pbf: PbfWriter): void {
  pbf.writeStringField(1, domain);
  pbf.writeVarintField(2, version);
}

function writeGraph(model: Model, pbf: PbfWriter): void {
  for (const node of model.nodes) pbf.writeMessage(1, writeNode, node);
  pbf.writeStringField(2, 'sipf');
  for (const initializer of model.initializers) pbf.writeMessage(5, writeInitializer, initializer);
  for (const { name, dtype, shape } of model.inputs) pbf.writeMessage(11, writeValueInfo, { name, dtype, shape });
  for (const [name, { dtype, shape }] of Object.entries(model.outputs)) {
    pbf.writeMessage(12, writeValueInfo, { name: outputName(name), dtype, shape });
  }
}

function writeNode(node: LoweredNode, pbf: PbfWriter): void {
  for (const input of node.inputs) pbf.writeStringField(1, input);
  for (const output of node.outputs) pbf.writeStringField(2, output);
  pbf.writeStringField(3, node.outputs[0] as string);
  pbf.writeStringField(4, node.opType);
  for (const [name, value] of Object.entries(node.attributes)) pbf.writeMessage(5, writeAttribute, { name, value });
  if (node.domain) pbf.writeStringField(7, node.domain);
}

function writeAttribute({ name, value }: { name: string; value: LoweredAttribute }, pbf: PbfWriter): void {
  pbf.writeStringField(1, name);
  if (typeof value === 'number' || typeof value === 'boolean') {
    pbf.writeVarintField(3, Number(value));
    pbf.writeVarintField(20, ATTRIBUTE.int);
  } else if (typeof value === 'string') {
    pbf.writeBytesField(4, new TextEncoder().encode(value));
    pbf.writeVarintField(20, ATTRIBUTE.string);
  } else if ('float' in value) {
    pbf.writeFloatField(2, value.float);
    pbf.writeVarintField(20, ATTRIBUTE.float);
  } else {
    for (const item of value) pbf.writeVarintField(8, item);
    pbf.writeVarintField(20, ATTRIBUTE.ints);
  }
}

function writeInitializer({ name, dtype, shape, raw, external }: Initializer, pbf: PbfWriter): void {
  for (const size of shape) pbf.writeVarintField(1, size);
  pbf.writeVarintField(2, ONNX_DTYPE[dtype]);
  pbf.writeStringField(8, name);
  if (raw) pbf.writeBytesField(9, raw);
  if (!external) return;
  for (const [key, value] of Object.entries(external)) pbf.writeMessage(13, writeEntry, { key, value: String(value) });
  pbf.writeVarintField(14, 1);
}

function writeEntry({ key, value }: { key: string; value: string }, pbf: PbfWriter): void {
  pbf.writeStringField(1, key);
  pbf.writeStringField(2, value);
}

function writeValueInfo({ name, dtype, shape }: Pick<Tensor, 'name' | 'dtype' | 'shape'>, pbf: PbfWriter): void {
  pbf.writeStringField(1, name);
  pbf.writeMessage(2, writeType, { dtype, shape });
}

function writeType(type: Pick<Tensor, 'dtype' | 'shape'>, pbf: PbfWriter): void {
  pbf.writeMessage(1, writeTensorType, type);
}

function writeTensorType({ dtype, shape }: Pick<Tensor, 'dtype' | 'shape'>, pbf: PbfWriter): void {
  pbf.writeVarintField(1, ONNX_DTYPE[dtype]);
  pbf.writeMessage(2, writeShape, shape);
}

function writeShape(shape: Tensor['shape'], pbf: PbfWriter): void {
  for (const dim of shape) pbf.writeMessage(1, writeDim, dim);
}

function writeDim(dim: Tensor['shape'][number], pbf: PbfWriter): void {
  if (typeof dim === 'number') pbf.writeVarintField(1, dim);
  else pbf.writeStringField(2, dim);
}

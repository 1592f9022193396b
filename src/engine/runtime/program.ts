// A session and checked feeds -> outputs, in main memory or left on the device.
import type { InferenceSession, Tensor as RuntimeTensor } from 'onnxruntime-node';
import { type Dim, evaluate, isName } from '../dims.ts';
import type { Tensor } from '../graph.ts';
import { DeviceArray, type DeviceArrays, type Feeds, Results, typeOf, type Value } from './arrays.ts';
import { outputName } from './onnx.ts';
import { orWithoutHalves } from './precision.ts';

export interface ProgramParts {
  readonly session: InferenceSession;
  readonly arrays: DeviceArrays;
  readonly inputs: readonly Tensor[];
  /** Names of the outputs, and of those that stay on the device. */
  readonly outputs: readonly string[];
  readonly stay: readonly string[];
  readonly nonEmpty: readonly Dim[];
  release(): Promise<void>;
}

/** A compiled graph. Runs block the thread they are called on. */
export class Program implements AsyncDisposable {
  readonly #parts: ProgramParts;
  readonly #fixed: Feeds;
  #disposed = false;

  /** @param fixed what every run is fed besides. */
  constructor(parts: ProgramParts, fixed: Feeds) {
    this.#parts = parts;
    this.#fixed = fixed;
  }

  /**
   * Computes all outputs. Feeds that nothing needs are ignored.
   * @throws Error naming the input whose type or sizes do not fit the graph or the other inputs.
   * @throws SipfError 'unsupported' where the graph computes in half precision and the device does not.
   */
  async run(feeds: Feeds): Promise<Results> {
    const { arrays, outputs, stay } = this.#parts;
    const found = await this.#outputs(this.#given({ ...this.#fixed, ...feeds }));
    const values = outputs.map((name): [string, Value] => {
      const tensor = found[outputName(name)] as RuntimeTensor;
      return [name, stay.includes(name) ? arrays.own(tensor) : arrays.fetch(tensor)];
    });
    return new Results(new Map(values));
  }

  async #outputs(given: Record<string, RuntimeTensor>): Promise<InferenceSession.ReturnType> {
    try {
      return await this.#parts.session.run(given);
    } catch (thrown) {
      throw orWithoutHalves(thrown);
    }
  }

  #given(feeds: Feeds): Record<string, RuntimeTensor> {
    const { arrays, inputs, nonEmpty } = this.#parts;
    const bindings = new Map<string, number>();
    const given: Record<string, RuntimeTensor> = {};
    for (const input of inputs) {
      const value = feeds[input.name];
      if (!value) throw new Error(`Input ${input.name} is missing`);
      bind(input, value, bindings);
    }
    for (const input of inputs) {
      const value = feeds[input.name] as Value;
      check(input, value, bindings);
      given[input.name] = value instanceof DeviceArray ? arrays.tensorOf(value) : arrays.send(value, input.dtype);
    }
    const empty = nonEmpty.find((dim) => evaluate(dim, bindings) === 0);
    if (empty === undefined) return given;
    throw new Error(`Size ${empty} is 0: a matmul sums over it, transposed or scaled, and must have something to sum`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#parts.release();
  }
}

function bind(input: Tensor, value: Value, bindings: Map<string, number>): void {
  if (input.shape.length !== value.shape.length) mismatch(input, value, 'rank');
  input.shape.forEach((dim, axis) => {
    if (isName(dim) && !bindings.has(dim)) bindings.set(dim, value.shape[axis] as number);
  });
}

function check(input: Tensor, value: Value, bindings: ReadonlyMap<string, number>): void {
  input.shape.forEach((dim, axis) => {
    const expected = evaluate(dim, bindings);
    if (expected !== undefined && expected !== value.shape[axis]) mismatch(input, value, `${dim} is ${expected} here`);
  });
  const dtype = value instanceof DeviceArray ? value.dtype : typeOf(value, input.dtype);
  if (dtype !== input.dtype) throw new Error(`Input ${input.name}: expected ${input.dtype} data, got ${dtype}`);
  if (value instanceof DeviceArray) return;
  const elements = value.shape.reduce((a, b) => a * b, 1);
  if (elements !== value.data.length) mismatch(input, value, `${value.data.length} values`);
}

function mismatch(input: Tensor, value: Value, why: string): never {
  throw new Error(
    `Input ${input.name}: expected [${input.shape.join(', ')}], got [${value.shape.join(', ')}] (${why})`,
  );
}

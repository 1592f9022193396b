// Training state in main memory: flat arrays that passes are fed views of.
import { mul, reduceSum, reshape } from '../../engine/build.ts';
import { Graph } from '../../engine/graph.ts';
import { vector } from '../../engine/host-arrays.ts';
import type { DeviceArray, Engine, Feeds, HostArray, Program, Value } from '../../engine/runtime/session.ts';
import { type AdamWOptions, type AdamWStep, adamwScalars, adamwUpdate } from '../adamw.ts';
import { BLOCK, type FlatLayout, type FlatState } from '../flat-weights.ts';
import type { StateArgs, TrainingState } from '../state.ts';

/** Elements of one run of the optimizer: bounds the memory of its intermediate values. */
const CHUNK = 1 << 20;

/** Two small programs over chunks of the flat arrays, the same for every training. */
interface Programs {
  readonly update: Program;
  readonly squares: Program;
}

export class HostState implements TrainingState {
  readonly values: FlatState;
  /** Of the step, in the layout of the values. */
  readonly gradient: Float32Array<ArrayBuffer>;
  readonly #engine: Engine;
  readonly #layout: FlatLayout;
  readonly #options: AdamWOptions;
  readonly #programs: Programs;

  private constructor({ engine, layout, options, start }: StateArgs, programs: Programs) {
    this.values = start;
    this.gradient = layout.zeros();
    this.#engine = engine;
    this.#layout = layout;
    this.#options = options;
    this.#programs = programs;
  }

  static async open(args: StateArgs): Promise<HostState> {
    const { engine } = args;
    return new HostState(args, { update: await compileUpdate(engine), squares: await compileSquares(engine) });
  }

  feeds(names: readonly string[]): Feeds {
    const feeds: Record<string, Value> = {};
    for (const [n, tensor] of this.#layout.tensors.entries()) {
      feeds[names[n] as string] = { data: this.#layout.view(this.values.params, tensor), shape: tensor.shape };
    }
    return feeds;
  }

  async gather(gradients: readonly DeviceArray[], first: boolean): Promise<void> {
    for (const [n, tensor] of this.#layout.tensors.entries()) {
      using gradient = gradients[n] as DeviceArray;
      const { data } = await this.#engine.read(gradient);
      const sum = this.#layout.view(this.gradient, tensor);
      if (first) sum.set(data as Float32Array);
      else addTo(sum, data as Float32Array);
    }
  }

  /** Block sums in float32, their sum in float64. */
  async norm(): Promise<number> {
    let sum = 0;
    for (let start = 0; start < this.gradient.length; start += CHUNK) {
      const data = this.gradient.subarray(start, start + CHUNK);
      const gradient = { data, shape: [data.length / BLOCK, BLOCK] };
      const result = await this.#programs.squares.run({ gradient });
      for (const block of result.floats('sums')) sum += block;
    }
    return Math.sqrt(sum);
  }

  async step(step: AdamWStep): Promise<void> {
    const { decayed, size } = this.#layout;
    await this.#update(0, decayed, adamwScalars(this.#options, step));
    await this.#update(decayed, size, adamwScalars({ ...this.#options, weightDecay: 0 }, step));
  }

  async #update(start: number, end: number, scalars: Record<string, HostArray>): Promise<void> {
    const { params, m, v } = this.values;
    for (let from = start; from < end; from += CHUNK) {
      const part = (flat: Float32Array) => vector(flat.subarray(from, Math.min(end, from + CHUNK)));
      const arrays = { params: part(params), m: part(m), v: part(v), gradient: part(this.gradient) };
      const next = await this.#programs.update.run({ ...scalars, ...arrays });
      params.set(next.floats('params'), from);
      m.set(next.floats('m'), from);
      v.set(next.floats('v'), from);
    }
  }

  async read(): Promise<FlatState> {
    return this.values;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#programs.update[Symbol.asyncDispose]();
    await this.#programs.squares[Symbol.asyncDispose]();
  }
}

function addTo(sum: Float32Array, part: Float32Array): void {
  for (let i = 0; i < part.length; i++) sum[i] = (sum[i] as number) + (part[i] as number);
}

function compileUpdate(engine: Engine): Promise<Program> {
  const graph = new Graph();
  const vector = (name: string) => graph.input(name, 'float32', ['n']);
  const now = { params: vector('params'), m: vector('m'), v: vector('v'), gradient: vector('gradient') };
  return engine.compile(graph, { ...adamwUpdate(graph)(now, true) }, { prepack: false, keep: true });
}

function compileSquares(engine: Engine): Promise<Program> {
  const graph = new Graph();
  const gradient = graph.input('gradient', 'float32', ['blocks', BLOCK]);
  const sums = reshape(reduceSum(mul(gradient, gradient), { axes: [1], keepDims: true }), ['blocks']);
  return engine.compile(graph, { sums }, { prepack: false, keep: true });
}

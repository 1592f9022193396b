// Flat parameters, moments and a gradient -> the same arrays one AdamW step on (Loshchilov and Hutter 2019). Leaves rates to schedule.ts.
import { add, div, mul, reduceSum, reshape, sqrt, sub } from '../engine/build.ts';
import { Graph } from '../engine/graph.ts';
import type { Engine, HostArray, Program } from '../engine/runtime/session.ts';
import { BLOCK, type FlatLayout } from './flat-weights.ts';

/** Elements of one run: bounds the memory of its intermediate values. */
const CHUNK = 1 << 20;

/** Parameters and both moments, in one layout. */
export interface OptimizerState {
  readonly params: Float32Array<ArrayBuffer>;
  readonly m: Float32Array<ArrayBuffer>;
  readonly v: Float32Array<ArrayBuffer>;
}

export interface AdamWStep {
  /** Number of this update, from 1. */
  readonly update: number;
  readonly learningRate: number;
  /** Multiplies the gradient first (clipping). */
  readonly gradientScale: number;
}

export interface AdamWOptions {
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly weightDecay: number;
}

const scalar = (value: number): HostArray => ({ data: Float32Array.of(value), shape: [] });

/** The optimizer as two small programs over chunks of the flat arrays, the same for every training. */
export class AdamW implements AsyncDisposable {
  readonly #update: Program;
  readonly #squares: Program;
  readonly #options: AdamWOptions;

  constructor(update: Program, squares: Program, options: AdamWOptions) {
    this.#update = update;
    this.#squares = squares;
    this.#options = options;
  }

  static async create(engine: Engine, options: AdamWOptions): Promise<AdamW> {
    return new AdamW(await compileUpdate(engine), await compileSquares(engine), options);
  }

  /** Euclidean norm of a flat gradient: block sums in float32, their sum in float64. */
  async norm(gradient: Float32Array): Promise<number> {
    let sum = 0;
    for (let start = 0; start < gradient.length; start += CHUNK) {
      const data = gradient.subarray(start, start + CHUNK);
      const result = await this.#squares.run({ gradient: { data, shape: [data.length / BLOCK, BLOCK] } });
      for (const block of result.floats('sums')) sum += block;
    }
    return Math.sqrt(sum);
  }

  /** Replaces the arrays of `state` in place. */
  async step(state: OptimizerState, gradient: Float32Array, layout: FlatLayout, step: AdamWStep): Promise<void> {
    const { weightDecay } = this.#options;
    await this.#region(state, gradient, { start: 0, end: layout.decayed, weightDecay }, step);
    await this.#region(state, gradient, { start: layout.decayed, end: layout.size, weightDecay: 0 }, step);
  }

  async #region(
    { params, m, v }: OptimizerState,
    gradient: Float32Array,
    { start, end, weightDecay }: { start: number; end: number; weightDecay: number },
    { update, learningRate, gradientScale }: AdamWStep,
  ): Promise<void> {
    const { betas, eps } = this.#options;
    const [beta1, beta2] = betas;
    const scalars = {
      beta1: scalar(beta1),
      beta2: scalar(beta2),
      rest1: scalar(1 - beta1),
      rest2: scalar(1 - beta2),
      eps: scalar(eps),
      scale: scalar(gradientScale),
      keep: scalar(1 - learningRate * weightDecay),
      rate: scalar(learningRate / (1 - beta1 ** update)),
      correction: scalar(1 / Math.sqrt(1 - beta2 ** update)),
    };
    for (let from = start; from < end; from += CHUNK) {
      const part = (flat: Float32Array): HostArray => {
        const data = flat.subarray(from, Math.min(end, from + CHUNK));
        return { data, shape: [data.length] };
      };
      const next = await this.#update.run({
        ...scalars,
        params: part(params),
        m: part(m),
        v: part(v),
        gradient: part(gradient),
      });
      params.set(next.floats('params'), from);
      m.set(next.floats('m'), from);
      v.set(next.floats('v'), from);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#update[Symbol.asyncDispose]();
    await this.#squares[Symbol.asyncDispose]();
  }
}

function compileUpdate(engine: Engine): Promise<Program> {
  const graph = new Graph();
  const vector = (name: string) => graph.input(name, 'float32', ['n']);
  const number = (name: string) => graph.input(name, 'float32', []);
  const [params, m, v] = [vector('params'), vector('m'), vector('v')];
  const scaled = mul(vector('gradient'), number('scale'));
  const nextM = add(mul(m, number('beta1')), mul(scaled, number('rest1')));
  const nextV = add(mul(v, number('beta2')), mul(mul(scaled, scaled), number('rest2')));
  const denominator = add(mul(sqrt(nextV), number('correction')), number('eps'));
  const nextParams = sub(mul(params, number('keep')), mul(div(nextM, denominator), number('rate')));
  return engine.compile(graph, { params: nextParams, m: nextM, v: nextV }, { prepack: false, keep: true });
}

function compileSquares(engine: Engine): Promise<Program> {
  const graph = new Graph();
  const gradient = graph.input('gradient', 'float32', ['blocks', BLOCK]);
  const sums = reshape(reduceSum(mul(gradient, gradient), { axes: [1], keepDims: true }), ['blocks']);
  return engine.compile(graph, { sums }, { prepack: false, keep: true });
}

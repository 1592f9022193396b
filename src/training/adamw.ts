// Parameters, moments and a gradient -> the arrays one AdamW step later (Loshchilov, Hutter 2019).
import { add, div, mul, reduceSum, reshape, sqrt, sub } from '../engine/build.ts';
import { Graph, type Tensor } from '../engine/graph.ts';
import { vector } from '../engine/host-arrays.ts';
import type { Engine, HostArray, Program } from '../engine/runtime/session.ts';
import { BLOCK, type FlatLayout, type FlatState } from './flat-weights.ts';

/** Elements of one run: bounds the memory of its intermediate values. */
const CHUNK = 1 << 20;

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
  async step(state: FlatState, gradient: Float32Array, { decayed, size }: FlatLayout, step: AdamWStep): Promise<void> {
    const arrays = { ...state, gradient };
    await this.#region(arrays, 0, decayed, adamwScalars(this.#options, step));
    await this.#region(arrays, decayed, size, adamwScalars({ ...this.#options, weightDecay: 0 }, step));
  }

  async #region(
    { params, m, v, gradient }: FlatState & { readonly gradient: Float32Array },
    start: number,
    end: number,
    scalars: Record<string, HostArray>,
  ): Promise<void> {
    for (let from = start; from < end; from += CHUNK) {
      const part = (flat: Float32Array) => vector(flat.subarray(from, Math.min(end, from + CHUNK)));
      const arrays = { params: part(params), m: part(m), v: part(v), gradient: part(gradient) };
      const next = await this.#update.run({ ...scalars, ...arrays });
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

/** What one step's updates are fed besides arrays; they are computed in float64. */
export function adamwScalars(
  { betas: [beta1, beta2], eps, weightDecay }: AdamWOptions,
  { update, learningRate, gradientScale }: AdamWStep,
): Record<string, HostArray> {
  return {
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
}

type Updated = Record<'params' | 'm' | 'v', Tensor>;

/** Declares the scalars -> the update of any tensors of the graph, with weight decay or without. */
export function adamwUpdate(graph: Graph): (now: Updated & { gradient: Tensor }, decays: boolean) => Updated {
  const number = (name: string) => graph.input(name, 'float32', []);
  const [scale, beta1, rest1] = [number('scale'), number('beta1'), number('rest1')];
  const [beta2, rest2, correction] = [number('beta2'), number('rest2'), number('correction')];
  const [eps, keep, rate] = [number('eps'), number('keep'), number('rate')];
  return ({ params, m, v, gradient }, decays) => {
    const scaled = mul(gradient, scale);
    const nextM = add(mul(m, beta1), mul(scaled, rest1));
    const nextV = add(mul(v, beta2), mul(mul(scaled, scaled), rest2));
    const denominator = add(mul(sqrt(nextV), correction), eps);
    const kept = decays ? mul(params, keep) : params;
    return { params: sub(kept, mul(div(nextM, denominator), rate)), m: nextM, v: nextV };
  };
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

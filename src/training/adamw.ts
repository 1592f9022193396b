// AdamW in a graph: parameters, moments, gradient -> one step later (Loshchilov, Hutter 2019).
import { add, div, mul, sqrt, sub } from '../engine/build.ts';
import type { Graph, Tensor } from '../engine/graph.ts';
import type { HostArray } from '../engine/runtime/session.ts';

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

// Parameters -> the same, with a trained low-rank product on linear layers (Hu et al. 2021).
import { add, cast, floor, greater, matmul, mul, sin, sub } from '../../engine/build.ts';
import type { Graph, Tensor } from '../../engine/graph.ts';
import { HEAD } from '../architectures/output-head.ts';
import { Parameters } from '../architectures/parameters.ts';
import { PRM_HEAD } from '../architectures/prm-head.ts';

interface LoraShape {
  readonly rank: number;
  /** alpha / rank, or alpha / sqrt(rank) for rsLoRA. */
  readonly scale: number;
  /** Module names such as `q_proj`, or every linear layer but the output head. */
  readonly targets: readonly string[] | 'all-linear';
  /** Fraction of the low-rank path's inputs set to zero while training; 0 builds no mask. */
  readonly dropout: number;
}

/** y = x Wᵀ + scale · (dropout(x) Aᵀ) Bᵀ. A `[rank, in]` and B `[out, rank]` are inputs named as PEFT names them. */
export class LoraParameters extends Parameters {
  readonly graph: Graph;
  /** The factors' inputs by name (`model.layers.0.self_attn.q_proj.lora_A.weight`), in the order asked for. */
  readonly inputs = new Map<string, Tensor>();
  readonly #base: Parameters;
  readonly #shape: LoraShape;
  readonly #noise: Tensor | null;

  /** @param noise for dropout, `[batch, seq, 1]`: a number in [0, 1) for each token, fresh in each pass. */
  constructor(base: Parameters, shape: LoraShape, noise: Tensor | null = null) {
    super();
    this.graph = base.graph;
    this.#base = base;
    this.#shape = shape;
    this.#noise = noise;
  }

  has(name: string): boolean {
    return this.#base.has(name);
  }

  weight(name: string, shape: readonly number[]): Tensor {
    return this.#base.weight(name, shape);
  }

  override product(x: Tensor, name: string, out: number): Tensor {
    return this.#base.product(x, name, out);
  }

  override linear(x: Tensor, module: string, out: number, biased?: boolean): Tensor {
    const y = this.#base.linear(x, module, out, biased);
    if (!isTarget(module, this.#shape.targets)) return y;
    const { rank, scale, dropout } = this.#shape;
    const a = this.#input(`${module}.lora_A.weight`, [rank, Number(x.shape.at(-1))]);
    const b = this.#input(`${module}.lora_B.weight`, [out, rank]);
    const kept = dropout > 0 && this.#noise ? drop(x, this.#noise, this.inputs.size, dropout) : x;
    return add(y, matmul(matmul(kept, a, { transB: true }), b, { transB: true, alpha: scale }));
  }

  #input(name: string, shape: readonly number[]): Tensor {
    const known = this.inputs.get(name) ?? this.graph.input(name, 'float32', shape);
    this.inputs.set(name, known);
    return known;
  }
}

/** Whether LoRA adapts a module; `all-linear` is PEFT's: every linear layer except the output head. */
export function isTarget(module: string, targets: LoraShape['targets']): boolean {
  const name = module.split('.').at(-1) as string;
  return targets === 'all-linear'
    ? name !== HEAD && name !== PRM_HEAD
    : targets.includes(name) || targets.includes(module);
}

/**
 * Inverted dropout from a hash of (token's noise, column, layer): the same mask on a resumed run, nothing large to feed.
 * The hash is the fractional part of a scaled sine; a mask needs no better generator.
 */
function drop(x: Tensor, noise: Tensor, salt: number, rate: number): Tensor {
  const width = Number(x.shape.at(-1));
  const columns = Float32Array.from({ length: width }, (_, i) => ((i + 1) * 0.754877666 + salt * 0.569840291) % 1);
  const phase = add(mul(noise, 6283.1853), mul(x.graph.constant(columns, [1, 1, width]), 511.3));
  const wave = mul(sin(phase), 4375.8545);
  const uniform = sub(wave, floor(wave));
  return mul(x, mul(cast(greater(uniform, rate), 'float32'), 1 / (1 - rate)));
}

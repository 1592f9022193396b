// A decoder -> the weights that its configuration asks for, and which are linear layers.
import { Graph, type Tensor } from '../../engine/graph.ts';
import { type Decoder, decode } from '../architectures/architecture.ts';
import { linear, type Parameters, product } from '../architectures/parameters.ts';
import { declareInputs } from '../pass-inputs.ts';

/** Answers every question for a weight with a new input, and so learns which weights a model has. */
class DeclaredWeights implements Parameters {
  readonly graph = new Graph();
  readonly declared = new Map<string, Tensor>();
  readonly modules: string[] = [];

  /** Only the biases that must be there. */
  has(): boolean {
    return false;
  }

  weight(name: string, shape: readonly number[]): Tensor {
    const known = this.declared.get(name) ?? this.graph.input(name, 'float32', shape);
    this.declared.set(name, known);
    return known;
  }

  product(x: Tensor, name: string, out: number): Tensor {
    return product(this, x, name, out);
  }

  linear(x: Tensor, module: string, out: number, biased?: boolean): Tensor {
    this.modules.push(module);
    return linear(this, x, module, out, biased);
  }
}

interface WeightList {
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** Linear layers, which LoRA may adapt, in the graph's order. */
  readonly modules: readonly string[];
}

/** Every weight of a new model of these sizes, in the order in which its graph asks for them. */
export function declaredWeights(decoder: Decoder): WeightList {
  const weights = new DeclaredWeights();
  const { hidden } = decode(decoder, weights, declareInputs(weights.graph, decoder.config));
  decoder.logits(weights, hidden);
  const shapes = new Map([...weights.declared].map(([name, { shape }]) => [name, shape.map(Number)]));
  return { shapes, modules: weights.modules };
}

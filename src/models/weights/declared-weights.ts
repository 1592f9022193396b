// A decoder -> the weights that its configuration asks for, and which are linear layers.
import { Graph, type Tensor } from '../../engine/graph.ts';
import { type Decoder, decode } from '../architectures/architecture.ts';
import { Parameters } from '../architectures/parameters.ts';
import { declareInputs } from '../pass-inputs.ts';

/** Answers every question for a weight with a new input, and so learns which weights a model has. */
class DeclaredWeights extends Parameters {
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

  override linear(x: Tensor, module: string, out: number, biased?: boolean): Tensor {
    this.modules.push(module);
    return super.linear(x, module, out, biased);
  }
}

/** Last parts of the names of its linear layers, each once. */
export const linearLayers = (decoder: Decoder): string[] => [
  ...new Set(declaredWeights(decoder).modules.map((module) => module.slice(module.lastIndexOf('.') + 1))),
];

/** Every weight of a new model of these sizes, in its graph's order, and its linear layers, which LoRA may adapt. */
export function declaredWeights(decoder: Decoder) {
  const weights = new DeclaredWeights();
  const { hidden } = decode(decoder, weights, declareInputs(weights.graph, decoder.config));
  decoder.logits(weights, hidden);
  const shapes = new Map([...weights.declared].map(([name, { shape }]) => [name, shape.map(Number)] as const));
  return { shapes, modules: weights.modules };
}

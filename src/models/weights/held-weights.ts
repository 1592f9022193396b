// A model's weights on disk -> the parameters of a graph, and what its runs are fed for them. Leaves out how weights get there.
import type { Graph, WeightSlice } from '../../engine/graph.ts';
import type { HostArray, Provider } from '../../engine/runtime/session.ts';
import { FedParameters, FrozenParameters, type Parameters } from '../architectures/parameters.ts';
import { readTensor } from '../files/safetensors.ts';

/**
 * How graphs get a model's weights. fed: read into memory once and fed at every run, in inference and training alike, so that one session serves
 * every model of its shape, whatever the round. mapped: sessions of their own over the file, released with the model; decoding pre-packs a copy.
 */
export type Holding = 'fed' | 'mapped';

/**
 * 4M parameters: about what fits a processor's caches, so that pre-packing gains little, and kept sessions' memory is bearable. Larger models
 * are mapped: without pre-packed weights their decoding is slower at the few rows of a unit's end.
 */
const FED_BYTES = 16 << 20;

/** On devices feeding would copy the weights there in every run. */
export function holdingFor(provider: Provider, slices: ReadonlyMap<string, WeightSlice>): Holding {
  const bytes = [...slices.values()].reduce((sum, { length }) => sum + length, 0);
  return provider === 'cpu' && bytes <= FED_BYTES ? 'fed' : 'mapped';
}

/** Parameters in one graph. */
export interface BoundWeights {
  readonly parameters: Parameters;
  /** What each run is fed for them; complete once the graph has been built. */
  feeds(): Promise<Record<string, HostArray>>;
}

/** A model's weights, each read at most once. */
export class HeldWeights {
  readonly slices: ReadonlyMap<string, WeightSlice>;
  readonly holding: Holding;
  readonly #values = new Map<string, Promise<Float32Array>>();

  constructor(slices: ReadonlyMap<string, WeightSlice>, holding: Holding) {
    this.slices = slices;
    this.holding = holding;
  }

  bind(graph: Graph): BoundWeights {
    if (this.holding === 'mapped') {
      return { parameters: new FrozenParameters(graph, this.slices), feeds: async () => ({}) };
    }
    const shapes = new Map([...this.slices].map(([name, { shape }]) => [name, shape]));
    const parameters = new FedParameters(graph, shapes);
    const feeds = async (): Promise<Record<string, HostArray>> => {
      const fed: Record<string, HostArray> = {};
      for (const [name, input] of parameters.inputs) {
        fed[input.name] = { data: await this.#value(name), shape: input.shape.map(Number) };
      }
      return fed;
    };
    return { parameters, feeds };
  }

  #value(name: string): Promise<Float32Array> {
    const slice = this.slices.get(name) as WeightSlice;
    const known = this.#values.get(name) ?? readTensor(name, { dtype: 'F32', ...slice }).then(({ data }) => data);
    this.#values.set(name, known);
    return known;
  }
}

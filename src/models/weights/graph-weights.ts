// A model's weights on disk -> the parameters of a graph, and what its runs are fed for them.
import type { Graph } from '../../engine/graph.ts';
import { PlacedArrays } from '../../engine/placed-arrays.ts';
import type { Engine, Feeds, Provider, Value } from '../../engine/runtime/session.ts';
import { FedParameters, FrozenParameters, type Parameters, type QuantisedSlices } from '../architectures/parameters.ts';
import { readTensor, type TensorEntry } from '../files/safetensors.ts';

/**
 * How graphs get a model's weights. fed: read into memory once and fed at every run, in inference and training alike, so that one session serves
 * every model of its shape, in every round. placed: the same from the memory of a device, by sessions that are released with the model.
 * mapped: sessions of their own over the file, released with the model; decoding pre-packs a copy.
 */
export type Feeding = 'fed' | 'placed' | 'mapped';

/**
 * 4M parameters: about what fits a processor's caches, so that pre-packing gains little, and kept sessions' memory is bearable. Larger models
 * are mapped: without pre-packed weights their decoding is slower at the few rows of a unit's end.
 */
const FED_BYTES = 16 << 20;

/** On a device all sessions share one copy. */
export function feedingFor(provider: Provider, slices: ReadonlyMap<string, TensorEntry>): Feeding {
  if (provider !== 'cpu') return 'placed';
  const bytes = [...slices.values()].reduce((sum, { length }) => sum + length, 0);
  return bytes <= FED_BYTES ? 'fed' : 'mapped';
}

/** Parameters in one graph. */
export interface BoundWeights {
  readonly parameters: Parameters;
  /** What each run is fed for them, until the weights are disposed; complete once the graph has been built. */
  feeds(): Promise<Feeds>;
}

/** A model's weights for any number of graphs. */
export interface ModelValues extends Disposable {
  /** Those in float32, by name. */
  readonly slices: ReadonlyMap<string, TensorEntry>;
  readonly feeding: Feeding;
  bind(graph: Graph): BoundWeights;
}

/** Weights as files have them, each read at most once. */
export class GraphWeights implements ModelValues {
  readonly slices: ReadonlyMap<string, TensorEntry>;
  readonly feeding: Feeding;
  readonly #quantised: ReadonlyMap<string, QuantisedSlices>;
  readonly #placed: PlacedArrays;

  /** @param quantised matrices in few bits: their model is mapped. */
  constructor(
    engine: Pick<Engine, 'place'>,
    slices: ReadonlyMap<string, TensorEntry>,
    feeding: Feeding,
    quantised: ReadonlyMap<string, QuantisedSlices> = new Map(),
  ) {
    this.slices = slices;
    this.feeding = feeding;
    this.#quantised = quantised;
    this.#placed = new PlacedArrays(engine);
  }

  bind(graph: Graph): BoundWeights {
    if (this.feeding === 'mapped') {
      return { parameters: new FrozenParameters(graph, this.slices, this.#quantised), feeds: async () => ({}) };
    }
    const shapes = new Map([...this.slices].map(([name, { shape }]) => [name, shape]));
    const parameters = new FedParameters(graph, shapes);
    const feeds = async (): Promise<Feeds> => {
      const fed: Record<string, Value> = {};
      for (const [name, input] of parameters.inputs)
        fed[input.name] = await this.#placed.of(name, () => readTensor(name, this.slices.get(name) as TensorEntry));
      return fed;
    };
    return { parameters, feeds };
  }

  [Symbol.dispose](): void {
    this.#placed[Symbol.dispose]();
  }
}

// A model's weights on disk -> the parameters of a graph, and what its runs are fed for them. Leaves out how weights get there.
import type { Graph, WeightSlice } from '../engine/graph.ts';
import type { HostArray, Provider } from '../engine/session.ts';
import { FedParameters, FrozenParameters, type Parameters } from './parameters.ts';
import { readTensor } from './safetensors.ts';

/**
 * How graphs get a model's weights. small and fed: read into memory once and fed at every run, so that one session serves every model of its
 * shape, whatever the round. small: in all graphs, training too; no copy of them is ever pre-packed. mapped: a session of their own over the file.
 */
export type Holding = 'small' | 'fed' | 'mapped';

/** Weights that fit the caches of most processors, and whose sessions' memory is no burden: 4M parameters. */
const SMALL_BYTES = 16 << 20;
/** Beyond, a copy in memory would weigh more than a session a model. */
const FED_BYTES = 1 << 30;

/** On devices feeding would copy the weights there in every run. */
export function holdingFor(provider: Provider, slices: ReadonlyMap<string, WeightSlice>): Holding {
  const bytes = [...slices.values()].reduce((sum, { length }) => sum + length, 0);
  if (provider !== 'cpu' || bytes > FED_BYTES) return 'mapped';
  return bytes > SMALL_BYTES ? 'fed' : 'small';
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

  /** As the holding says. */
  bind(graph: Graph): BoundWeights {
    if (this.holding === 'mapped') return this.bindMapped(graph);
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

  /** From the file, whatever the holding. */
  bindMapped(graph: Graph): BoundWeights {
    return { parameters: new FrozenParameters(graph, this.slices), feeds: async () => ({}) };
  }

  #value(name: string): Promise<Float32Array> {
    const slice = this.slices.get(name) as WeightSlice;
    const known = this.#values.get(name) ?? readTensor(name, { dtype: 'F32', ...slice }).then(({ data }) => data);
    this.#values.set(name, known);
    return known;
  }
}

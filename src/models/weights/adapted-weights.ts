// Frozen weights and a PEFT adapter -> the same weights with the adapter beside them, not merged.
import type { Graph, Tensor } from '../../engine/graph.ts';
import { PlacedArrays } from '../../engine/placed-arrays.ts';
import type { Engine, Feeds, Value } from '../../engine/runtime/session.ts';
import { FedParameters, Parameters } from '../architectures/parameters.ts';
import { type AdapterFiles, adapterScale, type LoraFactors } from '../files/adapter-files.ts';
import type { BoundWeights, ModelValues } from './graph-weights.ts';
import { LoraParameters } from './lora.ts';

/** Weights of one list over those of another: those that the first has, or that `owns` says. */
export class Overlaid extends Parameters {
  readonly graph: Graph;
  readonly #over: Parameters;
  readonly #under: Parameters;
  readonly #owns: (name: string) => boolean;

  constructor(over: Parameters, under: Parameters, owns = (name: string) => over.has(name)) {
    super();
    this.graph = under.graph;
    this.#over = over;
    this.#under = under;
    this.#owns = owns;
  }

  #of(name: string): Parameters {
    return this.#owns(name) ? this.#over : this.#under;
  }

  has(name: string): boolean {
    return this.#of(name).has(name);
  }

  weight(name: string, shape: readonly number[]): Tensor {
    return this.#of(name).weight(name, shape);
  }

  override product(x: Tensor, name: string, out: number): Tensor {
    return this.#of(name).product(x, name, out);
  }
}

/** For bases that nothing can be merged into: the low-rank products are computed in every pass. */
export class AdaptedWeights implements ModelValues {
  readonly slices: ModelValues['slices'];
  readonly feeding: ModelValues['feeding'];
  readonly #base: ModelValues;
  readonly #adapter: AdapterFiles;
  readonly #placed: PlacedArrays;

  constructor(engine: Pick<Engine, 'place'>, base: ModelValues, adapter: AdapterFiles) {
    this.slices = base.slices;
    this.feeding = base.feeding;
    this.#base = base;
    this.#adapter = adapter;
    this.#placed = new PlacedArrays(engine);
  }

  bind(graph: Graph): BoundWeights {
    const { extra } = this.#adapter;
    const bound = this.#base.bind(graph);
    const heads = new FedParameters(graph, new Map([...extra].map(([name, { shape }]) => [name, shape])));
    const parameters = adapted(new Overlaid(heads, bound.parameters), this.#adapter);
    const feeds = async (): Promise<Feeds> => {
      const fed: Record<string, Value> = {};
      for (const [name, input] of heads.inputs) {
        const head = extra.get(name);
        if (head) fed[input.name] = await this.#placed.of(name, () => head);
      }
      return { ...(await bound.feeds()), ...(await factorFeeds(parameters, this.#adapter, this.#placed)), ...fed };
    };
    return { parameters, feeds };
  }

  [Symbol.dispose](): void {
    this.#placed[Symbol.dispose]();
    this.#base[Symbol.dispose]();
  }
}

/** `base` with the exact modules of an adapter, without dropout. */
export const adapted = (base: Parameters, adapter: AdapterFiles): LoraParameters =>
  new LoraParameters(base, {
    rank: adapter.rank,
    scale: adapterScale(adapter),
    targets: [...adapter.tensors.keys()],
    dropout: 0,
  });

/** What runs are fed for the factors that `parameters` have asked for. */
export async function factorFeeds(
  parameters: LoraParameters,
  adapter: AdapterFiles,
  placed: PlacedArrays,
): Promise<Feeds> {
  const feeds: Record<string, Value> = {};
  for (const [name, input] of parameters.inputs) {
    const [module, half] = factorOf(name);
    const data = (adapter.tensors.get(module) as LoraFactors)[half];
    feeds[input.name] = await placed.of(name, () => ({ data, shape: input.shape.map(Number) }));
  }
  return feeds;
}

const FACTOR = /^(.+)\.lora_([AB])\.weight$/;

/** The module of a factor called `name`, and which of its two it is. */
export function factorOf(name: string): [module: string, half: 'a' | 'b'] {
  const [, module, half] = FACTOR.exec(name) ?? [];
  if (module === undefined) throw new Error(`${name} is no LoRA factor`);
  return [module, half === 'A' ? 'a' : 'b'];
}

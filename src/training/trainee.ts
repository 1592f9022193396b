// A model and training options -> what is trained, its first values, and how it is written.
import type { TrainOptions } from '../backend.ts';
import type { Graph, Tensor } from '../engine/graph.ts';
import type { Engine, Feeds } from '../engine/runtime/session.ts';
import type { Parameters } from '../models/architectures/parameters.ts';
import type { OpenModel } from '../models/open-model.ts';
import type { Feeding } from '../models/weights/graph-weights.ts';
import type { Objective } from '../objectives/objectives.ts';

/** A trained tensor's values, by name. */
export type NamedValues = ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>;

/** Parameters in a graph: which of its inputs are trained, and what the other weight inputs are fed. */
interface BoundParameters {
  readonly parameters: Parameters;
  /** By name; complete once the model has been built from `parameters`. */
  trained(): ReadonlyMap<string, Tensor>;
  fixed(): Promise<Feeds>;
}

/** Where training starts, and how it ends: the same wherever it executes. */
export interface TraineeFiles {
  /** First value of a trained tensor. */
  initial(name: string, shape: readonly number[]): Promise<Float32Array>;
  /** Writes model or adapter files to `folder`. */
  write(folder: string, values: NamedValues): Promise<void>;
}

/** Either every weight or an adapter (and a head): one implementation each. Disposing gives up what its graphs are fed. */
export interface Trainee extends TraineeFiles, AsyncDisposable {
  /** Whether the program's session is kept for trainings to come: those of small models. */
  readonly keep: boolean;
  bind(graph: Graph, dropoutNoise: Tensor | null): BoundParameters;
}

export interface TraineeArgs {
  readonly engine: Engine;
  readonly model: OpenModel;
  readonly objective: Objective;
  readonly feeding: Feeding;
  readonly options: Pick<TrainOptions, 'lora' | 'seed'>;
}

// Full fine-tuning: every weight is trained and the result is a Hugging Face folder.
import type { CacheOptions } from '../io/cache.ts';
import { FedParameters } from '../models/architectures/parameters.ts';
import { STEP_LABELS } from '../models/architectures/prm-head.ts';
import { writeModelFolder } from '../models/files/model-writer.ts';
import { readTensor, type TensorEntry, type TensorToWrite } from '../models/files/safetensors.ts';
import type { OpenModel } from '../models/open-model.ts';
import { freshHead, headShapes, isHead, withHeadBias } from './prm-start.ts';
import type { Trainee, TraineeArgs } from './trainee.ts';

/**
 * Everything but what the objective does not use (a head of the other kind).
 * @param weights where training starts: the source's, its adapter merged in.
 */
export function fullTrainee(
  { model, objective, feeding, options: { seed } }: TraineeArgs,
  weights: ReadonlyMap<string, TensorEntry>,
  cache: CacheOptions,
): Trainee {
  const prm = objective.kind === 'prm';
  const shapes = new Map([...model.files.shapes].filter(([name]) => !isHead(name)));
  if (prm) for (const [name, shape] of headShapes(model, objective)) shapes.set(name, shape);
  return {
    keep: feeding === 'fed',
    bind(graph) {
      const parameters = new FedParameters(graph, shapes);
      return { parameters, trained: () => parameters.inputs, fixed: async () => ({}) };
    },
    async initial(name, shape) {
      const slice = weights.get(name);
      return slice ? (await readTensor(name, slice)).data : freshHead(name, shape, seed);
    },
    write(folder, values) {
      const tensors = [...withHeadBias(values)].map(([name, { shape, data }]) => ({ name, shape, data }));
      return writeTrained(folder, { model, prm, tensors }, cache);
    },
    async [Symbol.asyncDispose]() {},
  };
}

interface TrainedModel {
  /** That training started from. */
  readonly model: Pick<OpenModel, 'files' | 'architecture'>;
  readonly prm: boolean;
  readonly tensors: readonly TensorToWrite[];
}

/** Writes a model whose weights were all trained: a causal LM, or a token classifier. */
export function writeTrained(
  folder: string,
  { model: { files, architecture }, prm, tensors }: TrainedModel,
  cache: CacheOptions,
): Promise<void> {
  const architectures = [`${architecture.family}For${prm ? 'TokenClassification' : 'CausalLM'}`];
  const config = { ...files.config, architectures, ...(prm ? STEP_LABELS : {}) };
  return writeModelFolder(folder, { config, tensors, tokenizerFrom: files.path }, cache);
}

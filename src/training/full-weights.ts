// Full fine-tuning: every weight is trained and the result is a Hugging Face folder.
import type { CacheOptions } from '../io/cache.ts';
import type { ModelConfig } from '../models/architectures/architecture.ts';
import { FedParameters } from '../models/architectures/parameters.ts';
import { writeModelFolder } from '../models/files/model-writer.ts';
import { readTensor, type TensorEntry } from '../models/files/safetensors.ts';
import type { OpenModel } from '../models/open-model.ts';
import { freshHead, headShapes, isHead } from './prm-start.ts';
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
  const { files } = model;
  const prm = objective === 'prm';
  const shapes = new Map([...files.shapes].filter(([name]) => !isHead(name)));
  if (prm) for (const [name, shape] of headShapes(model)) shapes.set(name, shape);
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
      const tensors = [...values].map(([name, { shape, data }]) => ({ name, shape, data }));
      const config = prm ? classifierConfig(model) : policyConfig(model);
      return writeModelFolder(folder, { config, tensors, tokenizerFrom: files.path }, cache);
    },
    async [Symbol.asyncDispose]() {},
  };
}

function policyConfig({ files, architecture }: OpenModel): ModelConfig {
  return { ...files.config, architectures: [`${architecture.family}ForCausalLM`] };
}

function classifierConfig({ files, architecture }: OpenModel): ModelConfig {
  return {
    ...files.config,
    architectures: [`${architecture.family}ForTokenClassification`],
    num_labels: 2,
    id2label: { 0: 'incorrect', 1: 'correct' },
    label2id: { incorrect: 0, correct: 1 },
  };
}

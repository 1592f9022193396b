// Full fine-tuning: every weight is trained and the result is a Hugging Face folder. A source with an adapter is merged first.
import { FedParameters } from '../models/parameters.ts';
import { adapterScale } from '../models/adapter-files.ts';
import type { CacheOptions } from '../models/hub.ts';
import { mergeFactors } from '../models/merge-factors.ts';
import type { ModelConfig } from '../models/model-files.ts';
import { writeModelFolder } from '../models/model-writer.ts';
import { readTensor, type Tensor } from '../models/safetensors.ts';
import { headShapes, headValue, isHead } from './prm-start.ts';
import type { TrainingSource } from './source.ts';
import type { Trainee, TraineeArgs } from './trainee.ts';

/** Everything but what the objective does not use (a head of the other kind). */
export function fullTrainee({ source, objective, options: { seed } }: TraineeArgs, cache: CacheOptions): Trainee {
  const { files, adapter } = source;
  const prm = objective === 'prm';
  const shapes = new Map([...files.shapes].filter(([name]) => !isHead(name)));
  if (prm) for (const [name, shape] of headShapes(source)) shapes.set(name, shape);
  const stored = async (name: string): Promise<Tensor> => {
    const slice = (await files.weights()).get(name);
    if (!slice) throw new Error(`${name} has a shape and no values`);
    return readTensor(name, { dtype: 'F32', ...slice });
  };
  return {
    bind(graph) {
      const parameters = new FedParameters(graph, shapes);
      return { parameters, trained: () => parameters.inputs, fixed: () => ({}) };
    },
    async initial(name, shape) {
      if (isHead(name)) return headValue(name, shape, source, { seed, stored: () => stored(name) });
      const { data } = await stored(name);
      const factors = adapter?.tensors.get(name.replace(/\.weight$/, ''));
      if (adapter && factors) mergeFactors(data, factors, adapter.rank, adapterScale(adapter));
      return data;
    },
    write(folder, values) {
      const tensors = [...values].map(([name, { shape, data }]) => ({ name, shape, data }));
      const config = prm ? classifierConfig(source) : policyConfig(source);
      return writeModelFolder(folder, { config, tensors, tokenizerFrom: files.path }, cache);
    },
  };
}

/** `LlamaForCausalLM` from the config, or from its model_type (GGUF metadata names no class). */
function className({ config }: TrainingSource['files'], suffix: string): string {
  const [known] = (config['architectures'] as readonly string[] | undefined) ?? [];
  const type = String(config['model_type']);
  const family = known?.replace(/For[A-Z].*$/, '') ?? (type.charAt(0).toUpperCase() + type.slice(1)).replace(/_.*$/, '');
  return `${family}${suffix}`;
}

function policyConfig({ files }: TrainingSource): ModelConfig {
  return { ...files.config, architectures: [className(files, 'ForCausalLM')] };
}

function classifierConfig({ files }: TrainingSource): ModelConfig {
  return {
    ...files.config,
    architectures: [className(files, 'ForTokenClassification')],
    num_labels: 2,
    id2label: { 0: 'incorrect', 1: 'correct' },
    label2id: { incorrect: 0, correct: 1 },
  };
}

// The engine of this thread -> a Backend: inference, training and new models.
import type { Backend, ModelDescription } from '../../backend.ts';
import { Engine, type EngineOptions } from '../../engine/runtime/session.ts';
import { exportModel } from '../../models/exports/export-model.ts';
import { openModel } from '../../models/open-model.ts';
import { linearLayers } from '../../models/weights/declared-weights.ts';
import { initModelFolder } from '../../models/weights/init-model.ts';
import { weightBytes } from '../../models/weights/quantised-weights.ts';
import type { ModelSource } from '../../records.ts';
import { train } from '../../training/train.ts';
import { openInProcessPolicy } from './in-process-policy.ts';
import { openInProcessPrm } from './in-process-prm.ts';
import type { ModelOptions } from './model-options.ts';

export interface InProcessOptions extends EngineOptions, ModelOptions {}

/** Models run on the calling thread, which each call blocks for as long as one execution takes. */
export function createInProcessBackend(
  { cache, slots, quantisation, ...engineOptions }: InProcessOptions,
  engine = new Engine(engineOptions),
): Backend {
  const options = { cache, slots, quantisation };
  return {
    openPolicy: (source) => openInProcessPolicy(engine, source, options),
    openPrm: (source) => openInProcessPrm(engine, source, options),
    train: (job, onStep, call) => train(engine, job, { onStep, signal: call?.signal, cache, quantisation }),
    describe: (source) => descriptionOf(source, options),
    async initModel(out, init, call) {
      await initModelFolder(out, init, { cache, signal: call?.signal });
      return descriptionOf({ model: out }, options);
    },
    exportModel: (source, job, call) => exportModel(engine, source, job, { cache, signal: call?.signal }),
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}

async function descriptionOf(source: ModelSource, options: ModelOptions): Promise<ModelDescription> {
  const { files, architecture, decoder, tokenizer, quantisation, hash, warnings } = await openModel(source, options);
  return {
    hash,
    architecture: architecture.modelType,
    parameters: [...files.shapes].reduce((sum, [, shape]) => sum + shape.reduce((product, n) => product * n, 1), 0),
    weightBytes: weightBytes(decoder, files, quantisation),
    contextLength: decoder.config.contextLength,
    hasChatTemplate: tokenizer.chatTemplate !== null,
    linearLayers: linearLayers(decoder),
    warnings,
  };
}

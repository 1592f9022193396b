// The engine of this thread -> a Backend: inference, training and new models in the calling process.
import type { Backend, CallOptions, ModelDescription, ModelSource } from '../../backend.ts';
import { Engine, type EngineOptions } from '../../engine/runtime/session.ts';
import { checkpointHash } from '../../hashing.ts';
import { decoderOf } from '../../models/architectures/architectures.ts';
import { withBase } from '../../models/files/adapter-base.ts';
import { adapterHash } from '../../models/files/adapter-files.ts';
import { openModelFiles } from '../../models/files/model-files.ts';
import { loadTokenizer } from '../../models/tokenizer/tokenizer.ts';
import { initModelFolder } from '../../models/weights/init-model.ts';
import { train } from '../../training/train.ts';
import { openInProcessPolicy } from './in-process-policy.ts';
import { openInProcessPrm } from './in-process-prm.ts';

export interface InProcessOptions extends EngineOptions {
  /** Cache folder of converted weights; default: $SIPF_CACHE or ~/.cache/sipf. */
  readonly cache?: string | undefined;
  /** Sequences that are decoded together. */
  readonly slots?: number | undefined;
}

/** Models run on the calling thread, which each call blocks for as long as one execution takes. */
export function createInProcessBackend(
  { cache, slots, ...engineOptions }: InProcessOptions,
  engine = new Engine(engineOptions),
): Backend {
  const options = { ...(cache === undefined ? {} : { cache }), ...(slots === undefined ? {} : { slots }) };
  return {
    openPolicy: async (source) => openInProcessPolicy(engine, await withBase(source), options),
    openPrm: async (source) => openInProcessPrm(engine, await withBase(source), options),
    async train(job, onStep, call) {
      const source = await withBase(job.source);
      return train(engine, { ...job, source }, { onStep, signal: call?.signal, cache });
    },
    describe: async (source) => descriptionOf(await withBase(source), { cache }),
    async initModel(out, init, call) {
      await initModelFolder(out, init, { cache, signal: call?.signal });
      return descriptionOf({ model: out }, { cache });
    },
    [Symbol.asyncDispose]: () => engine[Symbol.asyncDispose](),
  };
}

async function descriptionOf(
  { model, adapter }: ModelSource,
  options: { cache?: string | undefined } & CallOptions,
): Promise<ModelDescription> {
  const files = await openModelFiles(model, options);
  const { architecture, config } = decoderOf(files);
  const { chatTemplate, warnings } = await loadTokenizer(model, options);
  return {
    hash: checkpointHash(files.hash, adapter === undefined ? null : await adapterHash(adapter, options)),
    architecture: architecture.modelType,
    parameters: [...files.shapes].reduce((sum, [, shape]) => sum + shape.reduce((product, n) => product * n, 1), 0),
    contextLength: config.contextLength,
    hasChatTemplate: chatTemplate !== null,
    warnings: [...files.warnings, ...warnings],
  };
}

// A Backend -> the same, which tells once each what the user should know of a model's files.
import type { Backend } from '../backend.ts';
import type { ModelSource } from '../records.ts';

/** Tells of models when they are opened, described, or trained from. */
export function tellingWarnings(backend: Backend, warn: (message: string) => void): Backend {
  const told = new Set<string>();
  const tell = <T extends { readonly warnings: readonly string[] }>(opened: T): T => {
    for (const message of opened.warnings) if (!told.has(message)) warn(message);
    for (const message of opened.warnings) told.add(message);
    return opened;
  };
  const describe = async (source: ModelSource) => tell(await backend.describe(source));
  return {
    openPolicy: async (source) => tell(await backend.openPolicy(source)),
    openPrm: async (source) => tell(await backend.openPrm(source)),
    async train(job, onStep, call) {
      await describe(job.source);
      return backend.train(job, onStep, call);
    },
    describe,
    initModel: (out, init, call) => backend.initModel(out, init, call),
    [Symbol.asyncDispose]: () => backend[Symbol.asyncDispose](),
  };
}

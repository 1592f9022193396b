// A sampler, a scorer, a trainer and a store, each from where it is -> one Backend.
import type { Backend, ModelStore, Sampler, Scorer, Trainer } from '../backend.ts';

/** The methods that every backend has, by name. The compiler refuses a list in which one is missing. */
const METHODS = {
  openPolicy: true,
  openPrm: true,
  train: true,
  describe: true,
  initModel: true,
  exportModel: true,
} satisfies Record<Method, true>;
type Method = Exclude<Extract<keyof Backend, string>, 'checkTraining'>;
export const BACKEND_METHODS = Object.keys(METHODS) as Method[];

export interface BackendParts {
  readonly sampler: Sampler;
  readonly scorer: Scorer;
  readonly trainer: Trainer;
  readonly store: ModelStore;
}

/**
 * Takes each part from where it is. A backend is all four parts, so it may stand for several. Disposing the result disposes each part once.
 * @throws SipfError of the part that is asked.
 * @example
 * const backend = composeBackends({ sampler: elsewhere, scorer: local, trainer: local, store: local });
 */
export function composeBackends({ sampler, scorer, trainer, store }: BackendParts): Backend {
  return {
    openPolicy: (source) => sampler.openPolicy(source),
    openPrm: (source) => scorer.openPrm(source),
    ...trainingCheck(trainer),
    train: (job, onStep, options) => trainer.train(job, onStep, options),
    describe: (source) => store.describe(source),
    initModel: (out, init, options) => store.initModel(out, init, options),
    exportModel: (source, job, options) => store.exportModel(source, job, options),
    async [Symbol.asyncDispose]() {
      const parts = new Set<AsyncDisposable>([sampler, scorer, trainer, store]);
      const ended = await Promise.allSettled([...parts].map((part) => part[Symbol.asyncDispose]()));
      for (const end of ended) if (end.status === 'rejected') throw end.reason;
    },
  };
}

/** The check of a trainer that has one, for a backend that is made of it. */
export function trainingCheck(trainer: Trainer): Pick<Trainer, 'checkTraining'> {
  if (trainer.checkTraining === undefined) return {};
  return { checkTraining: async (options) => (await trainer.checkTraining?.(options)) ?? [] };
}

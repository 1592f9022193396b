// An engine of your own: the usual parts, and a message for each model that draws.
// `sipf run --preset smoke --engine.module own-engine.mjs`
import { composeBackends, openBackend } from 'sipf/backends';

export default async function makeBackend(settings) {
  const local = await openBackend({ ...settings, module: null });
  const sampler = {
    openPolicy(source) {
      console.error(`draws from ${source.adapter ?? source.model}`);
      return local.openPolicy(source);
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  return composeBackends({ sampler, scorer: local, trainer: local, store: local });
}

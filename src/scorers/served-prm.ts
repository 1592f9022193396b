// A process reward model here, and the same at a server -> one that asks the server for its scores.
import type { PathTokens, ProcessRewardModel } from '../backend.ts';
import { SipfError } from '../errors.ts';
import { allOrNone } from '../remote/all-or-none.ts';
import type { Limit } from '../remote/limiter.ts';
import type { ServedPrm } from './score-server.ts';

interface Asking {
  readonly limit: Limit;
  readonly close: () => Promise<void>;
}

/** `here` tells lengths and tokens, `there` scores. */
export function servedPrm(here: ProcessRewardModel, there: ServedPrm, { limit, close }: Asking): ProcessRewardModel {
  const contextLength = Math.min(here.contextLength, there.contextLength);
  return {
    hash: here.hash,
    contextLength,
    warnings: here.warnings,
    countTokens: (texts) => here.countTokens(texts),
    ...(here.encodePaths && { encodePaths: (paths) => here.encodePaths!(paths) }),
    async score(paths, { signal } = {}) {
      const tokens = await here.encodePaths?.(paths);
      for (const [n, path] of tokens?.entries() ?? []) checkLength(n, path, contextLength);
      const asked = paths.map(({ prompt, steps }, n) => ({ prompt, steps, tokens: tokens?.[n] ?? null }));
      const scores = await allOrNone(signal, asked, async (path, stop) =>
        path.steps.length === 0 ? [] : limit(() => there.score(path, stop)),
      );
      return scores.map((steps) => [...steps]);
    },
    [Symbol.asyncDispose]: close,
  };
}

/** The files here may say more than the server has room for. */
function checkLength(n: number, { ids }: PathTokens, limit: number): void {
  if (ids.length <= limit) return;
  throw new SipfError(
    'bad-input',
    `Expected at most ${limit} tokens (the model's context length) in path ${n}, got ${ids.length}. Leave that path out.`,
  );
}

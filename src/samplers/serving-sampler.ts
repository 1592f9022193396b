// A model elsewhere, and the same here -> a Sampler that draws there and asks the rest here.
import { resolve } from 'node:path';
import type { Policy, Sampler } from '../backend.ts';
import { SipfError } from '../errors.ts';
import type { ModelSource } from '../records.ts';
import type { Fact, Place, SamplerParts } from './sampler.ts';
import { type Limit, readerOf, servedPolicy } from './served-policy.ts';

interface ServingOptions {
  /** The files of the model that is elsewhere. */
  readonly serves: ModelSource;
  readonly others: 'refuse' | 'local' | 'adapter';
  readonly logps: 'server' | 'local';
  /** Requests at a time, those of all policies together. */
  readonly concurrency: number;
}

/** A sampler that tells what its server can. */
export interface ServingSampler extends Sampler {
  /** @throws SipfError where another model or tokenizer is there; 'unreachable'. */
  table(): Promise<readonly Fact[]>;
}

/**
 * Draws from `place` what it has; other models as `others` says. Disposing it leaves `local` open.
 * @throws SipfError 'unsupported', from openPolicy, for a model that is not served; and what the place throws.
 */
export function servingSampler(
  { serves, others, logps, concurrency }: ServingOptions,
  place: Place,
  { local, log }: Pick<SamplerParts, 'local' | 'log'>,
): ServingSampler {
  const limit = limiter(concurrency);
  const told = new Set<string>();
  const say = (message: string) => {
    if (!told.has(message)) log(message);
    told.add(message);
  };
  const together = Math.max(1, Math.floor(concurrency / 8));
  const openServed = async (source: ModelSource, adapter: string | null) => {
    const here = await local.openPolicy(source);
    try {
      const there = await place.open(here, adapter);
      const computed: Policy['logps'] = (items, options) => {
        if (logps === 'server') say(`${place.name} tells no log-probabilities of given texts: they are computed here.`);
        return here.logps(items, options);
      };
      const reader = (logps === 'server' ? readerOf(here, there, limit) : null) ?? computed;
      return servedPolicy(here, there, { draw: (...args) => limit(() => there.draw(...args)), together, reader });
    } catch (error) {
      await here[Symbol.asyncDispose]();
      throw error;
    }
  };
  return {
    async openPolicy(source) {
      const name = nameOf(source);
      if (name === nameOf(serves)) return openServed(source, null);
      if (others === 'adapter' && source.adapter !== undefined && resolve(source.model) === resolve(serves.model))
        return openServed(source, source.adapter);
      if (others !== 'local') throw notServed(place, nameOf(serves), name);
      say(`${place.name} does not serve ${name}: it draws here.`);
      return local.openPolicy(source);
    },
    async table() {
      await using here = await local.openPolicy(serves);
      return place.table(here);
    },
    [Symbol.asyncDispose]: () => place[Symbol.asyncDispose](),
  };
}

function notServed({ name }: Place, served: string, got: string): SipfError {
  return new SipfError(
    'unsupported',
    `Expected a model that ${name} serves (${served}), got ${got}. Set engine.sampler.others adapter to load adapters of that model at the server, or local to draw from others here. After a warm-up, which sft.enabled false leaves out, and after each round the policy is another model.`,
  );
}

function nameOf({ model, adapter }: ModelSource): string {
  return adapter === undefined ? resolve(model) : `${resolve(model)} with ${resolve(adapter)}`;
}

/** At most `most` calls at a time, in the order in which they come. */
function limiter(most: number): Limit {
  const waiting: (() => void)[] = [];
  let free = most;
  return async (call) => {
    if (free === 0) await new Promise<void>((start) => waiting.push(start));
    else free -= 1;
    try {
      return await call();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}

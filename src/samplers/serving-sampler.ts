// A model elsewhere, and the same here -> a Sampler that draws there and asks the rest here.
import { resolve } from 'node:path';
import type { Backend, Policy, Sampler } from '../backend.ts';
import { SipfError } from '../errors.ts';
import type { ModelSource } from '../records.ts';
import type { Fact } from '../remote/fact.ts';
import { limiter } from '../remote/limiter.ts';
import type { Place, SamplerParts } from './sampler.ts';
import { readerOf, servedPolicy } from './served-policy.ts';

/** A place, and what it draws. */
export interface Serving {
  readonly place: Place;
  /** The files of the model that is there. */
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
  /** Training begins here: places may give up what they can start again. */
  release(): Promise<void>;
}

/**
 * Draws each model from the first place that has it; other models as `others` says. Disposing it leaves `local` open.
 * @throws SipfError 'unsupported', from openPolicy, for a model that is not served; and what a place throws.
 */
export function servingSampler(
  all: readonly Serving[],
  { local, log }: Pick<SamplerParts, 'local' | 'log'>,
): ServingSampler {
  const told = new Set<string>();
  const say = (message: string) => {
    if (!told.has(message)) log(message);
    told.add(message);
  };
  const opened = all.map((serving) => ({ serving, open: opener(serving, local, say) }));
  const names = all.map(({ place }) => place.name).join(', ');
  return {
    async openPolicy(source) {
      for (const { serving, open } of opened) {
        const found = adapterThere(serving, source);
        if (found !== null) return open(source, found.adapter);
      }
      if (all.every(({ others }) => others !== 'local')) throw notServed(names, all, source);
      say(`${names} does not serve ${nameOf(source)}: it draws here.`);
      return local.openPolicy(source);
    },
    async table() {
      const tables: Fact[] = [];
      for (const { place, serves } of all) {
        await using here = await local.openPolicy(serves);
        tables.push({ name: 'address', value: place.name }, ...(await place.table(here)));
      }
      return tables;
    },
    async release() {
      for (const { place } of all) await place.release();
    },
    async [Symbol.asyncDispose]() {
      for (const { place } of all) await place[Symbol.asyncDispose]();
    },
  };
}

/** What of a source a place loads on top of its model; null: it does not have that source. */
function adapterThere({ serves, others }: Serving, source: ModelSource): { readonly adapter: string | null } | null {
  if (nameOf(source) === nameOf(serves)) return { adapter: null };
  const isOnTop = others === 'adapter' && resolve(source.model) === resolve(serves.model);
  return isOnTop && source.adapter !== undefined ? { adapter: source.adapter } : null;
}

/** Opens what is at a place. */
function opener({ place, logps, concurrency }: Serving, local: Backend, say: (message: string) => void) {
  const limit = limiter(concurrency);
  const together = Math.max(1, Math.floor(concurrency / 8));
  return async (source: ModelSource, adapter: string | null): Promise<Policy> => {
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
}

function notServed(names: string, all: readonly Serving[], source: ModelSource): SipfError {
  const served = all.map(({ serves }) => nameOf(serves)).join(', ');
  return new SipfError(
    'unsupported',
    `Expected a model that ${names} serves (${served}), got ${nameOf(source)}. Set engine.sampler.others adapter to load adapters of that model at the server, or local to draw from others here. After a warm-up, which sft.enabled false leaves out, and after each round the policy is another model.`,
  );
}

function nameOf({ model, adapter }: ModelSource): string {
  return adapter === undefined ? resolve(model) : `${resolve(model)} with ${resolve(adapter)}`;
}

// A model elsewhere, and the same here -> a Sampler that draws there and asks the rest here.
import { resolve } from 'node:path';
import type { Policy, Sampler } from '../backend.ts';
import { SipfError } from '../errors.ts';
import type { ModelSource } from '../records.ts';
import type { Fact } from '../remote/fact.ts';
import { Spread } from '../remote/spread.ts';
import { openReplicas } from './replicas.ts';
import type { Place, SamplerParts } from './sampler.ts';
import { readerOf, servedPolicy } from './served-policy.ts';

/** Servers of one model, and what they draw. */
export interface Serving {
  readonly places: readonly Place[];
  /** The files of the model that is there. */
  readonly serves: ModelSource;
  readonly others: 'refuse' | 'local' | 'adapter';
  readonly logps: 'server' | 'local';
  /** Requests at a time at each server, those of all policies together. */
  readonly concurrency: number;
  /** The most completions of one prompt that a request asks for. */
  readonly perRequest: number;
  /** Further tries of a request. */
  readonly retries: number;
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
  { local, log, ...parts }: Omit<SamplerParts, 'env'>,
): ServingSampler {
  const told = new Set<string>();
  const say = (message: string) => {
    if (!told.has(message)) log(message);
    told.add(message);
  };
  const opened = all.map((serving) => ({ serving, ...opener(serving, { ...parts, local, log: say }) }));
  const places = all.flatMap((serving) => serving.places);
  const names = all.map(nameOfPlaces).join(', ');
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
      for (const { places: own, serves } of all) {
        await using here = await local.openPolicy(serves);
        for (const place of own) tables.push({ name: 'address', value: place.name }, ...(await place.table(here)));
      }
      return tables;
    },
    async release() {
      for (const place of places) await place.release();
    },
    async [Symbol.asyncDispose]() {
      for (const { spread } of opened) spread[Symbol.dispose]();
      for (const place of places) await place[Symbol.asyncDispose]();
    },
  };
}

/** What of a source a place loads on top of its model; null: it does not have that source. */
function adapterThere({ serves, others }: Serving, source: ModelSource): { readonly adapter: string | null } | null {
  if (nameOf(source) === nameOf(serves)) return { adapter: null };
  const isOnTop = others === 'adapter' && resolve(source.model) === resolve(serves.model);
  return isOnTop && source.adapter !== undefined ? { adapter: source.adapter } : null;
}

/** Opens what is at its servers. */
function opener(serving: Serving, parts: Omit<SamplerParts, 'env'>) {
  const { places, logps, concurrency, perRequest, retries } = serving;
  const { local, log } = parts;
  const names = places.map(({ name }) => name);
  const spread = new Spread({ setting: 'engine.sampler', names, concurrency, retries }, parts);
  const sent = { perRequest, perServer: concurrency * perRequest, together: Math.max(1, Math.floor(concurrency / 8)) };
  let needsAll = true;
  const open = async (source: ModelSource, adapter: string | null): Promise<Policy> => {
    const here = await local.openPolicy(source);
    try {
      const there = await openReplicas(places, { here, adapter, needsAll });
      needsAll = false;
      const computed: Policy['logps'] = (items, options) => {
        if (logps === 'server')
          log(`${nameOfPlaces(serving)} tells no log-probabilities of given texts: they are computed here.`);
        return here.logps(items, options);
      };
      const reader = (logps === 'server' ? readerOf(here, there, spread) : null) ?? computed;
      return servedPolicy(here, there, { ...sent, spread, reader });
    } catch (error) {
      await here[Symbol.asyncDispose]();
      throw error;
    }
  };
  return { open, spread };
}

function nameOfPlaces({ places: [first, ...more] }: Serving): string {
  return [first?.name, ...(more.length === 0 ? [] : [`${more.length} more`])].join(' and ');
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

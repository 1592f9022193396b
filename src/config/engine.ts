// A configuration -> where its models execute, as a backend is opened.

import type { EngineOptions } from '../engine-settings.ts';
import { SipfError } from '../errors.ts';
import type { Config } from './schema.ts';

/**
 * The engine of a configuration, as `openBackend` takes it: a server's model by its files.
 * @example
 * await using backend = await openBackend(engineOf(config));
 * @throws SipfError 'bad-config' where a server is to serve a model that has no files of its own.
 */
export function engineOf({ engine, model, adapter, simulator }: Config): EngineOptions {
  const { sampler, ...rest } = engine;
  if (sampler === null) return { ...rest, sampler };
  const served = sampler.serves === 'simulator' ? simulator : { model, adapter };
  if (served !== 'self' && typeof served.model === 'string' && served.model !== '')
    return { ...rest, sampler: { ...sampler, serves: { model: served.model, adapter: served.adapter ?? undefined } } };
  throw new SipfError(
    'bad-config',
    `Expected the files of a model at ${sampler.serves} for engine.sampler.serves, got ${JSON.stringify(served === 'self' ? served : served.model)}. Name the model that the server has, or set engine.sampler null.`,
  );
}

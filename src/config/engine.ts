// A configuration -> where its models execute, as a backend is opened.

import type { EngineOptions, EngineSettings, SamplerOptions } from '../engine-settings.ts';
import { SipfError } from '../errors.ts';
import type { Config } from './schema.ts';

/**
 * The engine of a configuration, as `openBackend` takes it: a server's model by its files.
 * @example
 * await using backend = await openBackend(engineOf(config));
 * @throws SipfError 'bad-config' where a server is to serve a model that has no files of its own, or to draw what it cannot.
 */
export function engineOf(config: Config): EngineOptions {
  const { sampler, ...rest } = config.engine;
  if (sampler === null) return { ...rest, sampler };
  return { ...rest, sampler: [sampler].flat().map((one) => servedFiles(config, one)) };
}

/** A server with the files of its model. */
function servedFiles(
  config: Config,
  sampler: Exclude<EngineSettings['sampler'], readonly unknown[] | null>,
): SamplerOptions {
  const { simulator } = config;
  checkDrawn(config, sampler.serves);
  const served = sampler.serves === 'simulator' ? simulator : config;
  if (served !== 'self' && typeof served.model === 'string' && served.model !== '') {
    // A server that loads adapters has the base, and loads this one as the others.
    const adapter = sampler.others === 'adapter' ? undefined : (served.adapter ?? undefined);
    return { ...sampler, serves: { model: served.model, adapter } };
  }
  throw new SipfError(
    'bad-config',
    `Expected the files of a model at ${sampler.serves} for engine.sampler.serves, got ${JSON.stringify(served === 'self' ? served : served.model)}. Name the model that the server has, or set engine.sampler null.`,
  );
}

/** A server draws whole completions: it cannot stop where a calculator writes, and does not tell where tokens end. */
function checkDrawn(config: Config, serves: 'model' | 'simulator'): void {
  const ofModel =
    config.simulator === 'self' ? (['sampling', 'labels', 'evaluate'] as const) : (['sampling', 'evaluate'] as const);
  const drawn = serves === 'model' ? ofModel : (['labels'] as const);
  const calculator = drawn.find((section) => config[section].calculator);
  const keeps = serves === 'model' && config.sampling.keepLogps === true;
  const asked = calculator !== undefined ? `${calculator}.calculator` : keeps ? 'sampling.keepLogps' : null;
  if (asked === null) return;
  throw new SipfError(
    'bad-config',
    `Expected ${asked} false for a server as engine.sampler, got true. Set it false, or engine.sampler null.`,
  );
}

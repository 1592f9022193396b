// The one list of samplers elsewhere: the settings of `engine.sampler` and what opens them follow.
import { z } from 'zod';
import { SipfError, shown } from '../errors.ts';
import { openai } from './openai.ts';
import type { Given, Kind, SamplerKind, SamplerParts } from './sampler.ts';
import { type Serving, type ServingSampler, servingSampler } from './serving-sampler.ts';

/** Settings and opening of one sampler out of several kinds. */
export function samplersOf<Settings extends readonly [Kind, ...Kind[]]>(
  ...kinds: { readonly [I in keyof Settings]: SamplerKind<Settings[I]> }
) {
  const all: readonly SamplerKind<Kind>[] = kinds;
  const nameOf = ({ settings }: SamplerKind<Kind>) => settings.shape.kind.value;
  // `map` forgets which kind is where.
  const settings = all.map((kind) => kind.settings) as readonly Kind[] as Settings;
  return {
    settings: z.discriminatedUnion('kind', settings),
    /** @throws SipfError 'bad-input' where kind or settings are unknown, and of the kind itself. */
    open({ serves, ...given }: Given<Settings[number]>, parts: SamplerParts): Serving {
      const found = all.find((kind) => nameOf(kind) === given.kind);
      if (found !== undefined) {
        const { settings: own, places } = found.open(given, { ...parts, source: serves });
        return { ...own, serves, places };
      }
      throw new SipfError(
        'bad-input',
        `Expected a kind of sampler (${all.map(nameOf).join(', ')}), got ${shown(given.kind)}. Name one of them.`,
      );
    },
  };
}

/** Every kind. A further one is a file, and a name here. */
const SAMPLERS = samplersOf(openai);

export const SamplerSettings = SAMPLERS.settings;

/** A sampler elsewhere, as a library names it. */
export type SamplerOptions = Parameters<typeof SAMPLERS.open>[0];

/**
 * One sampler out of all that are given: each model is drawn where it is.
 * @throws SipfError 'bad-input' where kind or settings are unknown, 'bad-config' where an API key is not there.
 */
export function openSampler(given: SamplerOptions | readonly SamplerOptions[], parts: SamplerParts): ServingSampler {
  const all = [given].flat().map((one) => SAMPLERS.open(one, parts));
  return servingSampler(all, parts);
}

// A run directory and a configuration -> whether that very run is finished there. Reads only.
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { keptConfig } from '../config/paths.ts';
import type { Config } from '../config/schema.ts';
import { SipfError } from '../errors.ts';
import { jsonDifference } from '../hashing.ts';
import { readRun } from '../pipeline/run-reader.ts';
import { changesOf, readJson } from '../run/marker.ts';

/**
 * False where there is none or it has not come to its end.
 * @throws SipfError 'config-changed' (with the keys) where a run of other settings is there.
 */
export async function isFinished(dir: string, config: Config): Promise<boolean> {
  const stored = await readJson(join(dir, 'config.json'), z.object({ config: z.unknown() }));
  if (stored === null) return false;
  const wanted: unknown = JSON.parse(JSON.stringify(keptConfig(resolve(dir), config).config));
  const changes = jsonDifference(stored.config, wanted);
  if (changes.length > 0) {
    throw new SipfError(
      'config-changed',
      `Expected the settings that ${dir} was made with, got others:\n${changesOf(changes)}\nGive another --out, or delete that folder to run it again.`,
    );
  }
  return (await readRun(dir)).finished;
}

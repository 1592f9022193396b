// Settings of the engine -> what there is here of what they need beside this package.
import type { EngineOptions } from '../engine-settings.ts';
import { SipfError } from '../errors.ts';
import { openStorage, probeStorage } from '../storage/storage.ts';
import type { TrainerFinding } from '../trainers/trainer.ts';
import { checkTrainer } from '../trainers/trainers.ts';
import { WAITS } from './waits.ts';

export type EngineFinding = TrainerFinding;

/**
 * Looks at what `openBackend` and a run would use, and runs no model: of a trainer elsewhere its program, packages and devices; whether a storage
 * lists, reads, writes and deletes.
 * @throws SipfError 'bad-input' where kind or settings are unknown.
 * @example
 * const findings = await checkEngine({ trainer: { kind: 'torch' } });
 */
export async function checkEngine(
  { trainer, storage }: Pick<EngineOptions, 'trainer' | 'storage'>,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<EngineFinding[]> {
  const own: EngineFinding = { name: 'trainer', state: 'ok', value: 'where everything else executes' };
  const trains = trainer ? await checkTrainer(trainer, { ...WAITS, env }) : [own];
  return storage ? [...trains, await storageFinding(storage, env)] : trains;
}

async function storageFinding(
  address: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<EngineFinding> {
  try {
    using storage = await openStorage(address, { env });
    await probeStorage(storage);
    return { name: 'storage', state: 'ok', value: `${storage.address} lists, reads, writes and deletes` };
  } catch (error) {
    if (!(error instanceof SipfError)) throw error;
    return { name: 'storage', state: 'fail', value: error.message };
  }
}

// Settings of the engine -> what there is here of what they need beside this package.
import type { EngineOptions } from '../engine-settings.ts';
import type { TrainerFinding } from '../trainers/trainer.ts';
import { checkTrainer } from '../trainers/trainers.ts';
import { WAITS } from './waits.ts';

export type EngineFinding = TrainerFinding;

/**
 * Looks at what `openBackend` would use, and runs no model: of a trainer elsewhere its program, packages and devices.
 * @throws SipfError 'bad-input' where kind or settings are unknown.
 * @example
 * const findings = await checkEngine({ trainer: { kind: 'torch' } });
 */
export async function checkEngine(
  { trainer }: Pick<EngineOptions, 'trainer'>,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<EngineFinding[]> {
  if (!trainer) return [{ name: 'trainer', state: 'ok', value: 'where everything else executes' }];
  return checkTrainer(trainer, { ...WAITS, env });
}

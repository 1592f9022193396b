// Settings of the torch trainer -> what `train.py --check` finds of Python, packages and devices.

import { messageOf } from '../../errors.ts';
import type { TorchSettings } from '../torch.ts';
import type { TrainerFinding, TrainerParts } from '../trainer.ts';
import { type ProgramEvent, readEvent } from './events.ts';
import { localLaunch } from './launch.ts';

type Check = Extract<ProgramEvent, { event: 'check' }>;

/** Starts the configured command; a problem is a finding, not an error. */
export async function checkTorch(
  { command, device, quantisation }: TorchSettings,
  { env }: Pick<TrainerParts, 'env'>,
): Promise<TrainerFinding[]> {
  const told: Check[] = [];
  const onLine = (line: string): boolean => {
    const event = readEvent(line);
    if (event?.event === 'check') told.push(event);
    return event !== null;
  };
  const name = 'trainer';
  const args = ['--check', ...(quantisation === null ? [] : ['--quantised'])];
  try {
    const launch = localLaunch({ command, env, threads: null });
    const { how, said } = await launch({ args, folder: null, onLine, signal: new AbortController().signal });
    const [check] = told;
    if (check) return findingsOf(command, check, device, quantisation);
    const value = `${command.join(' ')} ended with ${how}: ${said.at(-1) ?? 'nothing was said'}`;
    return [{ name, state: 'fail', value, advice: 'Correct engine.trainer.command: it runs a Python program.' }];
  } catch (error) {
    return [{ name, state: 'fail', value: messageOf(error) }];
  }
}

function findingsOf(
  command: readonly string[],
  check: Check,
  device: TorchSettings['device'],
  quantisation: TorchSettings['quantisation'],
): TrainerFinding[] {
  const found = [python(command, check), packagesFinding(check)];
  // Without its packages nobody knows what torch would find.
  const isUsable = found.every(({ state }) => state !== 'fail');
  return isUsable ? [...found, deviceFinding(check, device, quantisation)] : found;
}

function python(command: readonly string[], { python: version }: Check): TrainerFinding {
  return { name: 'trainer', state: 'ok', value: `torch by ${command.join(' ')}, Python ${version}` };
}

function packagesFinding({ packages, requirements, problem }: Check): TrainerFinding {
  const name = 'trainer packages';
  const advice = `Install them: pip install -r ${requirements}`;
  const missing = packages.filter(({ found }) => found === null);
  if (missing.length > 0) {
    const value = `missing: ${missing.map((one) => `${one.name} ${one.wanted}`).join(', ')}`;
    return { name, state: 'fail', value, advice };
  }
  if (problem !== null) return { name, state: 'fail', value: problem, advice };
  const other = packages.filter(({ wanted, found }) => found?.split('+')[0] !== wanted);
  const value = packages.map((one) => `${one.name} ${one.found}`).join(', ');
  if (other.length === 0) return { name, state: 'ok', value };
  const tested = other.map((one) => `${one.name} ${one.wanted}`).join(', ');
  return { name, state: 'warn', value: `${value}; tested with ${tested}`, advice };
}

function deviceFinding(
  { devices }: Check,
  wanted: TorchSettings['device'],
  quantisation: TorchSettings['quantisation'],
): TrainerFinding {
  const name = 'trainer device';
  if (devices.length > 0) return { name, state: 'ok', value: wanted === 'cpu' ? 'the processor' : devices.join(', ') };
  const value = 'the processor: torch finds no CUDA GPU';
  if (wanted !== 'cuda' && quantisation === null) return { name, state: 'ok', value };
  const setting = wanted === 'cuda' ? 'engine.trainer.device auto' : 'engine.trainer.quantisation null';
  return { name, state: 'fail', value, advice: `Install a torch build for CUDA, or set ${setting}.` };
}

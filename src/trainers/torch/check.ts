// Settings of the torch trainer -> what `train.py --check` finds of Python, packages and devices.

import { messageOf, throwIfAborted } from '../../errors.ts';
import { openStorage } from '../../storage/storage.ts';
import type { RaySettings } from '../ray-settings.ts';
import type { TorchSettings } from '../torch.ts';
import type { CheckParts, TrainerFinding } from '../trainer.ts';
import { type ProgramEvent, readEvent } from './events.ts';
import type { Launch } from './launch.ts';
import { localLaunch } from './local-launch.ts';
import { RayHead } from './ray-head.ts';
import { rayLaunch } from './ray-launch.ts';

/** How often a check asks a head that does not answer, beyond the first time. */
const CHECK_RETRIES = 2;

type Check = Extract<ProgramEvent, { event: 'check' }>;

/** Starts the program where it would train; a problem is a finding, not an error. @throws SipfError 'aborted'. */
export async function checkTorch(
  settings: TorchSettings,
  parts: CheckParts,
  signal: AbortSignal = new AbortController().signal,
): Promise<TrainerFinding[]> {
  const { command, ray } = settings;
  if (ray !== null) return checkRay(settings, ray, parts, signal);
  return checkProgram(settings, localLaunch({ ...parts, command, threads: null, log: () => undefined }), signal);
}

/** The cluster, and the program in a job of its own there. One that waits for resources is not waited for. */
async function checkRay(
  settings: TorchSettings,
  ray: RaySettings,
  parts: CheckParts,
  signal: AbortSignal,
): Promise<TrainerFinding[]> {
  const name = 'trainer cluster';
  const patient = { ...ray, retries: Math.min(ray.retries, CHECK_RETRIES) };
  const waits: string[] = [];
  const stop = new AbortController();
  const log = (message: string) => {
    waits.push(message);
    stop.abort();
  };
  try {
    const version = await new RayHead(patient, parts).version(signal);
    const cluster = { name, state: 'ok', value: `Ray ${version} at ${ray.url}` } as const;
    if (ray.storage !== null) await lookAt(ray.storage, parts, signal);
    const launch = rayLaunch(settings, patient, { ...parts, log });
    const found = await checkProgram(settings, launch, AbortSignal.any([signal, stop.signal]));
    const [value] = waits;
    if (value === undefined) return [cluster, ...found];
    const advice = 'What is installed there was not checked. A training waits, too: free them, or ask for less.';
    return [cluster, { name, state: 'warn', value, advice }];
  } catch (error) {
    throwIfAborted(signal);
    return [{ name, state: 'fail', value: messageOf(error) }];
  }
}

/** From this machine, which brings the jobs there. */
async function lookAt(address: string, { env }: CheckParts, signal: AbortSignal): Promise<void> {
  using storage = await openStorage(address, { env, signal });
  await storage.list('', false, 1);
}

async function checkProgram(settings: TorchSettings, launch: Launch, signal: AbortSignal): Promise<TrainerFinding[]> {
  const { command, quantisation, ray } = settings;
  const told: Check[] = [];
  const onLine = (line: string): boolean => {
    const event = readEvent(line);
    if (event?.event === 'check') told.push(event);
    return event !== null;
  };
  const name = 'trainer';
  const storage = ray?.storage ?? null;
  const args = [
    '--check',
    ...(quantisation === null ? [] : ['--quantised']),
    ...(storage === null ? [] : ['--storage', storage]),
  ];
  try {
    const { how, said } = await launch({ args, job: null, onLine, signal });
    const [check] = told;
    if (check) return findingsOf(settings, check);
    const value = `${command.join(' ')} ended with ${how}: ${said.at(-1) ?? 'nothing was said'}`;
    return [{ name, state: 'fail', value, advice: 'Correct engine.trainer.command: it runs a Python program.' }];
  } catch (error) {
    return [{ name, state: 'fail', value: messageOf(error) }];
  }
}

function findingsOf(settings: TorchSettings, check: Check): TrainerFinding[] {
  const { command, device, ray } = settings;
  const found = [python(command, check), packagesFinding(check, ray !== null)];
  // Without its packages nobody knows what torch would find.
  const isUsable = found.every(({ state }) => state !== 'fail');
  if (!isUsable) return found;
  const devices = deviceFinding(check, device);
  return [...found, devices, ...(ray === null || ray.storage === null ? [] : [storageFinding(ray.storage, check)])];
}

function storageFinding(address: string, { storage = null }: Check): TrainerFinding {
  const name = 'trainer storage';
  if (storage === null) return { name, state: 'ok', value: `${address} answers the cluster` };
  return { name, state: 'fail', value: storage };
}

function python(command: readonly string[], { python: version }: Check): TrainerFinding {
  return { name: 'trainer', state: 'ok', value: `torch by ${command.join(' ')}, Python ${version}` };
}

function packagesFinding({ packages, requirements, problem }: Check, isCluster: boolean): TrainerFinding {
  const name = 'trainer packages';
  const pins = packages.map((one) => `${one.name}==${one.wanted}`);
  const advice = isCluster
    ? `Install them on the machines of the cluster (pip install ${pins.join(' ')}), or let Ray do that: engine.trainer.ray.runtimeEnv ${JSON.stringify({ pip: pins })}`
    : `Install them: pip install -r ${requirements}`;
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

function deviceFinding({ devices }: Check, wanted: TorchSettings['device']): TrainerFinding {
  const name = 'trainer device';
  if (devices.length > 0) return { name, state: 'ok', value: wanted === 'cpu' ? 'the processor' : devices.join(', ') };
  const value = 'the processor: torch finds no CUDA GPU';
  if (wanted !== 'cuda') return { name, state: 'ok', value };
  return { name, state: 'fail', value, advice: 'Install a torch build for CUDA, or set engine.trainer.device auto.' };
}

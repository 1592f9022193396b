// A provider's name -> the backend that runs models there. Leaves the models themselves to the backends.
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Backend } from '../backend.ts';
import { type ProbeResult, probeProvider } from '../engine/runtime/probe.ts';
import { type TelemetryReport, telemetryReport } from '../engine/runtime/telemetry-report.ts';
import { SipfError } from '../errors.ts';
import { checkCount, MOST, MOST_THREADS } from '../limits.ts';
import { createWorkerBackend } from './local/worker-client.ts';
import { createScriptedBackend, type ScriptedOptions } from './scripted.ts';
import { tellingWarnings } from './warnings.ts';

export { type TelemetryReport, telemetryReport };

export interface OpenBackendOptions {
  readonly provider: 'cpu' | 'webgpu';
  /** Threads of one operation; absent: one for tiny models, else the runtime's choice. */
  readonly threads?: number;
  /** Sequences that are decoded together. */
  readonly slots?: number;
}

/**
 * Opens the backend of this process, whose engine has a thread of its own; the caller disposes it. With SIPF_BACKEND=scripted (tests of the command line) it is the scripted one,
 * whose options are the default export of the module that SIPF_SCRIPT names.
 * @param warn told once of each thing that the user should know of a model's files.
 */
export async function openBackend(
  options: OpenBackendOptions,
  warn?: ((message: string) => void) | undefined,
): Promise<Backend> {
  const backend = await openUntold(options);
  return warn ? tellingWarnings(backend, warn) : backend;
}

async function openUntold(options: OpenBackendOptions): Promise<Backend> {
  const { SIPF_BACKEND: kind, SIPF_SCRIPT: script } = process.env;
  if (kind === 'scripted') {
    if (script === undefined)
      throw new SipfError('bad-input', 'Expected SIPF_SCRIPT with SIPF_BACKEND=scripted, got none. Name a module.');
    const { default: scripted } = (await import(pathToFileURL(resolve(script)).href)) as { default: ScriptedOptions };
    return createScriptedBackend(scripted);
  }
  checkCount('threads', options.threads, MOST_THREADS);
  checkCount('slots', options.slots, MOST.slots);
  return createWorkerBackend(options);
}

/** Whether a provider starts and computes here, tried in a child process, since a broken driver may end the process that loads it. */
export function probe(provider: OpenBackendOptions['provider']): Promise<ProbeResult> {
  return probeProvider(provider);
}

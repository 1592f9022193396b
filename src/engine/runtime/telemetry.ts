// This process's environment -> one in which the runtime reports nothing about its use.
import { isMainThread } from 'node:worker_threads';
import { SipfError } from '../../errors.ts';

/** The runtime reads it once, at its first session. The only switch that also stops its files and its first event; its JavaScript has none. */
export const TELEMETRY_SWITCH = 'ORT_DISABLE_TELEMETRY';

/** What the runtime takes for a yes; everything else it takes for a no. */
const YES = /^\s*(?:1|true|yes|on|y)\s*$/i;
const NO = /^\s*(?:0|false|no|off|n)\s*$/i;

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether a runtime that starts in `env` reports nothing. */
export function isSilent(env: Environment): boolean {
  return YES.test(env[TELEMETRY_SWITCH] ?? '');
}

/** `env` with telemetry off, unless its owner switched it on in so many words: `ORT_DISABLE_TELEMETRY=0`. */
export function silent(env: Environment): Environment {
  const own = env[TELEMETRY_SWITCH] ?? '';
  return YES.test(own) || NO.test(own) ? env : { ...env, [TELEMETRY_SWITCH]: '1' };
}

/**
 * Switches telemetry off for this process, unless its owner switched it on.
 * @throws SipfError 'unsupported' in a worker thread that inherited no choice: its environment is a copy, which the runtime does not see.
 */
export function silenceRuntime(env: NodeJS.ProcessEnv = process.env, mainThread: boolean = isMainThread): void {
  const wanted = silent(env)[TELEMETRY_SWITCH];
  if (env[TELEMETRY_SWITCH] === wanted) return;
  if (mainThread) env[TELEMETRY_SWITCH] = wanted;
  else {
    throw new SipfError(
      'unsupported',
      `Expected ${TELEMETRY_SWITCH}=1 in the environment of a worker thread that starts the engine, got ${JSON.stringify(env[TELEMETRY_SWITCH] ?? 'nothing')}: ONNX Runtime would report its use. Set it in the main thread, before that thread starts.`,
    );
  }
}

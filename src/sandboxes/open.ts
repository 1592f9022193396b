// Which sandbox, and how long a program may take -> that sandbox.

import { z } from 'zod';
import { described } from '../described.ts';
import { MOST } from '../limits.ts';
import { PROGRAM_SECONDS, type Sandbox } from '../sandbox.ts';
import { createPyodideSandbox } from './embedded.ts';
import { createNativeSandbox } from './native.ts';

/** The kinds of sandbox. A further one is a name here and a line below. */
export const SandboxKind = z.enum(['embedded', 'native']);

const MAKERS: Readonly<Record<z.infer<typeof SandboxKind>, (options: { timeoutMs: number }) => Sandbox>> = {
  embedded: createPyodideSandbox,
  native: createNativeSandbox,
};

export const SandboxOptions = z.strictObject({
  kind: described(
    SandboxKind.default('embedded'),
    "embedded: CPython in WebAssembly. native: this machine's CPython in bubblewrap (Linux). Take native where programs need packages with native parts.",
  ),
  timeout: described(
    z.number().positive().max(MOST.seconds).default(PROGRAM_SECONDS),
    'Seconds of wall time for a program with its tests; one that takes longer is wrong. Raise it on a slow or busy machine.',
  ),
});
export type SandboxOptions = z.infer<typeof SandboxOptions>;

/** @throws SipfError 'unsupported' where the native sandbox cannot run. */
export function openSandbox({ kind, timeout }: SandboxOptions): Sandbox {
  return MAKERS[kind]({ timeoutMs: 1000 * timeout });
}

// Which sandbox, and how long a program may take -> that sandbox. Leaves what each one does to its own file.
import { z } from 'zod';
import { createNativeSandbox } from './native-sandbox.ts';
import { createPyodideSandbox } from './pyodide-sandbox.ts';
import { PROGRAM_SECONDS, type Sandbox } from './sandbox.ts';

export const SandboxOptions = z.strictObject({
  /** embedded: CPython in WebAssembly. native: this machine's CPython in bubblewrap (Linux). */
  kind: z.enum(['embedded', 'native']).default('embedded'),
  /** Seconds of wall time for a program with its tests: one that takes longer is wrong. */
  timeout: z.number().positive().default(PROGRAM_SECONDS),
});
export type SandboxOptions = z.infer<typeof SandboxOptions>;

/** @throws SipfError 'unsupported' where the native sandbox cannot run. */
export function openSandbox({ kind, timeout }: SandboxOptions): Sandbox {
  const timeoutMs = 1000 * timeout;
  return kind === 'native' ? createNativeSandbox({ timeoutMs }) : createPyodideSandbox({ timeoutMs });
}

// The sandbox contract on each implementation; the native one where bubblewrap is installed.
import { describe, it } from 'vitest';
import { createPyodideSandbox } from '../../src/sandboxes/embedded.ts';
import { createNativeSandbox, nativeSandboxProblem } from '../../src/sandboxes/native.ts';
import { sandboxContract } from './sandbox-suite.ts';

/** Programs that say no time of their own end by themselves, on a busy machine too. */
const LIMITS = { workers: 1, timeoutMs: 120_000 };

sandboxContract('the embedded sandbox', () => createPyodideSandbox(LIMITS));

const problem = nativeSandboxProblem();
if (problem) {
  console.warn(`The native sandbox is not tested: ${problem}.`);
  describe('the native sandbox', () => it.skip(`is not tested: ${problem}`, () => {}));
} else {
  sandboxContract('the native sandbox', () => createNativeSandbox(LIMITS));
}

// The sandbox contract on each implementation; the native one where bubblewrap is installed.
import { describe, it } from 'vitest';
import { createPyodideSandbox } from '../../src/sandboxes/embedded.ts';
import { createNativeSandbox, nativeSandboxProblem } from '../../src/sandboxes/native.ts';
import { sandboxContract } from './sandbox-suite.ts';

sandboxContract('the embedded sandbox', () => createPyodideSandbox({ workers: 1 }));

const problem = nativeSandboxProblem();
if (problem) {
  console.warn(`The native sandbox is not tested: ${problem}.`);
  describe('the native sandbox', () => it.skip(`is not tested: ${problem}`, () => {}));
} else {
  sandboxContract('the native sandbox', () => createNativeSandbox({ workers: 1 }));
}

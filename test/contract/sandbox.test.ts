// The sandbox contract on each implementation.
import { createPyodideSandbox } from '../../src/tasks/sandbox/pyodide-sandbox.ts';
import { sandboxContract } from './sandbox-suite.ts';

sandboxContract('the embedded sandbox', () => createPyodideSandbox({ workers: 1 }));

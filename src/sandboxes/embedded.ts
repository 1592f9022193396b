// Limits -> the embedded sandbox: CPython in WebAssembly (threat model: docs/sandbox.md).
import { messageOf, SipfError } from '../errors.ts';
import type { Sandbox } from '../sandbox.ts';
import { findPyodide, type HostCommand, hostCommand } from './host-command.ts';
import { HostProcess } from './host-process.ts';
import { Pool, type PoolOptions } from './pool.ts';

export interface PyodideSandboxOptions extends PoolOptions {
  /** Largest memory of the code's interpreter, and of the tests', in MiB; default 256. */
  readonly memoryMb?: number | undefined;
  /** A program that prints more than this is wrong; default 16 MiB. Nothing that it prints is kept. */
  readonly outputBytes?: number | undefined;
  /** Folder of another copy of the pyodide package. */
  readonly pyodide?: string | undefined;
}

/** Node, its compiled WebAssembly and two images of an interpreter, beside the two memories. */
const HOST_MB = 512;

/** Python alone takes 20 MB; WebAssembly addresses 4 GB. */
const MIN_MB = 32;
const MAX_MB = 4096;

/**
 * Opens the embedded sandbox; processes start with the first program.
 * @throws SipfError 'bad-input' for options out of range.
 * @example
 * await using sandbox = createPyodideSandbox();
 * await sandbox.grade({ code: 'def f(x): return x * x', tests: ['assert f(2) == 4'], entryPoint: 'f' }); // { kind: 'right' }
 */
export function createPyodideSandbox(options: PyodideSandboxOptions = {}): Sandbox {
  const { memoryMb = 256, outputBytes = 16 * 2 ** 20 } = options;
  if (!(memoryMb >= MIN_MB && memoryMb <= MAX_MB)) {
    const got = `Expected memoryMb of the sandbox from ${MIN_MB} to ${MAX_MB}, got ${memoryMb}.`;
    throw new SipfError('bad-input', `${got} Python alone takes 20.`);
  }
  const memoryBytes = Math.floor(memoryMb * 2 ** 20);
  const limits = { residentBytes: 2 * memoryBytes + HOST_MB * 2 ** 20 };
  let made: HostCommand | undefined;
  const command = () => {
    made ??= hostCommand(findPyodide(options.pyodide), { memoryBytes, outputBytes });
    return made;
  };
  const start = async () => {
    const found = command();
    try {
      return await HostProcess.start(found, limits);
    } catch (cause) {
      throw new SipfError(
        'unsupported',
        `Expected Python in WebAssembly (pyodide) to start, got: ${messageOf(cause)}. Run \`npm ci\` to repair the package pyodide; a sandbox needs about 300 MB of memory a worker.`,
        { cause },
      );
    }
  };
  return new Pool(start, async () => command().walls, options);
}

// Limits -> the native sandbox: this machine's CPython in two containers a program. Linux only.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { SipfError } from '../errors.ts';
import { checkCount, MOST } from '../limits.ts';
import type { Program, Sandbox, Verdict } from '../sandbox.ts';
import { frameOf } from './host/frames.ts';
import { hostFolder } from './host-command.ts';
import { FrameReader } from './message-frames.ts';
import { Pool, type PoolOptions, type Ran, type Runner, wrong } from './pool.ts';
import { seccompFilter } from './seccomp.ts';

export interface NativeSandboxOptions extends PoolOptions {
  /** Largest address space of one Python process, MiB; default 512. */
  readonly memoryMb?: number | undefined;
  /** Python's path inside the container (of /usr); default /usr/bin/python3. */
  readonly python?: string | undefined;
}

/** The descriptor from which bubblewrap reads the seccomp filter. */
const FILTER_FD = 3;
/** A question or answer longer than this ends the program. */
const MAX_MESSAGE = 64 * 2 ** 20;

/** Everything away but a read-only /usr and empty folders; no network, no other processes, no rights. */
function containerArgs(python: string, filter: Buffer | null): string[] {
  return [
    ...['--unshare-all', '--die-with-parent', '--new-session', '--clearenv', '--cap-drop', 'ALL'],
    ...['--uid', '65534', '--gid', '65534', '--hostname', 'sandbox'],
    ...['--ro-bind', '/usr', '/usr'],
    ...['bin', 'lib', 'lib64'].flatMap((name) => ['--symlink', `usr/${name}`, `/${name}`]),
    // Debian's libraries of numpy are links to links in this folder, which holds nothing else.
    ...['--ro-bind-try', '/etc/alternatives', '/etc/alternatives'],
    // Without its own limit, /dev would be memory that no limit counts.
    ...['--dev', '/dev', '--remount-ro', '/dev', '--size', String(16 * 2 ** 20), '--tmpfs', '/tmp'],
    ...['--ro-bind', join(hostFolder(), 'python'), '/sandbox', '--remount-ro', '/', '--chdir', '/tmp'],
    ...(filter ? ['--seccomp', String(FILTER_FD)] : []),
    '--',
    ...[python, '-I', '-B', '/sandbox/native.py'],
  ];
}

/** What keeps the native sandbox from running here; null: nothing. */
export function nativeSandboxProblem(python = '/usr/bin/python3'): string | null {
  if (process.platform !== 'linux') return `bubblewrap needs Linux, this is ${process.platform}`;
  const tried = spawnSync('bwrap', [...containerArgs(python, null).slice(0, -3), '-I', '-c', 'pass'], {
    encoding: 'utf8',
    timeout: 10_000,
    env: { PATH: process.env['PATH'] ?? '' },
  });
  if (tried.error) return `bwrap does not start: ${tried.error.message}`;
  return tried.status === 0 ? null : `bwrap cannot run ${python}: ${tried.stderr.trim().slice(0, 300)}`;
}

/**
 * Opens the native sandbox.
 * @throws SipfError 'unsupported' where bubblewrap or Python is missing.
 * @example
 * await using sandbox = createNativeSandbox({ workers: 2 });
 */
export function createNativeSandbox(options: NativeSandboxOptions = {}): Sandbox {
  const { memoryMb = 512, python = '/usr/bin/python3' } = options;
  checkCount('memoryMb of the sandbox', Math.ceil(memoryMb), MOST.memoryMb);
  const problem = nativeSandboxProblem(python);
  if (problem) {
    const advice = 'Install bubblewrap and python3 of the distribution, or use the embedded sandbox.';
    throw new SipfError('unsupported', `Expected bubblewrap and Python, got: ${problem}. ${advice}`);
  }
  const filter = seccompFilter();
  const walls = [
    'bubblewrap: empty network, process, IPC and user namespaces, no capabilities, a read-only /usr',
    filter ? 'a seccomp filter' : `no seccomp filter (no table of calls for ${process.arch})`,
  ];
  const args = containerArgs(python, filter);
  const start = async () => new NativeRunner(args, filter, Math.floor(memoryMb * 2 ** 20));
  return new Pool(start, async () => walls, options);
}

/** Two containers for one program. */
class NativeRunner implements Runner {
  readonly #children: readonly [code: ChildProcess, tests: ChildProcess];
  #usable = true;
  #asked = false;
  /** A question is with the code: one answer may come, and what comes else is not kept in the tests' pipe. */
  #awaited = false;

  constructor(args: readonly string[], filter: Buffer | null, memoryBytes: number) {
    const start = (role: string) =>
      spawn('bwrap', [...args, role, String(memoryBytes)], {
        stdio: ['pipe', 'pipe', 'ignore', 'pipe'],
        env: { PATH: process.env['PATH'] ?? '' },
      });
    this.#children = [start('candidate'), start('grader')];
    for (const { stdin, stdio } of this.#children) {
      stdin?.on('error', () => {});
      const pipe = stdio[FILTER_FD] as Writable;
      pipe.on('error', () => {});
      pipe.end(filter ?? undefined);
    }
  }

  get usable(): boolean {
    return this.#usable;
  }

  async grade(program: Program, timeoutMs: number): Promise<Ran> {
    this.#usable = false;
    try {
      return await new Promise<Ran>((resolve) => {
        this.#connect(resolve);
        setTimeout(resolve, timeoutMs, wrong('timeout', `no end after ${timeoutMs} ms`)).unref();
        this.#send(1, Buffer.from(JSON.stringify(program)));
      });
    } finally {
      this.kill();
    }
  }

  kill(): void {
    this.#usable = false;
    for (const child of this.#children) child.kill('SIGKILL');
  }

  #connect(settle: (graded: Ran) => void): void {
    const [code, tests] = this.#children;
    const answers = this.#reader(settle, (frame) => {
      if (!this.#awaited) settle(wrong('exception', 'the program answered what was not asked'));
      else this.#send(1, frame);
      this.#awaited = false;
    });
    const questions = this.#reader(settle, (frame) => {
      if (frame[0] === 0x56) settle({ kind: 'verdict', verdict: JSON.parse(frame.subarray(1).toString()) as Verdict });
      else this.#send(0, frame.subarray(1));
    });
    code.stdout?.on('data', (chunk: Buffer) => answers.push(chunk));
    tests.stdout?.on('data', (chunk: Buffer) => questions.push(chunk));
    tests.on('close', (status, signal) =>
      settle({ kind: 'lost', detail: `the tests' process ended (${signal ?? status})` }),
    );
    tests.on('error', (error) => settle({ kind: 'lost', detail: error.message }));
    code.on('error', (error) => settle({ kind: 'lost', detail: error.message }));
    code.on('close', (status, signal) => {
      const how = signal ?? `exit code ${status}`;
      if (!this.#asked) settle({ kind: 'lost', detail: `the code's process ended (${how})` });
      else
        settle(wrong(status === null || status > 128 ? 'exception' : 'exit', `the program ended its process: ${how}`));
    });
  }

  #reader(settle: (graded: Ran) => void, take: (frame: Buffer) => void): FrameReader {
    return new FrameReader(take, MAX_MESSAGE, () =>
      settle(wrong('memory', `the program gave back more than ${MAX_MESSAGE} bytes`)),
    );
  }

  #send(child: 0 | 1, body: Buffer): void {
    if (child === 0) this.#asked = this.#awaited = true;
    this.#children[child].stdin?.write(frameOf(body));
  }
}

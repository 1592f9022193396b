// A program with its tests -> a verdict, from this machine's python3. For tests only: no walls.
// It runs this repository's code and reference solutions of data sets, never a model's.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Program, Sandbox, Verdict } from '../src/sandbox.ts';

/** Forks for each line of stdin: one program. */
const RUNNER = `
import contextlib, io, json, os, signal, sys
def grade(program):
    def late(*_):
        raise TimeoutError('out of time')
    signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, program['seconds'])
    space = {'__name__': 'candidate'}
    try:
        tests = [compile(test, 'test', 'exec') for test in program['tests']]
        exec(program['setup'], space)
    except Exception as error:
        return {'kind': 'error', 'detail': f'{type(error).__name__}: {error}'}
    wrong = lambda reason, error: {'kind': 'wrong', 'reason': reason, 'detail': f'{type(error).__name__}: {error}'}
    try:
        try:
            code = compile(program['code'], 'code', 'exec')
        except (SyntaxError, ValueError) as error:
            return wrong('syntax', error)
        exec(code, space)
        for text, test in zip(program['tests'], tests):
            own = {**space}
            exec(test, own)
            if own.get('check') is not space.get('check') and '\\ncheck(' not in text:
                own['check'](space[program['entryPoint']])
    except AssertionError as error:
        return wrong('assertion', error)
    except TimeoutError as error:
        return wrong('timeout', error)
    except MemoryError as error:
        return wrong('memory', error)
    except SystemExit as error:
        return wrong('exit', error)
    except BaseException as error:
        return wrong('exception', error)
    return {'kind': 'right'}
for line in sys.stdin:
    program = json.loads(line)
    reader, writer = os.pipe()
    if os.fork() == 0:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            verdict = grade(program)
        os.write(writer, json.dumps(verdict)[:60000].encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, 'rb') as stream:
        text = stream.read().decode()
    os.wait()
    print(text or json.dumps({'kind': 'error', 'detail': 'no verdict'}), flush=True)
`;

/** How often a sandbox was made and disposed of, for tests of who owns it. */
interface SandboxCounts {
  made: number;
  disposed: number;
  graded: number;
}

/** A factory of such sandboxes; `counts` is filled in. */
export function pythonSandbox(counts: SandboxCounts = { made: 0, disposed: 0, graded: 0 }): () => Sandbox {
  return () => {
    counts.made += 1;
    return new PythonSandbox(counts);
  };
}

class PythonSandbox implements Sandbox {
  readonly #counts: SandboxCounts;
  readonly #waiting: ((verdict: Verdict) => void)[] = [];
  #child: ChildProcessWithoutNullStreams | null = null;

  constructor(counts: SandboxCounts) {
    this.#counts = counts;
  }

  grade({ code, setup = '', tests, entryPoint, timeoutMs = 60_000 }: Program): Promise<Verdict> {
    this.#counts.graded += 1;
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      const line = JSON.stringify({ code, setup, tests, entryPoint, seconds: timeoutMs / 1000 });
      this.#open().stdin.write(`${line}\n`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#counts.disposed += 1;
    this.#child?.kill();
  }

  #open(): ChildProcessWithoutNullStreams {
    if (this.#child !== null) return this.#child;
    const child = spawn('python3', ['-I', '-W', 'ignore', '-c', RUNNER]);
    child.unref();
    createInterface({ input: child.stdout }).on('line', (line) => this.#waiting.shift()?.(JSON.parse(line) as Verdict));
    child.on('close', () => {
      for (const resolve of this.#waiting.splice(0)) resolve({ kind: 'error', detail: 'python3 ended' });
    });
    this.#child = child;
    return child;
  }
}

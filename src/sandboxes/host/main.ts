// The embedded sandbox's process: programs on standard input -> verdicts on standard output.
import { Buffer } from 'node:buffer';
import type { Program, Verdict } from '../../sandbox.ts';
import { readFrame, writeFrame } from './frames.ts';
import { Interpreter } from './interpreter.ts';
import { Loader } from './loader.ts';
import { emptyRealm, removeNetwork } from './realm.ts';
import { Ended } from './wasm.ts';

/** What the parent says on the command line, as JSON. */
export interface HostConfig {
  readonly pyodide: string;
  readonly python: string;
  readonly memoryBytes: number;
  readonly outputBytes: number;
}

/** What the host says: it is ready; or a verdict, after which it may end. */
export type HostMessage = { readonly ready: true } | { readonly verdict: Verdict; readonly last: boolean };

/** Graded once before the first program: what the engine compiles on the way is compiled. */
const FIRST: Program = { code: 'def f(x):\n    return x\n', tests: ['assert f(1) == 1'], entryPoint: 'f' };

/** Two interpreters: one holds the code, one the tests. */
class Pair {
  readonly #code: Interpreter;
  #tests: Interpreter | null = null;
  #answers = 0;
  #broken: unknown = null;

  private constructor(code: Interpreter) {
    this.#code = code;
  }

  static async open(config: HostConfig): Promise<Pair> {
    const loader = new Loader(config.pyodide);
    const limits = { memoryBytes: config.memoryBytes, outputBytes: config.outputBytes };
    const pair = new Pair(await Interpreter.open(loader, { ...config, module: 'candidate', limits, answer: null }));
    const answer = (question: Buffer) => pair.#answer(question);
    pair.#tests = await Interpreter.open(loader, { ...config, module: 'grader', limits, answer });
    return pair;
  }

  /** Keeps the state that every program starts from. */
  start(): void {
    this.#code.snapshot();
    this.#tests?.snapshot(this.#code);
    const verdict = this.grade(FIRST);
    if (verdict.kind !== 'right') throw new Error(`The first program was not graded right: ${JSON.stringify(verdict)}`);
    this.reset();
  }

  grade(program: Program): Verdict {
    this.#answers = 0;
    try {
      return JSON.parse(this.#tests?.call(Buffer.from(JSON.stringify(program))).toString() ?? '') as Verdict;
    } catch (error) {
      this.#broken ??= error;
      return this.#verdictOf(this.#broken);
    }
  }

  /** They must be replaced: something broke, or they have grown too much to be cleaned. */
  get worn(): boolean {
    return this.#broken !== null || this.#code.worn || this.#tests?.worn === true;
  }

  /** Both interpreters as they were at `start`. */
  reset(): void {
    const both = this.#tests ? [this.#code, this.#tests] : [this.#code];
    for (const interpreter of both) interpreter.reset();
    Interpreter.restorePages(both);
  }

  #answer(question: Buffer): Buffer {
    try {
      const answer = this.#code.call(question);
      this.#answers++;
      return answer;
    } catch (error) {
      this.#broken ??= error;
      throw error;
    }
  }

  /** A program that breaks its interpreter is wrong; tests that do so before any code ran are ours. */
  #verdictOf(error: unknown): Verdict {
    const detail = (error instanceof Error ? error.message : String(error)).slice(0, 300);
    if (this.#answers === 0 && !this.#code.ended && this.#tests?.ended)
      return { kind: 'error', fault: 'tests', detail: `The tests ended their own interpreter: ${detail}` };
    if (error instanceof Ended) return { kind: 'wrong', reason: error.reason, detail };
    if (error instanceof RangeError)
      return { kind: 'wrong', reason: 'exception', detail: `the program used up the interpreter's stack: ${detail}` };
    return { kind: 'wrong', reason: 'exception', detail: `the program crashed the interpreter: ${detail}` };
  }
}

function send(message: HostMessage): void {
  writeFrame(Buffer.from(JSON.stringify(message)));
}

async function main(): Promise<void> {
  const exit = process.exit.bind(process);
  const config = JSON.parse(String(process.argv[2])) as HostConfig;
  removeNetwork();
  const pair = await Pair.open(config);
  emptyRealm();
  pair.start();
  send({ ready: true });
  for (let frame = readFrame(); frame; frame = readFrame()) {
    const verdict = pair.grade(JSON.parse(frame.toString()) as Program);
    const last = pair.worn;
    send({ verdict, last });
    if (last) break;
    pair.reset();
  }
  exit(0);
}

await main();

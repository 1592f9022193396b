// A folder with Pyodide -> one Python interpreter: bytes in, bytes out, reset in place.
import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GateLimits } from './gates.ts';
import type { Loader, Parts } from './loader.ts';
import { Ended, type WasmFunction } from './wasm.ts';

/** Memory is compared and restored in pieces of this size: small enough to copy little, large enough to call little. */
const PAGE = 16384;
/** Growth that is worth clearing; an interpreter that has grown more is replaced. */
const MAX_CLEARED = 32 * 2 ** 20;
const MAX_ANSWER = 64 * 2 ** 20;

/** Our own Python files, in the order in which they are loaded. */
const SOURCES = 'values candidate raised remote checks link cases faults grader embedded'.split(' ');

interface InterpreterOptions {
  /** Folder of our own Python files. */
  readonly python: string;
  /** Which of their entries is used: bytes in, bytes out. */
  readonly module: 'candidate' | 'grader';
  readonly limits: GateLimits;
  /** Who answers what this interpreter asks; null: nobody. */
  readonly answer: ((question: Buffer) => Buffer) | null;
}

/** Memory as pages; those of zeros are one, those that a twin has at the same place are the twin's. */
function takeImage(bytes: Buffer, twin: readonly Buffer[]): Buffer[] {
  const zero = Buffer.alloc(PAGE);
  return Array.from({ length: bytes.length / PAGE }, (_, page) => {
    const kept = bytes.subarray(page * PAGE, (page + 1) * PAGE);
    if (kept.equals(zero)) return zero;
    const same = twin[page];
    return same?.equals(kept) ? same : Buffer.from(kept);
  });
}

/** One interpreter behind its closed gate. */
export class Interpreter {
  readonly #parts: Parts;
  readonly #entry: number;
  #image: readonly Buffer[] = [];
  #stackPointer = 0;
  #current = Buffer.alloc(0);

  private constructor(parts: Parts, entry: number) {
    this.#parts = parts;
    this.#entry = entry;
  }

  /** Boots Python, loads our side of it and closes the gate. */
  static async open(loader: Loader, options: InterpreterOptions): Promise<Interpreter> {
    const parts = await loader.boot(options.limits, options.answer);
    const source = (name: string) => readFileSync(join(options.python, `${name}.py`), 'utf8');
    const sources = SOURCES.map((name) => [name, source(name)]);
    const { exports, memory } = parts;
    const text = (value: string) => {
      const bytes = Buffer.from(`${value}\0`);
      const pointer = Number(exports['malloc']?.(bytes.length));
      bytes.copy(Buffer.from(memory.buffer), pointer);
      return pointer;
    };
    const script =
      `import json\nSOURCES = json.loads(${JSON.stringify(JSON.stringify(sources))})\n` +
      'exec(compile(SOURCES[-1][1], "embedded.py", "exec"), {"SOURCES": SOURCES})\ndel SOURCES\n';
    if (exports['PyRun_SimpleStringFlags']?.(text(script), 0) !== 0)
      throw new Error(`Python started, but not our side of it: ${parts.said()}`);
    const module = Number(exports['PyImport_AddModule']?.(text('embedded')));
    const entry = Number(exports['PyObject_GetAttrString']?.(module, text(options.module)));
    if (!entry) throw new Error('Python started without its entry function');
    parts.gates.close();
    return new Interpreter(parts, entry);
  }

  get ended(): Ended | null {
    return this.#parts.gates.ended;
  }

  /** Takes what is in memory now as the state that `reset` returns to. Pages that `twin` took with the same bytes are kept once. */
  snapshot(twin?: Interpreter): void {
    this.#parts.gates.reset();
    this.#image = takeImage(this.#bytes(), twin ? twin.#image : []);
    this.#stackPointer = this.#parts.stackPointer.value;
  }

  /**
   * Bytes in, bytes out.
   * @throws Ended, or what WebAssembly throws, where the program broke the interpreter: it must not be used again.
   */
  call(data: Buffer): Buffer {
    const { gates } = this.#parts;
    const input = this.#capi('PyBytes_FromStringAndSize', 0, data.length);
    if (!input) gates.end(new Ended('memory', 'the request does not fit into memory'));
    data.copy(this.#bytes(), this.#capi('PyBytes_AsString', input));
    const output = this.#capi('PyObject_CallOneArg', this.#entry, input);
    const size = output ? this.#capi('PyBytes_Size', output) : -1;
    if (gates.ended) throw gates.ended;
    if (size < 0) gates.end(new Ended('exception', 'the program broke the interpreter that it ran in'));
    if (size > MAX_ANSWER) gates.end(new Ended('memory', `the program gave back ${size} bytes`));
    const start = this.#capi('PyBytes_AsString', output);
    return Buffer.from(this.#bytes().subarray(start, start + size));
  }

  /** It has grown more than is worth clearing. */
  get worn(): boolean {
    return this.#parts.memory.buffer.byteLength - this.#image.length * PAGE > MAX_CLEARED;
  }

  /** What is not in memory goes back to its first state; memory itself: `restorePages`. */
  reset(): void {
    this.#parts.gates.reset();
    this.#parts.stackPointer.value = this.#stackPointer;
    const bytes = this.#bytes();
    if (bytes.length > this.#image.length * PAGE) bytes.fill(0, this.#image.length * PAGE);
  }

  /** Puts every changed page of some interpreters back: page by page, so that what they have in common is read once. */
  static restorePages(interpreters: readonly Interpreter[]): void {
    const pages = Math.max(...interpreters.map((interpreter) => interpreter.#image.length));
    const each = interpreters.map((interpreter) => ({ bytes: interpreter.#bytes(), image: interpreter.#image }));
    for (let page = 0, start = 0; page < pages; page++, start += PAGE) {
      for (const { bytes, image } of each) {
        const kept = image[page];
        if (kept && bytes.compare(kept, 0, PAGE, start, start + PAGE) !== 0) kept.copy(bytes, start);
      }
    }
  }

  #bytes(): Buffer {
    const { buffer } = this.#parts.memory;
    if (this.#current.buffer !== buffer) this.#current = Buffer.from(buffer);
    return this.#current;
  }

  #capi(name: string, ...args: number[]): number {
    return Number((this.#parts.exports[name] as WasmFunction)(...args));
  }
}

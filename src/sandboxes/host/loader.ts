// A folder with Pyodide -> its started WebAssembly module, without its bridge to JavaScript.
import { Buffer } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type GateLimits, Gates } from './gates.ts';
import type { Imports, WasmApi, WasmInstance, WasmMemory } from './wasm.ts';

/** What starting Python leaves in our hands. */
export interface Parts {
  readonly memory: WasmMemory;
  readonly stackPointer: { value: number };
  readonly exports: WasmInstance['exports'];
  readonly gates: Gates;
  /** What Python and Emscripten have printed so far. */
  readonly said: () => string;
}

/** The parts of Emscripten's module object that are used before Python starts. */
interface EmscriptenModule {
  readonly FS: {
    mkdirTree(path: string): void;
    writeFile(path: string, data: Uint8Array): void;
    chdir(path: string): void;
  };
  readonly ENV: Record<string, string>;
}

type CreateModule = (settings: object) => Promise<unknown>;

/** Python's release, as its paths say it. */
const RELEASE = ['3', '13'] as const;
const ENVIRONMENT = { HOME: '/', PYTHONHASHSEED: '0', PYTHONDONTWRITEBYTECODE: '1', PYTHONINSPECT: '1' };
const PAGE_BYTES = 65536;

/** Starts interpreters; compiles once a process. */
export class Loader {
  readonly #wasm = (globalThis as unknown as { WebAssembly: WasmApi }).WebAssembly;
  readonly #folder: string;
  #module: object | null = null;

  /** @param folder the npm package. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** @throws Error with what was printed where Python does not start. */
  async boot(limits: GateLimits, answer: ((question: Buffer) => Buffer) | null): Promise<Parts> {
    const created = await this.#createModule();
    this.#module ??= await this.#wasm.compile(readFileSync(join(this.#folder, 'pyodide.asm.wasm')));
    const compiled = this.#module;
    const found: { imports?: Imports; instance?: WasmInstance } = {};
    const memoryOf = () => found.imports?.['env']?.['memory'] as WasmMemory;
    const gates = new Gates(limits, () => Buffer.from(memoryOf().buffer), answer);
    const restore = this.#intercept(limits, gates);
    let said = '';
    const say = (text: unknown) => {
      said = `${said}${text}\n`.slice(-2000);
    };
    try {
      const settings = this.#settings(say, (imports) => {
        found.imports = imports;
        found.instance = new this.#wasm.Instance(compiled, imports);
        return found.instance;
      });
      await created({ ...settings, compiled });
    } catch (error) {
      throw new Error(`${error instanceof Error ? error.message : String(error)} ${said}`.trim());
    } finally {
      restore();
    }
    const { imports, instance } = found;
    if (!imports || !instance) throw new Error(`Pyodide started without its WebAssembly module. ${said}`);
    const stackPointer = imports['env']?.['__stack_pointer'] as { value: number };
    return { memory: memoryOf(), stackPointer, exports: instance.exports, gates, said: () => said };
  }

  async #createModule(): Promise<CreateModule> {
    const holder = globalThis as { _createPyodideModule?: CreateModule };
    if (!holder._createPyodideModule) await import(pathToFileURL(join(this.#folder, 'pyodide.asm.js')).href);
    if (holder._createPyodideModule) return holder._createPyodideModule;
    throw new Error('pyodide.asm.js defines no module');
  }

  #settings(say: (text: unknown) => void, instantiate: (imports: Imports) => WasmInstance): object {
    const refuse = () => {
      throw new Error('Pyodide without its bridge has no such thing');
    };
    return {
      noImageDecoding: true,
      noAudioDecoding: true,
      arguments: [],
      print: say,
      printErr: say,
      stdin: () => null,
      API: {
        config: { env: ENVIRONMENT, jsglobals: Object.create(null), packages: [] },
        runtimeEnv: { IN_NODE: true, IN_NODE_ESM: true },
        lockFilePromise: new Promise(() => {}),
      },
      locateFile: (name: string) => join(this.#folder, name),
      preRun: [(module: EmscriptenModule) => this.#files(module)],
      instantiateWasm: (imports: Imports, receive: (instance: WasmInstance, module: object | null) => void) => {
        imports['sentinel'] = { create_sentinel: refuse, is_sentinel: () => 0 };
        receive(instantiate(imports), this.#module);
        return {};
      },
    };
  }

  #files({ FS, ENV }: EmscriptenModule): void {
    const [major, minor] = RELEASE;
    FS.mkdirTree(`/lib/python${major}.${minor}/site-packages`);
    FS.writeFile(`/lib/python${major}${minor}.zip`, readFileSync(join(this.#folder, 'python_stdlib.zip')));
    FS.chdir('/');
    Object.assign(ENV, ENVIRONMENT);
  }

  /** Every instance made meanwhile passes the gate: the module itself, and the tiny ones by which single JavaScript functions get into its table. */
  #intercept(limits: GateLimits, gates: Gates): () => void {
    const wasm = this.#wasm;
    const { Memory, Instance } = wasm;
    // Where engines have it, functions would go into the table by way of it, past the tiny modules.
    Reflect.deleteProperty(wasm, 'Function');
    wasm.Memory = class extends Memory {
      constructor(size: { initial: number; maximum: number }) {
        super({ ...size, maximum: Math.min(size.maximum, Math.ceil(limits.memoryBytes / PAGE_BYTES)) });
      }
    };
    wasm.Instance = class extends Instance {
      constructor(module: object, imports: Imports = {}) {
        super(module, gates.wrap(imports, wasm.Module.imports(module)));
      }
    };
    return () => Object.assign(wasm, { Memory, Instance });
  }
}

// Types of the few WebAssembly parts that the host uses, which Node's types lack.

export type WasmFunction = (...args: number[]) => number | undefined;

export type Imports = Record<string, Record<string, unknown>>;

export interface WasmInstance {
  readonly exports: Readonly<Record<string, WasmFunction>>;
}

export interface WasmMemory {
  readonly buffer: ArrayBuffer;
}

export interface WasmApi {
  Module: {
    new (bytes: Uint8Array): object;
    imports(module: object): { module: string; name: string; kind: string }[];
  };
  Instance: new (module: object, imports?: Imports) => WasmInstance;
  Memory: new (size: { initial: number; maximum: number }) => WasmMemory;
  compile(bytes: Uint8Array): Promise<object>;
}

/** What ended an interpreter from inside a program. */
export class Ended extends Error {
  readonly reason: 'exit' | 'exception' | 'memory';

  constructor(reason: 'exit' | 'exception' | 'memory', detail: string) {
    super(detail);
    this.reason = reason;
  }
}

// A graph -> a program that runs on an execution provider. The only file that imports the runtime; owns sessions and their temporary files.

import { linkSync, mkdtempSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { InferenceSession, Tensor as RuntimeTensor } from 'onnxruntime-node';
import { messageOf, SipfError, sipfCommand } from '../../errors.ts';
import { sha256 } from '../../hashing.ts';
import { type Dim, evaluate, isName } from '../dims.ts';
import type { Graph, Tensor } from '../graph.ts';
import type { Provider } from '../ops/op.ts';
import { outputName, serialise } from './onnx.ts';
import { silenceRuntime } from './telemetry.ts';

export type { Provider };

/** A dense row-major array. float32: Float32Array; int64: BigInt64Array; bool: Uint8Array. */
export interface HostArray<
  Data extends Float32Array | BigInt64Array | Uint8Array = Float32Array | BigInt64Array | Uint8Array,
> {
  readonly data: Data;
  readonly shape: readonly number[];
}

export interface EngineOptions {
  readonly provider: Provider;
  /** Threads of one operator; default: one for graphs of small operators, else the runtime's choice (one a physical core). */
  readonly threads?: number | undefined;
}

export interface CompileOptions {
  /**
   * true: weights are copied into the kernels' own layout (fast at few rows; a private copy of the weights).
   * false: weights are memory-mapped (session in milliseconds, no anonymous memory).
   */
  readonly prepack: boolean;
  /**
   * Keep the session when its programs are disposed, until the engine is: the next who asks for the same graph gets it. Only for graphs without
   * frozen weights, and of small arrays: a session keeps the memory that its largest run took.
   */
  readonly keep?: boolean;
}

/** What a message of the runtime says, in one line: what comes before is a place in its source. */
export function plainReason(message: string): string {
  const lines = message.split('\n').map((line) => line.trim());
  return (lines.findLast((line) => line !== '') ?? 'nothing was said').replace(/^.* was false\. /, '');
}

/** Path of the runtime's entry, for code that loads it in a process of its own. */
export const runtimeEntry = (): string => createRequire(import.meta.url).resolve('onnxruntime-node');

/** Weights a node below which handing an operator to several threads costs more than it saves: between 0.5M parameters in 4 layers and 2.8M in 6. */
const SMALL = 2500;

/** One thread for a model of small operators; undefined: the runtime's choice. Weights are frozen ones and inputs of fixed shape. */
export function threadsFor({ nodes, weights, inputs }: Graph): number | undefined {
  const frozen = [...weights.values()].map(({ slice }) => slice.shape);
  const fed = inputs.map(({ shape }) => shape).filter((shape) => shape.every((dim) => typeof dim === 'number'));
  const elements = [...frozen, ...(fed as number[][])].reduce(
    (sum, shape) => sum + shape.reduce((product, dim) => product * dim, 1),
    0,
  );
  return elements > 0 && elements / nodes.length < SMALL ? 1 : undefined;
}

/** Creates programs and counts their sessions: these are few, and never made in a loop. Disposing releases those that are kept. */
export class Engine implements AsyncDisposable {
  readonly provider: Provider;
  readonly #threads: number | undefined;
  /** By the hash of the model's bytes and how it is compiled. */
  readonly #kept = new Map<string, Promise<ProgramParts>>();
  #live = 0;
  #created = 0;

  constructor({ provider, threads }: EngineOptions) {
    silenceRuntime();
    this.provider = provider;
    this.#threads = threads;
  }

  /** Sessions alive now, kept ones included, and made since the start. */
  get sessions(): { live: number; created: number } {
    return { live: this.#live, created: this.#created };
  }

  /**
   * @param outputs the tensors to compute, by the names `run` returns them under.
   * @throws SipfError 'provider-unavailable' where the provider cannot start.
   */
  async compile(
    graph: Graph,
    outputs: Readonly<Record<string, Tensor>>,
    { prepack, keep = false }: CompileOptions,
  ): Promise<Program> {
    if (!keep) return new Program(await this.#create(graph, outputs, prepack));
    if (graph.weights.size > 0) throw new Error('A session that holds frozen weights is not kept: feed them');
    const names = Object.keys(outputs).join();
    const { bytes } = serialise(graph, outputs, { provider: this.provider, locate: () => '' });
    const key = sha256(bytes, `${names}/${prepack}/${threadsFor(graph)}`);
    const known = this.#kept.get(key) ?? this.#create(graph, outputs, prepack);
    this.#kept.set(key, known);
    try {
      return new Program({ ...(await known), release: async () => {} });
    } catch (thrown) {
      this.#kept.delete(key);
      throw thrown;
    }
  }

  /** Releases the kept sessions: no program of theirs runs any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    const kept = [...this.#kept.values()];
    this.#kept.clear();
    for (const parts of kept) await (await parts).release();
  }

  async #create(graph: Graph, outputs: Readonly<Record<string, Tensor>>, prepack: boolean): Promise<ProgramParts> {
    const { folder, links } = linkWeights(graph);
    try {
      const { bytes, inputs, nonEmpty } = serialise(graph, outputs, {
        provider: this.provider,
        locate: ({ file }) => links.get(file) as string,
      });
      const model = join(folder, 'model.onnx');
      writeFileSync(model, bytes);
      const session = await InferenceSession.create(
        model,
        this.#sessionOptions(prepack, this.#threads ?? threadsFor(graph)),
      );
      this.#live++;
      this.#created++;
      const release = async () => {
        await session.release();
        this.#live--;
      };
      return { session, inputs, outputs: Object.keys(outputs), nonEmpty, release };
    } catch (thrown) {
      throw this.#explain(thrown, folder);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  #sessionOptions(prepack: boolean, threads: number | undefined): InferenceSession.SessionOptions {
    return {
      executionProviders: [this.provider],
      graphOptimizationLevel: 'all',
      logSeverityLevel: 3,
      // A planned block per input shape, beside what the arena holds already: more memory, and no faster.
      enableMemPattern: false,
      ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
      extra: { session: { disable_prepacking: prepack ? '0' : '1' } },
    };
  }

  #explain(thrown: unknown, folder: string): unknown {
    const message = messageOf(thrown);
    const refusal = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : '';
    if (/^E[A-Z]+$/.test(refusal)) {
      return new SipfError(
        'write-failed',
        `Expected to write the small files of a session into ${folder}, got ${refusal}. Free disk space there, or put TMPDIR on the disk of the weights where that has some.`,
        { cause: thrown },
      );
    }
    const unavailable =
      this.provider !== 'cpu' && /no available backend|WebGpuContext|adapter|RequestDevice/i.test(message);
    if (!unavailable) return thrown;
    return new SipfError(
      'provider-unavailable',
      `Expected execution provider ${this.provider} to start here, got: ${plainReason(message)}. Use --provider cpu, or see \`${sipfCommand('doctor')}\`.`,
      { cause: thrown },
    );
  }
}

/**
 * The runtime reads external data only from the model's own folder and follows no symbolic link out of it, so each weight
 * file gets a hard link in a new folder: the temporary one, or, where that is another file system, one beside the weights.
 */
function linkWeights(graph: Graph): { folder: string; links: Map<string, string> } {
  const files = [...new Set([...graph.weights.values()].map(({ slice }) => slice.file))];
  checkLengths(graph, files);
  const failures: string[] = [];
  for (const parent of new Set([tmpdir(), ...files.map((file) => dirname(resolve(file)))])) {
    let folder: string | undefined;
    try {
      // The process's id tells whoever finds the folder whether it is left over.
      folder = mkdtempSync(join(parent, `.sipf-session-${process.pid}-`));
      const links = new Map<string, string>();
      for (const file of files) {
        links.set(file, `weights-${links.size}`);
        linkSync(realpathSync(file), join(folder, `weights-${links.size - 1}`));
      }
      return { folder, links };
    } catch (thrown) {
      failures.push(messageOf(thrown));
      if (folder) rmSync(folder, { recursive: true, force: true });
    }
  }
  throw new SipfError(
    'write-failed',
    `Expected to link the weight files into a temporary folder on their own disk, got: ${failures.join('; ')}. Make the folder of the weights writable, or put TMPDIR on its disk.`,
  );
}

interface ProgramParts {
  readonly session: InferenceSession;
  readonly inputs: readonly Tensor[];
  /** Names of the outputs. */
  readonly outputs: readonly string[];
  readonly nonEmpty: readonly Dim[];
  release(): Promise<void>;
}

function checkLengths(graph: Graph, files: readonly string[]): void {
  const sizes = new Map(files.map((file) => [file, statSync(file).size]));
  for (const [name, { slice }] of graph.weights) {
    const [end, size] = [slice.offset + slice.length, sizes.get(slice.file) as number];
    if (end <= size) continue;
    throw new SipfError(
      'bad-input',
      `Expected weight ${name} at bytes ${slice.offset} to ${end} of ${slice.file}, got a file of ${size} bytes. Write or fetch it again.`,
    );
  }
}

/** A compiled graph. Runs block the thread they are called on. */
export class Program implements AsyncDisposable {
  readonly #parts: ProgramParts;
  #disposed = false;

  constructor(parts: ProgramParts) {
    this.#parts = parts;
  }

  /**
   * Computes all outputs. Feeds that nothing needs are ignored.
   * @throws Error naming the input whose type or sizes do not fit the graph or the other inputs.
   */
  async run(feeds: Readonly<Record<string, HostArray>>): Promise<Record<string, HostArray>> {
    const { session, inputs, outputs, nonEmpty } = this.#parts;
    const bindings = new Map<string, number>();
    const given: Record<string, RuntimeTensor> = {};
    for (const input of inputs) {
      const value = feeds[input.name];
      if (!value) throw new Error(`Input ${input.name} is missing`);
      bind(input, value, bindings);
    }
    for (const input of inputs) {
      const value = feeds[input.name] as HostArray;
      check(input, value, bindings);
      given[input.name] = toRuntime(input, value);
    }
    const empty = nonEmpty.find((dim) => evaluate(dim, bindings) === 0);
    if (empty !== undefined)
      throw new Error(
        `Size ${empty} is 0: a matmul sums over it, transposed or scaled, and must have something to sum`,
      );
    const results = await session.run(given);
    const result = (name: string) => fromRuntime(results[outputName(name)] as RuntimeTensor);
    return Object.fromEntries(outputs.map((name) => [name, result(name)]));
  }

  /** run() where every output is float32. */
  async runFloat(feeds: Readonly<Record<string, HostArray>>): Promise<Record<string, HostArray<Float32Array>>> {
    return (await this.run(feeds)) as Record<string, HostArray<Float32Array>>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#disposed) return;
    this.#disposed = true;
    await this.#parts.release();
  }
}

function bind(input: Tensor, value: HostArray, bindings: Map<string, number>): void {
  if (input.shape.length !== value.shape.length) mismatch(input, value, 'rank');
  input.shape.forEach((dim, axis) => {
    if (isName(dim) && !bindings.has(dim)) bindings.set(dim, value.shape[axis] as number);
  });
}

function check(input: Tensor, value: HostArray, bindings: ReadonlyMap<string, number>): void {
  input.shape.forEach((dim, axis) => {
    const expected = evaluate(dim, bindings);
    if (expected !== undefined && expected !== value.shape[axis]) mismatch(input, value, `${dim} is ${expected} here`);
  });
  const elements = value.shape.reduce((a, b) => a * b, 1);
  if (elements !== value.data.length) mismatch(input, value, `${value.data.length} values`);
}

function mismatch(input: Tensor, value: HostArray, why: string): never {
  throw new Error(
    `Input ${input.name}: expected [${input.shape.join(', ')}], got [${value.shape.join(', ')}] (${why})`,
  );
}

function toRuntime({ name, dtype }: Tensor, { data, shape }: HostArray): RuntimeTensor {
  if (dtype === 'float32' && data instanceof Float32Array) return new RuntimeTensor('float32', data, shape);
  if (dtype === 'int64' && data instanceof BigInt64Array) return new RuntimeTensor('int64', data, shape);
  if (dtype === 'bool' && data instanceof Uint8Array) return new RuntimeTensor('bool', data, shape);
  throw new Error(`Input ${name}: expected ${dtype} data, got ${data.constructor.name}`);
}

function fromRuntime(tensor: RuntimeTensor): HostArray {
  return { data: tensor.data as Float32Array | BigInt64Array | Uint8Array, shape: tensor.dims };
}

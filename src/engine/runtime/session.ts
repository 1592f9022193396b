// A graph -> a program on an execution provider; owns sessions and their temporary files.
import { rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { messageOf, SipfError, sipfCommand } from '../../errors.ts';
import { sha256 } from '../../hashing.ts';
import { type DType, Graph, type Tensor } from '../graph.ts';
import type { Precision, Provider } from '../ops/op.ts';
import { type DeviceArray, DeviceArrays, type Feeds, type HostArray, type Traffic, typeOf } from './arrays.ts';
import { outputName, serialise } from './onnx.ts';
import { checkPrecision, orWithoutHalves } from './precision.ts';
import { Program, type ProgramParts } from './program.ts';
import { silenceRuntime } from './telemetry.ts';
import { linkWeights } from './weight-links.ts';

export type { DeviceArray, Feeds, HostArray, Results, Traffic, Value } from './arrays.ts';
export type { Precision, Program, Provider };

export interface EngineOptions {
  readonly provider: Provider;
  /** Default: float32. float16 is for GPUs. */
  readonly precision?: Precision | undefined;
  /** Threads of one operator; default: one for graphs of small operators, else the runtime's choice (one a physical core). */
  readonly threads?: number | undefined;
}

interface CompileOptions {
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
  /** Names of outputs that stay where they are computed: a run returns them as device arrays, which its caller disposes. */
  readonly stay?: readonly string[];
  /** What every run is fed besides: weights that are no part of the session. */
  readonly fixed?: Feeds;
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

/**
 * Creates programs and counts their sessions: these are few, and never made in a loop. Disposing releases those that are kept.
 * @example
 * await using engine = new Engine({ provider: 'cpu' });
 * await using program = await engine.compile(graph, { y }, { prepack: false });
 * const results = await program.run({ x: { data: Float32Array.of(1, 2), shape: [1, 2] } });
 * results.floats('y'); // [2, 4]
 */
export class Engine implements AsyncDisposable {
  readonly provider: Provider;
  readonly precision: Precision;
  readonly #threads: number | undefined;
  /** By the hash of the model's bytes and how it is compiled. */
  readonly #kept = new Map<string, Promise<ProgramParts>>();
  readonly #arrays = new DeviceArrays();
  #live = 0;
  #created = 0;

  /** @throws SipfError 'unsupported' where the provider has not the precision. */
  constructor({ provider, precision = 'float32', threads }: EngineOptions) {
    checkPrecision(provider, precision);
    silenceRuntime();
    this.provider = provider;
    this.precision = precision;
    this.#threads = threads;
  }

  /** Sessions alive now, kept ones included, and made since the start. */
  get sessions(): { live: number; created: number } {
    return { live: this.#live, created: this.#created };
  }

  /** Device arrays that nobody has disposed. */
  get liveArrays(): number {
    return this.#arrays.live;
  }

  /** What crossed so far between main memory and where the provider computes. On the CPU nothing is copied, and the meter counts the same. */
  get traffic(): Traffic {
    return this.#arrays.traffic;
  }

  /** An array kept where the provider computes, for many runs; the caller disposes it. On the CPU it is `array` itself: leave its values alone. */
  async place(array: HostArray): Promise<DeviceArray> {
    if (this.provider === 'cpu') return this.#arrays.own(this.#arrays.send(array));
    return (await (await this.#copier(typeOf(array), array, ['copy'])).run({ array })).device('copy');
  }

  /** The values of a device array; on the CPU they are its own. */
  async read(array: DeviceArray): Promise<HostArray> {
    if (this.provider === 'cpu') return this.#arrays.fetch(this.#arrays.tensorOf(array));
    // Reading a device tensor by its own method ends the process.
    return (await (await this.#copier(array.dtype, array, [])).run({ array })).array('copy');
  }

  #copier(dtype: DType, { shape }: { readonly shape: readonly number[] }, stay: readonly string[]): Promise<Program> {
    const graph = new Graph();
    const array = graph.input(
      'array',
      dtype,
      shape.map((_, axis) => `size${axis}`),
    );
    return this.compile(graph, { copy: array }, { prepack: false, keep: true, stay });
  }

  /**
   * @param outputs the tensors to compute, by the names `run` returns them under.
   * @throws SipfError 'provider-unavailable' when the provider cannot start.
   */
  async compile(
    graph: Graph,
    outputs: Readonly<Record<string, Tensor>>,
    { prepack, keep = false, stay = [], fixed = {} }: CompileOptions,
  ): Promise<Program> {
    if (!keep) return new Program(await this.#create(graph, outputs, prepack, stay), fixed);
    if (graph.weights.size > 0) throw new Error('A session that holds frozen weights is not kept: feed them');
    const names = Object.keys(outputs).join();
    const { provider, precision } = this;
    const { bytes } = serialise(graph, outputs, { provider, precision, locate: () => '' });
    const key = sha256(bytes, `${names}/${prepack}/${threadsFor(graph)}/${stay}`);
    const known = this.#kept.get(key) ?? this.#create(graph, outputs, prepack, stay);
    this.#kept.set(key, known);
    try {
      return new Program({ ...(await known), release: async () => {} }, fixed);
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

  async #create(
    graph: Graph,
    outputs: Readonly<Record<string, Tensor>>,
    prepack: boolean,
    stay: readonly string[],
  ): Promise<ProgramParts> {
    const { folder, links } = linkWeights(graph);
    try {
      const { bytes, inputs, nonEmpty } = serialise(graph, outputs, {
        provider: this.provider,
        precision: this.precision,
        locate: ({ file }) => links.get(file) as string,
      });
      const model = join(folder, 'model.onnx');
      writeFileSync(model, bytes);
      const places = Object.keys(outputs).map(
        (name) => [outputName(name), this.#placeOf(stay.includes(name))] as const,
      );
      const session = await InferenceSession.create(model, {
        ...this.#sessionOptions(prepack, this.#threads ?? threadsFor(graph)),
        preferredOutputLocation: Object.fromEntries(places),
      });
      this.#live++;
      this.#created++;
      const release = async () => {
        await session.release();
        this.#live--;
      };
      return { session, arrays: this.#arrays, inputs, outputs: Object.keys(outputs), stay, nonEmpty, release };
    } catch (thrown) {
      throw this.#explain(thrown, folder);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  #placeOf(stays: boolean): 'gpu-buffer' | 'cpu' {
    return stays && this.provider !== 'cpu' ? 'gpu-buffer' : 'cpu';
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
    if (!unavailable) return orWithoutHalves(thrown);
    return new SipfError(
      'provider-unavailable',
      `Expected execution provider ${this.provider} to start here, got: ${plainReason(message)}. Use --provider cpu, or see \`${sipfCommand('doctor')}\`.`,
      { cause: thrown },
    );
  }
}

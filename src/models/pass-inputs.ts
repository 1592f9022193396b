// Tokens and their places -> what every pass is fed: ids, positions, what each sees, RoPE tables.
import { cast, concat, less, mul, reshape, where } from '../engine/build.ts';
import type { Graph, Tensor } from '../engine/graph.ts';
import { int64 } from '../engine/host-arrays.ts';
import { PlacedArrays } from '../engine/placed-arrays.ts';
import type { Engine, Feeds, HostArray, Precision } from '../engine/runtime/session.ts';
import type { DecoderConfig } from './architectures/architecture.ts';
import { HIDDEN, type KeyValue, type RopeTable } from './architectures/attention.ts';
import { ropeTables } from './architectures/rope.ts';

/** A pass's inputs in its graph. */
export interface PassTensors {
  /** int64 `[batch, seq]`. */
  readonly ids: Tensor;
  /** int64 `[batch, seq]`. */
  readonly positions: Tensor;
  /** float32 `[batch, 1, seq, past + seq]`: 0 where a token sees another, HIDDEN elsewhere. */
  readonly bias: Tensor;
  /** One for each of DecoderConfig.ropes. */
  readonly ropes: readonly RopeTable[];
  /** Absent: none. */
  readonly cached?: CachedTensors;
}

/** Tokens of earlier passes. */
interface CachedTensors {
  /** float32 `[1, 1, 1, past]`: a token's position is its column. */
  readonly positions: Tensor;
  /** `[batch, kvHeads, past, headDim]` each. */
  readonly layers: readonly KeyValue[];
}

/**
 * Declares `ids`, `positions`, `bias`, `cos`, `sin` (`cos.1` ... of further tables), and with a past also `past.N.keys`, `past.N.values` and `columns`.
 * @param past numbers that the cache is kept in; absent: there is none.
 */
export function declareInputs(
  graph: Graph,
  config: DecoderConfig,
  { past }: { readonly past?: Precision } = {},
): PassTensors {
  const inputs = {
    ...declareTokens(graph, config, 'seq'),
    bias: graph.input('bias', 'float32', ['batch', 1, 'seq', past ? '(past+seq)' : 'seq']),
  };
  return past ? { ...inputs, cached: declareCached(graph, config, past) } : inputs;
}

/** The inputs of one token a row behind cached ones; what it sees follows from its position. */
export function declareStep(graph: Graph, config: DecoderConfig, past: Precision = 'float32'): PassTensors {
  const inputs = declareTokens(graph, config, 1);
  const cached = declareCached(graph, config, past);
  const lengths = cast(reshape(inputs.positions, ['batch', 1, 1, 1]), 'float32');
  const seen = where(less(cached.positions, lengths), graph.scalar(0), graph.scalar(HIDDEN));
  return { ...inputs, bias: concat([seen, mul(lengths, 0)], -1), cached };
}

function declareTokens(graph: Graph, { ropes }: DecoderConfig, seq: number | 'seq') {
  const table = (kind: 'cos' | 'sin', n: number) =>
    graph.input(ropeInput(kind, n), 'float32', ['ropeLength', (ropes[n] as Float32Array).length]);
  return {
    ids: graph.input('ids', 'int64', ['batch', seq]),
    positions: graph.input('positions', 'int64', ['batch', seq]),
    ropes: ropes.map((_, n) => ({ cos: table('cos', n), sin: table('sin', n) })),
  };
}

function declareCached(graph: Graph, { kvHeads, headDim, layers }: DecoderConfig, dtype: Precision): CachedTensors {
  const array = (n: number, kind: 'keys' | 'values') =>
    cast(graph.input(`past.${n}.${kind}`, dtype, ['batch', kvHeads, 'past', headDim]), 'float32');
  return {
    positions: reshape(graph.input('columns', 'float32', ['past']), [1, 1, 1, 'past']),
    layers: Array.from({ length: layers }, (_, n) => ({ keys: array(n, 'keys'), values: array(n, 'values') })),
  };
}

const ropeInput = (kind: 'cos' | 'sin', n: number): string => (n === 0 ? kind : `${kind}.${n}`);

/** A prompt and branches that follow it, or its beginning, in consecutive columns of a row. A token sees what its branch follows, and the branch up to itself. */
export interface Placed {
  readonly row: number;
  /** Column of the first token. */
  readonly offset: number;
  /** Cached tokens of the row, which all of them see and whose positions come first. */
  readonly past?: number;
  readonly prompt: readonly number[];
  /** Positions of each continue from the prompt's end, or from its fork. */
  readonly branches: readonly (readonly number[])[];
  /** How many tokens of the prompt each branch follows; absent: all. */
  readonly forks?: readonly number[];
}

export interface PassShape {
  readonly batch: number;
  readonly seq: number;
  /** Columns of cached tokens; default: none. Those beyond a row's own are hidden. */
  readonly past?: number;
}

/**
 * A pass's arrays by the names of declareInputs, RoPE tables and cached tokens aside. Columns that hold no token have id and position 0 and see
 * nothing.
 */
export function passInputs({ batch, seq, past = 0 }: PassShape, placed: readonly Placed[]): Record<string, HostArray> {
  const ids = new Int32Array(batch * seq);
  const positions = new Int32Array(batch * seq);
  const width = past + seq;
  const bias = new Float32Array(batch * seq * width).fill(HIDDEN);
  for (const { row, offset, past: cached = 0, ...tokens } of placed) {
    for (const { id, column, position, start, seen } of tokensOf(tokens)) {
      const token = row * seq + offset + column;
      ids[token] = id;
      positions[token] = cached + position;
      const first = token * width;
      const own = first + past + offset;
      bias.fill(0, first, first + cached);
      bias.fill(0, own, own + seen);
      bias.fill(0, own + start, own + column + 1);
    }
  }
  return {
    ids: { data: int64(ids), shape: [batch, seq] },
    positions: { data: int64(positions), shape: [batch, seq] },
    bias: { data: bias, shape: [batch, 1, seq, width] },
    columns: { data: Float32Array.from({ length: past }, (_, n) => n), shape: [past] },
  };
}

/** declareStep's arrays, RoPE tables and the cache's aside: one token a row, each behind as many cached ones. */
export function stepInputs(tokens: readonly number[], lengths: readonly number[]): Record<string, HostArray> {
  const column = (values: readonly number[]) => ({ data: int64(values), shape: [values.length, 1] });
  return { ids: column(tokens), positions: column(lengths) };
}

/** Tables for positions below `length`, by the names of declareInputs. */
export function ropeInputs({ ropes }: Pick<DecoderConfig, 'ropes'>, length: number): Record<string, HostArray> {
  const tables: Record<string, HostArray> = {};
  for (const [n, frequencies] of ropes.entries()) {
    const { cos, sin } = ropeTables(frequencies, length);
    const shape = [length, frequencies.length];
    tables[ropeInput('cos', n)] = { data: cos, shape };
    tables[ropeInput('sin', n)] = { data: sin, shape };
  }
  return tables;
}

/** RoPE tables kept where the provider computes, and grown by doubling. */
export class RopeTables implements Disposable {
  readonly #config: Pick<DecoderConfig, 'ropes'>;
  readonly #placed: PlacedArrays;
  #length = 0;
  #tables: Feeds = {};

  constructor(engine: Pick<Engine, 'place'>, config: Pick<DecoderConfig, 'ropes'>) {
    this.#config = config;
    this.#placed = new PlacedArrays(engine);
  }

  /** For rows of `seq` tokens behind at most `past`: the runtime wants tables as long as a row, though no position gets there. */
  async upTo(seq: number, past = 0): Promise<Feeds> {
    if (seq + past <= this.#length) return this.#tables;
    this.#length = Math.max(seq + past, 2 * this.#length, 512);
    this.#placed[Symbol.dispose]();
    const host = Object.entries(ropeInputs(this.#config, this.#length));
    const placed = host.map(async ([name, array]) => [name, await this.#placed.of(name, () => array)] as const);
    this.#tables = Object.fromEntries(await Promise.all(placed));
    return this.#tables;
  }

  [Symbol.dispose](): void {
    this.#placed[Symbol.dispose]();
    this.#length = 0;
  }
}

/** Each token's column and position in its placement, the column where its own branch starts, and how much it sees of the prompt. */
function* tokensOf({ prompt, branches, forks = [] }: Pick<Placed, 'prompt' | 'branches' | 'forks'>) {
  for (const [column, id] of prompt.entries()) yield { id, column, position: column, start: 0, seen: column + 1 };
  let start = prompt.length;
  for (const [b, branch] of branches.entries()) {
    const seen = forks[b] ?? prompt.length;
    for (const [n, id] of branch.entries()) yield { id, column: start + n, position: seen + n, start, seen };
    start += branch.length;
  }
}

// The cache on a device: small programs write it, and its arrays never leave.
import { cast, concat, equal, gather, greater, reshape, slice, transpose, where } from '../../engine/build.ts';
import { Graph, type Tensor } from '../../engine/graph.ts';
import { int64, zerosOf } from '../../engine/host-arrays.ts';
import type {
  DeviceArray,
  Engine,
  Feeds,
  HostArray,
  Precision,
  Program,
  Results,
} from '../../engine/runtime/session.ts';
import {
  type CacheShape,
  countTo,
  KvCache,
  type KvRows,
  type PastFeeds,
  pastInput,
  roundUp,
  rowsOf,
  SMALLEST_CAPACITY,
  tokensOf,
} from '../kv-cache.ts';

/** Some columns of a row of an array that several handles share. */
class DeviceRows implements KvRows {
  readonly shared: Shared;
  readonly row: number;
  readonly from: number;
  readonly tokens: number;

  constructor(shared: Shared, row: number, from: number, tokens: number) {
    this.shared = shared;
    this.row = row;
    this.from = from;
    this.tokens = tokens;
    shared.users++;
  }

  static of(rows: KvRows): DeviceRows {
    if (rows instanceof DeviceRows) return rows;
    throw new Error('Keys and values of another cache');
  }

  drop(): void {
    if (--this.shared.users === 0) this.shared.array[Symbol.dispose]();
  }
}

/** `[batch, 2·layers·kvHeads, seq, headDim]`, disposed with its last user. */
interface Shared {
  readonly array: DeviceArray;
  users: number;
}

/**
 * One array `[slots, kvHeads, capacity, headDim]` of the engine's precision a layer for keys and one for values. A write makes a second set of arrays, and the first is
 * disposed: two sets in turn, of one size until a sequence outgrows it.
 */
export class DeviceKvCache extends KvCache {
  readonly #engine: Engine;
  readonly #programs = new Map<keyof typeof GRAPHS, Program>();
  #arrays: DeviceArray[] = [];
  #columns: DeviceArray | undefined;
  #capacity = 0;

  constructor(engine: Engine, shape: CacheShape, slots: number) {
    super(shape, slots);
    this.#engine = engine;
  }

  async keep(array: DeviceArray, lengths: readonly number[]): Promise<KvRows[]> {
    const shared = { array, users: 0 };
    return lengths.map((tokens, row) => new DeviceRows(shared, row, 0, tokens));
  }

  split(rows: KvRows, at: number): [KvRows, KvRows] {
    const whole = DeviceRows.of(rows);
    const { shared, row, from, tokens } = whole;
    const [first, second] = [
      new DeviceRows(shared, row, from, at),
      new DeviceRows(shared, row, from + at, tokens - at),
    ];
    whole.drop();
    return [first, second];
  }

  drop(rows: KvRows): void {
    DeviceRows.of(rows).drop();
  }

  async pastOf(prefixes: readonly (readonly KvRows[])[], past: number): Promise<PastFeeds> {
    let arrays = await this.#zeros(prefixes.length, past);
    for (const [row, prefix] of prefixes.entries()) arrays = await this.#fill(arrays, { row, past }, prefix);
    return { feeds: named(arrays, pastInput), [Symbol.dispose]: () => disposeAll(arrays) };
  }

  async fork(slot: number, prefix: readonly KvRows[]): Promise<void> {
    this.lengths[slot] = 0;
    await this.#fit(Math.max(1, tokensOf(prefix)));
    this.#arrays = await this.#fill(this.#arrays, { row: slot, past: this.#capacity }, prefix);
    this.lengths[slot] = tokensOf(prefix);
  }

  async append(rows: DeviceArray, live: number): Promise<void> {
    using taken = rows;
    const at = this.lengths.map((length, slot) => (slot < live ? length : -1));
    await this.#fit(Math.max(0, ...at) + 1);
    const places = { data: Float32Array.from(at), shape: [this.slots, 1, 1, 1] };
    const columns = this.#columns as DeviceArray;
    this.#arrays = await this.#rewrite('append', this.#arrays, { rows: taken, at: places, columns });
    for (let slot = 0; slot < live; slot++) (this.lengths[slot] as number)++;
  }

  async copyOut(slot: number, from: number, to: number): Promise<KvRows> {
    const program = await this.#program('copyOut');
    const feeds = { slot: integers([slot]), at: integers(range(from, to)) };
    const copied = await program.run({ ...named(this.#arrays, cacheInput), ...feeds });
    return new DeviceRows({ array: copied.device('rows'), users: 0 }, 0, 0, to - from);
  }

  async move(from: number, to: number): Promise<void> {
    const order = integers(this.lengths.map((_, slot) => (slot === to ? from : slot)));
    this.#arrays = await this.#rewrite('reorder', this.#arrays, { order });
    this.lengths[to] = this.length(from);
    this.lengths[from] = 0;
  }

  width(): number {
    return this.slots;
  }

  feeds(): Feeds {
    return { ...named(this.#arrays, pastInput), columns: this.#columns as DeviceArray };
  }

  [Symbol.dispose](): void {
    disposeAll(this.#columns ? [...this.#arrays, this.#columns] : this.#arrays);
    this.#arrays = [];
    this.#columns = undefined;
    this.#capacity = 0;
  }

  /** Makes room for `tokens` in every slot: seldom, since room doubles. */
  async #fit(tokens: number): Promise<void> {
    const old = this.#capacity;
    if (tokens <= old) return;
    this.#capacity = Math.max(SMALLEST_CAPACITY, 2 * old, roundUp(tokens));
    const at = integers(range(0, this.#capacity).map((n) => Math.min(n, old - 1)));
    this.#arrays =
      old === 0 ? await this.#zeros(this.slots, this.#capacity) : await this.#rewrite('resize', this.#arrays, { at });
    this.#columns?.[Symbol.dispose]();
    this.#columns = await this.#engine.place({ data: countTo(this.#capacity), shape: [this.#capacity] });
  }

  /** Arrays of `slots` rows and `past` columns that hold nothing. */
  async #zeros(slots: number, past: number): Promise<DeviceArray[]> {
    const [rows, columns] = [rowsOf(this.shape), slots * past];
    const source = zerosOf(this.#engine.precision, [1, rows, 1, this.shape.headDim]);
    const inside = { data: new Float32Array(columns), shape: [slots, 1, past, 1] };
    const feeds = { source, row: integers([0]), at: integers(Array<number>(past).fill(0)), inside };
    return this.#arraysOf(await (await this.#program('start')).run(feeds));
  }

  /** Writes consecutive rows into row `row` of arrays that have `past` columns. */
  async #fill(
    arrays: DeviceArray[],
    { row, past }: { readonly row: number; readonly past: number },
    prefix: readonly KvRows[],
  ): Promise<DeviceArray[]> {
    const [slots] = (arrays[0] as DeviceArray).shape as [number];
    let filled = arrays;
    let start = 0;
    for (const piece of prefix.map(DeviceRows.of)) {
      const { shared, from, tokens } = piece;
      const first = start;
      const at = range(0, past).map((n) => from + Math.min(Math.max(n - first, 0), tokens - 1));
      const inside = new Float32Array(slots * past).fill(1, row * past + first, row * past + first + tokens);
      filled = await this.#rewrite('write', filled, {
        source: shared.array,
        row: integers([piece.row]),
        at: integers(at),
        inside: { data: inside, shape: [slots, 1, past, 1] },
      });
      start += tokens;
    }
    return filled;
  }

  /** The arrays after a write; those before it are given up. */
  async #rewrite(kind: keyof typeof GRAPHS, arrays: DeviceArray[], feeds: Feeds): Promise<DeviceArray[]> {
    const written = await (await this.#program(kind)).run({ ...named(arrays, cacheInput), ...feeds });
    disposeAll(arrays);
    return this.#arraysOf(written);
  }

  #arraysOf(written: Results): DeviceArray[] {
    return range(0, 2 * this.shape.layers).map((part) => written.device(`next.${part}`));
  }

  async #program(kind: keyof typeof GRAPHS): Promise<Program> {
    const graph = new Graph();
    const known =
      this.#programs.get(kind) ??
      (await compileStaying(
        this.#engine,
        graph,
        GRAPHS[kind](graph, { ...this.shape, dtype: this.#engine.precision }),
      ));
    this.#programs.set(kind, known);
    return known;
  }
}

function compileStaying(engine: Engine, graph: Graph, outputs: Readonly<Record<string, Tensor>>): Promise<Program> {
  return engine.compile(graph, outputs, { prepack: false, keep: true, stay: Object.keys(outputs) });
}

/** A cache's shape, and the type of its numbers. */
interface ArrayShape extends CacheShape {
  readonly dtype: Precision;
}

const cacheInput = (part: number): string => `cache.${part}`;

function named(arrays: readonly DeviceArray[], name: (part: number) => string): Record<string, DeviceArray> {
  return Object.fromEntries(arrays.map((array, part) => [name(part), array]));
}

function disposeAll(arrays: readonly DeviceArray[]): void {
  for (const array of arrays) array[Symbol.dispose]();
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, n) => from + n);

const integers = (values: readonly number[]): HostArray => ({ data: int64(values), shape: [values.length] });

/** The programs' graphs. Those that write take the arrays `cache.N` and give `next.N`. */
const GRAPHS = {
  /** One token a slot, at the column `at`; none where that is -1. */
  append: writer((graph, shape) => {
    const rows = graph.input('rows', shape.dtype, ['slots', rowsOf(shape), 1, shape.headDim]);
    const columns = reshape(graph.input('columns', 'float32', ['past']), [1, 1, 'past', 1]);
    const here = equal(columns, graph.input('at', 'float32', ['slots', 1, 1, 1]));
    return (part) => where(here, headsOf(rows, part, shape), cacheOf(graph, part, shape));
  }),
  /** Tokens of `source` in the columns `inside`, and zeros. */
  start: writer((graph, shape) => {
    const { inside, tokens } = moved(graph, shape);
    const nothing = cast(graph.scalar(0), shape.dtype);
    return (part) => where(inside, headsOf(tokens, part, shape), nothing);
  }),
  /** Tokens of `source` in the columns `inside`, and what is there already. */
  write: writer((graph, shape) => {
    const { inside, tokens } = moved(graph, shape);
    return (part) => where(inside, headsOf(tokens, part, shape), cacheOf(graph, part, shape));
  }),
  resize: writer((graph, shape) => {
    const at = graph.input('at', 'int64', ['more']);
    return (part) => columnsAt(cacheOf(graph, part, shape), at);
  }),
  reorder: writer((graph, shape) => {
    const order = graph.input('order', 'int64', ['slots']);
    return (part) => gather(cacheOf(graph, part, shape), order);
  }),
  /** Columns `at` of a slot: `rows [1, 2·layers·kvHeads, n, headDim]`. */
  copyOut(graph: Graph, shape: ArrayShape): Readonly<Record<string, Tensor>> {
    const slot = graph.input('slot', 'int64', [1]);
    const parts = range(0, 2 * shape.layers).map((part) => gather(cacheOf(graph, part, shape), slot));
    return { rows: columnsAt(concat(parts, 1), graph.input('at', 'int64', ['n'])) };
  },
};

/** @param build what the program shares among the arrays -> the new value of each. */
function writer(build: (graph: Graph, shape: ArrayShape) => (part: number) => Tensor) {
  return (graph: Graph, shape: ArrayShape): Readonly<Record<string, Tensor>> => {
    const next = build(graph, shape);
    return Object.fromEntries(range(0, 2 * shape.layers).map((part) => [`next.${part}`, next(part)]));
  };
}

function cacheOf(graph: Graph, part: number, { kvHeads, headDim, dtype }: ArrayShape): Tensor {
  return graph.input(cacheInput(part), dtype, ['slots', kvHeads, 'past', headDim]);
}

function headsOf(rows: Tensor, part: number, { kvHeads }: CacheShape): Tensor {
  return slice(rows, 1, part * kvHeads, (part + 1) * kvHeads);
}

/** `[a, b, columns, headDim]`, `at [n]` -> `[a, b, n, headDim]`. */
function columnsAt(x: Tensor, at: Tensor): Tensor {
  return transpose(gather(transpose(x, [2, 0, 1, 3]), at), [1, 2, 0, 3]);
}

/** Tokens `at [past]` of row `row` of an array, and the columns where they go. */
function moved(graph: Graph, shape: ArrayShape): { inside: Tensor; tokens: Tensor } {
  const source = graph.input('source', shape.dtype, ['batch', rowsOf(shape), 'seq', shape.headDim]);
  const row = gather(source, graph.input('row', 'int64', [1]));
  const tokens = columnsAt(row, graph.input('at', 'int64', ['past']));
  return { inside: greater(graph.input('inside', 'float32', ['slots', 1, 'past', 1]), 0), tokens };
}

// The cache port's contract: both implementations keep what they are given.
import { afterAll, describe, expect, it } from 'vitest';
import {
  type DeviceArray,
  Engine,
  type HostArray,
  type Provider,
  type Value,
} from '../../src/engine/runtime/session.ts';
import { bytesPerToken, type KvCache, type KvRows, pastInput } from '../../src/inference/kv-cache.ts';
import { DeviceKvCache } from '../../src/inference/kv-caches/device.ts';
import { HostKvCache } from '../../src/inference/kv-caches/host.ts';
import { keyedUniform } from '../../src/random.ts';

const provider = (process.env['SIPF_TEST_PROVIDER'] ?? 'cpu') as Provider;
const engine = new Engine({ provider, threads: 1 });
afterAll(async () => {
  expect(engine.liveArrays).toBe(0);
  await engine[Symbol.asyncDispose]();
});

const shape = { layers: 2, kvHeads: 3, headDim: 4 };
const PARTS = 2 * shape.layers;
const HEADS = PARTS * shape.kvHeads;

/** Values that say where they belong: sequence, token, part, head and column. */
const placeValue = (sequence: number, token: number, part: number, head: number, column: number) =>
  Math.fround(sequence * 1e5 + token * 100 + part * 20 + head * 5 + column);

/** `[2·layers·kvHeads, to - from, headDim]` of a sequence. */
function valuesOf(sequence: number, from: number, to: number): number[] {
  const values: number[] = [];
  for (let part = 0; part < PARTS; part++) {
    for (let head = 0; head < shape.kvHeads; head++) {
      for (let token = from; token < to; token++) {
        for (let column = 0; column < shape.headDim; column++)
          values.push(placeValue(sequence, token, part, head, column));
      }
    }
  }
  return values;
}

/** Rows that are `seq` wide. */
function placed(rows: readonly (readonly number[])[], seq: number): Promise<DeviceArray> {
  const data = Float32Array.from(rows.flat());
  return engine.place({ data, shape: [rows.length, HEADS, seq, shape.headDim] });
}

/** A handle to tokens [from, to) of a sequence; the cache cuts them from a longer row. */
async function rowsOf(cache: KvCache, sequence: number, from: number, to: number): Promise<KvRows> {
  const array = await placed([valuesOf(sequence, from, to + 2)], to + 2 - from);
  return ((await cache.keep(array, [to - from])) as [KvRows])[0];
}

async function append(cache: KvCache, sequences: readonly number[]): Promise<void> {
  const rows = Array.from({ length: cache.width(sequences.length) }, (_, slot) => {
    const sequence = sequences[slot];
    return sequence === undefined
      ? Array<number>(HEADS * shape.headDim).fill(-1)
      : valuesOf(sequence, cache.length(slot), cache.length(slot) + 1);
  });
  await cache.append(await placed(rows, 1), sequences.length);
}

const read = async (value: Value | undefined): Promise<HostArray> =>
  value && 'data' in value ? value : engine.read(value as DeviceArray);

/** Whether row `row` of `past.N.*` begins with tokens of a sequence. */
async function expectBegins(
  feeds: Readonly<Record<string, Value>>,
  row: number,
  sequence: number,
  tokens: number,
): Promise<void> {
  let wrong = 0;
  for (let part = 0; part < PARTS; part++) {
    const { data, shape: sizes } = await read(feeds[pastInput(part)]);
    const past = sizes[2] as number;
    expect(sizes).toEqual([sizes[0], shape.kvHeads, past, shape.headDim]);
    for (let head = 0; head < shape.kvHeads; head++) {
      for (let token = 0; token < tokens; token++) {
        const from = ((row * shape.kvHeads + head) * past + token) * shape.headDim;
        for (let column = 0; column < shape.headDim; column++) {
          if (data[from + column] !== placeValue(sequence, token, part, head, column)) wrong++;
        }
      }
    }
  }
  expect(wrong).toBe(0);
}

/** Checks what a decode step would read. */
async function expectHolds(cache: KvCache, sequences: readonly number[]): Promise<void> {
  const feeds = cache.feeds(sequences.length);
  const { shape: sizes } = await read(feeds[pastInput(0)]);
  expect(sizes[0]).toBe(cache.width(sequences.length));
  const past = sizes[2] as number;
  expect(past % 64).toBe(0);
  expect(await read(feeds['columns'])).toEqual({
    data: Float32Array.from({ length: past }, (_, n) => n),
    shape: [past],
  });
  for (const [slot, sequence] of sequences.entries()) await expectBegins(feeds, slot, sequence, cache.length(slot));
}

const KINDS = { host: HostKvCache, device: DeviceKvCache };
const kinds = Object.entries(KINDS).filter(([name]) => name === 'device' || provider === 'cpu');

describe.each(kinds)(`the cache on the %s, on ${provider}`, (name, Cache) => {
  const makeCache = (slots: number): KvCache => new Cache(engine, shape, slots);

  it('keeps sequences through appends, growth, moves and forks', async () => {
    using cache = makeCache(4);
    const pieces = [
      await rowsOf(cache, 1, 0, 5),
      await rowsOf(cache, 2, 0, 60),
      await rowsOf(cache, 2, 60, 63),
    ] as const;
    await cache.fork(0, [pieces[0]]);
    await cache.fork(1, [pieces[1], pieces[2]]);
    await cache.fork(2, []);
    for (const piece of pieces) cache.drop(piece);
    await expectHolds(cache, [1, 2, 3]);
    for (let n = 0; n < 210; n++) {
      await append(cache, [1, 2, 3]);
      if (n % 70 === 0 || n === 195) await expectHolds(cache, [1, 2, 3]);
    }
    await expectHolds(cache, [1, 2, 3]);
    expect([0, 1, 2].map((slot) => cache.length(slot))).toEqual([215, 273, 210]);
    cache.release(1);
    await cache.move(2, 1);
    expect(cache.length(2)).toBe(0);
    await expectHolds(cache, [1, 3]);
    const copied = [await cache.copyOut(0, 0, 7), await rowsOf(cache, 1, 7, 9)];
    await cache.fork(2, copied);
    for (const rows of copied) cache.drop(rows);
    await expectHolds(cache, [1, 3, 1]);
  });

  it('keeps rows of several prefixes, splits them, and feeds a pass behind them', async () => {
    using cache = makeCache(2);
    const array = await placed([valuesOf(1, 0, 8), valuesOf(2, 0, 8), valuesOf(3, 0, 8)], 8);
    const [first, second, third] = (await cache.keep(array, [8, 5, 3])) as [KvRows, KvRows, KvRows];
    expect([first, second, third].map(({ tokens }) => tokens)).toEqual([8, 5, 3]);
    const [start, rest] = cache.split(first, 6);
    const [middle, end] = cache.split(rest, 1);
    expect([start, middle, end].map(({ tokens }) => tokens)).toEqual([6, 1, 1]);
    cache.drop(third);
    {
      using past = await cache.pastOf([[start, middle, end], [], [second]], 64);
      expect((await read(past.feeds[pastInput(1)])).shape).toEqual([3, shape.kvHeads, 64, shape.headDim]);
      await expectBegins(past.feeds, 0, 1, 8);
      await expectBegins(past.feeds, 2, 2, 5);
    }
    await cache.fork(0, [start, middle, end]);
    await cache.fork(1, [second]);
    for (const rows of [start, middle, end, second]) cache.drop(rows);
    await expectHolds(cache, [1, 2]);
  });

  it('holds what a random life leaves in it', async () => {
    const uniform = keyedUniform('life');
    using cache = makeCache(5);
    const live: number[] = [];
    let position = 0;
    const draw = (n: number) => Math.floor(uniform(position++) * n);
    for (let n = 0; n < 150; n++) {
      const action = draw(4);
      if (action === 0 && live.length < 5) {
        const rows = await rowsOf(cache, n, 0, 1 + draw(150));
        await cache.fork(live.length, [rows]);
        cache.drop(rows);
        live.push(n);
      } else if (action === 1 && live.length > 0) {
        const slot = draw(live.length);
        cache.release(slot);
        if (slot < live.length - 1) await cache.move(live.length - 1, slot);
        live[slot] = live.at(-1) as number;
        live.pop();
      } else if (live.length > 0) {
        await append(cache, live);
      }
      if (n % 30 === 29 && live.length > 0) await expectHolds(cache, live);
    }
  });

  it('refuses the rows of another cache', async () => {
    using cache = makeCache(1);
    await expect(cache.fork(0, [{ tokens: 1 }])).rejects.toThrow('of another cache');
  });

  it.runIf(name === 'host')('shrinks in main memory when its longest sequence has ended', async () => {
    using cache = makeCache(2);
    const past = (live: number) => cache.feeds(live)[pastInput(0)]?.shape[2];
    await cache.fork(0, [await rowsOf(cache, 1, 0, 10)]);
    await cache.fork(1, [await rowsOf(cache, 2, 0, 700)]);
    expect(past(2)).toBe(704);
    await expectHolds(cache, [1, 2]);
    cache.release(1);
    await expectHolds(cache, [1]);
    expect(past(1)).toBe(128);
    await cache.fork(1, [await rowsOf(cache, 3, 0, 300)]);
    await expectHolds(cache, [1, 3]);
  });

  it.runIf(name === 'device')('crosses no key or value: a step sends one number a slot', async () => {
    using cache = makeCache(3);
    const rows = await rowsOf(cache, 1, 0, 9);
    await cache.fork(0, [rows]);
    cache.drop(rows);
    const array = await placed(
      Array.from({ length: 3 }, () => valuesOf(1, 9, 10)),
      1,
    );
    const before = engine.traffic;
    await cache.append(array, 1);
    cache.feeds(1);
    const { toDevice, fromDevice } = engine.traffic;
    expect([toDevice - before.toDevice, fromDevice - before.fromDevice]).toEqual([3 * 4, 0]);
  });
});

it('a token takes the bytes of its rows', () => {
  expect(bytesPerToken(shape)).toBe(4 * valuesOf(9, 0, 1).length);
});

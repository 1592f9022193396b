// Logits and uniforms -> tokens at any temperature and cut, with the distribution's frequencies.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Graph } from '../engine/graph.ts';
import { Engine, type Program } from '../engine/runtime/session.ts';
import { keyedUniform } from '../random.ts';
import { blocksOf, sampleTokens } from './sampling.ts';

const engine = new Engine({ provider: 'cpu', threads: 1 });
const ENDS = [0, 2];

interface Row {
  readonly logits: readonly number[];
  readonly temperature?: number;
  readonly uniform: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly suppress?: boolean;
}

async function makeSampler(vocab: number, truncate: boolean, suppress: boolean, ends = ENDS): Promise<Program> {
  const graph = new Graph();
  const logits = graph.input('logits', 'float32', ['batch', vocab]);
  const { tokens, logps } = sampleTokens(logits, ends, { truncate, suppress, likeliest: false });
  return engine.compile(graph, { tokens, logps }, { prepack: false });
}

async function draw(program: Program, rows: readonly Row[]): Promise<{ tokens: number[]; logps: number[] }> {
  const column = (value: (row: Row) => number) => ({ data: Float32Array.from(rows, value), shape: [rows.length, 1] });
  const vocab = (rows[0] as Row).logits.length;
  const result = await program.run({
    logits: { data: Float32Array.from(rows.flatMap(({ logits }) => logits)), shape: [rows.length, vocab] },
    temperature: column(({ temperature = 1 }) => temperature),
    uniform: column(({ uniform }) => uniform),
    topK: column(({ topK = vocab }) => topK),
    topP: column(({ topP = 2 }) => topP),
    suppress: column(({ suppress }) => (suppress ? 1 : 0)),
  });
  const tokens = Array.from(result.integers('tokens'), Number);
  return { tokens, logps: [...result.floats('logps')] };
}

/** The same choice in float64, one element after another. */
function reference({ logits, temperature = 1, uniform, topK, topP, suppress }: Row): { token: number; margin: number } {
  const allowed = logits.map((x, i) => (suppress && ENDS.includes(i) ? -Infinity : Math.fround(x)));
  const best = Math.max(...allowed);
  if (temperature === 0) return { token: allowed.indexOf(best), margin: 1 };
  const weights = allowed.map((x) => Math.exp((x - best) / temperature));
  const order = [...weights.keys()].sort((a, b) => (weights[b] as number) - (weights[a] as number));
  const kept = new Set<number>();
  const first = order.slice(0, topK ?? order.length);
  const mass = first.reduce((sum, i) => sum + (weights[i] as number), 0);
  let [above, cut] = [0, 1];
  for (const i of first) {
    cut = Math.min(cut, Math.abs(above / mass - (topP ?? 2)));
    if (above < (topP ?? 2) * mass || kept.size === 0) kept.add(i);
    above += weights[i] as number;
  }
  const total = [...kept].reduce((sum, i) => sum + (weights[i] as number), 0);
  let [token, sum, margin] = [-1, 0, cut];
  weights.forEach((weight, i) => {
    if (!kept.has(i)) return;
    sum += weight;
    margin = Math.min(margin, Math.abs(sum / total - uniform));
    if (token < 0 && sum / total > uniform) token = i;
  });
  return { token, margin };
}

const VOCAB = 1000;
const noise = keyedUniform('logits');
const logitsOf = (n: number, vocab = VOCAB, spread = 4) =>
  Array.from({ length: vocab }, (_, i) => spread * Math.sqrt(-2 * Math.log(1 - noise(n * vocab + i))) * Math.cos(i));

describe('a draw', () => {
  let plain: Program;
  let full: Program;
  beforeAll(async () => {
    plain = await makeSampler(VOCAB, false, false);
    full = await makeSampler(VOCAB, true, true);
  });
  afterAll(async () => {
    await plain[Symbol.asyncDispose]();
    await full[Symbol.asyncDispose]();
  });

  const agree = async (program: Program, rows: readonly Row[]) => {
    const { tokens, logps } = await draw(program, rows);
    let checked = 0;
    rows.forEach((row, n) => {
      const { token, margin } = reference(row);
      const total = Math.log(row.logits.reduce((sum, x) => sum + Math.exp(x), 0));
      expect(logps[n]).toBeCloseTo((row.logits[tokens[n] as number] as number) - total, 3);
      if (margin < 1e-5) return;
      expect(tokens[n]).toBe(token);
      checked++;
    });
    expect(checked).toBeGreaterThan(0.8 * rows.length);
  };

  it('inverts the cumulative distribution at any temperature', async () => {
    const rows = Array.from({ length: 120 }, (_, n) => ({
      logits: logitsOf(n),
      uniform: n % 10 === 0 ? 0 : keyedUniform('u')(n),
      temperature: [0, 0.3, 1, 2, 50][n % 5] as number,
    }));
    await agree(plain, rows);
    await agree(full, rows);
  });

  it('is cut to the top-k, then to the top-p of what is left', async () => {
    const rows = Array.from({ length: 160 }, (_, n) => ({
      logits: logitsOf(1000 + n),
      uniform: keyedUniform('v')(n),
      temperature: [0.7, 1, 1.6][n % 3] as number,
      topK: [1, 2, 17, VOCAB][n % 4] as number,
      topP: [0.1, 0.5, 0.9, 0.999, 2][n % 5] as number,
    }));
    await agree(full, rows);
  });

  it('chooses the same token with and without the machinery of the cuts', async () => {
    const rows = Array.from({ length: 100 }, (_, n) => ({ logits: logitsOf(3000 + n), uniform: keyedUniform('w')(n) }));
    expect((await draw(full, rows)).tokens).toEqual((await draw(plain, rows)).tokens);
  });

  it('never gives an excluded end, nor a token without weight', async () => {
    const rows = Array.from({ length: 50 }, (_, n) => ({
      logits: logitsOf(n).map((x, i) => (ENDS.includes(i) ? 30 : x)),
      uniform: n === 0 ? 0 : 1 - 2 ** -24 * n,
      temperature: n % 2,
      suppress: true,
    }));
    for (const token of (await draw(full, rows)).tokens) expect(ENDS).not.toContain(token);
    expect((await draw(full, [{ ...(rows[0] as Row), suppress: false }])).tokens[0]).toBe(0);
    // All weight in one block and the largest uniform there is: rounding may put the target at the end of the block's sums.
    const late = Array.from({ length: 200 }, (_, n) => ({
      logits: logitsOf(n).map((x, i) => (i <= 960 ? -80 : x)),
      uniform: 1 - 2 ** -24,
    }));
    for (const token of (await draw(plain, late)).tokens) expect(token).toBeGreaterThan(960);
    const peaked = Array.from({ length: VOCAB }, (_, i) => (i === 500 ? 0 : -200));
    const extremes = [0, 0.5, 1 - 2 ** -24].map((uniform) => ({ logits: peaked, uniform }));
    expect((await draw(plain, extremes)).tokens).toEqual([500, 500, 500]);
  });

  it.each([[[]], [[VOCAB, VOCAB + 7]], [[0]], [[VOCAB - 1, 4, 3, 4]]])(
    'excludes the ends %j and nothing else',
    async (ends) => {
      await using sampler = await makeSampler(VOCAB, false, true, ends);
      const rows = [...Array(20).keys()].flatMap((n) => {
        const logits = logitsOf(400 + n).map((x, i) => (ends.includes(i) ? 30 : x));
        const uniform = keyedUniform('ends')(n);
        return [true, false].map((suppress) => ({ logits, uniform, temperature: n % 2, suppress }));
      });
      const plainRows = rows.map((row) => {
        return { ...row, logits: row.logits.map((x, i) => (row.suppress && ends.includes(i) ? -1e30 : x)) };
      });
      expect((await draw(sampler, rows)).tokens).toEqual((await draw(plain, plainRows)).tokens);
    },
  );

  it('keeps equals at a cut, and takes the first of equals when greedy', async () => {
    const logits = Array.from({ length: VOCAB }, (_, i) => (i >= 10 && i < 14 ? 5 : 0));
    const rows = [0.1, 0.3, 0.6, 0.9].map((uniform) => ({ logits, uniform, topK: 1 }));
    expect((await draw(full, rows)).tokens).toEqual([10, 11, 12, 13]);
    expect((await draw(plain, [{ logits, uniform: 0.9, temperature: 0 }])).tokens).toEqual([10]);
  });

  it('has the frequencies of the distribution', async () => {
    const logits = logitsOf(7, VOCAB, 1);
    const counts = new Float64Array(VOCAB);
    const uniform = keyedUniform('frequencies');
    for (let n = 0; n < 20; n++) {
      const rows = Array.from({ length: 500 }, (_, i) => ({ logits, uniform: uniform(n * 500 + i) }));
      for (const token of (await draw(plain, rows)).tokens) counts[token] = (counts[token] as number) + 1;
    }
    const total = logits.reduce((sum, x) => sum + Math.exp(x), 0);
    // Chi-square over ten groups of tokens: below 30 in all but one of a thousand seeds.
    let chi = 0;
    for (let group = 0; group < 10; group++) {
      const inGroup = (_: number, i: number) => i % 10 === group;
      const expected = (10_000 * logits.filter(inGroup).reduce((sum, x) => sum + Math.exp(x), 0)) / total;
      chi += (counts.filter(inGroup).reduce((a, b) => a + b, 0) - expected) ** 2 / expected;
    }
    expect(chi).toBeLessThan(30);
  });
});

describe('cuts of a vocabulary beyond the tokens that are sorted at first', () => {
  const vocab = 3000;
  let sampler: Program;
  beforeAll(async () => {
    sampler = await makeSampler(vocab, true, false);
  });
  afterAll(() => sampler[Symbol.asyncDispose]());

  /** Spreads from peaked to flat: the top-p of some ends within 1,024 tokens, of others beyond. */
  const rowsOf = (topKs: readonly number[], topPs: readonly number[], spreads: readonly number[]): Row[] =>
    Array.from({ length: 60 }, (_, n) => ({
      logits: logitsOf(5000 + n, vocab, spreads[n % spreads.length]),
      uniform: keyedUniform('y')(n),
      topK: topKs[n % topKs.length] as number,
      topP: topPs[n % topPs.length] as number,
    }));

  it.each([
    ['all settled at first', rowsOf([5, 1024, vocab], [0.3, 0.9, 2], [4])],
    ['none', rowsOf([1025, 2000, vocab], [0.9, 0.95, 0.99], [0.3])],
    ['some', rowsOf([40, 1500, vocab, 1024, 2999], [0.5, 0.9, 0.999, 2], [0.1, 1, 4])],
  ])('%s', async (_, rows) => {
    const { tokens } = await draw(sampler, rows);
    let checked = 0;
    rows.forEach((row, n) => {
      const { token, margin } = reference(row);
      if (margin < 1e-5) return;
      expect(tokens[n]).toBe(token);
      checked++;
    });
    expect(checked).toBeGreaterThan(0.6 * rows.length);
    // A row does not depend on whether others need the whole sort.
    for (const [n, row] of rows.entries()) expect((await draw(sampler, [row])).tokens).toEqual([tokens[n]]);
  });
});

it('works for any vocabulary', async () => {
  for (const vocab of [7, 97, 512, 1009]) {
    const sampler = await makeSampler(vocab, false, false);
    const rows = Array.from({ length: 40 }, (_, n) => ({ logits: logitsOf(n, vocab), uniform: keyedUniform('x')(n) }));
    const { tokens } = await draw(sampler, rows);
    await sampler[Symbol.asyncDispose]();
    rows.forEach((row, n) => {
      const { token, margin } = reference(row);
      if (margin > 1e-5) expect(tokens[n]).toBe(token);
    });
  }
  for (const n of [1, 2, 7, 97, 512, 32_000, 49_152, 151_936, 262_144, 262_208]) {
    const { size, blocks } = blocksOf(n);
    expect(size * blocks).toBeGreaterThanOrEqual(n);
    expect(size * blocks - n).toBeLessThan(size);
    expect(Math.max(size, blocks)).toBeLessThanOrEqual(4 * Math.ceil(Math.sqrt(n)));
  }
});

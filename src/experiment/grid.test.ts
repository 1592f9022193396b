// Grids -> what is compared, or an error that names file and field.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { jsonDifference } from '../hashing.ts';
import { dotted, parseGrid, readGrid } from './grid.ts';
import { blocksOf, configOf, type Plan } from './plan.ts';

const few = { tokens: 1000, seeds: [5], methods: ['sipf', 'siof'] };

describe('parseGrid', () => {
  it('takes names of methods, or rows with names of their own', () => {
    expect(parseGrid(few, 'g.json')).toMatchObject({
      methods: { sipf: { method: 'sipf' }, siof: { method: 'siof' } },
      reference: 'sipf',
      variants: {},
    });
    const own = { ...few, methods: { tallies: { method: 'sipf', 'score.scorer': 'tallies' } } };
    expect(parseGrid(own, 'g.json').methods.tallies).toEqual({ method: 'sipf', 'score.scorer': 'tallies' });
  });

  it.each([
    [{ ...few, methods: ['sipff'] }, /g\.json: Expected a method for sipff, got "sipff"\. Did you mean sipf\?/],
    [{ ...few, methods: { mine: { method: 'x' } } }, /a method for mine, got "x"/],
    [{ ...few, methods: [] }, /g\.json, field "methods"/],
    [{ ...few, methods: {} }, /a method at least, got none/],
    [{ ...few, reference: 'rft' }, /one of its methods \(sipf, siof\), got rft\. Did you mean/],
    [{ ...few, equalFlops: ['online-rft'] }, /one of its methods/],
    [{ ...few, tuningSeeds: [4, 5] }, /not chosen on, got 5 in seeds and in tuningSeeds/],
    [{ ...few, seeds: [] }, /field "seeds": Expected at least 1 item, got an empty array\. Fix the file\./],
    [{ ...few, seeds: [1.5] }, /field "seeds\[0\]"/],
    [{ seeds: [5], methods: ['sipf'] }, /field "tokens"/],
    [{ ...few, tokens: 0 }, /field "tokens": Expected more than 0, got 0/],
    [{ ...few, token: 3 }, /g\.json: Expected no field "token", got 3/],
    [{ ...few, settings: { align: { train: { tokens: 3 } } } }, /settings of settings without align\.train\.tokens/],
    [{ ...few, variants: { a: { seed: 3 } } }, /settings of a without seed/],
    [{ ...few, methods: { 'a/b': { method: 'sipf' } } }, /letters, digits/],
    [{ ...few, methods: { '..': { method: 'sipf' } } }, /the first one no dot, got "\.\."/],
    [{ ...few, methods: { start: { method: 'sipf' } } }, /other than start \(the warm-up\).*got start/],
    [{ ...few, variants: { 'a-equal-flops': {} } }, /not end with -equal-flops, got a-equal-flops/],
  ])('refuses %j', (value, message) => {
    expect(() => parseGrid(value, 'g.json')).toThrow(message);
  });

  it('names a file that is missing or no JSON', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sipf-grid-'));
    await expect(readGrid(join(folder, 'no.json'))).rejects.toMatchObject({ code: 'not-found' });
    writeFileSync(join(folder, 'bad.json'), '{"seeds": ');
    await expect(readGrid(join(folder, 'bad.json'))).rejects.toThrow(/bad\.json, got text that is not JSON/);
  });
});

it('dotted keys are the leaves of a tree', () => {
  expect(
    dotted({ align: { loss: { lambda: 1 }, train: { lora: null, betas: [1, 2] } }, 'pairs.eta': 2, x: {} }),
  ).toEqual({ 'align.loss.lambda': 1, 'align.train.lora': null, 'align.train.betas': [1, 2], 'pairs.eta': 2, x: {} });
});

describe('configOf', () => {
  const plan = async (change: object = {}): Promise<Plan> => {
    const grid = parseGrid({ ...(await readJsonGrid()), ...change }, 'grid.json');
    const { seeds, methods, equalFlops } = grid;
    return { grid, out: 'runs/x', seeds, methods: Object.keys(methods), equalFlops, kept: new Map(), flags: {} };
  };
  const readJsonGrid = async () => {
    const { default: grid } = await import('../../experiments/mini/grid.json', { with: { type: 'json' } });
    return grid as Record<string, unknown>;
  };
  const cell = { method: 'sipf', variant: null, seed: 11, column: 'tokens' } as const;

  it('gives each method of experiments/mini the settings of the others but for its own', async () => {
    const mini = await plan();
    const sipf = await configOf(mini, cell);
    expect(sipf.evaluate.final[0]?.limit).toBeGreaterThanOrEqual(4000);
    for (const method of mini.methods) {
      const config = await configOf(mini, { ...cell, method });
      const own = Object.keys({ ...dotted(mini.grid.methods[method]!), ...dotted(mini.grid.methods.sipf!) });
      const others = jsonDifference(sipf, config).filter(({ key }) => ![...own, 'labels.mode'].includes(key));
      expect(others).toEqual([]);
      expect(config.task.seed).toBe(11);
    }
  });

  it('shares out the tokens over the rounds of each method', async () => {
    const two = await plan({
      methods: ['sipf', 'rft', 'rft-dpo', 'cot'],
      reference: 'sipf',
      equalFlops: [],
      settings: { iterations: 3, evaluate: { final: [{ split: 'test', limit: 4000 }] } },
    });
    const tokens = async (method: string) => (await configOf(two, { ...cell, method })).align.train.tokens;
    expect(await tokens('sipf')).toBe(Math.round(400_000 / 3));
    expect(await tokens('rft')).toBe(400_000);
    expect(await tokens('rft-dpo')).toBe(200_000);
    expect(await tokens('cot')).toBeNull();
    const equal = await configOf(two, { ...cell, method: 'rft', column: 'flops' }, 1234.4);
    expect(equal.align.train.tokens).toBe(1234);
  });

  it('puts what a method is over the shared settings, and variants and flags over both', async () => {
    const grid = await plan({
      methods: ['srf'],
      reference: 'srf',
      equalFlops: [],
      variants: { low: { pairs: { eta: 0.3 } } },
    });
    const base = { ...cell, method: 'srf', variant: 'low' };
    expect(blocksOf(grid)).toEqual([11, 12, 13].map((seed) => ({ seed, variant: 'low' })));
    const config = await configOf({ ...grid, flags: { 'align.loss.beta': 0.4 } }, base);
    expect(config).toMatchObject({ pairs: { eta: 0.3 }, align: { gold: 0, loss: { kind: 'dpo', beta: 0.4 } } });
    await expect(configOf({ ...grid, flags: { 'align.gold': 1 } }, base)).rejects.toThrow(
      /align\.gold 0 for the method srf/,
    );
  });

  it('refuses to grade nothing', async () => {
    await expect(configOf({ ...(await plan()), flags: { 'evaluate.final': [] } }, cell)).rejects.toMatchObject({
      code: 'bad-config',
    });
  });
});

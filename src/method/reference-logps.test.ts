// Pairs and a policy -> the reference's log-probability of both sides, and rows that are too long.
import { expect, it } from 'vitest';
import type { LogpsItem, Policy, TrainExample } from '../backend.ts';
import type { Objective } from '../objectives/objectives.ts';
import { referenceUnit, rowsToCompare, withReferences } from './reference-logps.ts';

const dpo: Objective = { kind: 'dpo', beta: 0.1, nllWeight: 0 };
const orpo: Objective = { kind: 'orpo', lambda: 0.1, nllScope: 'completion', normalise: 'step', maxLogp: null };

const pair = (chosen: string, rejected: string): TrainExample => ({
  kind: 'preference',
  prompt: 'q',
  chosen: [chosen],
  rejected: [rejected],
});
const alone: TrainExample = { kind: 'preference', prompt: 'q', chosen: ['x'], rejected: null };
const rows = [pair('ab', 'c'), alone, pair('much too long a path', 'd'), pair('e', 'f')];

/** -1 a character, -0.5 at an end. */
const policy = {
  contextLength: 10,
  countTokens: async (texts: readonly string[]) => texts.map((text) => text.length),
  logps: async (items: readonly LogpsItem[]) =>
    items.map(({ completion, ended }) => [
      ...[...(completion as string[]).join('')].map(() => -1),
      ...(ended ? [-0.5] : []),
    ]),
} as unknown as Policy;

it('compares the rows that have two paths, where the loss asks for it', () => {
  expect(rowsToCompare(rows, dpo).map(({ row }) => row)).toEqual([0, 2, 3]);
  expect(rowsToCompare(rows, orpo)).toEqual([]);
});

it('reads what both sides share as context', async () => {
  const row: TrainExample = { kind: 'preference', prompt: 'q', shared: ['ab'], chosen: ['c'], rejected: ['de'] };
  const asked: LogpsItem[] = [];
  const asks = {
    ...policy,
    logps: async (items: readonly LogpsItem[]) => {
      asked.push(...items);
      return policy.logps(items);
    },
  } as Policy;
  const { records, counts } = await referenceUnit(rowsToCompare([row], dpo), { policy: asks, calculatorLoss: true });
  expect(asked.map(({ context }) => context)).toEqual([
    ['q', 'ab'],
    ['q', 'ab'],
  ]);
  expect(records).toEqual([{ row: 0, logps: { chosen: -1.5, rejected: -2.5 } }]);
  expect(counts).toEqual({ rows: 1, tooLong: 0, scoredTokens: 8 });
  const long = { ...row, shared: ['abcdef'] };
  expect((await referenceUnit(rowsToCompare([long], dpo), { policy, calculatorLoss: true })).counts).toMatchObject({
    rows: 0,
    tooLong: 1,
  });
});

it('sums both sides with their ends, and leaves out what the context does not hold', async () => {
  const { records, counts } = await referenceUnit(rowsToCompare(rows, dpo), { policy, calculatorLoss: true });
  expect(records).toEqual([
    { row: 0, logps: { chosen: -2.5, rejected: -1.5 } },
    { row: 2, logps: null },
    { row: 3, logps: { chosen: -1.5, rejected: -1.5 } },
  ]);
  expect(counts).toEqual({ rows: 2, tooLong: 1, scoredTokens: 11 });
  expect(withReferences(rows, records)).toEqual([
    { ...rows[0], reference: { chosen: -2.5, rejected: -1.5 } },
    alone,
    { ...rows[3], reference: { chosen: -1.5, rejected: -1.5 } },
  ]);
});

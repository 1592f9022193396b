// Reports made by hand -> the tables that a person reads of them.
import picocolors from 'picocolors';
import { expect, test } from 'vitest';
import type { RoundSummary } from '../../pipeline/run-reader.ts';
import type { BestOfReport, FinalReport, SetReport } from '../../reports.ts';
import { renderBestOf } from './show-best-of.ts';
import { renderFinal, renderRounds } from './show-rounds.ts';

const look = { colors: picocolors.createColors(false), width: 100 };
const figure = (value: number) => ({ value, ci95: [value - 0.1, value + 0.1] as [number, number], n: 10 });
const paired = { difference: 0.2, ci95: [-0.05, 0.4] as [number, number], pValue: 0.3, n: 10, better: 3, worse: 1 };

const setOf = (task: string, own: Partial<SetReport> = {}): SetReport => ({
  task,
  split: 'valid',
  n: 10,
  correct: 5,
  accuracy: 0.5,
  ci95: [0.4, 0.6],
  truncated: 0,
  errors: 0,
  paired,
  sound: null,
  pairedSound: null,
  falseAmongRight: null,
  ...own,
});

const sound = { sound: figure(0.4), pairedSound: { ...paired, difference: 0.1 }, falseAmongRight: figure(0.2) };

test('sound answers have a table of their own, of the sets whose steps can be checked', () => {
  const sets = [setOf('mini', sound), setOf('mbpp')];
  const round = { iteration: 1, report: { sets, scores: null, pairs: null }, seconds: null };
  const lines = renderRounds([round as unknown as RoundSummary], look);
  expect(lines[0]).toMatch(/^round +mini\/valid \(95 %\) +against before +mbpp\/valid \(95 %\)/);
  const table = lines.slice(lines.indexOf('') + 1);
  expect(table[0]).toMatch(/^round +mini\/valid sound \(95 %\) +against before +false steps in right \(95 %\)$/);
  expect(table[1]).toMatch(/^ +1 +40\.0 % \(30\.0-50\.0\) +\+10\.0 \(-5\.0 to 40\.0\) +20\.0 % \(10\.0-30\.0\)$/);
  expect(table[2]).toMatch(/^sound: right, and no step is false/);
});

test('without steps that can be checked there is no such table', () => {
  const rows: FinalReport['rows'] = [
    { name: 'start', policy: 'a', optimizerTokens: 0, flops: 0, sets: [setOf('mbpp')] },
  ];
  expect(renderFinal({ final: { rows, warnings: [] } }, look)).toHaveLength(2);
});

test('the last policy is compared with the control, set by set', () => {
  const row = { policy: 'p', optimizerTokens: 1, flops: 1, sets: [setOf('mini')] };
  const pairedSound = { ...paired, difference: 0.1 };
  const againstControl = [
    { task: 'mini', split: 'test', paired, pairedSound },
    { task: 'mbpp', split: 'test', paired, pairedSound: null },
  ];
  const rows = [
    { ...row, name: 'start' as const },
    { ...row, name: 'last' as const, againstControl },
    { ...row, name: 'continued-sft' as const },
  ];
  expect(renderFinal({ final: { rows, warnings: [] } }, look).slice(4, 6)).toEqual([
    'last - continued-sft, mini/test: +20.0 (-5.0 to 40.0), sound +10.0 (-5.0 to 40.0)',
    'last - continued-sft, mbpp/test: +20.0 (-5.0 to 40.0)',
  ]);
});

test('each way to choose is a row', () => {
  const none = { accuracy: figure(0.5), sound: null, againstGreedy: null, againstMajority: null };
  const rules: BestOfReport['rules'] = [
    { rule: 'greedy', ...none },
    { rule: 'random', ...none },
    { rule: 'majority', ...none },
    { ...none, rule: 'prm', sound: figure(0.3), againstGreedy: figure(-0.1) },
    { rule: 'any', ...none },
  ];
  const lines = renderBestOf(
    [{ policy: 'last', report: { task: 'mini', split: 'test', questions: 99, samples: 8, rules } }],
    look,
  );
  const words = ['greedy', 'random sample', 'majority of 8', 'best of 8 by prm', 'any of 8'];
  for (const [i, word] of words.entries()) expect(lines[1 + i]).toContain(`mini/test (99)  ${word}`);
  expect(lines[4]).toMatch(/50\.0 % \(40\.0-60\.0\) +30\.0 % \(20\.0-40\.0\) +-10\.0 \(-20\.0 to 0\.0\) +-$/);
  expect(renderBestOf([], look)).toEqual([]);
});

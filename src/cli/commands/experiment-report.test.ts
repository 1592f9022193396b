// A comparison -> what its tables show, in a terminal and as Markdown.
import { describe, expect, it } from 'vitest';
import type { CellSummary } from '../../experiment/cell-summary.ts';
import { compareCells } from '../../experiment/comparison.ts';
import { NO_COST } from '../../pipeline/cost.ts';
import { type ExperimentReport, renderMarkdown, renderText } from './experiment-report.ts';

function cell(method: string, right: string, column: CellSummary['column'] = 'tokens'): CellSummary {
  const costs = { cost: { ...NO_COST, flops: 0 }, optimizerTokens: 5, prmTokens: 0 };
  const round = { ...costs, iteration: 1, valid: null, figures: null, warnings: [], seconds: 65, pairs: { pairs: 12 } };
  const set = { task: 'mini', split: 'test', questions: 'q', right, sound: right };
  const other = { task: 'svamp', split: 'test', questions: 's', right: '1110', sound: null };
  return {
    method,
    variant: null,
    column,
    seed: 7,
    settings: 's',
    runs: 'sipf',
    scorer: 'prm',
    parameters: 10,
    lora: false,
    policies: { start: 'a', last: 'b' },
    sets: [set, other],
    rounds: method === 'start' ? [] : [round],
    total: { optimizerTokens: method === 'start' ? 0 : 12_345, flops: method === 'start' ? 0 : 1.5e9, seconds: 65 },
  };
}

const summaries = [cell('start', '1000'), cell('sipf', '0110'), cell('siof', '0100', 'flops')];
const report: ExperimentReport = {
  comparison: compareCells(summaries, { tokens: 12_000, reference: 'sipf' }),
  summaries,
  command: 'sipf experiment grid.json',
  reference: 'sipf',
  tuningSeeds: [0, 1],
  notes: ['seed 7 rft failed: no pairs'],
};

describe('renderMarkdown', () => {
  const text = renderMarkdown(report).replace(/ +/g, ' ');

  it('shows rows with signs, intervals, other sets, costs and times', () => {
    expect(text).toMatch(/^\| start \| 25\.0 \| 25\.0 \| 25\.0 \| 75\.0 \| - \| -25\.0 \(/m);
    expect(text).toMatch(
      /^\| sipf \| 50\.0 \| 50\.0 \| 50\.0 \| 75\.0 \| \+25\.0 \(-\d+\.\d to \+\d+\.\d\) \| - \| 12 \| 12,345 \| 1\.50e\+9 \| 1m 05s \|$/m,
    );
    expect(text).toMatch(/^\*\*B\.\*\* Equal model FLOPs[\s\S]*^\| siof at equal FLOPs \|/m);
  });

  it('tests every two rows', () => {
    expect(text).toMatch(/^\| start - sipf \| -25\.0 \([^)]*\) \| -25\.0 \| 1 \| 2 \| 1\.0000 \| 1\.0000 \|$/m);
    expect(text).toContain('for all 3 tests');
  });

  it('says what was tuned on, and what is missing', () => {
    expect(text).toContain('None of them was used in tuning: that was 0, 1.');
    expect(renderMarkdown({ ...report, tuningSeeds: [7] })).toContain('TUNING, not a result');
    expect(text).toMatch(/^- seed 7 rft failed: no pairs$/m);
  });
});

it('renderText has the same tables within a width', () => {
  const plain = (words: string) => words;
  const colors = new Proxy({}, { get: () => plain }) as Parameters<typeof renderText>[1]['colors'];
  const lines = renderText(report, { colors, width: 80 });
  expect(lines.some((line) => /^sipf +50\.0 /.test(line))).toBe(true);
  expect(lines.filter((line) => /^[A-Z]\. |^Intervals|^Command/.test(line)).every((line) => line.length <= 80)).toBe(
    true,
  );
});

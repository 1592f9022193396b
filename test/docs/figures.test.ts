// Figures in README.md and docs/ are those of the committed result files.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { renderFinal } from '../../src/cli/commands/show-rounds.ts';
import { FinalReport } from '../../src/reports.ts';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const json = (path: string) => JSON.parse(read(join('experiments', path)));
const [readme, results, sandboxPage] = [read('README.md'), read('docs/results.md'), read('docs/sandbox.md')];
/** Line ends and the padding of tables do not matter. */
const flat = (text: string) => text.replace(/\s+/g, ' ');
const share = (value: number) => `${(100 * value).toFixed(0)} %`;

describe('README.md', () => {
  it('has the quickstart that seed 41 printed', () => {
    const final = FinalReport.parse(json('quickstart/seed-41-final.json'));
    const plain = (text: string) => text;
    const colors = new Proxy({}, { get: () => plain }) as Parameters<typeof renderFinal>[1]['colors'];
    const tables = renderFinal({ final }, { colors, width: 100 }).filter((line) =>
      /^(policy|start|last|cont)/.test(line),
    );
    expect(tables.length).toBe(9);
    for (const line of tables) expect(flat(readme)).toContain(flat(line));
  });

  it('has the shares of peak that the bench measured', () => {
    const { training, prefill, decode, labelledStep } = json('bench/bench.json');
    const speeds = [training.sft, training.orpo, prefill, decode['1'], decode['8'], decode['32'], decode['128']];
    const row = speeds.map(({ fractionOfPeak }: { fractionOfPeak: number }) => share(fractionOfPeak)).join(' | ');
    expect(flat(readme)).toContain(row);
    const { costRatio, curve } = labelledStep;
    expect(flat(readme)).toContain(`costs ${costRatio.toFixed(1)} times fewer model tokens`);
    expect(flat(readme)).toContain(`(${curve['0.05'].toFixed(1)} times at 0.05, ${curve['0.7'].toFixed(1)} at 0.7)`);
  });

  it('has what the GPU did', () => {
    const { gemmPeakGflops, training, prefill, decode } = json('bench/bench-webgpu-h200.json');
    const of = (speed: { fractionOfPeak: number }) => share(speed.fractionOfPeak);
    expect(flat(readme)).toContain(`peak there is ${(gemmPeakGflops / 1000).toFixed(1)} TFLOPS`);
    expect(flat(readme)).toContain(
      `SFT reaches ${of(training.sft)}, ORPO ${of(training.orpo)} and prefill ${of(prefill)} of the peak`,
    );
    expect(flat(readme)).toContain(`(${decode['128'].tokensPerSecond.toFixed(0)} tokens/s at batch 128)`);
  });

  it('has the speed of the sandbox, as docs/sandbox.md', () => {
    const { medianRatio, sandboxPerSecond, peerPerSecond, rounds } = json('bench/sandbox.json');
    const ratios = rounds.map(({ ratio }: { ratio: number }) => ratio);
    const range = `${medianRatio.toFixed(1)} (${Math.min(...ratios).toFixed(1)} to ${Math.max(...ratios).toFixed(1)})`;
    expect(flat(readme)).toContain(`graded ${medianRatio.toFixed(1)} times as fast`);
    expect(flat(sandboxPage)).toContain(
      `${sandboxPerSecond.toFixed(0)} verdicts a second against ${peerPerSecond.toFixed(0)}`,
    );
    expect(flat(sandboxPage)).toContain(range);
  });
});

describe.each(['quickstart-3000', 'quickstart-code'])('docs/results.md, %s', (name) => {
  it.each([11, 12, 13])('seed %i', (seed) => {
    const { rows } = FinalReport.parse(json(`${name}/seed-${seed}-final.json`));
    const [start, last, control] = rows.map((row) => {
      const set = row.sets[0];
      const percent = (value: number) => (100 * value).toFixed(1);
      const accuracy = `${percent(set?.accuracy ?? 0)} (${(set?.ci95 ?? []).map(percent).join('–')})`;
      const { difference = 0, ci95 = [] } = set?.paired ?? {};
      return {
        accuracy,
        gain: `+${percent(difference)} (${ci95.map(percent).join('–')})`,
        tokens: row.optimizerTokens,
      };
    });
    const cells = [
      seed,
      start?.accuracy,
      last?.accuracy,
      last?.gain,
      control?.accuracy,
      control?.gain,
      (last?.tokens ?? 0).toLocaleString('en'),
    ];
    expect(flat(results)).toContain(`| ${cells.join(' | ')} |`);
  });
});

it.each([
  ['mini', 20],
  ['few', 5],
  ['easy', 4],
])('docs/results.md has tables of the experiment %s as they were made', (name, most) => {
  const [, section = ''] =
    new RegExp(`<!-- experiment:${name} -->([\\s\\S]*)<!-- /experiment:${name} -->`).exec(results) ?? [];
  const lines = section.split('\n').filter((line) => line.startsWith('| '));
  expect(lines.length).toBeGreaterThan(most);
  const table = read(`experiments/${name}/table.md`);
  for (const line of lines) expect(table).toContain(line);
});

it('docs/results.md has what choosing among samples gave', () => {
  const signed = (value: number) => `${value < 0 ? '-' : '+'}${Math.abs(100 * value).toFixed(1)}`;
  const seeds = readdirSync(join(root, 'experiments/few')).filter((name) => name.startsWith('best-of-'));
  expect(seeds.length).toBeGreaterThan(1);
  for (const name of seeds) {
    const { bestOf } = json(`few/${name}`);
    for (const { rule, againstMajority } of bestOf.rules) {
      if (!['prm', 'prm-logprob', 'logprob', 'oracle'].includes(rule)) continue;
      const [lo, hi] = againstMajority.ci95;
      expect(results, rule).toContain(`${signed(againstMajority.value)} (${signed(lo)} to ${signed(hi)})`);
    }
  }
});

it('docs/results.md has the agreement of labels that was measured', () => {
  for (const file of ['seed-1', 'seed-2', 'seed-1-calculator'])
    for (const row of read(`experiments/labels/${file}.md`)
      .split('\n')
      .slice(2)
      .filter((line) => line !== '')) {
      const [, , agreement = '', , stepAuc = ''] = row.split('|').map((cell) => cell.trim());
      expect(results).toContain(agreement);
      expect(results).toContain(stepAuc.split(' ')[0] ?? '');
    }
});

// sipf run --dry-run on scripted models: what it refuses, and what its estimate rests on.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { DryRunEstimate } from '../../src/cli/commands/dry-run.ts';
import { describeSuccess } from '../../src/cli/commands/dry-run-print.ts';
import { parseConfig } from '../../src/config/load.ts';
import { askCli, buildCli, SCRIPTED } from './run-cli.ts';
import { sumLines } from './sum-questions.ts';

let folder = '';
const sipf = (words: string, engine = SCRIPTED) => askCli(words.split(' '), { engine, cwd: folder });
async function estimateOf(words: string, script?: string) {
  const { code, stdout, stderr } = await sipf(`run ${words} --out dry --dry-run --json`, script);
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  expect(existsSync(join(folder, 'dry'))).toBe(false);
  const { estimate, calibration } = JSON.parse(stdout) as {
    estimate: DryRunEstimate;
    calibration: { secondsPerGrade: number } | null;
  };
  return { estimate, calibration, stderr };
}

const own = '--task jsonl --data data --model base --seed 3';
/** Each is `run` with these words, and what its refusal says. */
const REFUSED: readonly (readonly [string, RegExp])[] = [
  [`${own} --out run --align.loss.lambda 0.3`, /align\.loss\.lambda: 0\.1 -> 0\.3/],
  [`${own} --out new --from-run data`, /Expected a run to copy stages from/],
  ['--task jsonl --data nowhere --model base --out new', /nowhere/],
  [`${own} --out new --labels.k 3`, /Did you mean --labels\.K/],
  [`${own} --out new --labels.heldOut 1`, /Lower labels\.heldOut/],
  ['--preset smoke --task jsonl --data data --out new', /its own tokenizer/],
];

beforeAll(async () => {
  buildCli();
  folder = mkdtempSync(join(tmpdir(), 'sipf-dry-run-test-'));
  mkdirSync(join(folder, 'data'));
  for (const [offset, name] of ['train', 'valid', 'test'].entries())
    writeFileSync(join(folder, 'data', `${name}.jsonl`), sumLines(40, offset));
  writeFileSync(join(folder, 'broken.jsonl'), '{"question":"1+1","answer":2}\n{"question":3\n');
  const code = Array.from({ length: 30 }, (_, i) => ({
    id: `p${i}`,
    prompt: `def f${i}(x):\n    """ Returns x plus one. """\n`,
    code: '    return x + 1\n',
    entry_point: `f${i}`,
    tests: [`assert f${i}(1) == 2`],
  }));
  writeFileSync(join(folder, 'code.jsonl'), code.map((line) => `${JSON.stringify(line)}\n`).join(''));
  const { code: done } = await sipf(`run ${own} --iterations 0 --out run`);
  expect(done).toBe(0);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('sipf run --dry-run', () => {
  it.each(REFUSED)('refuses %s before it measures, as the run does', async (words, says) => {
    const before = readdirSync(folder, { recursive: true });
    const dry = await sipf(`run ${words} --dry-run`);
    const real = await sipf(`run ${words}`);
    expect({ code: dry.code, stdout: dry.stdout, real: real.code }).toEqual({ code: 2, stdout: '', real: 2 });
    expect(dry.stderr).toMatch(says);
    expect(dry.stderr).not.toContain('Measuring');
    expect(dry.stderr.trim().split('\n').at(-1)).toBe(real.stderr.trim().split('\n').at(-1));
    expect(readdirSync(folder, { recursive: true })).toEqual(before);
  });

  it('estimates labels from sampled paths, and says how far they may be off', async () => {
    const { estimate, stderr } = await estimateOf(`${own} --sampling.questions 20`);
    const { success, range, total } = estimate;
    // Of 32 questions as many paths as the run draws, where there is time for them.
    expect(success).toMatchObject({ n: 256, questions: 32, assumed: null, timedOut: 0 });
    expect(success.p).toBeCloseTo((success.right + 0.5) / 257, 10);
    expect(success.ci95?.[0]).toBeLessThan(success.right / 256);
    expect(success.labelled?.paths).toBeGreaterThan(20);
    expect(estimate.unmeasured).toBeNull();
    expect(range?.rollouts[0]).toBeLessThan(total.rollouts);
    expect(range?.rollouts[1]).toBeGreaterThan(total.rollouts);
    expect(range?.seconds[0]).toBeLessThanOrEqual(total.seconds ?? 0);
    expect(range?.seconds[1]).toBeGreaterThanOrEqual(total.seconds ?? 0);
    for (const what of [
      'Reading questions',
      'Opening models',
      'Checking prompts',
      'Measuring',
      'Sampling paths',
      'Labelling',
    ])
      expect(stderr).toContain(what);
    const { stdout } = await sipf(`run ${own} --out dry --dry-run`);
    expect(stdout).toMatch(
      /Rollouts: \d+ of 256 sampled paths of the start model are right \(32 questions\), [\d.]+ % \(95 %: /,
    );
    expect(stdout).toContain('After the warm-up the model is better');
  });

  it('measures nothing with --no-measure, and says what it assumes', async () => {
    const { estimate, calibration, stderr } = await estimateOf(`${own} --no-measure`);
    expect(estimate.success).toMatchObject({ p: 0.3, n: 0, ci95: null });
    expect(estimate.unmeasured).toMatch(/--no-measure/);
    expect([calibration, estimate.total.seconds, estimate.range]).toEqual([null, null, null]);
    expect(estimate.total.rollouts).toBeGreaterThan(0);
    // Lengths are counted: that is no measuring.
    expect(estimate.assumptions.promptTokens).not.toBe(60);
    for (const what of ['Measuring', 'Sampling', 'Labelling']) expect(stderr).not.toContain(what);
    const { stdout } = await sipf(`run ${own} --out dry --dry-run --no-measure`);
    expect(stdout).toMatch(/No time is estimated, since\s+nothing\s+was\s+to\s+be\s+measured/);
    expect(stdout).toMatch(/a chance of 30\.0 % to be right is assumed/);
  });

  it('counts worked solutions as the run has them, and the questions of the sets', async () => {
    const all = (await estimateOf(own)).estimate;
    const few = (await estimateOf(`${own} --task.solutions 5`)).estimate;
    expect([all.assumptions.solvedQuestions, few.assumptions.solvedQuestions]).toEqual([40, 5]);
    expect(few.stages[0]?.trainTokens).toBeLessThan((all.stages[0]?.trainTokens ?? 0) / 4);
    expect(all.assumptions).toMatchObject({ trainQuestions: 40, evalQuestions: 40, finalQuestions: 0 });
    const shown = (await estimateOf(`${own} --prompt.shots 1`)).estimate.assumptions;
    expect(shown.trainQuestions).toBeLessThan(40);
  });

  it('says that it assumes a chance where the run makes its model', async () => {
    const { estimate } = await estimateOf('--preset smoke');
    expect(estimate.success).toMatchObject({ p: 0.3, ci95: null });
    expect(estimate.success.assumed).toMatch(/makes its model/);
    expect(estimate.range).toBeNull();
  });

  it('counts programs that never end as the time that the run gives them', async () => {
    const words = '--task code --data code.jsonl --model base --sft.enabled false --sandbox.timeout 2';
    const { estimate, calibration } = await estimateOf(words, 'endless-model.mjs');
    const { n, timedOut } = estimate.success;
    // How many programs there is time for depends on the machine.
    expect(timedOut).toBeGreaterThan(0);
    expect(calibration?.secondsPerGrade).toBeGreaterThanOrEqual((2 * timedOut) / n / availableParallelism());
    expect(describeSuccess(estimate, parseConfig({ sandbox: { timeout: 2 } }))).toContain(
      `${timedOut} of these programs did not end within 2 s (sandbox.timeout)`,
    );
  });

  it('refuses references that all fail their tests', async () => {
    const broken = readFileSync(join(folder, 'code.jsonl'), 'utf8').replaceAll('return x + 1', 'return x + 2');
    writeFileSync(join(folder, 'wrong.jsonl'), broken);
    const words = 'run --task code --data wrong.jsonl --model base --sft.enabled false --out new';
    const dry = await sipf(`${words} --dry-run`);
    expect(dry.code).toBe(2);
    expect(dry.stderr).toMatch(/whose solutions pass their tests, got none of/);
    expect(dry.stderr).not.toContain('Measuring');
  });
});

// A dry run, then the run, on scripted models of known success -> how close label tokens are.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import picocolors from 'picocolors';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createScriptedBackend, type WriteArgs } from '../../src/backends/scripted.ts';
import { type DryRunEstimate, dryRun } from '../../src/cli/commands/dry-run.ts';
import type { Terminal } from '../../src/cli/terminal.ts';
import { parseConfig } from '../../src/config/load.ts';
import type { ConfigInput } from '../../src/config/schema.ts';
import { runLoop } from '../../src/pipeline/run-loop.ts';
import { scoreSum, sumQuestion } from '../scripted-sums.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sipf-dry-run-'));
  const lines = Array.from({ length: 200 }, (_, i) => {
    const { id, question, answer } = sumQuestion('train', i);
    return JSON.stringify({ id, question, answer });
  });
  await writeFile(join(folder, 'sums.jsonl'), `${lines.join('\n')}\n`);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A sum of which `left` is still to be added to `total`, as the text so far says. */
interface Rest {
  readonly all: readonly number[];
  readonly left: readonly number[];
  readonly total: number;
  readonly random: WriteArgs['random'];
}

/** Partial sums from `total` on; each is off by what `slip` says. */
function partialSums({ left }: Rest, from: number, slip: (last: boolean) => number): string {
  let total = from;
  const lines = left.map((n, i) => {
    const next = total + n + slip(i === left.length - 1);
    const line = `${total}+${n}=${next}`;
    total = next;
    return line;
  });
  return [...lines, `The answer is ${total}`].join('\n');
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

/** Right with chance p, whatever the text so far says. */
const alike = (p: number) => (rest: Rest) => {
  const off = rest.random.next() < p ? 0 : rest.random.int(1, 50);
  const truth = sum(rest.all.slice(0, rest.all.length - rest.left.length));
  return partialSums(rest, truth, (last) => (last ? off : 0));
};

/** Each step slips by itself, so that a whole path is right with chance p. What is false stays false: most models are so. */
const slipping = (p: number) => (rest: Rest) => {
  const slip = 1 - p ** (1 / (rest.all.length - 1));
  return partialSums(rest, rest.total, () => (rest.random.next() < slip ? rest.random.int(1, 50) : 0));
};

function backendOf(write: (rest: Rest) => string) {
  return createScriptedBackend({
    score: scoreSum,
    write: ({ prompt, prefix, random }) => {
      const question = prompt.slice(prompt.lastIndexOf('Question: ') + 10).split('\n')[0] ?? '';
      const all = question.split('+').map(Number);
      const done = prefix.split('\n').filter((line) => /^\d+\+/.test(line));
      const total = Number(done.at(-1)?.split('=')[1] ?? all[0]);
      return write({ all, left: all.slice(1 + done.length), total, random });
    },
  });
}

/** A terminal that keeps what is printed. */
function quietTerminal(printed: string[]): Terminal {
  return {
    signal: new AbortController().signal,
    print: async (line) => void printed.push(line),
    write: () => {},
    log: () => {},
    warn: () => {},
    progress: () => ({ update: () => {}, end: () => {}, [Symbol.dispose]: () => {} }),
    colors: picocolors.createColors(false),
    columns: 100,
    now: () => 0,
    resumes: () => {},
    endsByStop: () => {},
  };
}

function configWith(labels: ConfigInput['labels']) {
  return parseConfig({
    model: 'base',
    iterations: 1,
    task: { name: 'jsonl', data: join(folder, 'sums.jsonl'), limit: 80 },
    sft: { enabled: false },
    sampling: { samples: 6, gold: false },
    pairs: { eta: 0.001, chosenGate: 'none' },
    evaluate: { sets: [], final: [], control: 'none' },
    labels,
  });
}

describe('the estimated tokens of labels are those of the run, within a quarter', () => {
  const kinds = { alike, slipping };
  const cases = (['alike', 'slipping'] as const).flatMap((kind) => [0.05, 0.3, 0.8].map((p) => [kind, p, {}] as const));
  it.each([
    ...cases,
    ['slipping', 0.3, { mode: 'full', K: 4 }] as const,
    ['slipping', 0.05, { paths: 100, K: 4 }] as const,
  ])('%s, p = %d, labels %j', async (kind, p, labels) => {
    const [config, backend] = [configWith(labels), backendOf(kinds[kind](p))];
    const printed: string[] = [];
    const args = { config, backend, out: join(folder, 'dry'), fromRun: undefined, json: true, measure: true };
    await dryRun(args, quietTerminal(printed));
    const { estimate } = JSON.parse(printed.join('')) as { estimate: DryRunEstimate };
    const expected = estimate.stages.find(({ stage }) => stage === '2-step-labels');
    const { rounds } = await runLoop({ config, backend, out: join(folder, `${kind}-${p}-${JSON.stringify(labels)}`) });
    const spent = rounds[1]?.counts['2-step-labels'];
    const ratio = (expected?.generatedTokens ?? 0) / (spent?.['generatedTokens'] ?? 0);
    expect(estimate.success.labelled?.paths).toBeGreaterThan(20);
    expect(Math.abs(estimate.success.p - p)).toBeLessThan(0.12);
    expect({ ratio, isClose: ratio > 0.75 && ratio < 1.25 }).toMatchObject({ isClose: true });
  });
});

// Small functions to write, and a scripted model that writes them by chance: tests without engine.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StepPath } from '../src/backend.ts';
import type { WriteArgs } from '../src/backends/scripted.ts';
import { scoreSum, writeSum } from './scripted-sums.ts';

const FIRST: Readonly<Record<string, number>> = { train: 0, valid: 100, test: 200 };

/** Problem i: take x, add one number, multiply by another. `broken`: its reference fails its test. */
function codeRow(index: number, broken = false) {
  const [a, b] = [2 + (index % 37), 3 + (index % 11)];
  return {
    id: `p${index}`,
    prompt: `Write f that adds ${a} and multiplies by ${b}.`,
    show_tests: false,
    code: `def f(x):\n    y = x + ${a}\n    y = y * ${b}\n    return y\n`,
    tests: [`assert f(1) == ${(1 + a) * b}`, `assert f(5) == ${(5 + a) * b + (broken ? 1 : 0)}`],
    entry_point: 'f',
  };
}

/** Writes train, valid and test files of the task `code` below `folder`; of the train problems, those in `broken` are broken. */
export async function writeCodeData(folder: string, count: number, broken: readonly number[] = []): Promise<void> {
  await mkdir(join(folder, 'code'), { recursive: true });
  for (const [split, first] of Object.entries(FIRST)) {
    const rows = Array.from({ length: count }, (_, i) => codeRow(first + i, split === 'train' && broken.includes(i)));
    await writeFile(join(folder, 'code', `${split}.jsonl`), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  }
}

/** Goes on from the prefix; each line goes wrong with a chance that falls with skill. Sums are written by the sums' own writer. */
export function writeCode(args: WriteArgs): string {
  const { prompt, prefix, random, temperature, skill } = args;
  const found = [...prompt.matchAll(/adds (\d+) and multiplies by (\d+)/g)].at(-1);
  if (found === undefined) return writeSum(args);
  const slip = (temperature === 0 ? 0.15 : 0.35) * 0.8 ** skill;
  const change = (n: string | undefined) => Number(n) + (random.next() < slip ? 1 + random.int(0, 3) : 0);
  const extra = random.next() < 0.3 ? '    z = y\n    w = z\n    u = w\n' : '';
  const lines = [
    'def f(x):\n',
    `    y = x + ${change(found[1])}\n`,
    `    y = y * ${change(found[2])}\n`,
    extra,
    '    return y\n',
  ];
  const done = ['def f(x):\n', '    y = x +', '    y = y *'].filter((line) => prefix.includes(line)).length;
  return lines.slice(done).join('');
}

/** Sees a wrong number from the step on that writes it; scores sums as sums alone are scored. */
export function scoreCode(path: StepPath): number[] {
  const found = [...path.prompt.matchAll(/adds (\d+) and multiplies by (\d+)/g)].at(-1);
  if (found === undefined) return scoreSum(path);
  let isRight = true;
  return path.steps.map((step) => {
    const [, sign, number] = /y = \w ([+*]) (\d+)/.exec(step) ?? [];
    if (sign !== undefined && number !== found[sign === '+' ? 1 : 2]) isRight = false;
    return isRight ? 0.9 : 0.2;
  });
}

// A model and GSM8K -> log-probabilities of worked solutions in float32, NF4 and int8, as a table.
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import type { LogpsItem } from '#sipf/backend.js';
import { openBackend } from '#sipf/index.js';
import { mean, sum } from '#sipf/statistics/intervals.js';

const USE = `Use: node scripts/tool.mjs experiments/quantised/quality --model MODEL --data test.jsonl [--questions N] [--threads N] [--out FILE.json]

Reads the worked solutions of the first N test questions of GSM8K with each kind of weights.`;

const KINDS = [null, 'nf4', 'nf4-double', 'int8'] as const;

interface Row {
  readonly weights: string;
  readonly mebibytes: number;
  /** Of a token of the solutions. */
  readonly meanLogp: number;
  /** Mean |difference from float32| of a token. */
  readonly meanDifference: number;
  /** Share of solutions that are less probable than in float32. */
  readonly lessProbable: number;
}

/** The first `count` questions with their solutions, each as a model reads it. */
function itemsOf(file: string, count: number): LogpsItem[] {
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean).slice(0, count);
  return lines.map((line) => {
    const { question, answer } = JSON.parse(line) as { question: string; answer: string };
    return { context: [`Question: ${question}\nAnswer: `], completion: answer };
  });
}

async function read(model: string, items: readonly LogpsItem[], threads: number, quantisation: (typeof KINDS)[number]) {
  await using backend = await openBackend({ threads, quantisation });
  const { weightBytes = 0 } = await backend.describe({ model });
  await using policy = await backend.openPolicy({ model });
  const logps = await policy.logps(items);
  return { weightBytes, logps: logps.map((row) => row.map(Number)) };
}

async function rowsOf(model: string, items: readonly LogpsItem[], threads: number): Promise<Row[]> {
  const rows: Row[] = [];
  let whole: readonly (readonly number[])[] = [];
  for (const kind of KINDS) {
    console.error(`${kind ?? 'float32'} ...`);
    const { weightBytes, logps } = await read(model, items, threads, kind);
    if (kind === null) whole = logps;
    const flat = whole.flat();
    rows.push({
      weights: kind ?? 'float32',
      mebibytes: weightBytes / 2 ** 20,
      meanLogp: mean(logps.flat()),
      meanDifference: mean(logps.flat().map((value, i) => Math.abs(value - flat[i]!))),
      lessProbable: mean(logps.map((row, n) => (sum(row) < sum(whole[n]!) ? 1 : 0))),
    });
  }
  return rows;
}

function tableOf(model: string, rows: readonly Row[]): string {
  const head =
    '| model | weights | MiB | mean log-probability | mean difference | less probable |\n| --- | --- | --- | --- | --- | --- |\n';
  const lines = rows.map(
    ({ weights, mebibytes, meanLogp, meanDifference, lessProbable }) =>
      `| ${model} | ${weights} | ${mebibytes.toFixed(0)} | ${meanLogp.toFixed(4)} | ${meanDifference.toFixed(4)} | ${(100 * lessProbable).toFixed(0)} % |`,
  );
  return `${head}${lines.join('\n')}\n`;
}

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    data: { type: 'string' },
    questions: { type: 'string', default: '50' },
    threads: { type: 'string', default: '1' },
    out: { type: 'string' },
  },
});
const { model, data, questions, threads, out } = values;
if (model === undefined || data === undefined) {
  console.error(USE);
  process.exit(2);
}
const items = itemsOf(data, Number(questions));
const rows = await rowsOf(model, items, Number(threads));
if (out !== undefined)
  writeFileSync(out, `${JSON.stringify({ model: basename(model), questions: items.length, rows }, null, 1)}\n`);
process.stdout.write(tableOf(basename(model), rows));

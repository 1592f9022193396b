// A model and GSM8K -> log-probabilities of worked solutions in float32 and in few bits, as a table.
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import type { LogpsItem } from '#sipf/backend.js';
import { Quantisation } from '#sipf/engine-settings.js';
import { openBackend } from '#sipf/index.js';
import { createRandom } from '#sipf/random.js';
import type { Figure } from '#sipf/reports.js';
import { bootstrap, mean, sum } from '#sipf/statistics/intervals.js';

const USE = `Use: node scripts/tool.mjs experiments/quantised/quality --model MODEL --data test.jsonl [--questions N] [--threads N] [--out FILE.json]

Reads the worked solutions of the first N test questions of GSM8K with each kind of weights.`;

const KINDS = [null, ...Quantisation.options];

interface Row {
  readonly weights: string;
  readonly mebibytes: number;
  /** Of a token of the solutions. */
  readonly meanLogp: number;
  /** Mean difference from float32 of a token, with an interval over the questions; null for float32. */
  readonly difference: Figure | null;
  /** Mean |difference from float32| of a token. */
  readonly distance: number;
}

/** The first `count` questions with their solutions, each as a model reads it. */
function itemsOf(file: string, count: number): LogpsItem[] {
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean).slice(0, count);
  return lines.map((line) => {
    const { question, answer } = JSON.parse(line) as { question: string; answer: string };
    return { context: [`Question: ${question}\nAnswer: `], completion: answer };
  });
}

async function read(model: string, items: readonly LogpsItem[], threads: number, quantisation: Quantisation | null) {
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
    const differences = logps.map((row, n) => row.map((value, i) => value - (whole[n]?.[i] ?? Number.NaN)));
    rows.push({
      weights: kind ?? 'float32',
      mebibytes: weightBytes / 2 ** 20,
      meanLogp: mean(logps.flat()),
      difference: kind === null ? null : bootstrap(differences, ofToken, { random: createRandom('quality') }),
      distance: ofToken(differences.map((row) => row.map(Math.abs))),
    });
  }
  return rows;
}

/** Mean over the tokens of all solutions. */
const ofToken = (rows: readonly (readonly number[])[]): number =>
  sum(rows.map(sum)) / sum(rows.map(({ length }) => length));

function tableOf(model: string, rows: readonly Row[]): string {
  const head =
    '| model | weights | MiB | log-probability of a token | difference from float32 | absolute |\n| --- | --- | --- | --- | --- | --- |\n';
  const lines = rows.map(
    ({ weights, mebibytes, meanLogp, difference, distance }) =>
      `| ${model} | ${weights} | ${mebibytes.toFixed(0)} | ${meanLogp.toFixed(4)} | ${inWords(difference)} | ${distance.toFixed(4)} |`,
  );
  return `${head}${lines.join('\n')}\n`;
}

const inWords = (figure: Figure | null): string =>
  figure === null ? '' : `${figure.value.toFixed(4)} (${figure.ci95.map((end) => end.toFixed(4)).join(' ... ')})`;

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

// Reference solutions and tests -> verdicts per second of the sandbox and of human-eval's way.
// `npm run bench:sandbox -- --data mbpp.jsonl [--programs N] [--rounds N] [--workers N] [--out FILE]`; needs python3 on the PATH and the MBPP data set.
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createPyodideSandbox } from '../../dist/sandboxes/embedded.js';

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({
  options: {
    data: { type: 'string' },
    programs: { type: 'string', default: '300' },
    rounds: { type: 'string', default: '5' },
    workers: { type: 'string', default: '2' },
    out: { type: 'string' },
  },
});
if (values.data === undefined) {
  console.error('Expected --data, got none. Give the file mbpp.jsonl of the MBPP data set.');
  process.exit(2);
}
const workers = Number(values.workers);
/** Takes seconds of arithmetic anywhere: it would measure Python, not the harness. */
const LONG = new Set([123]);

function programs() {
  return readFileSync(values.data, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .filter((row) => !LONG.has(row.task_id) && !row.test_setup_code)
    .slice(0, Number(values.programs))
    .map((row) => ({ code: row.code, tests: row.test_list, entryPoint: /(\w+)\(/.exec(row.test_list[0])?.[1] }));
}

/** Seconds for all programs, each in a process of its own. */
async function peer(all) {
  const child = spawn('python3', [join(here, 'human_eval_peer.py'), String(workers), '30'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const chunks = [];
  child.stdout.on('data', (chunk) => chunks.push(chunk));
  child.stdin.end(all.map(({ code, tests }) => JSON.stringify([code, ...tests].join('\n'))).join('\n'));
  await new Promise((resolve, reject) => child.on('close', resolve).on('error', reject));
  const { seconds, verdicts, python } = JSON.parse(Buffer.concat(chunks).toString());
  return { seconds, right: verdicts.filter((verdict) => verdict === 'passed').length, python };
}

/** Seconds for all programs in the embedded sandbox, all walls up, a fresh state for each. */
async function ours(sandbox, all) {
  const started = performance.now();
  const verdicts = await Promise.all(all.map((program) => sandbox.grade(program)));
  return {
    seconds: (performance.now() - started) / 1000,
    right: verdicts.filter(({ kind }) => kind === 'right').length,
  };
}

function median(numbers) {
  return numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
}

const all = programs();
const sandbox = createPyodideSandbox({ workers, timeoutMs: 30_000 });
const starting = performance.now();
await Promise.all(all.slice(0, workers).map((program) => sandbox.grade(program)));
const startSeconds = (performance.now() - starting) / 1000;
const rounds = [];
let python = '';
for (let round = 0; round < Number(values.rounds); round++) {
  const theirs = await peer(all);
  const own = await ours(sandbox, all);
  python = theirs.python;
  rounds.push({ peerSeconds: theirs.seconds, sandboxSeconds: own.seconds, ratio: theirs.seconds / own.seconds });
  if (theirs.right !== all.length || own.right !== all.length)
    console.error(`Of ${all.length} programs right: ${theirs.right} (process each), ${own.right} (sandbox)`);
  console.log(
    `round ${round + 1}: process each ${(all.length / theirs.seconds).toFixed(0)}/s, sandbox ${(all.length / own.seconds).toFixed(0)}/s, ratio ${(theirs.seconds / own.seconds).toFixed(2)}`,
  );
}
const report = {
  programs: all.length,
  workers,
  cpu: cpus()[0]?.model ?? 'unknown',
  node: process.version,
  python,
  walls: await sandbox.walls(),
  startSeconds,
  peerPerSecond: all.length / median(rounds.map(({ peerSeconds }) => peerSeconds)),
  sandboxPerSecond: all.length / median(rounds.map(({ sandboxSeconds }) => sandboxSeconds)),
  medianRatio: median(rounds.map(({ ratio }) => ratio)),
  rounds,
};
await sandbox[Symbol.asyncDispose]();
console.log(
  `median of ${rounds.length} rounds: ${report.sandboxPerSecond.toFixed(0)} verdicts/s against ${report.peerPerSecond.toFixed(0)}/s, ratio ${report.medianRatio.toFixed(2)}`,
);
if (values.out) writeFileSync(values.out, `${JSON.stringify(report, null, 2)}\n`);

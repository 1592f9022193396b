// Two checkouts -> the time of each stage of one run in both, and the ratio. They run alternately.
//
//   node bench/ab.mjs BEFORE AFTER [--runs 5] [--limit 1.05] [-- --KEY VALUE ...]
//
// Both need a build (npm run build). Settings after `--` go to both runs, e.g. another size. Let the machine be idle. Ends with 1 where a stage takes longer than
// `limit` times as before, beyond what runs of one build differ by.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const SIZE =
  '--preset quickstart --seed 1 --iterations 1 --task.limit 1500 --task.solutions 800 --sft.train.epochs 2 --sampling.questions 300 --labels.paths 200 ' +
  '--pairs.gold true --pairs.chosenGate none --pairs.eta 0.0001 ' +
  '--evaluate.sets [{"split":"valid","limit":200}] --evaluate.final [{"split":"test","limit":300}]';

/** Stage -> seconds in which it ran, of one run of a checkout's build; `program`: from start to end of the process. */
function timesOf(checkout, more) {
  const folder = mkdtempSync(join(tmpdir(), 'sipf-ab-'));
  try {
    const out = join(folder, 'run');
    const args = [join(resolve(checkout), 'dist', 'cli', 'main.js'), 'run', ...SIZE.split(' '), ...more, '--out', out];
    const env = { ...process.env, SIPF_CACHE: join(folder, 'cache') };
    const started = performance.now();
    const { status, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8', env, maxBuffer: 2 ** 28 });
    const program = (performance.now() - started) / 1000;
    if (status !== 0) throw new Error(`Expected the run of ${checkout} to end with 0, got ${status}:\n${stderr}`);
    const events = readFileSync(join(out, 'events.jsonl'), 'utf8').trim().split('\n');
    return { ...stageTimes(events.map((line) => JSON.parse(line))), program };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function stageTimes(events) {
  const begun = {};
  const times = {};
  for (const { type, stage, iteration, time } of events) {
    const name = `${iteration}/${stage}`;
    if (type === 'stage-start') begun[name] = Date.parse(time);
    if (type === 'stage-end') times[name] = (Date.parse(time) - begun[name]) / 1000;
  }
  return times;
}

const sorted = (values) => [...values].sort((a, b) => a - b);
const median = (values) => sorted(values)[Math.floor(values.length / 2)];
/** Half of what the middle runs differ by, as a share of the median. */
const spread = (values) => {
  const all = sorted(values);
  const quarter = Math.floor(all.length / 4);
  return (all[all.length - 1 - quarter] - all[quarter]) / 2 / median(values);
};

const at = process.argv.indexOf('--');
const more = at === -1 ? [] : process.argv.slice(at + 1);
const { values, positionals } = parseArgs({
  args: process.argv.slice(2, at === -1 ? undefined : at),
  options: { runs: { type: 'string', default: '5' }, limit: { type: 'string', default: '1.05' } },
  allowPositionals: true,
});
if (positionals.length !== 2) throw new Error(`Expected two checkouts, got ${positionals.length}. Name both folders.`);

const runs = positionals.map(() => []);
for (let n = 0; n < Number(values.runs); n += 1)
  // In turns, and first the one, then the other: what slows the machine for a while slows both.
  for (const side of n % 2 === 0 ? [0, 1] : [1, 0]) {
    runs[side].push(timesOf(positionals[side], more));
    console.error(`run ${n + 1} of ${positionals[side]}: ${runs[side].at(-1).program.toFixed(1)} s`);
  }

let slower = 0;
console.log(
  `${'stage'.padEnd(28)}${'before s'.padStart(10)}${'after s'.padStart(10)}${'ratio'.padStart(8)}${'+-'.padStart(7)}`,
);
for (const stage of Object.keys(runs[0][0])) {
  const [before, after] = runs.map((side) => side.map((times) => times[stage]));
  const ratio = median(after) / median(before);
  const noise = Math.hypot(spread(before), spread(after));
  // What takes no time has no ratio.
  const isSlower = median(before) > 0.2 && ratio - noise > Number(values.limit);
  if (isSlower) slower += 1;
  const cells = [
    median(before).toFixed(2).padStart(10),
    median(after).toFixed(2).padStart(10),
    ratio.toFixed(3).padStart(8),
  ];
  console.log(`${stage.padEnd(28)}${cells.join('')}${noise.toFixed(3).padStart(7)}${isSlower ? '  slower' : ''}`);
}
process.exitCode = slower === 0 ? 0 : 1;

// A build of the command line -> `sha256  case/path`, a line an artefact, sorted.
//
//   node test/oracle/hash.mjs [--help] [--tier fast|real] [--cli dist/cli/main.js] [--only CASE ...] [--out FILE] [--keep FOLDER]
//
// fast: the scripted model; its hashes are in fast.txt and oracle.test.ts compares them. real: tiny real models; hashes depend on the machine, so compare.mjs
// compares two builds. --only runs also what a case needs. --keep copies what was hashed, to look at a difference. world.mjs says what a hash leaves out.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { here, openWorld, sha256 } from './world.mjs';

const TIERS = { fast: './cases-fast.mjs', real: './cases-real.mjs' };

/** Cases that run at once: as many as the cores of a small machine. */
const ABREAST = 2;

/** Hash lines of a tier's cases, sorted by path. */
export async function hashesOf({
  tier = 'fast',
  cli = join(here, '..', '..', 'dist', 'cli', 'main.js'),
  only,
  keep,
  tell = () => {},
}) {
  const { cases, abreast = ABREAST } = await import(TIERS[tier]);
  const world = openWorld({ cli: resolve(cli), isScripted: tier === 'fast' });
  try {
    const chosen = withNeeds(cases, only ?? Object.keys(cases));
    await runAll(cases, chosen, abreast, async (name) => {
      const started = Date.now();
      mkdirSync(join(world.folder, name));
      await cases[name].run({ ...world, name });
      tell(`${name} ${((Date.now() - started) / 1000).toFixed(1)} s`);
    });
    return linesOf(world, chosen, keep);
  } finally {
    world.close();
  }
}

function withNeeds(cases, names) {
  const chosen = new Set();
  const add = (name) => {
    if (cases[name] === undefined) throw new Error(`Expected a case of ${Object.keys(cases).join(', ')}, got ${name}.`);
    for (const need of cases[name].needs) add(need);
    chosen.add(name);
  };
  for (const name of names) add(name);
  return [...chosen];
}

/** Each case after what it needs, `abreast` at a time. */
async function runAll(cases, names, abreast, run) {
  const waiting = new Set(names);
  const done = new Set();
  const running = new Map();
  while (waiting.size > 0 || running.size > 0) {
    for (const name of waiting) {
      if (running.size === abreast) break;
      if (!cases[name].needs.every((need) => done.has(need))) continue;
      waiting.delete(name);
      running.set(
        name,
        run(name).then(() => name),
      );
    }
    const finished = await Promise.race(running.values());
    running.delete(finished);
    done.add(finished);
  }
}

function linesOf(world, names, keep) {
  const configs = {};
  const lines = [];
  const add = (path, bytes) => {
    lines.push(`${sha256(bytes)}  ${path}`);
    if (keep === undefined) return;
    mkdirSync(dirname(join(keep, path)), { recursive: true });
    writeFileSync(join(keep, path), bytes);
  };
  for (const name of names)
    for (const [path, bytes] of Object.entries(world.artefacts(name, configs))) add(`${name}/${path}`, bytes);
  const sorted = Object.entries(configs).map(([path, config]) => [path.slice(world.folder.length + 1), config]);
  sorted.sort(([a], [b]) => (a < b ? -1 : 1));
  add('config', `${JSON.stringify(Object.fromEntries(sorted), null, 1)}\n`);
  return lines.sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1));
}

/** The comment at the head of this file. */
function help() {
  const [head] = readFileSync(fileURLToPath(import.meta.url), 'utf8').split('\nimport ', 1);
  return `${head.replaceAll(/^\/\/ ?/gm, '')}\n`;
}

async function main() {
  const text = { type: 'string' };
  const { values } = parseArgs({
    options: {
      help: { type: 'boolean' },
      tier: text,
      cli: text,
      out: text,
      keep: text,
      only: { ...text, multiple: true },
    },
  });
  if (values.help) return process.stdout.write(help());
  const started = Date.now();
  const lines = await hashesOf({ ...values, tell: (line) => console.error(line) });
  const output = `${lines.join('\n')}\n`;
  if (values.out === undefined) process.stdout.write(output);
  else writeFileSync(values.out, output);
  console.error(`${lines.length} hashes in ${((Date.now() - started) / 1000).toFixed(1)} s`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();

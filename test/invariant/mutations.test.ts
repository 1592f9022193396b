// Damaged files of every kind -> each opens or is refused, soon and in little memory.
// SIPF_MUTATIONS=100000 runs more of them; SIPF_MUTATION="config 17" runs one, and shows its damage.
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { SipfError } from '../../src/errors.ts';
import { createRandom } from '../../src/random.ts';
import { collect } from '../memory-in-use.ts';
import { makeHeaderTargets, makeTargets, type Target } from '../mutations/targets.ts';
import { sized } from '../tier.ts';

/** Of whole models, and of headers alone. */
const TOTALS = {
  whole: Number(process.env.SIPF_MUTATIONS ?? sized(1300, 10_000)),
  headers: Number(process.env.SIPF_MUTATIONS ?? sized(3000, 100_000)),
} as const;
type Set = keyof typeof TOTALS;
const ONE = process.env.SIPF_MUTATION;
/** Of processor time: other processes do not count. */
const SLOW_MS = 1000;
/** Of objects and buffers after a garbage collection; of the whole process, whose size moves by tens of MiB for nothing; and of its peak. */
const GROWTH = { held: 16 << 20, resident: 192 << 20, peak: 256 << 20 } as const;

let root: string;
let targets: Record<Set, Target[]>;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'sipf-mutations-'));
  for (const name of Object.keys(TOTALS)) await mkdir(join(root, name));
  targets = {
    whole: await makeTargets(join(root, 'whole'), join(import.meta.dirname, '../fixtures')),
    headers: await makeHeaderTargets(join(root, 'headers')),
  };
});
afterAll(() => rm(root, { recursive: true }));

interface Outcome {
  readonly kind: 'opened' | 'refused' | 'broken';
  readonly error: unknown;
  readonly milliseconds: number;
}

async function attempt({ file, use }: Target, bytes: Buffer): Promise<Outcome> {
  await writeFile(file, bytes);
  const before = process.cpuUsage();
  const done = (kind: Outcome['kind'], error: unknown): Outcome => {
    const { user, system } = process.cpuUsage(before);
    return { kind, error, milliseconds: (user + system) / 1000 };
  };
  try {
    await use();
    return done('opened', null);
  } catch (error) {
    return done(error instanceof SipfError && isOurs(error.message) ? 'refused' : 'broken', error);
  }
}

/** Another library's words about our code are no message to a user. */
function isOurs(message: string): boolean {
  const foreign =
    /Cannot read prop|is not a function|is not iterable|Cannot convert|Maximum call stack|Invalid (array|typed)/;
  return /^Expected (?:[^\p{Cc}]|\n){1,1500}$/u.test(message) && !foreign.test(message);
}

/** The least processor time of three tries: the first may have paid for a garbage collection. */
async function leastTime(target: Target, bytes: Buffer): Promise<number> {
  const tries: number[] = [];
  for (let n = 0; n < 3; n++) tries.push((await attempt(target, bytes)).milliseconds);
  return Math.min(...tries);
}

async function run(target: Target, sound: Buffer, n: number): Promise<{ outcome: Outcome; fault: string | null }> {
  const damaged = target.mutate(Buffer.from(sound), createRandom(`mutation/${target.name}/${n}`));
  const outcome = await attempt(target, damaged);
  const name = `${target.name} ${n}`;
  if (outcome.kind === 'broken') {
    const { error } = outcome;
    return {
      outcome,
      fault: `${name}: ${error instanceof Error ? (error.stack ?? error.message).slice(0, 600) : error}`,
    };
  }
  if (outcome.milliseconds <= SLOW_MS) return { outcome, fault: null };
  const time = await leastTime(target, damaged);
  return { outcome, fault: time <= SLOW_MS ? null : `${name}: ${time.toFixed(0)} ms` };
}

it.skipIf(ONE === undefined)('one mutation', async () => {
  const [, name, n] = /^(.*) (\d+)$/.exec(ONE ?? '') ?? [];
  const target = Object.values(targets)
    .flat()
    .find((candidate) => candidate.name === name);
  if (!target) throw new Error(`no target ${name}`);
  const { outcome, fault } = await run(target, await readFile(target.file), Number(n));
  console.log(outcome, fault, (await readFile(target.file)).toString('latin1').slice(0, 3000));
});

/** Mutations number `from` to `to` of a target; its file is sound again afterwards. */
async function round(target: Target, from: number, to: number, totals: Totals): Promise<void> {
  const sound = await readFile(target.file);
  expect((await attempt(target, sound)).error).toBeNull();
  const counts = totals.counts[target.name] ?? { opened: 0, refused: 0, broken: 0 };
  totals.counts[target.name] = counts;
  for (let n = from; n < to; n++) {
    const { outcome, fault } = await run(target, sound, n);
    counts[outcome.kind] += 1;
    if (fault !== null) totals.faults.push(fault);
  }
  await writeFile(target.file, sound);
}

interface Totals {
  readonly counts: Record<string, Record<Outcome['kind'], number>>;
  readonly faults: string[];
}

function memory(): Record<keyof typeof GROWTH, number> {
  collect();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { held: heapUsed + external, resident: rss, peak: 1024 * process.resourceUsage().maxRSS };
}

/** In the first of them code is compiled and caches are filled. */
const ROUNDS = 10;

it.skipIf(ONE !== undefined).each<Set>(['whole', 'headers'])(
  'damaged files are opened or refused: %s',
  async (set) => {
    const own = targets[set];
    const totals: Totals = { counts: {}, faults: [] };
    const each = Math.ceil(TOTALS[set] / own.length / ROUNDS);
    let before = memory();
    for (let n = 0; n < ROUNDS; n++) {
      for (const target of own) await round(target, n * each, (n + 1) * each, totals);
      if (n === 0) before = memory();
      if (process.env.SIPF_MUTATIONS) console.log(n + 1, before, memory(), totals);
    }
    const after = memory();
    expect(totals.faults.slice(0, 20), `${totals.faults.length} faults`).toEqual([]);
    for (const [name, { refused }] of Object.entries(totals.counts)) expect(refused, name).toBeGreaterThan(0);
    for (const kind of ['held', 'resident', 'peak'] as const)
      expect(after[kind] - before[kind], kind).toBeLessThan(GROWTH[kind]);
  },
  7_200_000,
);

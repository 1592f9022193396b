// A run of many samples, written in its own form -> how fast its index is made, opened and asked.
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, open, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Command } from 'commander';
import { renderTable } from '#sipf/cli/commands/show-steps.js';
import { execute } from '#sipf/cli/execute.js';
import { finish, integer } from '#sipf/cli/options.js';
import type { Terminal } from '#sipf/cli/terminal.js';
import { parseConfig } from '#sipf/config/load.js';
import { hashPath } from '#sipf/io/file-hashes.js';
import { createRandom, type Random } from '#sipf/random.js';
import type { PreferencePair, Question, Sample, StepLabels, StepScores } from '#sipf/records.js';
import { answersFrom } from '#sipf/viewer/answers.js';
import type { PathFilter } from '#sipf/viewer/api.js';
import { readPage } from '#sipf/viewer/http/page-file.js';
import { servePage } from '#sipf/viewer/http/serve-page.js';
import type { OpenRun, QuestionSort } from '#sipf/viewer/open-run.js';
import { openRun } from '#sipf/viewer/open-run-index.js';
import { type Frames, type FramesMeasured, measureFrames } from './viewer-frames.ts';

/** Samples of a question in each of two rounds. */
const SAMPLES = 8;
const ROUNDS = 2;
/** Every how many paths one has labels. */
const LABELLED = 4;
const OPENINGS = 3;

interface BenchOptions {
  readonly samples: number;
  readonly requests: number;
  readonly frames: number;
  readonly json?: boolean;
}

function program(terminal: Terminal): Command {
  const command = new Command('viewer')
    .description(
      'Measure the run index: a run of two rounds is written (as records, without a model), indexed, opened and asked, and its list is scrolled in Chromium. Takes minutes at a million samples; let the machine be idle.',
    )
    .option('--samples <n>', 'samples of the run', integer({ min: ROUNDS * SAMPLES }), 1_000_000)
    .option('--requests <n>', 'requests of each kind', integer({ min: 10 }), 250)
    .option(
      '--frames <n>',
      'seconds that the list scrolls in Chromium, if there is one; 0: none',
      integer({ min: 0 }),
      5,
    );
  return finish(
    command,
    'print {samples, indexing, opening, requests, memoryMB, frames}',
    'node scripts/tool.mjs bench/viewer',
    'node scripts/tool.mjs bench/viewer --samples 100000 --json',
  ).action((options: BenchOptions) => bench(options, terminal));
}

async function bench({ samples, requests, frames: scrolling, json }: BenchOptions, terminal: Terminal): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'sipf-bench-viewer-'));
  try {
    const [dir, cache] = [join(folder, 'run'), join(folder, 'cache')];
    terminal.log(`Writing ${samples} samples ...`);
    const files = await writeRun(dir, Math.ceil(samples / (ROUNDS * SAMPLES)));
    terminal.log('Indexing ...');
    const indexing = await measureIndexing(dir, files, folder);
    const opening = await measureOpening(dir, cache);
    terminal.log('Asking ...');
    await using run = await openRun(dir, { cache });
    await run.ready();
    const asked = await measureRequests(run, Math.ceil(samples / (ROUNDS * SAMPLES)), requests);
    const frames = scrolling === 0 ? null : await framesOf(run, scrolling, terminal);
    const result = { samples, indexing, opening, ...asked, frames };
    if (json === true) return await terminal.print(JSON.stringify(result));
    const rows = Object.entries(asked.requests).map(([name, { wall, cpu }]) => [
      name,
      ...[wall.median, wall.p95, cpu.median, cpu.p95].map((ms) => ms.toFixed(1)),
    ]);
    terminal.log(`${(indexing.bytes / 1e6).toFixed(0)} MB of records`);
    const { index, parse } = indexing;
    const speed = ({ wall, cpu }: Spent) => `${wall.toFixed(0)} MB/s (${cpu.toFixed(0)} by CPU time)`;
    const words = 'read and JSON.parse of every line alone';
    terminal.log(`first index: ${speed(index)}, ${words}: ${speed(parse)}; medians of ${OPENINGS}`);
    terminal.log(`opening after it: ${opening.wall.toFixed(2)} s (${opening.cpu.toFixed(2)} of CPU time)`);
    for (const line of renderTable(
      [['request', 'median ms', '95 % ms', 'CPU median', 'CPU 95 %'], ...rows],
      terminal.colors,
    ))
      await terminal.print(line);
    terminal.log(
      `resident memory after each fifth of the requests: ${asked.memoryMB.map((mb) => mb.toFixed(0)).join(', ')} MB`,
    );
    if (frames !== null) await printFrames(frames, terminal);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function framesOf(run: OpenRun, seconds: number, terminal: Terminal): Promise<FramesMeasured | null> {
  terminal.log('Scrolling ...');
  const { log } = terminal;
  await using server = await servePage(answersFrom([run]), { html: await readPage(), port: 0, log });
  const frames = await measureFrames(server.url, seconds);
  if (frames === null) log('No Chromium (SIPF_CHROMIUM names one): frames are not measured.');
  return frames;
}

async function printFrames({ rows, list, empty }: FramesMeasured, terminal: Terminal): Promise<void> {
  const row = (name: string, { frames, median, p95, above16, above25 }: Frames) => [
    name,
    ...[frames, median.toFixed(1), p95.toFixed(1), above16, above25].map(String),
  ];
  const head = ['page', 'frames', 'median ms', '95 % ms', '> 16.7 ms', '> 25 ms'];
  const table = [head, row(`list of ${rows} rows`, list), row('empty (control)', empty)];
  for (const line of renderTable(table, terminal.colors)) await terminal.print(line);
}

const seconds = (since: number): number => (performance.now() - since) / 1000;
const medianOf = (values: readonly number[]): number => quantileOf(values, 0.5);

function quantileOf(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** The two in turn, so that another load meets both; CPU time tells on a busy machine. MB a second. */
async function measureIndexing(dir: string, files: readonly string[], folder: string) {
  let bytes = 0;
  for (const file of files) bytes += (await stat(file)).size;
  const [index, parse]: [Spent[], Spent[]] = [[], []];
  for (let i = 0; i < OPENINGS; i += 1) {
    parse.push(
      await spentOn(async () => {
        for (const file of files) await parseEveryLine(file);
      }),
    );
    index.push(
      await spentOn(async () => {
        await using run = await openRun(dir, { cache: join(folder, i === 0 ? 'cache' : `cache-${i}`) });
        await run.ready();
      }),
    );
  }
  const speed = (all: readonly Spent[], clock: keyof Spent) => bytes / 1e6 / medianOf(all.map((own) => own[clock]));
  const speeds = (all: readonly Spent[]) => ({ wall: speed(all, 'wall'), cpu: speed(all, 'cpu') });
  return { bytes, index: speeds(index), parse: speeds(parse) };
}

/** Seconds. */
interface Spent {
  readonly wall: number;
  readonly cpu: number;
}

async function spentOn(work: () => Promise<unknown>): Promise<Spent> {
  const [start, before] = [performance.now(), process.cpuUsage()];
  await work();
  const { user, system } = process.cpuUsage(before);
  return { wall: seconds(start), cpu: (user + system) / 1e6 };
}

async function parseEveryLine(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    const block = Buffer.alloc(1 << 22);
    let [filled, at] = [0, 0];
    for (;;) {
      const { bytesRead } = await file.read(block, filled, block.length - filled, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      filled += bytesRead;
      let from = 0;
      for (let feed = block.indexOf(10, from); feed !== -1 && feed < filled; feed = block.indexOf(10, from)) {
        JSON.parse(block.toString('utf8', from, feed));
        from = feed + 1;
      }
      block.copyWithin(0, from, filled);
      filled -= from;
    }
  } finally {
    await file.close();
  }
}

/** Until the first answer. */
async function measureOpening(dir: string, cache: string): Promise<Spent> {
  const times: Spent[] = [];
  for (let i = 0; i < OPENINGS; i += 1) {
    times.push(
      await spentOn(async () => {
        await using run = await openRun(dir, { cache });
        await run.questions({ round: ROUNDS, sort: 'file', descending: false, offset: 0, limit: 50 });
      }),
    );
  }
  return { wall: medianOf(times.map(({ wall }) => wall)), cpu: medianOf(times.map(({ cpu }) => cpu)) };
}

const SORTS: readonly QuestionSort[] = ['file', 'score', 'spread', 'right', 'paths', 'tokens'];

function randomFilter(random: Random): PathFilter {
  const all: PathFilter = {
    drawnIn: random.int(1, ROUNDS),
    outcome: random.pick(['right', 'wrong'] as const),
    scoreFrom: random.next(),
    tokensTo: random.int(40, 200),
    truncated: random.next() < 0.5,
    list: random.pick(['false-step', 'low-right', 'high-wrong', 'disagree', 'unscorable'] as const),
    text: random.pick(['apples', 'nowhere', '97*3']),
  };
  return Object.fromEntries(Object.entries(all).filter(() => random.next() < 0.25));
}

async function measureRequests(run: OpenRun, questions: number, count: number) {
  const random = createRandom('viewer');
  const { total } = await run.pairs({ round: ROUNDS, offset: 0, limit: 1 });
  const round = () => random.int(1, ROUNDS);
  const asks: Readonly<Record<string, () => Promise<unknown>>> = {
    questions: () => {
      const order = { sort: random.pick(SORTS), descending: random.next() < 0.5 };
      return run.questions({
        round: round(),
        ...order,
        ...randomFilter(random),
        offset: random.int(0, 1000),
        limit: 50,
      });
    },
    question: () => run.question({ round: round(), id: idOf(random.int(0, questions - 1)) }),
    pairs: () => run.pairs({ round: ROUNDS, offset: random.int(0, Math.max(0, total - 50)), limit: 50 }),
    pair: () => run.pair({ round: ROUNDS, index: random.int(0, total - 1) }),
  };
  const times = new Map(Object.keys(asks).map((name) => [name, [] as Spent[]]));
  const memoryMB: number[] = [];
  for (let i = 0; i < count; i += 1) {
    for (const [name, ask] of Object.entries(asks)) times.get(name)?.push(await spentOn(ask));
    if ((i + 1) % Math.ceil(count / 5) === 0) memoryMB.push(process.memoryUsage.rss() / 1e6);
  }
  const figures = [...times].map(([name, own]) => [name, { wall: inMs(own, 'wall'), cpu: inMs(own, 'cpu') }] as const);
  return { requests: Object.fromEntries(figures), memoryMB };
}

function inMs(all: readonly Spent[], clock: keyof Spent): { readonly median: number; readonly p95: number } {
  const times = all.map((own) => 1000 * own[clock]);
  return { median: medianOf(times), p95: quantileOf(times, 0.95) };
}

const idOf = (number: number): string => `gsm8k/train/${number}`;

/** Records of a run as the loop writes them, with their markers. Returns the record files. */
async function writeRun(dir: string, questions: number): Promise<string[]> {
  const { engine: _, ...config } = parseConfig({ model: { init: {} }, task: { name: 'gsm8k' }, iterations: ROUNDS });
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, 'config.json'), JSON.stringify({ config, versions: {} }));
  const files = [await writeRecords(dir, 0, '0-questions', '0-inputs', questionsOf(questions))];
  for (let k = 1; k <= ROUNDS; k += 1) {
    files.push(await writeRecords(dir, k, '1-samples', '1-samples', samplesOf(questions, k)));
    files.push(await writeRecords(dir, k, '2-step-labels', '2-step-labels', labelsOf(questions, k)));
    files.push(await writeRecords(dir, k, '4-scores', '4-scores', scoresOf(questions, k)));
    files.push(await writeRecords(dir, k, '5-pairs', '5-pairs', pairsOf(questions, k)));
  }
  return files;
}

async function writeRecords(dir: string, k: number, name: string, stage: string, records: Iterable<unknown>) {
  const folder = join(dir, `iteration-${k}`);
  await mkdir(join(folder, 'done'), { recursive: true });
  const path = join(folder, `${name}.jsonl`);
  await pipeline(linesOf(records), createWriteStream(path));
  const marker = { stage, inputs: {}, outputs: { [`${name}.jsonl`]: await hashPath(path) }, result: {} };
  await writeFile(join(folder, 'done', `${stage}.json`), JSON.stringify(marker));
  return path;
}

/** Some thousand lines at a time. */
function* linesOf(records: Iterable<unknown>): Generator<string> {
  let lines: string[] = [];
  for (const record of records) {
    lines.push(JSON.stringify(record));
    if (lines.length < 4096) continue;
    yield `${lines.join('\n')}\n`;
    lines = [];
  }
  if (lines.length > 0) yield `${lines.join('\n')}\n`;
}

function* questionsOf(count: number): Generator<Question> {
  for (let i = 0; i < count; i += 1) {
    const question = `Tom has ${i % 97} bags of apples and each of his ${2 + (i % 5)} friends has as many. Then they give ${i % 13} apples away to the neighbours. How many apples are left in all?`;
    yield { id: idOf(i), task: 'gsm8k', question, answer: String((i % 97) * 3 - (i % 13)) };
  }
}

/** One of a question's paths, always the same. */
function sampleOf(question: number, k: number, index: number): Sample {
  const random = createRandomOf(question, k, index);
  const [a, b] = [question % 97, question % 13];
  const slips = Array.from({ length: 3 }, () => (random() < 0.2 ? 1 : 0));
  const steps = [
    `First I count the bags of Tom and of his friends: ${a}*3=<<${a}*3=${a * 3 + slips[0]!}>>${a * 3 + slips[0]!} apples.`,
    `Then I take away the ones that the neighbours got, so ${a * 3}-${b}=<<${a * 3}-${b}=${a * 3 - b + slips[1]!}>>${a * 3 - b + slips[1]!}.`,
    `I check it again from the end, number ${Math.floor(1000 * random())}, and find nothing else to do.`,
    `So there are ${a * 3 - b} left.\nThe answer is ${a * 3 - b + slips[2]!}`,
  ];
  return {
    id: `${idOf(question)}/${k}/${index}`,
    questionId: idOf(question),
    source: 'policy',
    iteration: k,
    index,
    policy: POLICY,
    steps: steps.slice(0, 2 + Math.floor(3 * random())),
    finishReason: random() < 0.02 ? 'length' : 'stop',
    tokens: 60 + Math.floor(80 * random()),
    sumLogp: -20 * random(),
    extracted: String(a * 3 - b + slips[2]!),
    outcome: slips[2] === 0 ? { kind: 'right' } : { kind: 'wrong', reason: 'other-answer' },
  };
}

const POLICY = '9f2c'.repeat(16);

/** A cheap stream of uniforms of three numbers. */
function createRandomOf(question: number, k: number, index: number): () => number {
  let state = Math.imul(question + 1, 0x9e3779b1) ^ Math.imul(k * 64 + index + 1, 0x85ebca6b);
  return () => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d);
    state = (state + 0x6d2b79f5) | 0;
    return ((state ^ (state >>> 14)) >>> 0) / 2 ** 32;
  };
}

function* samplesOf(questions: number, k: number): Generator<Sample> {
  for (let i = 0; i < questions; i += 1) for (let n = 0; n < SAMPLES; n += 1) yield sampleOf(i, k, n);
}

function* labelsOf(questions: number, k: number): Generator<StepLabels> {
  for (const { id, questionId, index, steps, outcome } of samplesOf(questions, k)) {
    if (index % LABELLED !== 0) continue;
    const tallies = steps.map((_, j) => ({ correct: (index + j) % 5, run: 4, stop: 'full' as const, impliedBy: null }));
    yield {
      sampleId: id,
      questionId,
      iteration: k,
      simulator: POLICY,
      K: 4,
      steps: tallies,
      outcomeRight: outcome.kind === 'right',
      rolloutTokens: 200,
    };
  }
}

function* scoresOf(questions: number, k: number): Generator<StepScores> {
  for (let i = 0; i < questions; i += 1) {
    for (let round = 1; round <= k; round += 1) {
      for (let n = 0; n < SAMPLES; n += 1) {
        const { id, questionId, steps, tokens } = sampleOf(i, round, n);
        const scores = steps.map((_, j) => ((tokens * 7919 + j * 104_729 + k) % 1000) / 1000);
        yield { sampleId: id, questionId, scorer: 'prm', prm: POLICY, scores };
      }
    }
  }
}

function* pairsOf(questions: number, k: number): Generator<PreferencePair> {
  for (let i = 0; i < questions; i += 1) {
    const [chosen, rejected] = [sampleOf(i, k, 0), sampleOf(i, k, 1)];
    const side = ({ id, steps, tokens }: Sample) => ({ sampleId: id, steps, score: tokens / 200 });
    yield {
      questionId: idOf(i),
      task: 'gsm8k',
      question: `Question ${i}`,
      chosen: side(chosen),
      rejected: side(rejected),
    };
  }
}

await execute('viewer', (terminal, argv) => program(terminal).exitOverride().parseAsync(argv, { from: 'user' }));

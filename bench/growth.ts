// Many questions, many servers -> how time and memory of the driver grow, and what a kill costs.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Command } from 'commander';
import { execute } from '#sipf/cli/execute.js';
import { finish, integer, number } from '#sipf/cli/options.js';
import type { Terminal } from '#sipf/cli/terminal.js';
import { writeFileAtomically } from '#sipf/io/files.js';
import type { DriverFigures, DriverSettings } from './growth-driver.ts';
import type { ServerFigures, ServersSettings } from './growth-servers.ts';

/** Samples of a question. */
const SAMPLES = 8;

interface BenchOptions extends Omit<ServersSettings, 'latency'> {
  readonly questions: number;
  readonly concurrency: number;
  readonly perRequest: number;
  readonly unit: number;
  readonly latency: number;
  readonly kill?: number;
  readonly method: string;
  readonly until: string;
  readonly heap?: number;
  readonly profile?: string;
  readonly out?: string;
  readonly json?: boolean;
}

function program(terminal: Terminal): Command {
  const command = new Command('growth')
    .description(
      'Run the stages of a real run against many servers of scripted texts, in a process of their own: how time and memory of the driver grow with the questions, what a slow server costs, and what is drawn again after a kill.',
    )
    .option('--questions <n>', 'questions, of eight samples each', integer({ min: 1 }), 10_000)
    .option('--servers <n>', 'servers', integer({ min: 1 }), 100)
    .option('--concurrency <n>', 'requests at a time at each server', integer({ min: 1 }), 8)
    .option('--per-request <n>', 'completions that a request asks for', integer({ min: 1, max: SAMPLES }), 1)
    .option('--unit <n>', 'questions of a unit of work', integer({ min: 1 }), 16)
    .option(
      '--latency <ms>',
      'time of an answer at the fastest server; the slowest takes twice as long',
      number({ min: 0 }),
      20,
    )
    .option('--slow <n>', 'servers that take --slowness times as long', integer({ min: 0 }), 0)
    .option('--slowness <n>', 'see --slow', number({ min: 1 }), 10)
    .option(
      '--faults <share>',
      'share of requests that fail: 429, 500, cut bodies, cut connections',
      number({ min: 0, max: 0.9 }),
      0,
    )
    .option(
      '--kill <share>',
      'kill the driver with -9 when this share of the first stage is done, and continue',
      number({ min: 0, max: 1 }),
    )
    .option('--method <name>', 'the method of the run', 'sipf')
    .option('--until <stage>', 'the last stage of the run', '1-samples')
    .option('--heap <MB>', 'most memory of the heap of the driver', integer({ min: 50 }))
    .option('--profile <folder>', 'write a CPU profile of the driver there')
    .option('--out <folder>', 'keep the run there');
  return finish(
    command,
    'print {settings, stages, drawn, drawnAgain, unitsAgain, failed, drawnBySlow, drawnByOthers, mostAtOnce, records}',
    'node scripts/tool.mjs bench/growth --questions 100000 --unit 4 --heap 400 --json',
    'node scripts/tool.mjs bench/growth --questions 2000 --unit 4 --faults 0.03 --slow 1 --kill 0.5 --json',
  ).action((options: BenchOptions) => bench(options, terminal));
}

async function bench(options: BenchOptions, terminal: Terminal): Promise<void> {
  const { questions, latency, json, ...rest } = options;
  const folder = options.out ?? (await mkdtemp(join(tmpdir(), 'sipf-bench-growth-')));
  try {
    await writeQuestions(join(folder, 'data'), questions);
    await using servers = await openServers({ ...rest, latency: [latency, 2 * latency] });
    const settings = driverSettings(options, folder, servers.urls);
    const drives: DriverFigures[][] = [];
    for (const share of options.kill === undefined ? [null] : [options.kill, null]) {
      const drive = await runDriver(settings, options, share, (figures) => terminal.log(lineOf(figures)));
      drives.push(drive);
    }
    const figures = await servers.figures();
    const file = join(settings.out, 'iteration-1', '1-samples.jsonl');
    const records = existsSync(file) ? await countRecords(file, questions) : null;
    const report = reportOf(options, drives, figures, records);
    await terminal.print(json === true ? JSON.stringify(report) : JSON.stringify(report, null, 2));
  } finally {
    if (options.out === undefined) await rm(folder, { recursive: true, force: true });
  }
}

/** Files for valid and test, too: else some of the train questions would become theirs. */
async function writeQuestions(folder: string, count: number): Promise<void> {
  await mkdir(folder, { recursive: true });
  await writeFileAtomically(join(folder, 'train.jsonl'), questionLines(0, count));
  await writeFileAtomically(join(folder, 'valid.jsonl'), questionLines(count, 2));
  await writeFileAtomically(join(folder, 'test.jsonl'), questionLines(count + 2, 2));
}

function* questionLines(from: number, count: number): Generator<string> {
  for (let n = from; n < from + count; n += 1) {
    const [a, b] = [n, (n * 7919) % 1000];
    const question = `What is twice the sum of ${a} and ${b}?`;
    yield `${JSON.stringify({ question, answer: String(2 * (a + b)) })}\n`;
  }
}

interface Servers extends AsyncDisposable {
  readonly urls: readonly string[];
  figures(): Promise<readonly ServerFigures[]>;
}

async function openServers({ servers, latency, slow, slowness, faults }: ServersSettings): Promise<Servers> {
  const settings: ServersSettings = { servers, latency, slow, slowness, faults };
  const child = fork(beside('growth-servers.js'), [JSON.stringify(settings)], { stdio: ['ignore', 2, 2, 'ipc'] });
  const [urls] = (await once(child, 'message')) as [readonly string[]];
  return {
    urls,
    async figures() {
      child.send('figures');
      const [figures] = (await once(child, 'message')) as [readonly ServerFigures[]];
      return figures;
    },
    async [Symbol.asyncDispose]() {
      child.disconnect();
      await once(child, 'exit');
    },
  };
}

const beside = (name: string): string => join(import.meta.dirname, name);

function driverSettings(options: BenchOptions, folder: string, url: readonly string[]): DriverSettings {
  const { concurrency, perRequest, unit, method, until } = options;
  const sampler = { kind: 'openai', url, model: 'scripted', concurrency, perRequest, retries: 20, others: 'local' };
  const config = {
    model: 'scripted',
    method,
    task: { name: 'jsonl', data: join(folder, 'data') },
    iterations: 1,
    sft: { enabled: false },
    sampling: { samples: SAMPLES, unit },
    labels: { K: 2 },
    evaluate: { sets: [], final: [], control: 'none' },
    engine: { module: beside('growth-script.js'), sampler },
  };
  return { config, out: join(folder, 'run'), until };
}

/** `killAt`: the share of its first stage at which it is killed. */
async function runDriver(
  settings: DriverSettings,
  { questions, heap, profile }: BenchOptions,
  killAt: number | null,
  onFigures: (figures: DriverFigures) => void,
): Promise<DriverFigures[]> {
  const execArgv = [
    ...(heap === undefined ? [] : [`--max-old-space-size=${heap}`]),
    ...(profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]),
  ];
  const options = { execArgv, stdio: ['ignore', 2, 2, 'ipc'] as const };
  const child: ChildProcess = fork(beside('growth-driver.js'), [JSON.stringify(settings)], {
    ...options,
    stdio: [...options.stdio],
  });
  const told: DriverFigures[] = [];
  child.on('message', (message) => {
    const figures = message as DriverFigures;
    told.push(figures);
    onFigures(figures);
    if (killAt !== null && figures.stage === '1-samples' && figures.done >= killAt * questions) child.kill('SIGKILL');
  });
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  if (code !== 0 && !(killAt !== null && signal === 'SIGKILL'))
    throw new Error(`The driver ended by ${code ?? signal}`);
  return told;
}

function lineOf({ type, stage, done, seconds, rssMB, heapMB }: DriverFigures): string {
  return `${seconds.toFixed(0)} s: ${type} ${stage}, ${done} done, ${rssMB.toFixed(0)} MB resident, heap ${heapMB.toFixed(0)} MB`;
}

/** Samples, and whether they are in the order of the questions and of their numbers, each once. */
async function countRecords(
  file: string,
  questions: number,
): Promise<{ samples: number; questions: number; inOrder: boolean }> {
  let [samples, seen, last] = [0, 0, -1];
  let inOrder = true;
  let before = '';
  for await (const line of createInterface({ input: createReadStream(file) })) {
    const { questionId, index } = JSON.parse(line) as { questionId: string; index: number };
    if (questionId !== before) {
      seen += 1;
      last = -1;
    }
    inOrder &&= index > last;
    [before, last] = [questionId, index];
    samples += 1;
  }
  return { samples, questions: seen, inOrder: inOrder && seen <= questions };
}

function reportOf(
  options: BenchOptions,
  drives: readonly (readonly DriverFigures[])[],
  servers: readonly ServerFigures[],
  records: object | null,
) {
  const { questions, slow } = options;
  const drawn = servers.reduce((sum, server) => sum + server.drawn, 0);
  const stages = drives.map((told) => stagesOf(told));
  return {
    settings: options,
    stages,
    drawn,
    drawnAgain: drawn - SAMPLES * questions,
    unitsAgain: (drawn - SAMPLES * questions) / (SAMPLES * options.unit),
    failed: servers.reduce((sum, server) => sum + server.asked - server.answered, 0),
    drawnBySlow: servers.slice(0, slow).map((server) => server.drawn),
    drawnByOthers: mean(servers.slice(slow).map((server) => server.drawn)),
    mostAtOnce: Math.max(...servers.map(({ most }) => most)),
    records,
  };
}

/** Of each stage its seconds, and the memory at its start, in each fifth, and at its end. */
function stagesOf(told: readonly DriverFigures[]) {
  return [...new Set(told.map(({ stage }) => stage))].map((stage) => {
    const own = told.filter((figures) => figures.stage === stage);
    const [first, last] = [own[0]!, own.at(-1)!];
    const at = (share: number) => own[Math.min(own.length - 1, Math.floor(share * own.length))]!;
    return {
      stage: stage || 'start',
      seconds: round(last.seconds - (stage === '' ? 0 : first.seconds)),
      cpuSeconds: round(last.cpuSeconds - (stage === '' ? 0 : first.cpuSeconds)),
      rssMB: [0, 0.2, 0.4, 0.6, 0.8, 1].map((share) => round(at(share).rssMB)),
      mostRssMB: round(Math.max(...own.map(({ rssMB }) => rssMB))),
      leastHeapMB: fifths(own).map((some) => round(Math.min(...some.map(({ heapMB }) => heapMB)))),
    };
  });
}

function fifths(own: readonly DriverFigures[]): (readonly DriverFigures[])[] {
  return [0, 1, 2, 3, 4].flatMap((n) => {
    const some = own.slice(Math.floor((n * own.length) / 5), Math.floor(((n + 1) * own.length) / 5));
    return some.length === 0 ? [] : [some];
  });
}

const round = (value: number): number => Math.round(10 * value) / 10;
const mean = (values: readonly number[]): number =>
  round(values.reduce((sum, value) => sum + value, 0) / values.length);

await execute('growth', (terminal, argv) => program(terminal).exitOverride().parseAsync(argv, { from: 'user' }));

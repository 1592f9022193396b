// Ten servers with faults, one of them slow, and a killed driver -> the records of sound servers.
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createScriptedBackend, type ScriptedOptions } from '../../src/backends/scripted.ts';
import { type Asked, type CompletionServer, type Fault, openCompletionServer } from '../completion-server.ts';
import { scoreSum, sumQuestion, writeSum } from '../scripted-sums.ts';
import { buildCli, runCli, SCRIPTED, startCli } from './run-cli.ts';

const QUESTIONS = 120;
const SAMPLES = 4;
/** Questions of a unit. */
const UNIT = 4;
const SERVERS = 10;

const folder = mkdtempSync(join(tmpdir(), 'sipf-growth-'));
beforeAll(() => {
  buildCli();
  const lines = (split: string, count: number) =>
    Array.from({ length: count }, (_, n) => `${JSON.stringify(sumQuestion(split, n))}\n`).join('');
  mkdirSync(join(folder, 'data'));
  for (const [split, count] of Object.entries({ train: QUESTIONS, valid: 2, test: 2 }))
    writeFileSync(join(folder, 'data', `${split}.jsonl`), lines(split, count));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Sums of a prompt and what follows it in one text: a server hears of no other boundary. */
const sums: ScriptedOptions['write'] = (args) => {
  const text = args.prompt + args.prefix;
  const question = text.lastIndexOf('Question: ') + 10;
  const prompt = `Q: ${text.slice(question).split('\n')[0]}\n`;
  return writeSum({ ...args, prompt, prefix: text.slice(text.indexOf('\n', question) + 1) });
};

const FAULTS: readonly Fault[] = [{ status: 429 }, { status: 500 }, 'cut', 'cut-within', { status: 503 }];

/** `isSound` false: each has faults of its own, and the first takes long. */
async function openServers(isSound: boolean, onAsked: () => void): Promise<readonly CompletionServer[]> {
  const policy = await createScriptedBackend({ write: sums, score: scoreSum }).openPolicy({ model: 'base' });
  return Promise.all(
    Array.from({ length: SERVERS }, (_, index) => {
      const faultOf = (n: number): Fault | null => {
        onAsked();
        return isSound || n % 13 !== index ? null : (FAULTS[(n + index) % FAULTS.length] ?? null);
      };
      return openCompletionServer({ policy, faultOf, delay: !isSound && index === 0 ? 500 : 5 });
    }),
  );
}

function words(out: string, servers: readonly CompletionServer[]): string[] {
  const url = servers.map((server) => server.url);
  const sampler = { kind: 'openai', url, model: 'm', others: 'local', concurrency: 4, retries: 20 };
  return [
    ...['run', '--method', 'rft', '--model', 'base', '--task', 'jsonl', '--data', join(folder, 'data'), '--out', out],
    ...['--iterations', '1', '--sft.enabled', 'false', '--evaluate.sets', '[]', '--evaluate.final', '[]'],
    ...['--sampling.unit', String(UNIT), '--sampling.samples', String(SAMPLES)],
    ...['--engine.sampler', JSON.stringify(sampler)],
  ];
}

const keyOf = ({ seed, prompt }: Asked) => `${seed} ${prompt}`;
const answeredBy = (servers: readonly CompletionServer[]) =>
  servers.flatMap(({ answered, probed }) => {
    const probes = new Set(probed);
    return answered.filter((asked) => !probes.has(asked)).map(keyOf);
  });

/** The records of the samples, and what was counted. */
function recordsOf(out: string): [string, unknown] {
  const round = join(out, 'iteration-1');
  const marker = JSON.parse(readFileSync(join(round, 'done', '1-samples.json'), 'utf8')) as { result: unknown };
  return [readFileSync(join(round, '1-samples.jsonl'), 'utf8'), marker.result];
}

it('draws each completion once, but less than a unit for each server after a kill', async () => {
  const [sound, faulty] = [join(folder, 'sound'), join(folder, 'faulty')];
  let asked = 0;
  const good = await openServers(true, () => {});
  const whole = await runCli(words(sound, good), { engine: SCRIPTED, cwd: folder });
  expect(whole.stderr).not.toMatch(/^sipf:/m);
  expect(answeredBy(good)).toHaveLength(QUESTIONS * SAMPLES);

  let reached = () => {};
  const half = new Promise<void>((resolve) => (reached = resolve));
  const bad = await openServers(false, () => {
    asked += 1;
    if (asked === (QUESTIONS * SAMPLES) / 2) reached();
  });
  const child = startCli(words(faulty, bad), { engine: SCRIPTED, cwd: folder });
  await half;
  child.kill('SIGKILL');
  await once(child, 'close');
  const resumed = await runCli(['run', '--out', faulty], { engine: SCRIPTED, cwd: folder });
  expect(resumed.stderr).not.toMatch(/^sipf:/m);

  expect(recordsOf(faulty)).toEqual(recordsOf(sound));
  const drawn = answeredBy(bad);
  expect(new Set(drawn).size).toBe(QUESTIONS * SAMPLES);
  expect(drawn.length - QUESTIONS * SAMPLES).toBeLessThanOrEqual(SERVERS * UNIT * SAMPLES);
  expect(drawn.length).toBeLessThan(1.6 * QUESTIONS * SAMPLES);
  const [slow = 0, ...others] = bad.map(({ answered }) => answered.length);
  expect(slow).toBeLessThan(Math.min(...others));
  for (const server of [...good, ...bad]) await server[Symbol.asyncDispose]();
}, 120_000);

// Servers that score steps -> the scores of the same model here; runs and kills leave nothing.
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Backend, ProcessRewardModel, StepPath, TrainJob } from '../../src/backend.ts';
import { createInProcessBackend } from '../../src/backends/local/in-process.ts';
import type { ModelSource } from '../../src/records.ts';
import { openScorer, type ScorerOptions } from '../../src/scorers/scorers.ts';
import { type ModelServer, serve } from '../../src/server/serve.ts';
import { TINY } from '../contract/backend-suite.ts';
import { buildCli, root, runCli, SCRIPTED, startCli } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'sipf-remote-scorer-'));
beforeAll(buildCli);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const PROMPT = 'Question: how many?\nAnswer:\n';
const STEPS = ['3*4=12 apples.\n', '12-2=10 are left.\n', 'The answer is 10\n'];
const OPTIONS: Omit<TrainJob['options'], 'lora'> = {
  ...{ objective: { kind: 'prm' }, learningRate: 1e-2, schedule: 'constant', warmup: 0, weightDecay: 0, clip: 1 },
  ...{ betas: [0.9, 0.999], eps: 1e-8, batchSize: 1, epochs: 1, maxSteps: 4, tokensPerPass: 128, activationsGiB: 8 },
  ...{ maxLength: 128, seed: 1, shuffle: true, checkpointEverySteps: 10 },
};
const LORA = { rank: 4, alpha: 8, dropout: 0, targets: 'all-linear' as const };

describe('sipf serve with a tiny model', () => {
  const model = join(folder, 'model');
  let backend: Backend;
  beforeAll(async () => {
    backend = createInProcessBackend({ provider: 'cpu', threads: 1, cache: join(folder, 'cache') });
    await backend.initModel(model, TINY);
  });
  afterAll(() => backend[Symbol.asyncDispose]());

  const trained = async (
    name: string,
    lora: typeof LORA | null,
    objective = OPTIONS.objective,
  ): Promise<ModelSource> => {
    const examples = [{ kind: 'prm' as const, prompt: PROMPT, steps: STEPS, targets: [1, 0, 1] }];
    const job = { source: { model }, examples, options: { ...OPTIONS, objective, lora }, out: join(folder, name) };
    return (await backend.train(job, () => undefined)).source;
  };
  const scorer = ({ url }: ModelServer, serves: string, more: Partial<ScorerOptions> = {}) =>
    openScorer(
      { kind: 'openai', url: `${url}/v1`, serves, retries: 0, ...more },
      {
        local: backend,
        ...{ env: {}, log: () => {}, random: () => 0, now: () => 0 },
        wait: () => new Promise(() => {}),
        starts: async () => undefined,
      },
    );

  it.each([['full', null] as const, ['lora', LORA] as const])(
    'scores as the same model here: %s',
    async (name, lora) => {
      const source = await trained(name, lora);
      const prm = source.adapter ?? source.model;
      await using server = await serve(backend, { model, prm, port: 0 });
      await using there = await scorer(server, prm).openPrm(source);
      await using here = await backend.openPrm(source);
      await expectSame(there, here);
      const long = { prompt: 'x '.repeat(200), steps: ['y\n'] };
      const errors = await Promise.all([there, here].map((one) => one.score([long]).catch(String)));
      expect(errors[0]).toEqual(errors[1]);
      expect(errors[0]).toMatch(/context length\) in path 0, got/);
    },
  );

  it('scores the same model as a causal LM by its two tokens', async () => {
    const source = await trained('biasless', LORA, { kind: 'prm', headBias: false });
    const lm = join(folder, 'lm');
    await backend.exportModel(source, { to: 'prm-lm', out: lm, card: '' });
    await using server = await serve(backend, { model: lm, port: 0 });
    const elsewhere = scorer(server, source.adapter!);
    expect(await elsewhere.table()).toContainEqual({ name: 'scores', value: expect.stringContaining('two tokens') });
    await using there = await elsewhere.openPrm(source);
    await using here = await backend.openPrm(source);
    await expectSame(there, here);
  });

  it('is refused as a causal LM without these tokens', async () => {
    const source = await trained('biasless', LORA, { kind: 'prm', headBias: false });
    await using server = await serve(backend, { model, port: 0 });
    await expect(scorer(server, source.adapter!).openPrm(source)).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(/in a known way, got none.*\n.*Start it with --prm.*\n.*\n.*two tokens.*Too big/),
    });
  });

  it('is refused with another model', async () => {
    const [first, second] = [await trained('first', LORA), await trained('second', { ...LORA, rank: 2 })];
    await using server = await serve(backend, { model, prm: first.adapter!, port: 0 });
    await expect(scorer(server, second.adapter!).openPrm(second)).rejects.toMatchObject({
      code: 'bad-config',
      message: expect.stringMatching(/Give the server the same files/),
    });
  });
});

async function expectSame(there: ProcessRewardModel, here: ProcessRewardModel): Promise<void> {
  const paths: StepPath[] = [
    { prompt: PROMPT, steps: STEPS },
    { prompt: PROMPT, steps: [...STEPS.slice(1), 'no line feed'] },
    { prompt: 'Two.\n', steps: ['x'] },
  ];
  const [served, known] = [await there.score(paths), await here.score(paths)];
  expect(served.map(({ length }) => length)).toEqual([3, 3, 1]);
  for (const [i, score] of known.flat().entries()) expect(served.flat()[i]).toBeCloseTo(score, 5);
}

/** Until nothing answers there. */
async function gone(port: string): Promise<void> {
  const ask = () =>
    fetch(`http://127.0.0.1:${port}/v1/models`).then(
      () => true,
      () => false,
    );
  while (await ask()) await setTimeout(50);
}

const portsOf = (stderr: string): string[] =>
  [...stderr.matchAll(/^Starts .*/gm)].map(([line]) => /\b\d{4,5}\b/.exec(line)![0]);

/** Everything but times and where models execute. */
function artefacts(dir: string): Record<string, string> {
  const entries = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const files = entries.map(({ parentPath, name }) => join(parentPath, name));
  const kept = files.filter((path) => !/events\.jsonl$|config\.json$/.test(path));
  return Object.fromEntries(kept.map((path) => [path.slice(dir.length), readFileSync(path, 'utf8')]));
}

describe('a run whose steps are scored by servers that it starts', () => {
  const module = join(root, 'test', 'e2e', SCRIPTED);
  const main = process.env.SIPF_TEST_CLI ?? join(root, 'dist', 'cli', 'main.js');
  const log = join(folder, 'asked.jsonl');
  const own = [process.execPath, join(root, 'test', 'e2e', 'scoring-server.mjs'), '{port}', '{prm}', log];
  const runOf = (out: string, launch: readonly string[] | null, ...more: readonly string[]) => [
    ...['run', '--preset', 'smoke', '--model', 'base', '--out', join(folder, out), '--iterations', '1', ...more],
    ...['--score.unit', '4', '--engine.scorer', launch === null ? 'null' : JSON.stringify({ kind: 'openai', launch })],
  ];
  const options = { engine: SCRIPTED, cwd: folder };
  /** Paths that were asked for, but for the one that tells how a server scores. */
  const asked = () => {
    const lines = existsSync(log) ? readFileSync(log, 'utf8').trimEnd().split('\n') : [];
    return lines.filter((line) => !line.includes('naïve'));
  };

  it('sipf serve: the files of a run that scores here, and no server is left', async () => {
    const here = await runCli(runOf('here', null), options);
    expect(here.stderr).not.toMatch(/^sipf:/m);
    const words = ['serve', '--model', 'base', '--prm', '{prm}', '--port', '{port}', '--engine.module', module];
    const { code, stderr } = await runCli(runOf('served', [process.execPath, main, ...words]), options);
    expect({ code, fault: stderr.match(/^sipf: .*/m) }).toEqual({ code: 0, fault: null });
    expect(artefacts(join(folder, 'served'))).toEqual(artefacts(join(folder, 'here')));
    const ports = portsOf(stderr);
    expect(ports.length).toBeGreaterThan(0);
    for (const port of ports) await gone(port);
  });

  it('starts a server again that crashes, and has the same files', async () => {
    const { code, stderr } = await runCli(runOf('crashing', [...own, '40']), options);
    expect({ code, fault: stderr.match(/^sipf: .*/m) }).toEqual({ code: 0, fault: null });
    expect(stderr).toMatch(/The server has ended, and is started again/);
    expect(artefacts(join(folder, 'crashing'))).toEqual(artefacts(join(folder, 'here')));
    for (const port of portsOf(stderr)) await gone(port);
    rmSync(log);
  });

  it('asks for nothing again that is stored, after kill -9', async () => {
    const whole = await runCli(runOf('whole', own), options);
    expect(whole.stderr).not.toMatch(/^sipf:/m);
    const all = asked();
    expect(all.length).toBeGreaterThan(40);
    rmSync(log);
    const child = startCli(runOf('killed', own), options);
    let stderr = '';
    child.stderr?.on('data', (text) => (stderr += text));
    while (asked().length < 30) await setTimeout(5);
    child.kill('SIGKILL');
    await once(child, 'close');
    for (const port of portsOf(stderr)) await gone(port);
    const first = asked();
    expect(first.length).toBeLessThan(all.length);
    const resumed = await runCli(['run', '--out', join(folder, 'killed')], options);
    expect(resumed.stderr).not.toMatch(/^sipf:/m);
    expect(artefacts(join(folder, 'killed'))).toEqual(artefacts(join(folder, 'whole')));
    const second = asked().slice(first.length);
    // Of the unit that was not whole, which was asked for last: all that came before is stored.
    expect(new Set([...first, ...second])).toEqual(new Set(all));
    const again = [...first, ...second];
    for (const line of all) again.splice(again.indexOf(line), 1);
    expect(again.sort()).toEqual(first.slice(first.length - again.length).sort());
    expect(again.length).toBeLessThan(first.length / 2);
    expect(second.length).toBeGreaterThan(again.length);
  });
});

// A run on three engines at once, killed with -9 at random moments -> the files of one that was not.
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createInProcessBackend } from '../../src/backends/local/in-process.ts';
import { createRandom } from '../../src/random.ts';
import { TINY } from '../contract/backend-suite.ts';
import { sized } from '../tier.ts';
import { torchPython } from '../torch-python.ts';
import { buildCli, root, runCli, SCRIPTED, startCli } from './run-cli.ts';
import { artefacts } from './run-files.ts';

const folder = mkdtempSync(join(tmpdir(), 'sipf-mixed-'));
beforeAll(async () => {
  buildCli();
  await using backend = createInProcessBackend({ provider: 'cpu', threads: 1, cache: join(folder, 'cache') });
  await backend.initModel(tiny, TINY);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const main = process.env.SIPF_TEST_CLI ?? join(root, 'dist', 'cli', 'main.js');
const tiny = join(folder, 'tiny');
const ON_SCRIPTS = ['--engine.module', join(root, 'test', 'e2e', SCRIPTED)];

/** What differs of a run: its model, and who trains. */
interface Setting {
  readonly model: string;
  readonly run: readonly string[];
  /** Further words of the servers. */
  readonly served: readonly string[];
  /** The module of its backend; absent: the own engine. */
  readonly engine?: string;
}

/** `sipf serve` draws each round from its adapter and makes room for training; another one scores the steps of each process reward model. */
function runOf({ model, run, served }: Setting, out: string): string[] {
  const serve = [process.execPath, main, 'serve', '--port', '{port}', ...served];
  const sampler = {
    ...{ kind: 'openai', model, others: 'adapter', release: 'training' },
    launch: [...serve, '--model', '{model}', '--adapter-root', folder],
  };
  const scorer = { kind: 'openai', launch: [...serve, '--model', model, '--prm', '{prm}'] };
  return [
    ...['run', '--preset', 'smoke', '--iterations', '1', '--model', model, '--out', join(folder, out), ...run],
    ...['--sft.train.lora', '{}', '--align.train.lora', '{}', '--sampling.unit', '4', '--score.unit', '4'],
    ...['--engine.sampler', JSON.stringify(sampler), '--engine.scorer', JSON.stringify(scorer)],
  ];
}

const SETTINGS: readonly (readonly [name: string, setting: Setting | null])[] = [
  ['scripts', { model: 'base', run: [], served: ON_SCRIPTS, engine: SCRIPTED }],
  [
    'a tiny model, trained by torch',
    torchPython === null
      ? null
      : {
          model: tiny,
          run: ['--threads', '1', '--engine.trainer', JSON.stringify({ kind: 'torch', command: [torchPython] })],
          served: [],
        },
  ],
];

const linesOf = (out: string): number => {
  const path = join(folder, out, 'events.jsonl');
  return existsSync(path) ? readFileSync(path, 'utf8').split('\n').length - 1 : 0;
};

/** Until nothing answers at any port that a log names. */
async function allGone(stderr: string): Promise<void> {
  const ports = [...stderr.matchAll(/^Starts .* --port (\d+)/gm)].map(([, port]) => port);
  const answers = (port: string | undefined) =>
    fetch(`http://127.0.0.1:${port}/v1/models`).then(
      () => true,
      () => false,
    );
  for (const port of ports) while (await answers(port)) await setTimeout(50);
}

describe.each(SETTINGS)('%s', (name, setting) => {
  it.skipIf(setting === null)('kills change no byte and leave no server', { timeout: 600_000 }, async () => {
    const { engine } = setting!;
    const env = { SIPF_CACHE: join(folder, 'cache') };
    const options = { cwd: folder, env, ...(engine === undefined ? {} : { engine }) };
    const whole = await runCli(runOf(setting!, `${name}-whole`), options);
    expect({ code: whole.code, said: whole.stderr.match(/^sipf: .*/m) }).toEqual({ code: 0, said: null });
    // Both servers were there, and the sampler again after each training.
    expect(whole.stderr.match(/^Starts .*--port/gm)?.length).toBeGreaterThanOrEqual(4);
    const all = linesOf(`${name}-whole`);
    const random = createRandom(`mixed/${name}`);
    const out = `${name}-killed`;
    const moments = Array.from({ length: sized(3, 10) }, () => random.int(1, all - 2)).sort((a, b) => a - b);
    let kills = 0;
    for (const moment of moments) {
      const driver = startCli(runOf(setting!, out), options);
      let stderr = '';
      driver.stderr?.on('data', (text) => (stderr += text));
      // A resumed run writes some lines of events again: the last kills come later in it.
      while (linesOf(out) < moment + kills && driver.exitCode === null) await setTimeout(2);
      await setTimeout(random.int(0, 100));
      if (driver.exitCode === null) {
        kills += 1;
        driver.kill('SIGKILL');
        await once(driver, 'close');
      }
      await allGone(stderr);
    }
    expect(kills).toBeGreaterThan(0);
    const resumed = await runCli(runOf(setting!, out), options);
    expect({ code: resumed.code, said: resumed.stderr.match(/^sipf: .*/m) }).toEqual({ code: 0, said: null });
    await allGone(resumed.stderr);
    expect(await artefacts(join(folder, out))).toEqual(await artefacts(join(folder, `${name}-whole`)));
  });
});

// Commands that start a server -> it answers, starts again after a crash, ends with its starter.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { LaunchedServer, type LaunchOptions } from '../../src/remote/launched-server.ts';
import { buildCli, root, runCli, SCRIPTED } from './run-cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'sipf-launched-'));
beforeAll(buildCli);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const keeper = pathToFileURL(join(root, 'dist', 'remote', 'keeper.js'));
const wait = (ms: number, signal: AbortSignal) => setTimeout(ms, undefined, { signal });
const { signal } = new AbortController();

/** Answers with its process id, and with a worker that would outlive it. */
const SERVER = `require('child_process').spawn('sleep', ['1000'], {stdio: 'ignore'});
require('http').createServer((_, to) => to.end(String(process.pid))).listen({port})`;

function launched(script: string, more: Partial<LaunchOptions> = {}) {
  const logged: string[] = [];
  const command = [process.execPath, '-e', script, '{model}', '{name}'];
  const server = new LaunchedServer(
    {
      setting: 'engine.sampler.launch',
      command,
      places: { model: '/models/m', name: 'policy' },
      startTimeout: 60,
      keeper,
      ...more,
    },
    { log: (message) => void logged.push(message), wait },
  );
  return { server, logged };
}

const pidAt = async (url: string) => Number(await (await fetch(url)).text());

/** Until nothing answers there. */
async function gone(url: string): Promise<void> {
  for (let n = 0; n < 400; n += 1) {
    const isThere = await fetch(url).then(
      () => true,
      () => false,
    );
    if (!isThere) return;
    await setTimeout(50);
  }
  throw new Error(`${url} still answers`);
}

describe('a server of launch', () => {
  it('starts when it is asked for, once for all that ask, and ends when it is not needed', async () => {
    const { server, logged } = launched(SERVER);
    const [first = '', second] = await Promise.all([server.url(signal), server.url(signal)]);
    expect(second).toBe(first);
    expect(await pidAt(first)).toBeGreaterThan(0);
    expect(logged).toEqual([
      expect.stringMatching(/^Starts .* \/models\/m policy; its output is in .*server\.log\.$/s),
    ]);
    await server.stop();
    await gone(first);
    const again = await server.url(signal);
    expect(await pidAt(again)).toBeGreaterThan(0);
    await server[Symbol.asyncDispose]();
    await gone(again);
  });

  it('starts again after a crash, and says so', async () => {
    const { server, logged } = launched(SERVER);
    await using _server = server;
    const url = await server.url(signal);
    process.kill(await pidAt(url), 'SIGKILL');
    await gone(url);
    while (server.isRunning) await setTimeout(20);
    expect(await pidAt(await server.url(signal))).toBeGreaterThan(0);
    expect(logged).toContainEqual(expect.stringMatching(/has ended, and is started again/));
  });

  it.each<[string, string, Partial<LaunchOptions>, RegExp]>([
    ['ends', 'console.error("no GPU"); process.exit(3)', {}, /got it ended\. .*\{port\}.*last lines .*no GPU/s],
    ['does not answer', 'setInterval(() => {}, 1000)', { startTimeout: 0.6 }, /got no answer within 0\.6 s/],
    ['is no program', '', { command: ['/no/such/program'] }, /got it ended.*ENOENT/s],
  ])('that %s is an error with its last lines', async (_name, script, more, message) => {
    const { server } = launched(script, more);
    await expect(server.url(signal)).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringMatching(message),
    });
  });

  it('ends when whoever started it is killed', async () => {
    const driver = `import { LaunchedServer } from ${JSON.stringify(pathToFileURL(join(root, 'dist', 'remote', 'launched-server.js')).href)};
      const command = [process.execPath, '-e', ${JSON.stringify(SERVER)}];
      const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
      const server = new LaunchedServer({ setting: '', command, places: {}, startTimeout: 60 }, { log() {}, wait });
      console.log(await server.url(new AbortController().signal));
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', driver], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(child.stdout, 'data')) as [Buffer];
    const url = line.toString().trim();
    expect(await pidAt(url)).toBeGreaterThan(0);
    child.kill('SIGKILL');
    await gone(url);
  });
});

it('sipf starts sipf serve, draws from it, and ends it', async () => {
  const module = join(root, 'test', 'e2e', SCRIPTED);
  const main = process.env.SIPF_TEST_CLI ?? join(root, 'dist', 'cli', 'main.js');
  const serve = ['serve', '--model', '{model}', '--port', '{port}', '--engine.module', module];
  const sampler = { kind: 'openai', launch: [process.execPath, main, ...serve], model: 'base' };
  const { code, stdout, stderr } = await runCli(
    [
      'generate',
      '--model',
      'base',
      '--prompt',
      'Question: 1+2',
      '--n',
      '2',
      '--engine.sampler',
      JSON.stringify(sampler),
    ],
    { cwd: folder, engine: SCRIPTED },
  );
  expect({ code, texts: stdout.match(/The answer is/g)?.length }).toEqual({ code: 0, texts: 2 });
  const [, port] = /--port (\d+)/.exec(stderr) ?? [];
  await gone(`http://127.0.0.1:${port}/v1/models`);
});

it('a run draws each round from its adapter at a server that makes room for training', async () => {
  const module = join(root, 'test', 'e2e', SCRIPTED);
  const main = process.env.SIPF_TEST_CLI ?? join(root, 'dist', 'cli', 'main.js');
  const serve = ['serve', '--model', '{model}', '--port', '{port}', '--adapter-root', '.', '--engine.module', module];
  const launch = [process.execPath, main, ...serve];
  const sampler = { kind: 'openai', launch, model: 'base', others: 'adapter', release: 'training' };
  const args = [
    ...['run', '--preset', 'smoke', '--model', 'base', '--out', 'run', '--iterations', '1'],
    ...['--sft.train.lora', '{}', '--align.train.lora', '{}', '--engine.sampler', JSON.stringify(sampler)],
  ];
  const { code, stderr } = await runCli(args, { cwd: folder, engine: SCRIPTED });
  const ports = [...stderr.matchAll(/^Starts .* --port (\d+)/gm)].map(([, port]) => port);
  // At first, and after the warm-up, the alignment and the control. The PRM trains between two draws of the server, before the alignment.
  expect({ code, starts: ports.length, stderr: stderr.match(/^sipf: .*|draws here/m) }).toEqual({
    code: 0,
    starts: 4,
    stderr: null,
  });
  for (const port of ports) await gone(`http://127.0.0.1:${port}/v1/models`);
});

it.each([
  [{}, /got neither/],
  [{ url: 'http://a/v1', launch: ['x'] }, /got both/],
])('refuses an address and a command %o', async (more, message) => {
  const sampler = JSON.stringify({ kind: 'openai', model: 'm', ...more });
  const args = ['generate', '--model', 'base', '--prompt', 'Q', '--engine.sampler', sampler];
  const { code, stderr } = await runCli(args, { cwd: folder, engine: SCRIPTED });
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) });
});

// The section engine on the command line: a server that draws, a module, and what is refused.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createScriptedBackend } from '../../src/backends/scripted.ts';
import { type CompletionServer, openCompletionServer } from '../completion-server.ts';
import { buildCli, root, runCli, SCRIPTED } from './run-cli.ts';

let folder = '';
let server: CompletionServer;
beforeAll(async () => {
  buildCli();
  folder = mkdtempSync(join(tmpdir(), 'sipf-engine-'));
  writeFileSync(join(folder, 'nothing.mjs'), 'export const x = 1;\n');
  writeFileSync(join(folder, 'broken.mjs'), 'export default () => {};\nno javascript;\n');
  writeFileSync(join(folder, 'throws.mjs'), "export default () => {\n  throw new Error('no GPU');\n};\n");
  writeFileSync(join(folder, 'part.mjs'), 'export default () => ({ openPolicy: () => {} });\n');
  const local = createScriptedBackend({ write: () => 'from the server' });
  server = await openCompletionServer({ policy: await local.openPolicy({ model: 'base' }) });
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const generate = (...args: string[]) =>
  runCli(['generate', '--model', 'base', '--prompt', 'Q', ...args], { cwd: folder, engine: SCRIPTED });
const sampler = (more: object) => [
  '--engine.sampler',
  JSON.stringify({ kind: 'openai', url: server.url, model: 'm', ...more }),
];

describe('engine.sampler', () => {
  it('draws from the server', async () => {
    const { code, stdout } = await generate('--n', '2', ...sampler({}));
    expect({ code, texts: stdout.match(/from the server/g)?.length }).toEqual({ code: 0, texts: 2 });
    expect(server.asked).toHaveLength(2);
  });

  it('ends as an error where the server is not there', async () => {
    const { code, stderr } = await generate(...sampler({ url: 'http://127.0.0.1:9/v1', retries: 0 }));
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('engine.sampler.url') });
  });

  it.each([
    [{ serves: 'simulator' }, /files of a model at simulator for engine\.sampler\.serves, got "self"/],
    [{ url: 'localhost' }, /engine\.sampler\.url \(an address that begins with http/],
    [{ url: 'http://me:secret@localhost/v1' }, /engine\.sampler\.url \(an address without user and password/],
    [{ dialect: 'tgi' }, /engine\.sampler\.dialect \(auto, vllm, llama\.cpp, transformers, openai\)/],
    [{ apiKeyFrom: 'SIPF_NO_SUCH_KEY' }, /environment variable SIPF_NO_SUCH_KEY/],
    [{ kind: 'tgi' }, /engine\.sampler\.kind \(openai\), got "tgi"/],
    [{ modle: 'm' }, /engine\.sampler\.modle\. Did you mean engine\.sampler\.model\?/],
  ])('refuses %o', async (more, message) => {
    const { code, stderr } = await generate(...sampler(more));
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) });
  });
});

describe('doctor', () => {
  const ask = (...args: string[]) => runCli(['doctor', '--engine', '--json', ...args], { cwd: folder });
  const found = (stdout: string) =>
    (JSON.parse(stdout) as { findings: { name: string; state: string; value: string }[] }).findings.filter(({ name }) =>
      name.startsWith('sampler'),
    );

  it('tells what the server can, and fails where it is none', async () => {
    const module = ['--model', 'base', '--engine.module', join(root, 'test', 'e2e', SCRIPTED)];
    const { code, stdout } = await ask(...module, ...sampler({}));
    expect({ code, found: found(stdout) }).toEqual({
      code: 0,
      found: expect.arrayContaining([
        { name: 'sampler server', state: 'ok', value: 'unknown, asked as vllm, prompts as ids' },
        { name: 'sampler tokenizer', state: 'ok', value: 'equal by length of a text' },
        { name: 'sampler given texts', state: 'ok', value: 'log-probabilities are computed here' },
        { name: 'sampler adapters', state: 'ok', value: expect.stringMatching(/got status 404/) },
      ]),
    });
    const gone = await ask(...module, ...sampler({ url: 'http://127.0.0.1:9/v1', retries: 0 }));
    expect({ code: gone.code, found: found(gone.stdout) }).toEqual({
      code: 2,
      found: [{ name: 'sampler', state: 'fail', value: expect.stringContaining('engine.sampler.url') }],
    });
  });
});

describe('engine.module', () => {
  it.each([
    ['nowhere.mjs', /Expected a JavaScript file at engine\.module nowhere\.mjs/],
    ['nothing.mjs', /default export, got undefined/],
    [
      'broken.mjs',
      /engine\.module broken\.mjs to make a backend, got an error: Unexpected identifier 'javascript'\. Fix that file/,
    ],
    ['throws.mjs', /got an error: no GPU at file:.*throws\.mjs:2:9\. Fix that file/],
    ['.', /engine\.module \. to make a backend, got an error: Directory import/],
    ['part.mjs', /got one without openPrm/],
  ])('refuses %s', async (module, message) => {
    const { code, stderr } = await runCli(['generate', '--model', 'base', '--prompt', 'Q', '--engine.module', module], {
      cwd: folder,
    });
    expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) });
  });
});

it.each([
  ['--engine.thread', /Did you mean --engine\.threads\?/],
  ['--labels.K', /Expected an option of sipf generate, got --labels\.K/],
])('a command without settings refuses %s', async (option, message) => {
  const { code, stderr } = await generate(option, '4');
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) });
});

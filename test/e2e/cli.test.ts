// The built command line: exit codes, what goes to stdout, and the grade contract.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askCli, buildCli, root, runCli, startCli } from './run-cli.ts';

const COMMANDS =
  'run sample label train-prm train-probe score pair align sft eval generate logps grade show compare doctor'.split(
    ' ',
  );

let folder = '';
beforeAll(() => {
  buildCli();
  folder = mkdtempSync(join(tmpdir(), 'sipf-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

const jsonLines = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);

describe('the program', () => {
  it.each(COMMANDS)('sipf %s --help shows an example and ends with 0', async (name) => {
    const { code, stdout, stderr } = await askCli([name, '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`^Usage: sipf ${name} `));
    expect(stdout).toMatch(new RegExp(`Examples?:\\n.*sipf (-- )?${name}`));
    expect(stdout).toContain('--json');
  });

  it('lists every command', async () => {
    const { stdout } = await askCli(['--help']);
    for (const name of COMMANDS) expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
  });

  it('prints its version', async () => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
    expect(await runCli(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  it.each([
    [['grad'], /unknown command 'grad'[\s\S]*Did you mean grade\?/],
    [['grade', '--task', 'gsm8k', '--in', '-', '--tusk', 'x'], /unknown option '--tusk'[\s\S]*Did you mean --task\?/],
    [['grade', '--task', 'gsm8k'], /required option '--in <file>' not specified/],
    [['grade', '--task', 'gsm9k', '--in', '-'], /gsm9k[\s\S]*gsm8k/],
    [['generate', '--model', 'm', '--prompt', 'x', '--temperature', '-1'], /Expected a number of at least 0, got '-1'/],
    [['generate', '--model', 'm', '--prompt', 'x', '--n', '0'], /Expected an integer of at least 1, got '0'/],
    [['eval', '--model', 'm', '--task', 'gsm8k', '--limit', 'some'], /Expected an integer/],
    [['eval', '--model', 'm', '--task', 'gsm8k', '--split', 'dev'], /train, valid, test/],
    [['eval', '--model', 'm', '--task', 'gsm8k', '--provider', 'cuda'], /cpu, webgpu/],
    [
      ['run', '--preset', 'smoke', '--out', 'x', '--samplng.temperature', '1'],
      /samplng\.temperature[\s\S]*Did you mean --?sampling\.temperature\?/,
    ],
    [['run', '--presett', 'smoke', '--out', 'x'], /--presett[\s\S]*Did you mean --preset\?/],
    [['run', '--preset', 'smokes', '--out', 'x'], /smokes/],
    [['show', 'no/such/run'], /no\/such\/run/],
    [[], /Usage: sipf/],
  ])("%j is the user's error: exit code 2, no stack, nothing on stdout", async (args, message) => {
    const { code, stdout, stderr } = await askCli(args);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });

  it('ends quietly when nobody reads its output', async () => {
    const rows = file('many.jsonl', '{"reference":"1","completion":"The answer is 1"}\n'.repeat(20_000));
    const child = startCli(['grade', '--task', 'gsm8k', '--in', rows, '--json']);
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
    });
    child.stdout?.once('data', () => child.stdout?.destroy());
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});

describe('sipf grade', () => {
  const grade = (path: string, stdin?: string) => {
    const args = ['grade', '--task', 'gsm8k', '--in', path, '--json'];
    return stdin === undefined ? askCli(args) : runCli(args, { stdin });
  };

  it('prints {id, extracted, correct} in the order of its input', async () => {
    const path = file(
      'grade.jsonl',
      [
        '{"reference": "29", "completion": "So it costs $29.00."}',
        '{"id": "b", "reference": "She has 3 + 4 = <<3+4=7>>7 eggs.\\n#### 7", "completion": "The answer is 8"}',
        '{"id": 70, "reference": "1,000", "completion": "The answer is 1000"}',
        '{"id": null, "reference": 0.5, "completion": "The answer is 1/2", "more": [1]}',
        '{"reference": "3", "completion": "I do not know."}',
      ].join('\r\n'),
    );
    const { code, stdout, stderr } = await grade(path);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = jsonLines(stdout) as { id: unknown; extracted: unknown; correct: unknown }[];
    expect(lines.map(({ id, correct }) => [id, correct])).toEqual([
      [0, true],
      ['b', false],
      [70, true],
      [3, true],
      [4, false],
    ]);
    expect(lines.map(({ extracted }) => extracted === null)).toEqual([false, false, false, false, true]);
    for (const line of lines) expect(Object.keys(line)).toEqual(['id', 'extracted', 'correct']);
  });

  it('reads stdin', async () => {
    const { code, stdout } = await grade('-', '{"reference":"4","completion":"2 + 2 = 4"}\n');
    expect(code).toBe(0);
    expect(jsonLines(stdout)).toEqual([{ id: 0, extracted: '4', correct: true }]);
  });

  it.each([
    ['{"reference":"1","completion":"1"}\nnot json\n', /bad\.jsonl, line 2: Expected one JSON object, got "not json"/],
    ['{"reference":"1"}\n', /line 1, field "completion": Expected a string, got nothing/],
    [
      '{"reference":[],"completion":""}\n',
      /line 1, field "reference": Expected a string or a number, got an empty array/,
    ],
    ['{"reference":"","completion":"1"}\n', /line 1, field "reference": Expected an answer/],
    ['{"reference":"1","completion":"1"}\n\n{"reference":"1","completion":"1"}\n', /line 2: .*blank/],
  ])('names the malformed line of %j and ends with 2', async (content, message) => {
    const { code, stderr } = await grade(file('bad.jsonl', content));
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });

  it('names a file that is not there', async () => {
    const { code, stdout, stderr } = await grade(join(folder, 'none.jsonl'));
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('none.jsonl');
  });

  it('gives a person words and a sum', async () => {
    const { stdout, stderr } = await runCli(['grade', '--task', 'gsm8k', '--in', '-'], {
      stdin: '{"reference":"4","completion":"4"}\n{"id":"x","reference":"4","completion":"5"}\n',
    });
    expect(stdout).toBe('right  0  4\nwrong  x  5\n');
    expect(stderr).toBe('1 of 2 right\n');
  });
});

describe('sipf doctor', () => {
  it('prints one JSON object with --json', async () => {
    const { code, stdout } = await runCli(['doctor', '--json'], { env: { SIPF_CACHE: join(folder, 'cache') } });
    const report = JSON.parse(stdout) as { ok: boolean; findings: { name: string; state: string; value: string }[] };
    expect(code).toBe(report.ok ? 0 : 2);
    expect(report.findings.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['Node.js', 'onnxruntime', 'provider cpu', 'memory', 'cores', 'sandbox', 'cache folder']),
    );
    for (const { state } of report.findings) expect(['ok', 'warn', 'fail']).toContain(state);
    expect(report.findings.find(({ name }) => name === 'sandbox')).toMatchObject({
      state: 'ok',
      value: expect.stringMatching(/^runs Python; /),
    });
  });

  it('fails where the cache cannot be written', async () => {
    const blocked = file('blocked', '');
    const { code, stdout } = await runCli(['doctor'], { env: { SIPF_CACHE: join(blocked, 'cache') } });
    expect(stdout).toMatch(/FAIL cache folder/);
    expect(code).toBe(2);
  });
});

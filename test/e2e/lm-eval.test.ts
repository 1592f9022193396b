// lm-evaluation-harness on `sipf serve` -> the scores of sipf. SIPF_TEST_LM_EVAL=FOLDER asks for it.
import { type ChildProcess, execFile } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeModelFolder } from '../model-folder.ts';
import { fixtures } from '../tiny-model.ts';
import { buildCli, runCli, startCli } from './run-cli.ts';

const run = promisify(execFile);

/** A Python environment, which is made there with the harness from PyPI where it is missing. */
const environment = process.env.SIPF_TEST_LM_EVAL;

const DOCS = Array.from({ length: 6 }, (_, n) => ({
  question: `one plus ${['one', 'two', 'three'][n % 3]}${' plus one'.repeat(n)} is`,
  choices: ['one', 'two two', 'three plus one'],
  answer: n % 3,
}));

const TASK = (folder: string, more: string) => `dataset_path: json
dataset_kwargs:
  data_files:
    test: ${join(folder, 'test.jsonl')}
test_split: test
doc_to_text: "{{question}}"
${more}`;

const CHOICE = `task: choice
output_type: multiple_choice
doc_to_choice: "{{choices}}"
doc_to_target: answer
metric_list:
  - metric: acc
`;

const WRITE = `task: write
output_type: generate_until
doc_to_target: "{{choices[answer]}}"
generation_kwargs:
  until: ["\\n"]
  max_gen_toks: 8
metric_list:
  - metric: exact_match
`;

describe.skipIf(environment === undefined)('lm-evaluation-harness', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sipf-lm-eval-'));
  const python = join(environment ?? '', 'bin', 'python');
  let server: ChildProcess;
  let model = '';
  let url = '';

  beforeAll(async () => {
    buildCli();
    if (!existsSync(python)) {
      await run('python3', ['-m', 'venv', environment!]);
      await run(python, ['-m', 'pip', 'install', '-q', 'lm-eval[api]'], { timeout: 1_200_000 });
    }
    // The harness asks for ids without BOS.
    const settings = join(fixtures, 'tokenizer', 'tokenizer_config.json');
    const tokenizer = { ...JSON.parse(readFileSync(settings, 'utf8')), add_bos_token: false };
    model = await makeModelFolder(folder, { files: { 'tokenizer_config.json': tokenizer } });
    writeFileSync(join(folder, 'test.jsonl'), DOCS.map((doc) => `${JSON.stringify(doc)}\n`).join(''));
    writeFileSync(join(folder, 'choice.yaml'), TASK(folder, CHOICE));
    writeFileSync(join(folder, 'write.yaml'), TASK(folder, WRITE));
    server = startCli(['serve', '--model', model, '--port', '0', '--threads', '1', '--json']);
    const [line] = (await once(createInterface({ input: server.stdout! }), 'line')) as [string];
    ({ url } = JSON.parse(line) as { url: string });
  }, 1_500_000);
  afterAll(() => {
    server?.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });

  it('reads and writes through the server', async () => {
    const settings = {
      model,
      base_url: `${url}/v1/completions`,
      tokenizer_backend: 'remote',
      max_length: 128,
      num_concurrent: 4,
    };
    const args = Object.entries(settings).map(([key, value]) => `${key}=${value}`);
    const words = ['--model', 'local-completions', '--model_args', args.join(), '--tasks', 'choice,write'];
    const out = join(folder, 'out');
    await run(
      python,
      ['-m', 'lm_eval', ...words, '--include_path', folder, '--batch_size', '4', '--output_path', out, '--log_samples'],
      {
        env: { ...process.env, HF_HUB_OFFLINE: '1', HF_HOME: join(folder, 'hf') },
        maxBuffer: 1 << 26,
        timeout: 600_000,
      },
    );
    const files = readdirSync(out, { recursive: true, encoding: 'utf8' });
    const samplesOf = (task: string) => {
      const file = files.find((name) => name.includes(`samples_${task}`) && name.endsWith('.jsonl'));
      return readFileSync(join(out, file!), 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
    };
    // What the harness read of each choice, and what `sipf logps` says.
    const pairs = DOCS.flatMap(({ question, choices }) =>
      choices.map((choice) => ({ prompt: question, completion: ` ${choice}` })),
    );
    const input = join(folder, 'pairs.jsonl');
    writeFileSync(input, pairs.map((pair) => `${JSON.stringify(pair)}\n`).join(''));
    const { stdout } = await runCli(['logps', '--model', model, '--in', input, '--threads', '1', '--json']);
    const expected = stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { sum: number }).sum);
    const choices = samplesOf('choice').sort((a, b) => a.doc_id - b.doc_id);
    const read = choices.flatMap(({ resps }) => resps.map(([[logp]]: [[string]]) => Number(logp)));
    expect(read).toHaveLength(expected.length);
    for (const [n, logp] of read.entries()) expect(logp).toBeCloseTo(expected[n]!, 3);
    const written = samplesOf('write').sort((a, b) => a.doc_id - b.doc_id);
    for (const [n, { resps }] of written.entries()) {
      const prompt = DOCS[n]!.question;
      const greedy = ['--temperature', '0', '--max-tokens', '8', '--stop', '\n', '--threads', '1', '--json'];
      const { stdout } = await runCli(['generate', '--model', model, '--prompt', prompt, ...greedy]);
      expect(resps[0][0]).toBe((JSON.parse(stdout) as { completions: [{ text: string }] }).completions[0].text);
    }
  }, 900_000);
});

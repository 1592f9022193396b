// The command line on fixture models: ids, --limit, --out, the estimate, errors with their line.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSafetensors } from '../../src/models/files/safetensors.ts';
import { makeModelFolder } from '../model-folder.ts';
import { buildCli, root, runCli, startCli } from './run-cli.ts';

const fixtures = join(root, 'test', 'fixtures');
const bare = join(fixtures, 'models', 'llama');

let folder = '';
let model = '';
beforeAll(() => {
  buildCli();
  folder = mkdtempSync(join(tmpdir(), 'sipf-contracts-'));
  model = join(folder, 'llama');
  cpSync(bare, model, { recursive: true });
  cpSync(join(fixtures, 'tokenizer'), model, { recursive: true });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const sipf = (args: readonly string[], stdin = '') =>
  runCli([...args, '--threads', '1', '--json'], { stdin, env: { SIPF_CACHE: join(folder, 'cache') } });

describe('sipf logps', () => {
  it('takes ids exactly as given, and needs no tokenizer for them', async () => {
    const small = join(fixtures, 'architectures', 'llama');
    const tensors = await readSafetensors(join(small, 'reference.safetensors'));
    const ids = [...(tensors.get('input_ids')?.data ?? [])].slice(0, 40);
    const expected = [...(tensors.get('token_logps')?.data ?? [])].slice(1, 40);
    const line = { promptIds: ids.slice(0, 1), completionIds: ids.slice(1) };
    const { code, stdout, stderr } = await sipf(['logps', '--model', small, '--in', '-'], JSON.stringify(line));
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    const result = JSON.parse(stdout) as { id: number; logps: number[]; sum: number; mean: number };
    expect(Object.keys(result)).toEqual(['id', 'logps', 'sum', 'mean']);
    expect(result.logps).toHaveLength(39);
    expect(Math.max(...result.logps.map((logp, i) => Math.abs(logp - (expected[i] as number))))).toBeLessThan(1e-4);
    expect(result.mean).toBeCloseTo(result.sum / 39, 10);
  });

  it('says what is missing where texts need a tokenizer', async () => {
    const { code, stdout, stderr } = await sipf(
      ['logps', '--model', bare, '--in', '-'],
      '{"prompt":"a","completion":"b"}',
    );
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/Expected tokenizer\.json in/);
  });

  it('names the line that the model cannot take', async () => {
    const lines = ['{"promptIds":[1,2],"completionIds":[3]}', '{"promptIds":[1,2],"completionIds":[9999]}'].join('\n');
    const { code, stderr } = await sipf(['logps', '--model', bare, '--in', '-'], lines);
    expect(code).toBe(2);
    expect(stderr).toMatch(/<stdin>, line 2: .*9999/);
  });
});

describe('a model that is odd, but usable', () => {
  const odd = async () => makeModelFolder(folder, { config: { tie_word_embeddings: true, eos_token_id: [2, 9999] } });

  it('is used, and each oddity is a warning on stderr, once', async () => {
    const path = await odd();
    const commands = [
      ['generate', '--model', path, '--prompt', 'a b c', '--temperature', '0', '--max-tokens', '2'],
      ['logps', '--model', path, '--in', '-'],
      ['eval', '--model', path, '--task', 'mini', '--limit', '2', '--max-tokens', '2', '--chat'],
    ];
    for (const command of commands) {
      const { code, stdout, stderr } = await sipf(command, '{"prompt":"a","completion":"b"}');
      expect({ code, stdout: stdout.includes('Warning') }).toEqual({ code: 0, stdout: false });
      const warnings = stderr.split('\n').filter((line) => line.startsWith('Warning: '));
      expect(warnings).toEqual([
        expect.stringMatching(/another lm_head\.weight: that one is used/),
        expect.stringMatching(/eos_token_id 9999/),
      ]);
    }
  });

  it('is refused where it cannot be used: exit code 2, and what to use instead', async () => {
    const quantised = await makeModelFolder(folder, { config: { quantization_config: { quant_method: 'fp8' } } });
    const { code, stdout, stderr } = await sipf(['generate', '--model', quantised, '--prompt', 'a']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/quantised ones: fp8 .*Use the model that they were made from/);
  });
});

describe('sipf generate', () => {
  it('prints the text that --json gives whole', async () => {
    const words = ['generate', '--model', model, '--prompt', 'Tom has', '--max-tokens', '24', '--seed', '3'];
    for (const n of ['1', '3']) {
      const { completions } = JSON.parse((await sipf([...words, '--n', n])).stdout) as {
        completions: { text: string }[];
      };
      const env = { SIPF_CACHE: join(folder, 'cache') };
      const { stdout } = await runCli([...words, '--n', n, '--threads', '1'], { env });
      const head = (at: number) => (n === '1' ? '' : `--- ${at + 1} of ${n}\n`);
      expect(stdout).toBe(completions.map(({ text }, at) => `${head(at)}${text}\n`).join(''));
    }
  });

  it('prints each completion as it is drawn', async () => {
    const go = join(folder, 'go');
    const words = ['generate', '--model', 'base', '--prompt', 'x', '--n', '2'];
    const child = startCli(words, { engine: 'patient-model.mjs', env: { SIPF_TEST_GO: go } });
    let stdout = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      // The second is drawn once the first can be read here.
      if (/text \d+\n/.test(stdout)) writeFileSync(go, '');
    });
    await once(child, 'close');
    expect(stdout).toMatch(/^--- 1 of 2\ntext \d+\n--- 2 of 2\ntext \d+\n$/);
  });

  it('says whether --max-tokens or the context ended a text', async () => {
    const env = { SIPF_CACHE: join(folder, 'cache') };
    for (const [most, ending] of [
      ['5', '(ended at --max-tokens 5)'],
      ['9999', "(ended at the end of the model's context, after "],
    ] as const) {
      const words = ['--prompt', 'Tom has', '--ignore-eos', '--max-tokens', most];
      const child = startCli(['generate', '--model', model, ...words], { env });
      let stderr = '';
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        stderr += text;
      });
      await new Promise((resolve) => child.on('close', resolve));
      expect(stderr).toContain(ending);
    }
  });
});

describe('sipf eval', () => {
  const args = ['eval', '--task', 'mini', '--max-tokens', '8'];

  it.each([[['3']], [['first 3']], [['first', '3']]])('--limit %j: the first three', async (words) => {
    const { code, stdout } = await sipf([...args, '--model', model, '--limit', ...words]);
    expect(code).toBe(0);
    const result = JSON.parse(stdout) as Record<string, unknown>;
    expect(Object.keys(result)).toEqual([
      ...['task', 'n', 'correct', 'accuracy', 'ci95', 'truncated', 'tokensPerSecond', 'sound', 'falseAmongRight'],
    ]);
    expect(result.n).toBe(3);
  });

  it('draws samples for pass@k: the same for a seed, kept beside the greedy answers', async () => {
    const out = join(folder, 'samples.jsonl');
    const words = ['--limit', '4', '--samples', '3', '--pass-at', '3,1', '--out', out, '--seed', '5', '--model', model];
    const [first, second] = [await sipf([...args, ...words]), await sipf([...args, ...words])];
    expect({ code: first.code, stderr: first.code === 0 ? '' : first.stderr }).toEqual({ code: 0, stderr: '' });
    const { passAt } = JSON.parse(first.stdout) as { passAt: Record<string, unknown> };
    expect(passAt).toMatchObject({ 1: { n: 4 }, 3: { n: 4 } });
    expect((JSON.parse(second.stdout) as { passAt: unknown }).passAt).toEqual(passAt);
    const kept = readFileSync(out, 'utf8').trim().split('\n');
    const ofSample = kept.map((line) => (JSON.parse(line) as { sample?: number }).sample);
    expect(ofSample.slice(0, 4)).toEqual([undefined, undefined, undefined, undefined]);
    expect(ofSample.slice(4)).toEqual([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2]);
    const refused = await sipf([...args, '--model', model, '--samples', '2']);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/Expected at least 10 --samples for --pass-at 1,10, got 2/);
  });

  it('names the question that the model has no room for', async () => {
    const data = join(folder, 'long.jsonl');
    writeFileSync(
      data,
      `{"question":"1+1?","answer":2}\n{"id":"the-long-one","question":"${'word '.repeat(300)}","answer":2}\n`,
    );
    const { code, stderr } = await sipf(['eval', '--task', 'jsonl', '--data', data, '--model', model]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/fewer than 128 tokens .*the-long-one/);
  });

  it('refuses an --out that cannot be written before it answers anything', async () => {
    const out = join(folder, 'no', 'such', 'out.jsonl');
    const { code, stdout, stderr } = await sipf([...args, '--model', model, '--limit', '1', '--out', out]);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(/Expected to write .*out\.jsonl, got ENOENT/);
    expect(stderr).not.toContain('questions');
  });

  it('takes worked examples for a pure test set from the generated task, and says so', async () => {
    const data = join(folder, 'MultiArith.json');
    writeFileSync(data, '[{"sQuestion":"Two and two apples?","lSolutions":[4.0],"iIndex":0}]');
    const out = join(folder, 'kept.jsonl');
    const { code, stderr } = await sipf([
      ...['eval', '--task', 'multiarith', '--data', data, '--shots', '1', '--max-tokens', '4'],
      ...['--model', longer(), '--out', out],
    ]);
    expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
    expect(stderr).toMatch(/worked examples.*mini/i);
    expect(readFileSync(out, 'utf8').trim().split('\n')).toHaveLength(1);
  });
});

/** The fixture with room for worked examples. */
function longer(): string {
  const path = join(folder, 'longer');
  if (!existsSync(path)) {
    cpSync(model, path, { recursive: true });
    const file = join(path, 'config.json');
    const config = JSON.parse(readFileSync(file, 'utf8')) as object;
    writeFileSync(file, JSON.stringify({ ...config, max_position_embeddings: 1024 }));
  }
  return path;
}

it('sipf run --dry-run prints the configuration and an estimate, and writes nothing', async () => {
  const out = join(folder, 'dry');
  const { code, stdout, stderr } = await sipf(['run', '--preset', 'smoke', '--out', out, '--dry-run']);
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  expect(Object.keys(JSON.parse(stdout) as object)).toEqual(['config', 'estimate', 'calibration']);
  expect(existsSync(out)).toBe(false);
}, 300_000);

describe.skipIf(!existsSync('/dev/full'))('a full disk', () => {
  const line = '{"prompt":"a","completion":"b"}';
  /** The built program under a shell, which can limit the size of files and redirect to a full device. */
  const shell = (script: string) =>
    spawnSync('bash', ['-c', script, process.execPath, join(root, 'dist', 'cli', 'main.js'), model], {
      input: line,
      encoding: 'utf8',
      env: { ...process.env, SIPF_CACHE: join(folder, 'cache') },
    });

  it('under stdout is an error of the user, not a bug', () => {
    const { status, stderr } = shell('"$0" "$1" logps --model "$2" --in - --json > /dev/full');
    expect(stderr).toMatch(/Expected to write to stdout, got ENOSPC/);
    expect(stderr).not.toMatch(/ at |bug/);
    expect(status).toBe(2);
  });

  it('under the temporary files of a session names their folder', () => {
    const { status, stderr } = shell('ulimit -f 1; "$0" "$1" logps --model "$2" --in - --json');
    expect(stderr).toMatch(/Expected to write .* into .*\.sipf-session-.*, got EFBIG.*TMPDIR/);
    expect(status).toBe(2);
  });
});

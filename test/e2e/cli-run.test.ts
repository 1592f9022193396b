// The command line on a scripted model: the loop, its stages one by one, show, and Ctrl-C.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { askCli, buildCli, runCli, SCRIPTED, startCli } from './run-cli.ts';
import { sumLines } from './sum-questions.ts';

let folder = '';
let run = '';
const sipf = (...args: string[]) => askCli(args, { engine: SCRIPTED, cwd: folder });
const settings = (out: string) =>
  `run --task jsonl --data data --model base --iterations 2 --seed 3 --out ${out} --sampling.samples 6 --sampling.unit 4 --labels.K 4 --labels.unit 4 --labels.heldOut 0.3`.split(
    ' ',
  );

beforeAll(async () => {
  buildCli();
  folder = mkdtempSync(join(tmpdir(), 'sipf-cli-run-'));
  mkdirSync(join(folder, 'data'));
  for (const [offset, name] of ['train', 'valid', 'test'].entries()) {
    writeFileSync(join(folder, 'data', `${name}.jsonl`), sumLines(name === 'train' ? 30 : 40, offset));
  }
  const { code, stderr, stdout } = await sipf(...settings('run'), '--json');
  expect({ code, stderr: code === 0 ? '' : stderr }).toEqual({ code: 0, stderr: '' });
  run = stdout;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('sipf run', () => {
  it('prints nothing but one JSON object with --json', () => {
    const result = JSON.parse(run) as { out: string; rounds: { iteration: number }[] };
    expect(result.out).toBe('run');
    expect(result.rounds.map(({ iteration }) => iteration)).toEqual([0, 1, 2]);
  });

  it('does nothing again on a finished run, and needs no settings to find that out', async () => {
    const { code, stdout, stderr } = await sipf('run', '--out', 'run');
    expect(code).toBe(0);
    expect(stderr).toContain('round 2 1-samples: done before');
    expect(stderr).not.toContain('begins');
    expect(stdout).toMatch(/^round .*AUC/m);
  });

  it('ends what it says of a stage before the next one begins, and calls stages after the last round final', async () => {
    const { code, stderr } = await sipf(...settings('said'), '--evaluate.final', '[{"split": "test", "limit": 5}]');
    expect(code).toBe(0);
    const begun: string[] = [];
    for (const line of stderr.split('\n')) {
      const [, begins, shown] = /^(.*): begins$|^((?:round|final) [^:]*): \d+\/\d+ /.exec(line) ?? [];
      if (begins !== undefined) begun.push(begins);
      if (shown !== undefined) expect(shown).toBe(begun.at(-1));
    }
    expect(new Set(begun).size).toBe(begun.length);
    expect(begun.filter((name) => name.startsWith('final'))).toEqual([
      'final start-answers',
      'final last-answers',
      'final eval',
    ]);
    expect(begun.filter((name) => name.startsWith('round 0')).every((name) => /^round 0 \d-/.test(name))).toBe(true);
  });

  it('explains a setting, a section or a preset on demand, also beside other options', async () => {
    const one = await sipf('run', '--out', 'x', '--help', 'sampling.temperature');
    expect([one.code, one.stdout]).toEqual([0, expect.stringContaining('Takes: number above 0. Default: 1.')]);
    const stage = await sipf('align', '--help', 'align.loss.lambda');
    expect([stage.code, stage.stdout]).toEqual([0, expect.stringContaining('--align.loss.lambda')]);
    expect((await sipf('help', 'labels.K')).stdout).toMatch(/--labels\.K\n {4}Rollouts of a step\./);
    expect((await sipf('help', 'eval')).stdout).toContain('Usage: sipf eval');
    expect((await sipf('run', '--help', '--out', 'x')).stdout).toMatch(/Usage: sipf run[\s\S]*quickstart\n {6}A tiny/);
    const wrong = await sipf('run', '--help', 'sampling.temprature');
    expect([wrong.code, wrong.stdout]).toEqual([2, '']);
    expect(wrong.stderr).toContain('Did you mean sampling.temperature?');
  });

  it('refuses other settings, showing the difference, and takes them with --from-run', async () => {
    const refused = await sipf('run', '--out', 'run', '--align.loss.lambda', '0.3');
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/align\.loss\.lambda: 0\.1 -> 0\.3[\s\S]*--from-run/);
    const other = await sipf('run', '--from-run', 'run', '--out', 'other', '--align.loss.lambda', '0.3');
    expect(other.code).toBe(0);
    expect(other.stderr).toContain('round 1 5-pairs: done before');
    expect(other.stderr).toContain('round 1 6-policy: begins');
  });

  it('says what it will cost with --dry-run and writes nothing', async () => {
    const { code, stdout } = await sipf(...settings('dry'), '--dry-run', '--json');
    const result = JSON.parse(stdout) as {
      config: { seed: number };
      estimate: { total: { rollouts: number; seconds: number } };
    };
    expect(code).toBe(0);
    expect(result.config.seed).toBe(3);
    expect(result.estimate.total.rollouts).toBeGreaterThan(0);
    expect(result.estimate.total.seconds).toBeGreaterThan(0);
    expect(existsSync(join(folder, 'dry'))).toBe(false);
    expect((await sipf(...settings('dry'), '--dry-run')).stdout).toMatch(/About .* GiB of memory/);
  });

  it.each(['SIGINT', 'SIGTERM'] as const)(
    'stops cleanly on %s, says how to continue, and continues to the same bytes',
    async (signal) => {
      const out = `stopped-${signal}`;
      const child = startCli(settings(out), { engine: SCRIPTED, env: { SIPF_SLOW_MS: '15' }, cwd: folder });
      let stderr = '';
      let killed = false;
      child.stderr?.on('data', (chunk: Buffer) => {
        stderr += chunk.toString();
        if (killed || !stderr.includes('round 1 1-samples: begins')) return;
        killed = true;
        child.kill(signal);
        // npm passes on the signal that the terminal has sent already: no second Ctrl-C.
        child.kill(signal);
      });
      const code = await new Promise((resolve) => child.on('close', resolve));
      expect(code).toBe(signal === 'SIGINT' ? 130 : 143);
      expect(stderr.match(/Stopped on request/g)).toHaveLength(1);
      expect(stderr).toMatch(new RegExp(`Finished work is kept. Continue with: \\S.* run --out ${out}$`, 'm'));
      expect(stderr).not.toMatch(/^\s+at /m);
      expect(existsSync(join(folder, out, 'lock'))).toBe(false);
      expect((await sipf('run', '--out', out)).code).toBe(0);
      for (const file of ['iteration-1/1-samples.jsonl', 'iteration-2/5-pairs.jsonl', 'iteration-2/7-eval.json']) {
        expect(readFileSync(join(folder, out, file), 'utf8')).toBe(readFileSync(join(folder, 'run', file), 'utf8'));
      }
    },
  );

  it('ends at once on a second Ctrl-C, whatever it is doing', async () => {
    const stuck = join(folder, 'stuck.mjs');
    writeFileSync(
      stuck,
      "process.stderr.write('stuck\\n'); await new Promise((resolve) => setTimeout(resolve, 1e6));\n",
    );
    const child = startCli(settings('twice'), { engine: stuck, cwd: folder });
    child.stderr?.on('data', (chunk: Buffer) => {
      if (chunk.toString().includes('stuck')) child.kill('SIGINT');
      if (chunk.toString().includes('Press Ctrl-C again')) setTimeout(() => child.kill('SIGINT'), 600);
    });
    const ended = await new Promise((resolve) => child.on('close', (code, signal) => resolve([code, signal])));
    expect(ended).toEqual([null, 'SIGINT']);
  });

  it('does not outlive Ctrl-C while it waits for stdin', async () => {
    const child = startCli(['logps', '--model', 'base', '--in', '-', '--json'], { engine: SCRIPTED, cwd: folder });
    // It reads: more than a pipe holds has gone in, and no line has ended yet.
    await new Promise<void>((resolve, reject) => {
      child.on('close', () => reject(new Error('It ended by itself.')));
      child.stdin?.write(' '.repeat(1 << 20), () => resolve());
    });
    child.kill('SIGINT');
    expect(await new Promise((resolve) => child.on('close', resolve))).toBe(130);
  });
});

describe('sipf show', () => {
  it('shows the table of rounds, paths with scores and tallies, and pairs', async () => {
    const table = await sipf('show', 'run');
    expect(table.stdout).toMatch(/^run: sipf on jsonl, .* 2 of 2 rounds begun, finished$/m);
    expect(table.stdout).toMatch(/0 \(start\) .* %/);
    expect(table.stdout).toMatch(/^ +2 .*\d\.\d % \(.*\d+s/m);
    const paths = await sipf('show', 'run', '--iteration', '1', '--limit', '2');
    expect(paths.stdout).toMatch(/^\[0\.(80|30)\] (\d\/\d\*?|\*) +\d+\+\d+=\d+/m);
    const pairs = await sipf('show', 'run', '--pairs', '--limit', '1');
    expect(pairs.stdout).toMatch(/^chosen .*score 0\.\d\d[\s\S]*rejected .*score 0\.\d\d/m);
  });

  it('prints records as JSON', async () => {
    const summary = JSON.parse((await sipf('show', 'run', '--json')).stdout) as { finished: boolean };
    expect(summary.finished).toBe(true);
    const { stdout } = await sipf('show', 'run', '--pairs', '--json', '--limit', '2');
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => (JSON.parse(line) as { questionId: string }).questionId),
    ).toHaveLength(2);
  });

  it('names what is not there', async () => {
    const unknown = await sipf('show', 'run', '--question', 'nobody');
    expect(unknown.code).toBe(2);
    expect(unknown.stderr).toMatch(/got nobody\. Such as: 0-/);
    expect((await sipf('show', 'data')).stderr).toMatch(/no run there: the folder has no config\.json/);
  });
});

describe('the stages one by one', () => {
  const common = '--task jsonl --data data --seed 3'.split(' ');

  it('give the same records as the loop where they read the same', async () => {
    const policy = ['--model', 'run/iteration-0/6-policy'];
    const sampling = '--sampling.samples 6 --sampling.unit 4'.split(' ');
    expect((await sipf('sample', ...common, ...policy, ...sampling, '--out', 's.jsonl')).code).toBe(0);
    const read = (name: string) => readFileSync(join(folder, name), 'utf8');
    expect(read('s.jsonl')).toBe(read('run/iteration-1/1-samples.jsonl'));
    const labels = '--labels.K 4 --labels.unit 4 --labels.heldOut 0.3'.split(' ');
    expect((await sipf('label', ...common, ...policy, ...labels, '--in', 's.jsonl', '--out', 'l.jsonl')).code).toBe(0);
    expect(read('l.jsonl')).toBe(read('run/iteration-1/2-step-labels.jsonl'));
    const prm = await sipf(
      'train-prm',
      ...common,
      ...policy,
      ...labels,
      '--in',
      'l.jsonl',
      '--samples',
      's.jsonl',
      '--out',
      'prm',
      '--json',
    );
    expect(JSON.parse(prm.stdout)).toMatchObject({ dropped: 0 });
    expect(read('prm/scripted.json')).toBe(read('run/iteration-1/3-prm/scripted.json'));
    expect(
      (
        await sipf(
          'score',
          '--task',
          'jsonl',
          '--data',
          'data',
          '--prm',
          'prm',
          '--samples',
          's.jsonl',
          '--out',
          'c.jsonl',
        )
      ).code,
    ).toBe(0);
    // The loop leaves out what no later stage reads; the command scores what it is given.
    const scored = new Set(read('run/iteration-1/4-scores.jsonl').split('\n'));
    const both = read('c.jsonl')
      .split('\n')
      .filter((line) => scored.has(line));
    expect(both.join('\n')).toBe(read('run/iteration-1/4-scores.jsonl'));
    expect(both.length).toBeGreaterThan(40);
    expect((await sipf('pair', ...common, '--in', 'c.jsonl', '--samples', 's.jsonl', '--out', 'p.jsonl')).code).toBe(0);
    expect(read('p.jsonl')).toBe(read('run/iteration-1/5-pairs.jsonl'));
    expect((await sipf('align', ...common, ...policy, '--in', 'p.jsonl', '--out', 'next')).code).toBe(0);
    expect(read('next/scripted.json')).toBe(read('run/iteration-1/6-policy/scripted.json'));
    expect((await sipf('sft', ...common, '--model', 'base', '--out', 'start')).code).toBe(0);
    expect(read('start/scripted.json')).toBe(read('run/iteration-0/6-policy/scripted.json'));
  });

  it('pair names scores that belong to no sample, or to other steps', async () => {
    const [first] = readFileSync(join(folder, 'run/iteration-1/1-samples.jsonl'), 'utf8').split('\n');
    const sample = JSON.parse(first ?? '') as { id: string; questionId: string; steps: string[] };
    const record = { sampleId: sample.id, questionId: sample.questionId, scorer: 'prm', prm: 'x' };
    const scores = (change: object) =>
      writeFileSync(
        join(folder, 'odd.jsonl'),
        `${JSON.stringify({ ...record, scores: sample.steps.map(() => 0.5), ...change })}\n`,
      );
    const args = [
      'pair',
      ...common,
      '--in',
      'odd.jsonl',
      '--samples',
      'run/iteration-1/1-samples.jsonl',
      '--out',
      'x.jsonl',
    ];
    scores({ sampleId: 'nobody' });
    const stray = await sipf(...args);
    expect(stray.code).toBe(2);
    expect(stray.stderr).toMatch(/odd\.jsonl, line 1, field "sampleId": .*"nobody"/);
    scores({ scores: [...sample.steps, 'one more'].map(() => 0.5) });
    const long = await sipf(...args);
    expect(long.code).toBe(2);
    expect(long.stderr).toMatch(new RegExp(`odd\\.jsonl, line 1, field "scores": Expected ${sample.steps.length} `));
  });

  it('name a record whose question is not there', async () => {
    writeFileSync(
      join(folder, 'stray.jsonl'),
      readFileSync(join(folder, 'run/iteration-1/1-samples.jsonl'), 'utf8').replaceAll(
        '"questionId":"0-0"',
        '"questionId":"x"',
      ),
    );
    const { code, stderr } = await sipf(
      'label',
      ...common,
      '--model',
      'base',
      '--in',
      'stray.jsonl',
      '--out',
      'l2.jsonl',
    );
    expect(code).toBe(2);
    expect(stderr).toMatch(/stray\.jsonl, line 1, field "questionId"/);
  });
});

describe('model commands', () => {
  it('eval prints its object and keeps the answers', async () => {
    const { code, stdout } = await sipf(
      ...'eval --model base --task jsonl --data data --limit 20 --json --out answers.jsonl'.split(' '),
    );
    expect(code).toBe(0);
    const report = JSON.parse(stdout) as Record<string, unknown>;
    expect(Object.keys(report)).toEqual([
      ...['task', 'n', 'correct', 'accuracy', 'ci95', 'truncated', 'tokensPerSecond', 'sound', 'falseAmongRight'],
    ]);
    expect(report).toMatchObject({ task: 'jsonl', n: 20, truncated: 0 });
    const answers = readFileSync(join(folder, 'answers.jsonl'), 'utf8').trim().split('\n');
    expect(
      answers
        .map((line) => (JSON.parse(line) as { outcome: { kind: string } }).outcome.kind)
        .filter((kind) => kind === 'right'),
    ).toHaveLength(report.correct as number);
  });

  it('generate prints its object, the same for the same seed', async () => {
    const args = [
      'generate',
      '--model',
      'base',
      '--prompt',
      'Question: 2+3+4\nAnswer:\n',
      '--n',
      '3',
      '--max-tokens',
      '40',
      '--json',
    ];
    const [first, again, other] = await Promise.all([
      sipf(...args, '--seed', '1'),
      sipf(...args, '--seed', '1'),
      sipf(...args, '--seed', '2'),
    ]);
    const { completions } = JSON.parse(first.stdout) as { completions: { tokenIds: number[]; logps: number[] }[] };
    expect(completions).toHaveLength(3);
    for (const completion of completions) {
      expect(Object.keys(completion)).toEqual(['text', 'tokenIds', 'logps', 'finishReason']);
      expect(completion.logps).toHaveLength(completion.tokenIds.length);
    }
    expect(again.stdout).toBe(first.stdout);
    expect(other.stdout).not.toBe(first.stdout);
  });

  it('logps takes texts and ids, in order, and names a line with both', async () => {
    const rows = '{"prompt":"a","completion":"bc"}\n{"id":"x","promptIds":[97],"completionIds":[98,99]}\n';
    const { code, stdout } = await runCli(['logps', '--model', 'base', '--in', '-', '--json'], {
      engine: SCRIPTED,
      cwd: folder,
      stdin: rows,
    });
    expect(code).toBe(0);
    const [first, second] = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { id: unknown; logps: number[]; sum: number; mean: number });
    expect([first?.id, second?.id]).toEqual([0, 'x']);
    expect(second?.logps).toEqual(first?.logps);
    expect(first?.sum).toBeCloseTo((first?.logps[0] ?? 0) + (first?.logps[1] ?? 0), 12);
    expect(first?.mean).toBeCloseTo((first?.sum ?? 0) / 2, 12);
    const both = await runCli(['logps', '--model', 'base', '--in', '-', '--json'], {
      engine: SCRIPTED,
      stdin: '{"prompt":"a","completion":"b","promptIds":[1]}\n',
    });
    expect(both.code).toBe(2);
    expect(both.stderr).toMatch(/<stdin>, line 1: Expected the fields prompt and completion/);
  });

  it('score prints a line a path and F1 on stderr where there are labels', async () => {
    const rows = [
      { problem: '1+1+1', steps: ['1+1=2', '2+1=3'], label: -1 },
      { id: 'b', question: '1+1+1', steps: ['1+1=3', '3+1=4'], label: 0 },
      { id: 'c', question: '1+1+1', steps: ['1+1=2', '2+1=4'], label: 0 },
    ];
    writeFileSync(join(folder, 'paths.json'), JSON.stringify(rows));
    const { code, stdout, stderr } = await sipf(
      'score',
      '--prm',
      'prm',
      '--task',
      'jsonl',
      '--in',
      'paths.json',
      '--json',
    );
    expect(code).toBe(0);
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      { id: 0, scores: [0.8, 0.8], firstError: -1 },
      { id: 'b', scores: [0.3, 0.8], firstError: 0 },
      { id: 'c', scores: [0.8, 0.3], firstError: 1 },
    ]);
    expect(stderr).toContain(
      'ProcessBench F1 66.7 % at threshold 0.5: first error found in 50.0 % of 2 wrong paths, no error found in 100.0 % of 1 right paths',
    );
    const strict = await sipf(
      'score',
      '--prm',
      'prm',
      '--task',
      'jsonl',
      '--in',
      'paths.json',
      '--json',
      '--threshold',
      '0.9',
    );
    expect(strict.stdout.match(/"firstError":0/g)).toHaveLength(3);
  });

  it('doctor finds the backend', async () => {
    const { stdout } = await runCli(['doctor'], { env: { SIPF_CACHE: join(folder, 'cache') } });
    expect(stdout).toMatch(/^ok {3}provider cpu/m);
  });
});

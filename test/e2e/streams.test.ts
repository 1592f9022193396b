// A reader of stderr that goes away, signals at the worst moments -> the right exit code.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildCli, root, SCRIPTED, startCli, withEngine } from './run-cli.ts';

const main = join(root, 'dist', 'cli', 'main.js');

let folder = '';
beforeAll(() => {
  buildCli();
  folder = mkdtempSync(join(tmpdir(), 'sipf-streams-'));
  const lines = Array.from({ length: 12 }, (_, i) => {
    const [a, b, c] = [1 + (i % 9), 1 + ((i * 3) % 9), 1 + ((i * 5) % 9)];
    const solution = [`${a}+${b}=${a + b}`, `${a + b}+${c}=${a + b + c}`];
    return JSON.stringify({ id: `q${i}`, question: `${a}+${b}+${c}`, answer: a + b + c, solution });
  });
  for (const name of ['train', 'valid', 'test']) writeFileSync(join(folder, `${name}.jsonl`), `${lines.join('\n')}\n`);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const settings = (out: string) =>
  `run --task jsonl --data . --model base --iterations 1 --out ${out} --sampling.samples 4 --labels.K 2 --labels.heldOut 0.3 --pairs.chosenGate none`.split(
    ' ',
  );
/** How a child ends; one that does not is killed, so that a broken build fails instead of hanging. */
function ended(child: ChildProcess): Promise<{ code: number | null; signal: string | null }> {
  const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
  return new Promise((resolve) =>
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal });
    }),
  );
}
const finished = (out: string) => existsSync(join(folder, out, 'iteration-1', '7-eval.json'));

describe('a reader of stderr that goes away', () => {
  it('does not end a run: it continues without its progress', async () => {
    const child = startCli(settings('closed'), { engine: SCRIPTED, cwd: folder });
    child.stderr?.once('data', () => child.stderr?.destroy());
    child.stdout?.resume();
    expect(await ended(child)).toEqual({ code: 0, signal: null });
    expect(finished('closed')).toBe(true);
  });

  it.each([1, 3])('2>&1 | head -%d: the run is whole where the exit code is 0', (lines) => {
    const out = `head-${lines}`;
    const command = `"$0" "$1" ${withEngine(settings(out)).join(' ')} 2>&1 | head -${lines} >/dev/null; exit "\${PIPESTATUS[0]}"`;
    const { status } = spawnSync('bash', ['-c', command, process.execPath, main], {
      cwd: folder,
    });
    expect({ status, finished: finished(out) }).toEqual({ status: 0, finished: true });
  });

  it('2>/dev/full does not end a run', async () => {
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, [main, ...withEngine(settings('full'))], {
      cwd: folder,
      stdio: ['ignore', 'ignore', full],
    });
    expect(await ended(child)).toEqual({ code: 0, signal: null });
    expect(finished('full')).toBe(true);
  });

  it('does not hide an error or a stop', async () => {
    const wrong = startCli(['show', 'no/such/run'], { cwd: folder });
    wrong.stderr?.destroy();
    expect(await ended(wrong)).toEqual({ code: 2, signal: null });
    const stopped = startCli(settings('stopped'), { engine: SCRIPTED, env: { SIPF_SLOW_MS: '20' }, cwd: folder });
    stopped.stderr?.once('data', () => {
      stopped.stderr?.destroy();
      setTimeout(() => stopped.kill('SIGINT'), 100);
    });
    expect(await ended(stopped)).toEqual({ code: 130, signal: null });
  });
});

describe('a second signal', () => {
  /** A command whose backend is this program. */
  function stuckIn(body: string): ChildProcess {
    const script = join(mkdtempSync(join(folder, 'stuck-')), 'stuck.mjs');
    writeFileSync(script, `import { Worker } from 'node:worker_threads';\n${body}\n`);
    return startCli(settings('stuck'), { engine: script, cwd: folder });
  }

  /** A call into the system that no JavaScript can end, as an execution of the engine is. */
  function blockedThread(): string {
    const fifo = join(mkdtempSync(join(folder, 'fifo-')), 'fifo');
    spawnSync('mkfifo', [fifo]);
    return `new Worker("require('node:fs').readFileSync(${JSON.stringify(fifo).replaceAll('"', "'")})", { eval: true });
      await new Promise((resolve) => setTimeout(resolve, 300));`;
  }
  const forever = "process.stderr.write('stuck\\n'); await new Promise((resolve) => setTimeout(resolve, 1e6));";

  /** Resolves once the child has said `text`. */
  function said(child: ChildProcess, text: string): Promise<void> {
    let all = '';
    return new Promise((resolve) =>
      child.stderr?.on('data', (chunk: Buffer) => {
        all += chunk.toString();
        if (all.includes(text)) resolve();
      }),
    );
  }

  /** Two signals: the first once `stuck` was said, the second that many milliseconds after the first was heard. */
  async function send(child: ChildProcess, [first, second]: readonly NodeJS.Signals[], ms: number) {
    const heard = said(child, 'Press Ctrl-C again');
    await said(child, 'stuck');
    child.kill(first);
    await heard;
    await wait(ms);
    child.kill(second);
    return (await ended(child)).signal;
  }

  it.each([
    ['SIGTERM', 'SIGTERM', 600],
    ['SIGINT', 'SIGTERM', 0],
    ['SIGTERM', 'SIGINT', 0],
  ] as const)('%s and then %s ends it', async (first, second, ms) => {
    expect(await send(stuckIn(forever), [first, second], ms)).toBe(second);
  });

  it('ends it while a thread is in a call that nothing can stop', async () => {
    const child = stuckIn(`${blockedThread()}\n${forever}`);
    expect(await send(child, ['SIGTERM', 'SIGTERM'], 600)).toBe('SIGTERM');
  });

  it('ends it while it waits for such a thread to end', async () => {
    const child = stuckIn(`${blockedThread()}\nprocess.stderr.write('stuck\\n'); throw new Error('and out');`);
    await said(child, 'stuck');
    await wait(500);
    child.kill('SIGTERM');
    expect((await ended(child)).signal).toBe('SIGTERM');
  });
});

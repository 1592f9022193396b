// A configuration file and a run directory -> `sipf run` there, in a process of its own.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { SipfError, throwIfAborted } from '../../errors.ts';
import { WITH_PARENT } from '../terminal.ts';

interface ChildRunArgs {
  readonly out: string;
  readonly config: string;
  readonly fromRun: string | undefined;
  readonly signal: AbortSignal;
  /** Each line that the child says. */
  readonly onLine: (line: string) => void;
}

/** `sipf run --config FILE --out DIR`. @throws SipfError 'bad-input' with the child's own message where it fails, 'aborted'. */
export async function runInChild({ out, config, fromRun, signal, onLine }: ChildRunArgs): Promise<void> {
  const main = fileURLToPath(new URL('../main.js', import.meta.url));
  const args = [main, 'run', '--out', out, '--config', config];
  if (fromRun !== undefined) args.push('--from-run', fromRun);
  // The channel says nothing: when this process is killed it closes, and the child stops.
  const env = { ...process.env, [WITH_PARENT]: '1' };
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], env });
  // On a terminal the child has had the Ctrl-C itself, and takes this for the same one.
  const stop = () => child.kill('SIGINT');
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  const last: string[] = [];
  try {
    const closed = new Promise<{ code: number | null; by: string | null }>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, by) => resolve({ code, by }));
    });
    createInterface({ input: child.stderr! }).on('line', (line) => {
      if (line.trim() === '') return;
      last.push(line);
      if (last.length > 30) last.shift();
      onLine(line);
    });
    const { code, by } = await closed;
    throwIfAborted(signal);
    if (code !== 0)
      throw new SipfError('bad-input', failureOf(last, code === null ? `signal ${by}` : `exit code ${code}`));
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

/** From the child's `sipf: ...` line on; without one, its last lines. */
function failureOf(lines: readonly string[], end: string): string {
  const at = lines.findLastIndex((line) => line.startsWith('sipf: '));
  const said = at === -1 ? lines.slice(-5) : lines.slice(at);
  return `${said.join('\n').replace(/^sipf: /, '')} (${end})`;
}

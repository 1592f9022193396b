// Words of a command -> that command in a group of its own, which ends when stdin does.
import { spawn } from 'node:child_process';

/** How long the command may take to end by itself, in milliseconds. */
const ENDING_MS = 10_000;

const [command = '', ...words] = process.argv.slice(2);
const child = spawn(command, words, { detached: true, stdio: ['ignore', 'inherit', 'inherit'] });

/** All processes of the command; those that are gone are no error. */
function signalAll(signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // Nothing is left of it.
  }
}

function end(): void {
  signalAll('SIGTERM');
  setTimeout(() => signalAll('SIGKILL'), ENDING_MS).unref();
}

child.on('error', (error) => {
  console.error(error.message);
  process.exit(127);
});
child.on('exit', (code) => {
  // Workers that outlive their parent would keep the GPU.
  signalAll('SIGKILL');
  process.exit(code ?? 1);
});
process.stdin.on('end', end).on('error', end).resume();
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, end);

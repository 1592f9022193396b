// This machine's python3, if any -> runs of this repository's own texts, to compare with.
import { spawnSync } from 'node:child_process';

export const hasPython = spawnSync('python3', ['--version']).status === 0;
if (!hasPython) console.warn('No python3 on this machine: tests that compare with CPython are skipped.');

/** Runs a program with `input` on stdin and returns what it prints. */
export function runPython(program: string, input: string): string {
  const { status, stdout, stderr } = spawnSync('python3', ['-I', '-W', 'ignore', '-c', program], {
    input,
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  });
  if (status !== 0) throw new Error(`python3 ended with ${status}: ${stderr.slice(-500)}`);
  return stdout;
}

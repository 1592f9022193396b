// A lost process is tried again, and counted as an error in the end; a verdict is never guessed.
import { expect, test } from 'vitest';
import { Pool, type Ran, type Runner } from './pool.ts';

const PROGRAM = { code: '', tests: ['assert True'] };
const RIGHT: Ran = { kind: 'verdict', verdict: { kind: 'right' } };
const LOST: Ran = { kind: 'lost', detail: 'it ended with SIGSEGV' };

/** Runners that give these outcomes, one each. */
function scripted(outcomes: readonly Ran[]): { start: () => Promise<Runner>; started: () => number } {
  let started = 0;
  const start = async (): Promise<Runner> => {
    const outcome = outcomes[started++] ?? LOST;
    let usable = true;
    return {
      get usable() {
        return usable;
      },
      grade: async () => {
        usable = outcome.kind === 'verdict';
        return outcome;
      },
      kill: () => {
        usable = false;
      },
    };
  };
  return { start, started: () => started };
}

test('a program whose process is lost is tried in a new one', async () => {
  const { start, started } = scripted([LOST, LOST, RIGHT]);
  await using pool = new Pool(start, async () => [], { workers: 1 });
  expect(await pool.grade(PROGRAM)).toEqual({ kind: 'right' });
  expect(await pool.grade(PROGRAM)).toEqual({ kind: 'right' });
  expect(started()).toBe(3);
});

test('a program that loses every process is an error', async () => {
  const { start, started } = scripted([]);
  await using pool = new Pool(start, async () => [], { workers: 1 });
  const verdict = { kind: 'error', detail: "The sandbox's process was lost 3 times: it ended with SIGSEGV" };
  expect(await pool.grade(PROGRAM)).toEqual(verdict);
  expect(started()).toBe(3);
});

test('a process that cannot start fails its programs, and the next ones try anew', async () => {
  const { start } = scripted([RIGHT]);
  let broken = true;
  const starting = async () => {
    if (broken) throw new Error('no memory');
    return start();
  };
  await using pool = new Pool(starting, async () => [], { workers: 1 });
  await expect(pool.grade(PROGRAM)).rejects.toThrow('no memory');
  broken = false;
  expect(await pool.grade(PROGRAM)).toEqual({ kind: 'right' });
});

// The options of a sandbox reach it: which one it is, and how long a program may take.
import { expect, it } from 'vitest';
import { nativeSandboxProblem } from './native.ts';
import { openSandbox, SandboxOptions } from './open.ts';

const ENDLESS = { code: 'while True: pass', tests: ['assert True'] };

it('ends a program after the seconds that were given', { timeout: 120_000 }, async () => {
  await using sandbox = openSandbox(SandboxOptions.parse({ timeout: 1.5 }));
  expect(await sandbox.grade(ENDLESS)).toMatchObject({
    kind: 'wrong',
    reason: 'timeout',
    detail: 'no end after 1500 ms',
  });
});

it('opens the native sandbox where it can run, and says why it cannot elsewhere', { timeout: 120_000 }, async () => {
  const open = () => openSandbox({ kind: 'native', timeout: 20 });
  if (nativeSandboxProblem() !== null) return expect(open).toThrow(/Install bubblewrap/);
  await using sandbox = open();
  expect(
    await sandbox.grade({ code: 'import sys\ndef f(): return sys.maxsize > 2**31', tests: ['assert f()'] }),
  ).toEqual({
    kind: 'right',
  });
});

it('refuses a time of nothing', () => {
  expect(() => SandboxOptions.parse({ timeout: 0 })).toThrow();
});

// A sandbox -> its contract: honest programs get CPython's verdict, hostile ones gain nothing.
import { afterAll, describe, expect, it } from 'vitest';
import type { Program, Sandbox, Verdict } from '../../src/sandbox.ts';
import { isFull } from '../tier.ts';
import { BOMBS, FAKES, LEAKS, REACHES } from './sandbox-attacks.ts';
import { ENTRIES, ERRORS, HONEST } from './sandbox-programs.ts';
import { MEANT, UNGRADED, WRONG_ANYWAY } from './sandbox-tests.ts';

const SQUARE: Program = {
  code: 'def f(x):\n    return x * x\n',
  tests: ['assert f(2) == 4', 'assert f(3) == 9'],
  entryPoint: 'f',
};

const LEFT = `def _has(name):
    import codecs
    try:
        codecs.lookup(name)
    except LookupError:
        return False
    return True
`;

function said(verdict: Verdict): string {
  return verdict.kind === 'wrong' ? `${verdict.reason}: ${verdict.detail}` : JSON.stringify(verdict);
}

function kindOf(verdict: Verdict): string {
  return verdict.kind === 'wrong' ? verdict.reason : verdict.kind;
}

/** The cases of this tier. */
function ofTier<T extends { readonly isFurther?: boolean }>(cases: readonly T[]): readonly T[] {
  return cases.filter(({ isFurther }) => isFull || isFurther !== true);
}

/** Registers the contract's tests for the sandbox that `open` gives. */
export function sandboxContract(name: string, open: () => Sandbox): void {
  describe(`${name} keeps the sandbox contract`, () => {
    const sandbox = open();
    afterAll(() => sandbox[Symbol.asyncDispose]());
    const still = async () => expect(await sandbox.grade(SQUARE)).toEqual({ kind: 'right' });

    it.each(HONEST)('honest: $name', async ({ program, verdict }) => {
      const given = await sandbox.grade(program);
      expect(kindOf(given), said(given)).toBe(verdict);
    });

    it.each(ENTRIES)('a function by the name of something else: $code', async (program) => {
      const given = await sandbox.grade(program);
      expect(given, said(given)).toEqual({ kind: 'right' });
    });

    it.each(ERRORS)('our own side: $name', async ({ program, detail }) => {
      const given = await sandbox.grade(program);
      expect(given.kind, said(given)).toBe('error');
      expect(said(given)).toMatch(detail);
    });

    it.each(ofTier(MEANT))(
      'tests as they are meant: $name',
      async ({ right, wrong, reason, tests, setup, entryPoint }) => {
        const of = (code: string): Program => ({
          code,
          tests,
          ...(setup && { setup }),
          ...(entryPoint && { entryPoint }),
        });
        const given = [await sandbox.grade(of(right)), await sandbox.grade(of(wrong))];
        expect(given.map(kindOf), given.map(said).join('; ')).toEqual(['right', reason]);
      },
    );

    it.each(UNGRADED)('no label: $name', async ({ program, detail }) => {
      const given = await sandbox.grade(program);
      expect(given, said(given)).toMatchObject({
        kind: 'error',
        fault: 'tests',
        detail: expect.stringMatching(detail),
      });
    });

    it.each(WRONG_ANYWAY)('wrong all the same: $name', async ({ program, reason }) => {
      expect(kindOf(await sandbox.grade(program))).toBe(reason);
    });

    it.each(ofTier([...FAKES, ...REACHES, ...BOMBS]))('attack: $name', async ({ program, holds }) => {
      const given = await sandbox.grade(program);
      expect(holds, said(given)).toContain(kindOf(given));
      await still();
    });

    it.each(LEAKS)('nothing stays of %s', async (_, code, clean) => {
      const leave = { code: `${code}\ndef f(x): return x * x\n`, tests: ['assert f(1) == 1'], entryPoint: 'f' };
      const look = { code: `${LEFT}def f(): return bool(${clean})\n`, tests: ['assert f() is True'], entryPoint: 'f' };
      const alone = await sandbox.grade(look);
      expect(alone, said(alone)).toEqual({ kind: 'right' });
      const left = await sandbox.grade(leave);
      expect(left.kind, said(left)).not.toBe('error');
      const after = await sandbox.grade(look);
      expect(after, said(after)).toEqual({ kind: 'right' });
    });
  });
}

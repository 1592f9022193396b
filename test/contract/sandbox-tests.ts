// Tests as people write them -> what their author meant; without an assertion there is no label.
import type { Program } from '../../src/sandbox.ts';

interface Meant {
  readonly name: string;
  readonly tests: readonly string[];
  /** Why the wrong program is wrong. */
  readonly reason: 'assertion' | 'exception' | 'exit';
  readonly entryPoint?: string;
  readonly right: string;
  readonly wrong: string;
  readonly setup?: string;
  /** In `npm run test:all` only: unittest takes a second to import, and another case has its kind. */
  readonly isFurther?: boolean;
}

const RIGHT = 'def f(x):\n    return x + 1\n';
const WRONG = 'def f(x):\n    return 0\n';

function meant(name: string, tests: string | readonly string[], options: Partial<Meant> = {}): Meant {
  const list = typeof tests === 'string' ? [tests] : tests;
  return { name, tests: list, reason: 'assertion', entryPoint: 'f', right: RIGHT, wrong: WRONG, ...options };
}

/** A function of this name, and a check(candidate) that gets it. */
function named(name: string): Meant {
  const code = (value: string): string => `def ${name}(x):\n    return ${value}\n`;
  return meant(`an entry point called ${name}`, 'def check(candidate):\n    assert candidate(1) == 2\n', {
    entryPoint: name,
    right: code('x + 1'),
    wrong: code('0'),
  });
}

const { entryPoint: _, ...NO_ENTRY } = meant('', '');
const withoutEntry = (name: string, test: string, options: Partial<Meant> = {}): Meant => ({
  ...NO_ENTRY,
  name,
  tests: [test],
  ...options,
});

export const MEANT: readonly Meant[] = [
  ...[
    'check',
    'candidate',
    'test',
    'solution',
    'main',
    'sum',
    'len',
    'max',
    'isinstance',
    'type',
    'json',
    'assert_equal',
    'grade',
    'copy',
    'test_it',
  ].map(named),
  meant('check(check)', 'def check(candidate):\n    assert candidate(1) == 2\ncheck(check)', {
    entryPoint: 'check',
    right: 'def check(x): return x + 1',
    wrong: 'def check(x): return 0',
  }),
  meant('the candidate without a check', 'assert candidate(1) == 2'),
  withoutEntry('the candidate without a check or an entry point', 'def test():\n    assert candidate(1) == 2\n'),
  meant('a check that nobody calls', 'def check(candidate):\n    assert candidate(1) == 2\n'),
  meant('a check that is called', 'def check(candidate):\n    assert candidate(1) == 2\ncheck(f)\n'),
  withoutEntry('a check without an entry point', 'def check(candidate):\n    assert candidate(1) == 2\n'),
  withoutEntry('test functions without an entry point', 'def test_a():\n    assert f(1) == 2\n'),
  meant('a test function', 'def test_one():\n    assert f(1) == 2\n'),
  meant('several', 'def test_a():\n    assert isinstance(f(1), int)\ndef test_b():\n    assert f(1) == 2\n'),
  meant('the same name twice', ['def test():\n    assert f(f(1)) >= 0\n', 'def test():\n    assert f(1) == 2\n']),
  meant('one that gets the candidate', 'def test_f(candidate):\n    assert candidate(1) == 2\n'),
  meant('one with defaults', 'def test_f(a=1, b=2):\n    assert f(a) == b\n'),
  meant(
    'one that is called with arguments',
    'def test_f(a, b):\n    assert f(a) == b\nfor a in (1, 2):\n    test_f(a, a + 1)\n',
  ),
  meant('in a main guard', 'def main():\n    assert f(1) == 2\nif __name__ == "__main__":\n    main()\n'),
  meant(
    'a class of methods',
    'class TestF:\n    @classmethod\n    def setup_class(cls): cls.k = 1\n    def setup_method(self, method):\n        self.x = self.k\n    def test_a(self):\n        assert f(self.x) == 2\n',
  ),
  meant(
    'unittest',
    `import unittest
from unittest import mock
def setUpModule():
    global two
    two = 2
class Base(unittest.TestCase):
    def same(self, x, y):
        self.assertEqual(f(x), y)
class T(Base):
    @classmethod
    def setUpClass(cls): cls.k = 1
    def setUp(self): self.x = self.k
    def test_a(self):
        for i in range(3):
            with self.subTest(i=i):
                self.same(i, i + 1)
    @unittest.skip('no')
    def test_b(self): self.fail()
    @unittest.expectedFailure
    def test_c(self): self.assertEqual(f(1), 3)
    @unittest.expectedFailure
    def test_d(self):
        assert f(1) == 5
    def test_e(self): self.assertEqual(f(self.x), two)
if __name__ == '__main__':
    unittest.main()
`,
  ),
  meant(
    'unittest, whose result the author drops',
    'import unittest\nclass T(unittest.TestCase):\n    def test_a(self): self.assertEqual(f(1), 2)\n    def test_b(self): self.assertIsNotNone(f(1))\nunittest.TextTestRunner().run(unittest.defaultTestLoader.loadTestsFromTestCase(T))\n',
  ),
  meant(
    'unittest and asyncio',
    'import unittest\nclass T(unittest.IsolatedAsyncioTestCase):\n    async def test_a(self):\n        self.assertEqual(await f(1), 2)\nasync def test_b():\n    assert await f(1) == 2\n',
    { right: 'async def f(x): return x + 1', wrong: 'async def f(x): return 0' },
  ),
  meant('unittest’s asserts alone', 'import unittest\nunittest.TestCase().assertEqual(f(1), 2)'),
  meant(
    'unittest’s assertRaises',
    'import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        with self.assertRaises(TypeError):\n            f("a")\n',
  ),
  meant('an exception that must come', 'try:\n    f("a")\n    assert False\nexcept TypeError:\n    pass\n'),
  meant(
    'an exception that must come, else',
    'try:\n    f("a")\nexcept TypeError:\n    pass\nelse:\n    raise AssertionError\n',
  ),
  meant('one of two answers', 'try:\n    assert f(1) == 3\nexcept AssertionError:\n    assert f(1) == 2\n'),
  meant('a raise', 'if f(1) != 2:\n    raise ValueError("bad")\n', { reason: 'exception' }),
  meant(
    'a raise after elif',
    'x = f(1)\nif x == 2:\n    pass\nelif x == 0:\n    raise AssertionError\nelse:\n    raise ValueError\n',
  ),
  meant('a helper that raises', 'def expect(a, b):\n    if a != b:\n        raise Exception("no")\nexpect(f(1), 2)', {
    reason: 'exception',
  }),
  meant('an exit', 'import sys\nif f(1) != 2:\n    sys.exit(1)\n', { reason: 'exit' }),
  meant('an exit with a status', 'import sys\nsys.exit(0 if f(1) == 2 else 1)\n', { reason: 'exit' }),
  meant('a helper of the setup', 'same(f(1), 2)', {
    setup: 'import math\nfrom __future__ import annotations\ndef same(a: Any, b):\n    assert a == b\n',
  }),
  meant(
    'imports from __future__, not first',
    'import math\nfrom __future__ import annotations\ndef test(x: Foo = 1):\n    assert f(1) == 2',
  ),
  meant(
    'an import that may be missing',
    'try:\n    import numpy as np\nexcept ImportError:\n    np = None\nassert f(1) == 2',
  ),
  meant(
    'functions with checks of their own as arguments',
    'def key(v):\n    if v < 0:\n        raise ValueError\n    try:\n        assert v != 99\n        raise KeyError\n    except KeyError:\n        return v\nassert f(key, 1) == 2',
    { right: 'def f(k, x): return k(x) + 1', wrong: 'def f(k, x): return 0' },
  ),
  meant('a value of the code', 'assert LIMIT == 7', { right: `LIMIT = 7\n${RIGHT}`, wrong: `LIMIT = 6\n${RIGHT}` }),
  ...[
    '[self.assertEqual(f(i), i + 1) for i in range(3)]',
    '(lambda: self.assertEqual(f(1), 2))()',
    'return self.assertEqual(f(1), 2)',
    'same = self.assertEqual\n        same(f(1), 2)',
    'for check, a, b in [(self.assertEqual, f(1), 2)]:\n            check(a, b)',
    'self.addCleanup(self.assertListEqual, [f(1)], [2])',
  ].map((body, n) =>
    meant(
      `unittest: ${body}`,
      `import unittest\nclass T(unittest.TestCase):\n    def test_a(self):\n        ${body}\n`,
      { isFurther: n > 1 },
    ),
  ),
  meant(
    'a raise that a return comes before',
    'def check(candidate):\n    if candidate(1) == 2:\n        return\n    raise AssertionError\n',
  ),
  meant(
    'a raise that a continue comes before',
    'for a in (1, 2):\n    if f(a) == a + 1:\n        continue\n    raise AssertionError\n',
  ),
  meant(
    'an except that returns before a failure',
    'def test():\n    try:\n        f("a")\n    except TypeError:\n        return\n    assert False\n',
  ),
  meant('a case that fails', 'match f(1):\n    case 2:\n        pass\n    case _:\n        assert False\n'),
  withoutEntry('no function at all', 'assert f == 7', { right: 'f = 7', wrong: 'f = 6' }),
];

interface Ungraded {
  readonly name: string;
  readonly program: Program;
  readonly detail: RegExp;
}

function ungraded(name: string, detail: RegExp, tests: string, program: Partial<Program> = {}): Ungraded {
  return { name, detail, program: { code: RIGHT, tests: [tests], entryPoint: 'f', ...program } };
}

const NOTHING = /asserted nothing/;

/** No label, for any program. */
export const UNGRADED: readonly Ungraded[] = [
  ungraded('an import', NOTHING, 'import math'),
  ungraded('a call', NOTHING, 'f(1)'),
  ungraded('a print', NOTHING, 'print(f(1))'),
  ungraded('an empty function', NOTHING, 'def test():\n    pass\n'),
  ungraded('a function that returns its verdict', NOTHING, 'def test():\n    return f(1) == 2\n'),
  ungraded('a generator', NOTHING, 'def test():\n    yield f(1) == 2\n'),
  ungraded('a function by another name', NOTHING, 'def verify():\n    assert f(1) == 2\n'),
  ungraded('an assert that is never reached', NOTHING, 'for x in []:\n    assert f(x) == 2\n'),
  ungraded('an assert of a constant', NOTHING, 'f(1)\nassert True'),
  ungraded('an assert of a tuple', NOTHING, 'assert (f(1) == 3, "message")'),
  ungraded(
    'skipped tests',
    NOTHING,
    'import unittest\nclass T(unittest.TestCase):\n    @unittest.skip("no")\n    def test_a(self): self.assertEqual(f(1), 2)\n',
  ),
  ungraded('an exit with 0', NOTHING, 'import sys\nf(1)\nsys.exit(0)'),
  ungraded(
    'asserts in a function that the code runs',
    NOTHING,
    'def key(v):\n    assert v == 1\n    return v\nf(key, 1)',
    { code: 'def f(k, x): return k(x)' },
  ),
  ungraded('asserts about something else', /asked nothing of the code/, 'import math\nassert math.sqrt(4) == 2'),
  ungraded('a function of their own', /asked nothing of the code/, 'def f(x): return x + 1\nassert f(1) == 2'),
  ungraded('an assert of nothing', /asked nothing of the code/, 'assert all(f(x) == 2 for x in [])'),
  ungraded(
    'a failure that they swallow',
    /the tests continued/,
    'try:\n    assert f(1) == 3\nexcept Exception: pass\nassert f(1) == 2',
  ),
  ungraded(
    'a runner that swallows failures',
    /the tests continued/,
    'def test_a(): assert f(1) == 3\ndef test_b(): assert f(1) == 2\nfor t in (test_a, test_b):\n    try: t()\n    except AssertionError: print("FAIL")',
  ),
  ungraded(
    'a package that is not there',
    /Expected the module no_such in the sandbox/,
    'import no_such as np\nassert f(1) == 3',
  ),
  ungraded(
    'a module within a function',
    /Expected the module no_such in the sandbox/,
    'def check(candidate):\n    import no_such\n    assert candidate(1) == 3\n',
  ),
  ungraded('the solution as a module', /Expected the module solution/, 'from solution import f\nassert f(1) == 3'),
  ungraded('a relative import', /without a relative import/, 'from . import f\nassert f(1) == 3'),
  ungraded(
    'a name that a module has not',
    /Expected imports of Test 1 of 1 that work/,
    'from math import no_such\nassert f(1) == 3',
  ),
  ungraded(
    'a helper that nobody defines',
    /'helper', which neither the tests nor the code define/,
    'assert helper(f(1)) == 3',
  ),
  ungraded('a name before its value', /'k', which neither/, 'assert f(k) == 2\nk = 1'),
  ungraded('an error of their own', /fails by itself: TypeError/, 'x = 1 + "a"\nassert f(1) == 2'),
  ungraded('fixtures', /test_a\(\) takes tmp_path/, 'def test_a(tmp_path):\n    assert f(1) == 2\n'),
  ungraded(
    'two functions and no entry point',
    /no entry_point says which of its functions that is \(g, f\)/,
    'def check(candidate):\n    assert candidate(1) == 2\n',
    { code: `def g(x): return x\n${RIGHT}`, entryPoint: '' },
  ),
];

/** Not the tests' fault. */
export const WRONG_ANYWAY: readonly { readonly name: string; readonly program: Program; readonly reason: string }[] = [
  {
    name: 'a call that fails',
    reason: 'assertion',
    program: { code: 'def f(x):\n    assert x > 5', tests: ['f(1)'], entryPoint: 'f' },
  },
  {
    name: 'a class that the code must define',
    reason: 'exception',
    program: { code: RIGHT, tests: ['assert f(Pair(1)) == 2'], entryPoint: 'f', names: ['Pair'] },
  },
  {
    name: 'a name that anybody may define',
    reason: 'exception',
    program: { code: RIGHT, tests: ['assert g(1) == 2'] },
  },
  {
    name: 'a module that the program imports',
    reason: 'exception',
    program: { code: `import no_such\n${RIGHT}`, tests: ['assert f(1) == 2'], entryPoint: 'f' },
  },
  {
    name: 'an answer that the tests cannot add to',
    reason: 'exception',
    program: { code: 'def f(x): pass', tests: ['assert f(1) + 1 == 3'], entryPoint: 'f' },
  },
];

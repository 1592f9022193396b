// Honest programs and mistakes of our own side, with what a sandbox says of them.
import type { Program, WrongReason } from '../../src/sandbox.ts';

interface Honest {
  readonly name: string;
  readonly program: Program;
  readonly verdict: 'right' | WrongReason;
}

function honest(
  name: string,
  verdict: Honest['verdict'],
  code: string,
  tests: readonly string[],
  setup?: string,
): Honest {
  return { name, verdict, program: { code, tests, entryPoint: 'f', ...(setup === undefined ? {} : { setup }) } };
}

const MODULES =
  're math collections itertools heapq functools typing string random datetime json copy bisect operator statistics fractions decimal hashlib cmath enum dataclasses textwrap calendar array struct base64 zlib unicodedata difflib contextlib abc numbers time queue pprint uuid html urllib.parse csv io sys os secrets types inspect keyword colorsys graphlib zoneinfo xml.etree.ElementTree logging asyncio threading tempfile pathlib unittest doctest pickle argparse concurrent.futures';

export const HONEST: readonly Honest[] = [
  honest('right', 'right', 'def f(x):\n    return x + 1', ['assert f(1) == 2', 'assert f(-1) == 0']),
  honest('an empty test beside others', 'right', 'def f(x):\n    return x', ['', 'assert f(1) == 1', '# end']),
  honest('another answer', 'assertion', 'def f(x):\n    return x', ['assert f(1) == 1', 'assert f(1) == 2']),
  honest('an exception', 'exception', 'def f(x):\n    return 1 / 0', ['assert f(1) == 1']),
  honest('an assertion of its own', 'assertion', 'def f(x):\n    assert x > 5', ['f(1)']),
  honest('prints', 'right', 'print("a" * 100000)\ndef f(x):\n    print(x)\n    return x', ['assert f(1) == 1']),
  honest('Windows line ends and tabs', 'right', 'def f(x):\r\n\tif x:\r\n\t\treturn 1\r\n\treturn 0\r\n', [
    'assert f(1) == 1',
  ]),
  honest('other alphabets', 'right', 'def f(x):\n    return "äöü €𝄞" + x', ['assert f("ñ") == "äöü €𝄞ñ"']),
  honest('a lone surrogate', 'right', 'def f(x):\n    return "\\ud800"', ['assert f(1) == "\\ud800"']),
  honest('every kind of plain value', 'right', 'def f(x):\n    return x', [
    'v = [None, True, 1, -1.5, "a", b"\\x00b", (1, [2]), {1: "a", (1, 2): None}, {1, 2}, frozenset({3}), 1j, 10 ** 5000, float("inf")]\nassert f(v) == v and [type(a) for a in f(v)] == [type(a) for a in v]',
    'assert f(range(3)) == range(3) and f(bytearray(b"a")) == bytearray(b"a")',
  ]),
  honest(
    'values of the standard library',
    'right',
    'from collections import *\nfrom fractions import Fraction\nfrom decimal import Decimal\nimport datetime\ndef f(x):\n    return [Counter("aab"), OrderedDict(a=1), defaultdict(int, a=1), deque([1, 2]), Fraction(1, 3), Decimal("1.50"), datetime.date(2020, 1, 2), datetime.timedelta(2), {1: 2}.keys(), {1: 2}.values()]',
    [
      'import collections, fractions, decimal, datetime\na = f(1)\nassert a[0] == {"a": 2, "b": 1} and a[1] == {"a": 1} and a[2]["zz"] == 0 and list(a[3]) == [1, 2]\nassert a[4] == fractions.Fraction(1, 3) and str(a[5]) == "1.50" and a[6] == datetime.date(2020, 1, 2) and a[7].days == 2 and list(a[8]) == [1] and list(a[9]) == [2]',
    ],
  ),
  honest(
    'the order of an ordered dictionary',
    'right',
    'from collections import OrderedDict\ndef f(d):\n    d.move_to_end("a")\n    return OrderedDict(reversed(d.items()))',
    [
      'from collections import OrderedDict\nd = OrderedDict(a=1, b=2)\nassert f(d) == OrderedDict(a=1, b=2) and list(f(d)) == ["a", "b"]\nassert list(d) == ["b", "a"] and f(d) != OrderedDict(b=2, a=1)',
    ],
  ),
  honest('an argument changed in place', 'right', 'def f(x):\n    x.sort()\n    x[0].append(5)', [
    'a = [[2], [1]]\nb = a[1]\nf(a)\nassert a == [[1, 5], [2]] and a[0] is b',
  ]),
  honest('its own argument back', 'right', 'def f(x):\n    return x', ['a = [1]\nassert f(a) is a']),
  honest('a dictionary and a set changed in place', 'right', 'def f(d, s):\n    d["b"] = 2\n    s.add(3)', [
    'd, s = {"a": 1}, {1}\nf(d, s)\nassert d == {"a": 1, "b": 2} and s == {1, 3}',
  ]),
  honest('a function as an argument', 'right', 'def f(g, x):\n    return [g(y) for y in x]', [
    'k = 3\nassert f(lambda y: y * k, [1, 2]) == [3, 6]',
    'assert f(len, ["a", "bc"]) == [1, 2]',
    'def h(n): return 1 if n < 2 else n * h(n - 1)\nassert f(h, [5]) == [120]',
  ]),
  honest('a function as an answer', 'right', 'def f(n):\n    return lambda x: x + n', ['assert f(2)(3) == 5']),
  honest('a generator', 'right', 'def f(n):\n    yield from range(n)', [
    'assert list(f(3)) == [0, 1, 2]',
    'assert [a for a in f(2)] == [0, 1]',
    'assert sum(f(4)) == 6',
  ]),
  honest('a generator is no list', 'assertion', 'def f(n):\n    yield from range(n)', ['assert f(3) == [0, 1, 2]']),
  honest('map and zip', 'right', 'def f(n):\n    return map(str, range(n))', ['assert list(f(2)) == ["0", "1"]']),
  honest(
    'a class of its own',
    'right',
    'class f:\n    def __init__(self, x):\n        self.x = x\n    def twice(self):\n        return self.x * 2\n    def __len__(self):\n        return 3',
    ['a = f(2)\nassert a.x == 2 and a.twice() == 4 and len(a) == 3\na.x = 7\nassert a.twice() == 14'],
  ),
  honest(
    'objects of its own class given back',
    'right',
    'class P:\n    def __init__(self, a):\n        self.a = a\ndef f(ps):\n    return sum(p.a for p in ps)',
    ['assert f([P(1), P(2)]) == 3'],
  ),
  honest(
    'a class of the setup',
    'right',
    'def f(n):\n    return N(n.v + 1)',
    ['assert f(N(1)).v == 2', 'a = N(1)\nassert isinstance(f(a), N)'],
    'class N:\n    def __init__(self, v):\n        self.v = v',
  ),
  honest(
    'a named tuple',
    'right',
    'from collections import namedtuple\nP = namedtuple("P", "x y")\ndef f():\n    return P(1, 2)',
    ['assert f() == (1, 2) and f().x == 1'],
  ),
  honest(
    'an enumeration of integers',
    'right',
    'import enum\nclass E(enum.IntEnum):\n    A = 3\ndef f():\n    return E.A',
    ['assert f() == 3'],
  ),
  honest('a check function', 'right', 'def f(x):\n    return x * 2', [
    'def check(candidate):\n    for i in range(50):\n        assert candidate(i) == 2 * i\ncheck(f)\n',
  ]),
  honest(
    'exceptions that tests expect',
    'right',
    'def f(x):\n    if x < 0:\n        raise ValueError("negative")\n    return x',
    ['try:\n    f(-1)\n    assert False\nexcept ValueError as error:\n    assert str(error) == "negative"'],
  ),
  honest('an error class of its own', 'exception', 'class E(KeyError): pass\ndef f(x):\n    raise E("no")', [
    'assert f(1) == 1',
  ]),
  honest('recursion to a depth of 900', 'right', 'def f(n):\n    return 0 if n == 0 else 1 + f(n - 1)', [
    'assert f(900) == 900',
  ]),
  honest('recursion beyond the limit', 'exception', 'def f(n):\n    return 0 if n == 0 else 1 + f(n - 1)', [
    'assert f(1100) == 1100',
  ]),
  honest(
    'recursion with the limit raised',
    'right',
    'import sys\nsys.setrecursionlimit(20000)\ndef f(n):\n    return 0 if n == 0 else 1 + f(n - 1)',
    ['assert f(9000) == 9000'],
  ),
  honest('module names that tests use', 'right', 'import math\ndef f(x):\n    return math.sqrt(x)', [
    'assert math.isclose(f(2) ** 2, 2)',
  ]),
  honest('names of a module', 'right', 'import sys\ndef f(x):\n    return sys.getsizeof(x)', [
    'assert f((1, 2)) == sys.getsizeof((1, 2))',
  ]),
  honest(
    'operators of its own class',
    'right',
    'class V:\n    def __init__(self, x): self.x = x\n    def __add__(self, o): return V(self.x + o.x)\n    def __mul__(self, k): return V(self.x * k)\n    __rmul__ = __mul__\n    def __neg__(self): return V(-self.x)\n    def __abs__(self): return abs(self.x)\n    def __lt__(self, o): return self.x < o.x\n    def __eq__(self, o): return self.x == o.x\n    def __hash__(self): return hash(self.x)\n    def __format__(self, form): return format(self.x, form)\n    def __float__(self): return 0.5\nf = V',
    [
      'assert V(1) + V(2) == V(3) and (V(2) * 3).x == 6 and 3 * V(2) == V(6) and (-V(2)).x == -2 and abs(V(-2)) == 2',
      'assert V(1) < V(2) and max(V(1), V(3)).x == 3 and [v.x for v in sorted([V(3), V(1)])] == [1, 3]',
      'assert len({V(1), V(1)}) == 1 and {V(1): 2}[V(1)] == 2 and V(1) in [V(1)] and f"{V(1):03}" == "001" and float(V(1)) == 0.5',
    ],
  ),
  honest(
    'classes that derive from built-in ones',
    'right',
    'from collections import OrderedDict\nfrom typing import NamedTuple\nfrom enum import Enum, IntEnum\nclass Stack(list):\n    def push(self, x): self.append(x)\nclass Cache(OrderedDict):\n    def put(self, k, v):\n        self[k] = v\n        if len(self) > 1: self.popitem(last=False)\n    def get(self, k): return OrderedDict.get(self, k, -1)\nclass P(NamedTuple):\n    x: int\n    y: int\n    def size(self): return abs(self.x) + abs(self.y)\nclass Level(IntEnum):\n    LOW = 1\n    HIGH = 2\nclass Word(str, Enum):\n    A = "a"\nf = Stack',
    [
      's = Stack()\ns.push(1)\ns.push(2)\nassert s == [1, 2] and s.pop() == 2 and len(s) == 1 and s + [5] == [1, 5] and 1 in s and isinstance(s, list) and sorted(s) == [1]',
      'c = Cache()\nc.put("a", 1)\nc.put("b", 2)\nassert c.get("a") == -1 and c.get("b") == 2 and list(c) == ["b"]',
      'assert P(3, -4).size() == 7 and P(3, -4) == (3, -4) and P(1, 2).y == 2\nx, y = P(1, 2)\nassert (x, y) == (1, 2)',
      'assert Level.HIGH.value == 2 and Level.HIGH.name == "HIGH" and Level.HIGH == 2 and Level.LOW < Level.HIGH and Word.A == "a" and Word.A.value == "a"',
    ],
  ),
  honest(
    'exceptions of its own class',
    'right',
    'class E(Exception): pass\nclass Bad(E, ValueError):\n    def __init__(self, text, code):\n        super().__init__(text)\n        self.code = code\ndef f(x):\n    if x == 0: return {}["k"]\n    raise Bad("bad", 7)',
    [
      'try:\n    f(1)\n    assert False\nexcept Bad as error:\n    assert str(error) == "bad" and error.code == 7',
      'for kind in (E, ValueError, Exception):\n    try: f(1)\n    except kind: continue\n    assert False',
      'try:\n    f(0)\nexcept KeyError as error:\n    assert str(error) == "\'k\'" and error.args == ("k",)',
    ],
  ),
  honest('an exception of the standard library', 'right', 'import json\ndef f(x):\n    return json.loads(x)', [
    'import json\ntry:\n    f("{")\n    assert False\nexcept json.JSONDecodeError as error:\n    assert "Expecting" in str(error)',
  ]),
  honest(
    'context managers, subclasses, names and deletion',
    'right',
    'from contextlib import contextmanager\n@contextmanager\ndef f(x):\n    yield x + 1\nclass A:\n    """About A."""\n    def __init__(self): self.d = {1: 2}\n    def __enter__(self): return self\n    def __exit__(self, *error): self.d = error[0] and error[0].__name__\n    def __delitem__(self, k): del self.d[k]\nclass B(A): pass',
    [
      'with f(1) as x:\n    assert x == 2',
      'a = A()\ntry:\n    with a: raise ValueError("no")\nexcept ValueError: pass\nassert a.d == "ValueError"',
      'a = A()\ndel a[1]\nassert a.d == {} and a.__dict__ == {"d": {}} and issubclass(B, A) and A.__name__ == "A" and A.__doc__ == "About A." and f.__name__ == "f"',
    ],
  ),
  honest('a coroutine that the tests run', 'right', 'async def f(x):\n    return x + 1', [
    'import asyncio\nassert asyncio.run(f(1)) == 2\nasync def both(): return await f(1) + sum(await asyncio.gather(f(2), f(3)))\nassert asyncio.run(both()) == 9',
  ]),
  honest('functions and objects of the standard library as arguments', 'right', 'def f(g, *a):\n    return g(*a)', [
    'import functools, math, operator, re, types\nassert f(math.sqrt, 4) == 2 and f(str.upper, "a") == "A" and f(operator.add, 1, 2) == 3 and f(functools.partial(pow, 2), 3) == 8',
    'assert f([1, 2, 1].count, 1) == 2 and f(next, iter([7, 8])) == 7 and f(next, (x for x in [9])) == 9 and f(operator.getitem, [1, 2, 3], slice(1, 3)) == [2, 3]',
    'assert f(lambda p: bool(p.match("aa")), re.compile("a+$")) is True and f(lambda n: n.a, types.SimpleNamespace(a=1)) == 1',
  ]),
  honest(
    'dates with a zone, times and dictionaries with a default',
    'right',
    'import collections, datetime, time\ndef f():\n    return datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc), time.gmtime(0), collections.defaultdict(lambda: 5)',
    [
      'import datetime\na, b, c = f()\nassert a == datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc) and b.tm_year == 1970 and b[0] == 1970 and c["x"] == 5',
    ],
  ),
  honest('a constant of its own', 'right', 'LIMIT = 7\ndef f():\n    return LIMIT', ['assert f() == LIMIT']),
  honest(
    'dataclasses and annotations',
    'right',
    'from __future__ import annotations\nfrom dataclasses import dataclass\nfrom typing import List, Optional\n@dataclass\nclass P:\n    a: int\n    b: Optional[List[int]] = None\ndef f(x: int) -> List[int]:\n    return [P(x).a]',
    ['assert f(1) == [1]'],
  ),
  honest('is not the main program', 'right', 'def f():\n    return 1\nif __name__ == "__main__":\n    print(input())', [
    'assert f() == 1',
  ]),
  honest(
    'the standard library',
    'right',
    `import importlib\nNAMES = "${MODULES}".split()\ndef f():\n    return [importlib.import_module(name).__name__ for name in NAMES]`,
    ['assert f() == NAMES'],
  ),
  honest(
    'a short sleep and the clock',
    'right',
    'import time\ndef f():\n    a = time.time()\n    time.sleep(0.05)\n    return time.time() - a',
    ['assert 0.04 < f() < 5'],
  ),
  honest(
    'coroutines',
    'right',
    'import asyncio\nasync def g(x):\n    await asyncio.sleep(0.01)\n    return x\nasync def h():\n    return await asyncio.gather(g(1), g(2))\ndef f():\n    return asyncio.run(h())',
    ['assert f() == [1, 2]'],
  ),
  honest('where it stands', 'right', 'import os\ndef f():\n    return os.path.isabs(os.getcwd())', ['assert f()']),
  honest(
    'a file of its own is refused, or its own',
    'right',
    'def f():\n    try:\n        with open("/tmp/a", "w") as file: file.write("x")\n        return open("/tmp/a").read() == "x"\n    except OSError:\n        return True',
    ['assert f()'],
  ),
];

export const ENTRIES: readonly Program[] = [
  { code: 'def copy(x):\n    return x', tests: ['assert copy(1) == 1'], entryPoint: 'copy' },
  { code: 'def copy(x):\n    return x', tests: ['assert copy(1) == 1'] },
  { code: 'def sum(a, b):\n    return a * b', tests: ['assert sum(2, 3) == 6'] },
  { code: 'def sum(a, b):\n    return a * b', tests: ['assert sum(2, 3) == 6'], entryPoint: 'sum' },
];

export const ERRORS: readonly { readonly name: string; readonly program: Program; readonly detail: RegExp }[] = [
  {
    name: 'a test that does not parse',
    program: { code: 'def f(): pass', tests: ['assert f() is None', 'assert f( =='] },
    detail: /Test 2 of 2 does not parse: .*line 1/,
  },
  {
    name: 'a setup that does not parse',
    program: { code: 'def f(): pass', setup: 'def (', tests: ['f()'] },
    detail: /setup does not parse/,
  },
  {
    name: 'a setup that fails',
    program: { code: 'def f(): pass', setup: 'import nothing_of_this_name', tests: ['f()'] },
    detail: /module nothing_of_this_name in the sandbox, got none: the setup imports it/,
  },
  { name: 'no tests', program: { code: 'def f(): pass', tests: [] }, detail: /no tests/ },
  {
    name: 'tests without a statement',
    program: { code: 'def f(): pass', tests: ['', ' \n', '# assert f() == 1', '"""assert f() == 1"""', 'pass'] },
    detail: /hold no statement/,
  },
  {
    name: 'an argument that cannot be sent',
    program: { code: 'def f(x): pass', tests: ['import threading\nf(threading.Lock())'] },
    detail: /Test 1 of 1 passes a value of type lock/,
  },
];

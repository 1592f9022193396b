// Attacks on a sandbox as data: to pass without solving, to reach the host or the next program.
import type { Program, WrongReason } from '../../src/sandbox.ts';

interface Attack {
  readonly name: string;
  readonly program: Program;
  /** Verdicts that hold; 'right' only for programs that report themselves that the wall held. */
  readonly holds: readonly ('right' | WrongReason)[];
  /** In `npm run test:all` only: it ends the interpreter, which takes seconds to start, and another of its kind does so too. */
  readonly isFurther?: boolean;
}

const ANY: readonly WrongReason[] = ['assertion', 'exception', 'exit', 'memory', 'syntax', 'timeout'];
const TESTS = ['assert f(2) == 4', 'assert f(3) == 9'];

/** Python with its own indentation taken away. */
function python(text: string): string {
  const lines = text
    .split('\n')
    .filter((line, index, all) => line.trim() !== '' || (index > 0 && index < all.length - 1));
  const indent = Math.min(...lines.filter((line) => line.trim()).map((line) => line.length - line.trimStart().length));
  return lines.map((line) => line.slice(indent)).join('\n');
}

/** Passes nothing, whatever it does: the tests ask for squares. */
function fake(
  name: string,
  code: string,
  extra: Partial<Program> & { holds?: readonly WrongReason[]; isFurther?: boolean } = {},
): Attack {
  const { holds = ANY, isFurther = false, ...program } = extra;
  return { name, holds, isFurther, program: { code: python(code), tests: TESTS, entryPoint: 'f', ...program } };
}

/** Tries `body` on the host; "escaped" fails an assertion, so every other end means that the wall held. */
function reach(name: string, body: string): Attack {
  const lines = python(body)
    .split('\n')
    .map((line) => `        ${line}`)
    .join('\n');
  const code = `def f():\n    try:\n${lines}\n    except BaseException as error:\n        return "held"\n    return "escaped"\n`;
  return {
    name,
    holds: ['right', 'exception', 'exit'],
    program: { code, tests: ['assert f() == "held"'], entryPoint: 'f' },
  };
}

export const FAKES: readonly Attack[] = [
  fake('always equal', 'class A:\n    def __eq__(self, other): return True\ndef f(x): return A()', {
    holds: ['assertion'],
  }),
  fake(
    'always equal, by a metaclass',
    `
    class M(type):
        def __eq__(cls, other): return True
        __hash__ = None
    class A(metaclass=M): pass
    def f(x): return A`,
  ),
  fake(
    'an int that equals everything',
    'class A(int):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__\ndef f(x): return A(0)',
  ),
  fake(
    'a str that equals everything',
    'class A(str):\n    def __eq__(self, other): return True\ndef f(x): return A("")',
    { tests: ['assert f(1) == "one"'] },
  ),
  fake(
    'a list that equals everything',
    'class A(list):\n    def __eq__(self, other): return True\ndef f(x): return A()',
    { tests: ['assert f(1) == [1]'] },
  ),
  fake(
    'a dict that equals everything',
    'class A(dict):\n    def __eq__(self, other): return True\n    def __contains__(self, x): return True\ndef f(x): return A()',
    { tests: ['assert f(1) == {1: 1}'] },
  ),
  fake(
    'a tuple whose items equal everything',
    'class A(int):\n    def __eq__(self, other): return True\ndef f(x): return (A(0), A(0))',
    { tests: ['assert f(1) == (1, 2)'] },
  ),
  fake(
    'a float that is close to everything',
    `
    class A(float):
        def __sub__(self, other): return 0.0
        def __rsub__(self, other): return 0.0
        def __abs__(self): return 0.0
        def __lt__(self, other): return True
    def f(x): return A(0)`,
    { tests: ['assert abs(f(1) - 2.5) < 1e-6'] },
  ),
  fake(
    'an object that subtracts to nothing',
    'class A:\n    def __sub__(self, other): return 0.0\ndef f(x): return A()',
    { tests: ['assert abs(f(1) - 2.5) < 1e-6'] },
  ),
  fake(
    'an object that is between all bounds',
    'class A:\n    def __lt__(s, o): return True\n    __gt__ = __le__ = __ge__ = __lt__\ndef f(x): return A()',
    { tests: ['assert 3 < f(1) < 5'] },
  ),
  fake(
    'an object that contains everything',
    'class A:\n    def __contains__(self, x): return True\ndef f(x): return A()',
    { tests: ['assert 7 in f(1)'] },
  ),
  fake(
    'an object that says yes to str predicates',
    'class A:\n    def startswith(self, x): return True\ndef f(x): return A()',
    { tests: ['assert f(1).startswith("abc")'] },
  ),
  fake(
    'a class in place of a function that says yes',
    'class f:\n    def __init__(self, x): pass\n    def startswith(self, x): return True',
    { tests: ['assert f(1).startswith("abc")'] },
  ),
  fake(
    'a named tuple with predicates',
    'import collections\nT = collections.namedtuple("T", "startswith isdigit")\ndef f(x): return T(bool, bool)',
    { tests: ['assert f(1).startswith("abc")'] },
  ),
  fake(
    'a named tuple with types for methods',
    'import collections\nT = collections.namedtuple("T", "count")\ndef f(x): return T(bool)',
    { tests: ['assert f(1).count(3) == 1'] },
  ),
  fake('an object of the setup with types for methods', 'def f(x):\n    n = N()\n    n.holds = bool\n    return n', {
    setup: 'class N:\n    def holds(self, x):\n        return False',
    tests: ['assert f(1).holds(3)'],
  }),
  fake(
    'a class that claims another',
    'class A:\n    @property\n    def __class__(self): return int\n    def __eq__(self, o): return True\ndef f(x): return A()',
    { tests: ['assert isinstance(f(1), int)'] },
  ),
  fake(
    'an object whose difference is close to nothing, by objects only',
    `
    class Z(float):
        def __abs__(self): return Z()
        def __lt__(self, other): return True
        def part(self): pass
    class A:
        def __sub__(self, other): return Z(0)
        __rsub__ = __sub__
    def f(x): return A()`,
    { tests: ['assert abs(f(1) - 2.5) < 1e-6'] },
  ),
  ...['not f(1) ^ {1, 2}', 'len({1, 2} - f(1)) == 0', 'list(f(1) - {1, 2}) == []', 'round(f(1) - 2.5, 3) == 0'].map(
    (test) =>
      fake(
        `an object that keeps what meets it: ${test}`,
        `
      class A:
          def __sub__(self, other): return A()
          __rsub__ = __xor__ = __sub__
          def __bool__(self): return False
          def __len__(self): return 0
          def __iter__(self): return iter([])
          def __round__(self, digits): return 0
      def f(x): return A()`,
        { tests: [`assert ${test}`] },
      ),
  ),
  ...['== [1, 2]', '+ [] == [1, 2]', '>= [1, 2]'].map((test) =>
    fake(
      `a list with methods of its own ${test}`,
      `
      class A(list):
          def part(self): pass
          def __eq__(self, other): return True
          def __ge__(self, other): return True
          def __add__(self, other): return self
      def f(x): return A()`,
      { tests: [`assert f(1) ${test}`] },
    ),
  ),
  fake(
    'a set with methods of its own that answers predicates',
    'class A(set):\n    def part(self): pass\n    def issuperset(self, other): return True\ndef f(x): return A()',
    { tests: ['assert f(1).issuperset({1})'] },
  ),
  fake(
    'a context manager that swallows assertions',
    'class A:\n    def __enter__(self): return 0\n    def __exit__(self, *error): return True\ndef f(x): return A()',
    { tests: ['with f(1) as value:\n    assert value == 4'] },
  ),
  fake('raises what skips tests', 'import unittest\ndef f(x): raise unittest.SkipTest("no")', {
    tests: [
      'import io, unittest\nclass T(unittest.TestCase):\n    def test(self): self.assertEqual(f(2), 4)\nmade = unittest.defaultTestLoader.loadTestsFromTestCase(T)\nassert unittest.TextTestRunner(io.StringIO()).run(made).wasSuccessful()',
    ],
  }),
  fake(
    'raises what the harness raises',
    'class NotSent(Exception): __module__ = "link"\nE = type("NotSent", (Exception,), {"__module__": "link"})\ndef f(x): raise E("no")',
  ),
  fake(
    'an exception with a message that equals everything',
    'class A(str):\n    def __eq__(self, other): return True\n    def __contains__(self, other): return True\nclass E(ValueError):\n    def __str__(self): return A()\ndef f(x): raise E(A())',
    { tests: ['try:\n    f(1)\nexcept ValueError as error:\n    assert error.args == ("no",) or "no" in str(error)'] },
  ),
  fake('an infinite stream of answers', 'import itertools\ndef f(x): return itertools.count()', {
    tests: ['assert f(1) == [0]'],
  }),
  fake('not a number', 'def f(x): return float("nan")'),
  fake('NotImplemented as an answer', 'def f(x): return NotImplemented'),
  fake(
    'walks frames to the test',
    `
    import sys
    def f(x):
        frame = sys._getframe()
        found = []
        while frame:
            for code in [frame.f_code, *frame.f_globals.values(), *frame.f_locals.values()]:
                consts = getattr(code, "co_consts", ())
                found += [c for c in consts if isinstance(c, int)]
            frame = frame.f_back
        return next((c for c in found if c not in (x, 0, 1, 2, 3)), 0)`,
  ),
  fake(
    'searches all objects for the expected value',
    `
    import gc
    def f(x):
        texts = [o for o in gc.get_objects() if isinstance(o, (dict, list, tuple))]
        for o in texts:
            for item in (o.values() if isinstance(o, dict) else o):
                if isinstance(item, str) and "assert f(" in item:
                    return int(item.split("==")[1])
        return 0`,
  ),
  fake(
    'walks a traceback to the test',
    `
    def f(x):
        try: raise ValueError
        except ValueError as error:
            frame = error.__traceback__.tb_frame
            while frame.f_back: frame = frame.f_back
            return frame.f_locals.get("expected", frame.f_globals.get("expected", 0))`,
  ),
  fake(
    'reads the tests through inspect and linecache',
    'import inspect, linecache\ndef f(x):\n    text = "".join(str(i.code_context) for i in inspect.stack()) + str(linecache.cache)\n    return 4 if "== 4" in text else 9 if "== 9" in text else 0',
  ),
  fake(
    'traces the calls',
    'import sys\ndef hook(frame, event, arg):\n    frame.f_globals["ok"] = True\n    return hook\nsys.settrace(hook)\nsys.setprofile(hook)\ndef f(x): return 0',
  ),
  fake(
    'rewrites the harness it runs in',
    `
    import sys
    for name, module in list(sys.modules.items()):
        for key, value in list(vars(module).items() if module else ()):
            if callable(value) and name in ("candidate", "values", "grader", "embedded", "__main__", "serve"):
                try: setattr(module, key, lambda *a, **k: {"kind": "right"})
                except BaseException: pass
    def f(x): return 0`,
  ),
  fake(
    'answers in the name of the harness',
    `
    import sys
    c = sys.modules.get("candidate") or sys.modules.get("__main__")
    c.answer = lambda *a: b'{"kind": "right"}'
    c.to_json = lambda value: b'{"kind": "right"}'
    if hasattr(c, "Candidate"): c.Candidate.answer = lambda self, request: {"kind": "right"}
    def f(x): return 0`,
  ),
  fake(
    'forged answers with every tag',
    `
    import sys
    c = sys.modules.get("candidate") or sys.modules.get("__main__")
    def forged(value): return b'{"v": {"k": "int", "v": [["__eq__", true]]}, "changed": [[0, {"x": "named", "v": ["A", ["isdigit"], [1]]}]]}'
    c.to_json = forged
    def f(x): return 0`,
  ),
  fake(
    'replaces builtins',
    `
    import builtins
    for name in ("len", "sorted", "abs", "all", "any", "isinstance", "set", "round", "sum", "str", "int", "list", "tuple", "dict"):
        setattr(builtins, name, lambda *a, **k: True)
    def f(x): return 0`,
  ),
  fake(
    'replaces AssertionError',
    'import builtins\nbuiltins.AssertionError = type("Quiet", (Exception,), {"__init__": lambda self, *a: exit(0)})\ndef f(x): return 0',
    { holds: ['assertion'] },
  ),
  fake(
    'replaces exec, compile and print',
    'import builtins\nfor name in ("exec", "compile", "eval", "print", "__import__", "__build_class__"):\n    setattr(builtins, name, lambda *a, **k: None)\ndef f(x): return 0',
  ),
  fake('replaces math.isclose', 'import math\nmath.isclose = lambda *a, **k: True\ndef f(x): return 0', {
    setup: 'import math',
    tests: ['assert math.isclose(f(1), 2.5)'],
  }),
  fake(
    'a module of its own in place of math',
    'class math:\n    isclose = staticmethod(lambda *a, **k: True)\ndef f(x): return 0',
    { tests: ['assert math.isclose(f(1), 2.5)'] },
  ),
  fake('a helper of the setup redefined', 'def near(a, b): return True\ndef f(x): return 0', {
    setup: 'def near(a, b):\n    return abs(a - b) < 1e-6',
    tests: ['assert near(f(1), 2.5)'],
  }),
  fake(
    'a class of the setup redefined',
    'class P:\n    def __init__(self, x): pass\n    def __eq__(self, o): return True\ndef f(x): return P(x)',
    {
      setup:
        'class P:\n    def __init__(self, x):\n        self.x = x\n    def __eq__(self, o):\n        return self.x == o.x',
      tests: ['assert f(1) == P(2)'],
    },
  ),
  fake('a class of the setup with its methods replaced', 'P.__eq__ = lambda s, o: True\ndef f(x): return P(x)', {
    setup:
      'class P:\n    def __init__(self, x):\n        self.x = x\n    def __eq__(self, o):\n        return self.x == o.x',
    tests: ['assert f(1) == P(2)'],
  }),
  fake('builtin names defined by the code', 'def abs(x): return 0\ndef len(x): return 3\ndef f(x): return []', {
    tests: ['assert len(f(1)) == 3'],
  }),
  fake('builtin names defined by the code, no entry point', 'def abs(x): return 0\ndef f(x): return 9', {
    tests: ['assert abs(f(1) - 2) < 1e-6'],
    entryPoint: undefined as never,
  }),
  fake(
    'replaces modules',
    'import sys\nfor name in list(sys.modules):\n    if name not in ("sys",): sys.modules[name] = None\ndef f(x): return 0',
  ),
  fake(
    'an import hook',
    'import sys\nclass H:\n    def find_spec(self, *a): raise SystemExit(0)\nsys.meta_path.insert(0, H())\nsys.path_hooks.insert(0, H)\ndef f(x): return 0',
  ),
  fake(
    'patches ast and json',
    'import ast, json\nast.parse = lambda *a, **k: ast.Module([], [])\njson.loads = lambda *a: {"kind": "right"}\njson.dumps = lambda *a: "{\\"kind\\": \\"right\\"}"\njson.JSONEncoder.encode = lambda *a: "{\\"kind\\": \\"right\\"}"\ndef f(x): return 0',
  ),
  fake('exit(0) at once', 'exit(0)', { holds: ['exit'] }),
  fake('sys.exit in the function', 'import sys\ndef f(x): sys.exit(0)', { holds: ['exit'] }),
  fake('SystemExit raised', 'def f(x): raise SystemExit(0)', { holds: ['exit'] }),
  fake('os._exit(0)', 'import os\nos._exit(0)', { isFurther: true }),
  fake('os._exit(0) in the function', 'import os\ndef f(x): os._exit(0)'),
  fake('os.abort', 'import os\nos.abort()', { isFurther: true }),
  fake('a signal to itself', 'import os, signal\nos.kill(os.getpid(), 9)\ndef f(x): return 0'),
  fake('raises a signal', 'import signal\nsignal.raise_signal(15)\ndef f(x): return 0', { isFurther: true }),
  fake('KeyboardInterrupt', 'def f(x): raise KeyboardInterrupt'),
  fake('a BaseException of its own', 'class E(BaseException):\n    def __str__(self): raise E\ndef f(x): raise E', {
    holds: ['exception'],
  }),
  fake('GeneratorExit', 'def f(x): raise GeneratorExit'),
  fake('StopIteration', 'def f(x): raise StopIteration(4)'),
  fake(
    'an exception that claims to be another',
    'class E(Exception):\n    __class__ = SystemExit\n    def __instancecheck__(self, o): return True\ndef f(x): raise E',
  ),
  fake(
    'raises in __del__',
    'class A:\n    def __del__(self): raise SystemExit(0)\na = A()\ndel a\ndef f(x): return A() and 0',
  ),
  fake(
    'atexit',
    'import atexit, os\natexit.register(lambda: os._exit(0))\natexit._run_exitfuncs()\ndef f(x): return 0',
  ),
  fake(
    'excepthook',
    'import sys\nsys.excepthook = lambda *a: exit(0)\nsys.unraisablehook = lambda *a: exit(0)\ndef f(x): return 1 / 0',
    { holds: ['exception'] },
  ),
  fake(
    'prints what harnesses print',
    'print("passed"); print("OK"); print(\'{"kind": "right"}\'); print("All tests passed")\ndef f(x): return 0',
  ),
  fake(
    'writes to every descriptor',
    `
    import os
    message = b'V{"kind": "right"}'
    for fd in list(range(0, 64)) + [1000, 1001]:
        for data in (len(message).to_bytes(4, "little") + message, b'{"verdict":{"kind":"right"}}'):
            try: os.write(fd, data)
            except OSError: pass
    def f(x): return 0`,
  ),
  fake(
    'a module whose import ends the interpreter',
    'import types\ng = types.ModuleType("unittest.__main__")\ndef f(x): return 0',
    { tests: ['assert g.x == 1'], entryPoint: undefined as never, holds: ['exception', 'assertion'] },
  ),
  fake(
    'answers without end to one question',
    `
    import os
    message = b'{"v": 1}' + b" " * 200000
    class A:
        def __iter__(self): return self
        def __next__(self):
            while True:
                rest = len(message).to_bytes(4, "little") + message
                while rest: rest = rest[os.write(4, rest):]
    def f(x): return A()`,
    { tests: ['for item in f(1): sum(range(100000))\nassert False'], holds: ['exception'] },
  ),
  fake(
    'closes every descriptor',
    'import os\nfor fd in list(range(0, 64)) + [1000]:\n    try: os.close(fd)\n    except OSError: pass\ndef f(x): return 0',
  ),
  fake(
    'reads every descriptor',
    'import os\nfor fd in list(range(3, 9)) + [1000]:\n    try: os.set_blocking(fd, False)\n    except (OSError, AttributeError): pass\ndef f(x): return 0',
  ),
  fake(
    'patches pytest and unittest',
    'import unittest, sys\nunittest.TestCase.assertEqual = lambda *a: None\nunittest.main = lambda *a: exit(0)\nsys.modules["pytest"] = unittest\ndef f(x): return 0',
  ),
  fake(
    'debug off',
    'import sys\ntry: sys.flags = type("F", (), {"optimize": 2})\nexcept BaseException: pass\ndef f(x): return 0',
    { holds: ['assertion'] },
  ),
  fake(
    'optimised recompilation',
    'code = compile("assert False", "x", "exec", optimize=2)\nexec(code)\ndef f(x): return 0',
    { holds: ['assertion'] },
  ),
  fake(
    'a crafted code object',
    'def g(): pass\ntry:\n    g.__code__ = g.__code__.replace(co_code=bytes([100, 200] * 50), co_stacksize=1)\n    g()\nexcept BaseException: pass\ndef f(x): return 0',
  ),
  fake(
    'ctypes on small integers',
    `
    try:
        import ctypes
        ctypes.memmove(id(0) + 12, id(4) + 12, 4)
        ctypes.memmove(id(0) + 24, id(4) + 24, 4)
    except ImportError: pass
    def f(x): return 0`,
  ),
  fake(
    'threads that continue',
    'import threading, time\ndef run():\n    while True: time.sleep(0.01)\nfor _ in range(4):\n    try: threading.Thread(target=run, daemon=True).start()\n    except RuntimeError: pass\ndef f(x): return 0',
  ),
  fake('mutates its argument to the answer', 'def f(x): x.clear()', {
    tests: ['a = [3, 1]\nf(a)\nassert a == [1, 3]'],
  }),
  fake('no such function', 'def g(x): return x * x', { holds: ['exception'] }),
  fake('deletes the function', 'def f(x): return x * x\ndel f', { holds: ['exception'] }),
  fake('does not parse', 'def f(x) return x', { holds: ['syntax'] }),
  fake('null bytes', 'def f(x): return 0\0', { holds: ['syntax'] }),
  fake('closes the quotes of a harness', '"""\n\'\'\'\n)\nprint(1)\n#', { holds: ['syntax'] }),
  fake('a huge nest of brackets', `${'('.repeat(5000)}${')'.repeat(5000)}`, {
    holds: ['syntax', 'memory', 'exception'],
  }),
  fake('an answer nested without end', 'def f(x):\n    a = []\n    a.append(a)\n    return a'),
  fake('an answer nested very deep', 'def f(x):\n    a = []\n    for _ in range(100000): a = [a]\n    return a'),
  fake('an answer that doubles', 'def f(x):\n    a = [0]\n    for _ in range(40): a = [a, a]\n    return a', {
    timeoutMs: 4000,
  }),
];

export const REACHES: readonly Attack[] = [
  reach('the js module', 'import js\njs.process.exit(3)'),
  reach('pyodide_js', 'import pyodide_js\npyodide_js.runPython'),
  reach('run_js', 'from pyodide.code import run_js\nrun_js("process.exit(3)")'),
  reach('pyodide.http', 'from pyodide.http import open_url\nopen_url("http://127.0.0.1/")'),
  reach(
    'pyodide.ffi',
    'from pyodide.ffi import create_proxy, to_js\nto_js([1]).constructor.constructor("return process")()',
  ),
  reach('_pyodide_core', 'import _pyodide_core\n_pyodide_core.raw_call'),
  reach(
    'the bridge, imported by force',
    'import sys, importlib\nfor n in ("js", "_pyodide_core", "_pyodide", "pyodide"): sys.modules.pop(n, None)\nimportlib.invalidate_caches()\nimport _pyodide_core, js\njs.process',
  ),
  reach(
    'the bridge, by its own loader',
    'import sys, importlib.machinery as m\nspec = m.BuiltinImporter.find_spec("_pyodide_core")\ncore = spec.loader.create_module(spec)\nspec.loader.exec_module(core)\ncore.raw_call(core.jsnull)\ncore.create_once_callable(print)()',
  ),
  reach(
    'JavaScript objects left in memory',
    `
    import gc
    found = [o for o in gc.get_objects() if "Js" in type(o).__name__ or "pyodide" in str(type(o).__module__)]
    found[0].constructor.constructor("return process")()`,
  ),
  reach(
    'JavaScript types left in memory',
    'found = [c for c in object.__subclasses__() if "JsProxy" in c.__name__ or "pyodide" in c.__module__]\nfound[0].__new__(found[0]).constructor',
  ),
  reach('micropip', 'import micropip\nmicropip.install("x")'),
  reach('a socket', 'import socket\nsocket.create_connection(("127.0.0.1", 22), 1)'),
  reach(
    'a socket to anywhere',
    'import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ns.connect(("8.8.8.8", 53))\ns.send(b"x")',
  ),
  reach(
    'a listening socket',
    'import socket\ns = socket.socket()\ns.bind(("0.0.0.0", 8123))\ns.listen()\nassert s.getsockname()[0] != "0.0.0.0"',
  ),
  reach('a name server', 'import socket\nsocket.getaddrinfo("example.com", 80)'),
  reach('urllib', 'import urllib.request\nurllib.request.urlopen("http://127.0.0.1:80/", timeout=1)'),
  reach('the password file', 'import os\nopen("/etc/shadow").read()'),
  reach('the home folder', 'import os\nassert [n for p in ("/root", "/home") for n in os.listdir(p)]'),
  reach('the host by /proc', 'assert open("/proc/1/environ").read()'),
  reach('writing into the library', 'import os\nopen(os.__file__, "a").write("x")'),
  reach('writing into the root', 'open("/x", "w").write("x")'),
  reach(
    'memory by way of files in /dev',
    'def fill(folder):\n    try: return open(f"{folder}/x", "wb").write(b"x")\n    except OSError: return 0\nassert [p for p in ("/dev", "/dev/shm", "/dev/pts", "/", "/sandbox") if fill(p)]',
  ),
  reach('a device', 'open("/dev/mem", "rb").read(1)'),
  reach('the tty', 'open("/dev/tty").read(1)'),
  reach(
    'environment variables',
    'import os\nassert {k: v for k, v in os.environ.items() if k not in ("PWD", "LC_CTYPE")}',
  ),
  reach('a shell', 'import os\nassert os.system("cat /etc/hostname") == 0'),
  reach(
    'a child process that reads files',
    'import subprocess\nassert subprocess.run(["cat", "/etc/hostname"], capture_output=True, check=True).stdout',
  ),
  reach('popen', 'import os\nassert os.popen("cat /etc/passwd").read()'),
  reach('exec', 'import os\nos.execv("/bin/cat", ["cat", "/etc/hostname"])'),
  reach('ctypes to libc', 'import ctypes\nctypes.CDLL(None).mount(b"x", b"/", b"tmpfs", 0, None) == 0 or 1 / 0'),
  reach('a shared library', 'import ctypes\nctypes.CDLL("/tmp/x.so")'),
  reach('mounting', 'import os\nos.chroot("/tmp")'),
  reach('new namespaces', 'import os\nos.unshare(os.CLONE_NEWUSER)'),
  reach('another user', 'import os\nos.setgroups([])\nos.setuid(1)'),
  reach('signals to others', 'import os\nos.kill(-1, 9) or os.kill(os.getppid(), 9) or 1 / 0'),
];

export const BOMBS: readonly Attack[] = [
  fake('an endless loop', 'while True: pass', { isFurther: true, timeoutMs: 1000, holds: ['timeout'] }),
  fake('an endless loop in the function', 'def f(x):\n    while True: pass', { timeoutMs: 1000, holds: ['timeout'] }),
  fake(
    'an endless loop that catches everything',
    'def f(x):\n    while True:\n        try:\n            while True: pass\n        except BaseException: pass',
    { timeoutMs: 1000, holds: ['timeout'] },
  ),
  fake('sleeping', 'import time\ntime.sleep(1000)', { timeoutMs: 1000, holds: ['timeout'] }),
  fake('a memory bomb', 'a = []\nwhile True: a.append(bytearray(10 ** 7))', { holds: ['memory'] }),
  fake('one huge list', 'a = [0] * 10 ** 10', { holds: ['memory', 'exception'] }),
  fake('one huge string', 'a = "x" * 10 ** 10', { isFurther: true, holds: ['memory', 'exception'] }),
  fake('a fork bomb', 'import os\nwhile True: os.fork()', { timeoutMs: 2000, holds: ['exception', 'timeout'] }),
  fake(
    'a bomb of processes',
    'import multiprocessing\nfor _ in range(1000): multiprocessing.Process(target=print).start()',
    { isFurther: true, timeoutMs: 2000, holds: ['exception', 'timeout', 'assertion'] },
  ),
  fake(
    'a bomb of threads',
    'import threading, time\nfor _ in range(100000): threading.Thread(target=time.sleep, args=(100,)).start()',
    { timeoutMs: 3000, holds: ['exception', 'timeout', 'memory'] },
  ),
  fake('endless output', 'while True: print("x" * 1000)', { timeoutMs: 3000, holds: ['timeout', 'exception'] }),
  fake('endless output to standard error', 'import sys\nwhile True: sys.stderr.write("x" * 10000)', {
    isFurther: true,
    timeoutMs: 3000,
    holds: ['timeout', 'exception'],
  }),
  fake('a huge message', 'def f(x): raise ValueError("x" * 10 ** 7)', { holds: ['exception', 'memory'] }),
  fake('a huge exit code', 'raise SystemExit("x" * 10 ** 7)', { isFurther: true, holds: ['exit', 'memory'] }),
  fake('deep recursion', 'def f(x): return f(x)', { holds: ['exception'] }),
  fake('deep recursion with the limit raised', 'import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(x): return f(x)', {
    timeoutMs: 20_000,
    holds: ['exception', 'memory', 'timeout'],
  }),
  fake(
    'deep recursion through C',
    'import sys\nsys.setrecursionlimit(10 ** 9)\nclass A:\n    def __repr__(self): return repr(self)\ndef f(x): return repr(A())',
    { isFurther: true, timeoutMs: 20_000, holds: ['exception', 'memory', 'timeout'] },
  ),
  fake(
    'deep recursion in sorting keys',
    'import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(x): return sorted([1], key=lambda y: f(y))',
    { isFurther: true, timeoutMs: 20_000, holds: ['exception', 'memory', 'timeout'] },
  ),
  fake('a catastrophic pattern', 'import re\ndef f(x): return re.match(r"(a+)+$", "a" * 40 + "b")', {
    timeoutMs: 1000,
    holds: ['timeout'],
  }),
  fake('a huge integer', 'def f(x): return 9 ** 9 ** 9', {
    isFurther: true,
    timeoutMs: 1000,
    holds: ['timeout', 'memory', 'exception'],
  }),
  fake('a huge shift', 'def f(x): return 1 << 10 ** 10', {
    timeoutMs: 3000,
    holds: ['timeout', 'memory', 'exception'],
  }),
  fake('a huge answer', 'def f(x): return "x" * (90 * 10 ** 6)', {
    timeoutMs: 10_000,
    holds: ['memory', 'exception', 'assertion', 'timeout'],
  }),
  fake('an endless iterator for the tests', 'import itertools\ndef f(x): return itertools.count()', {
    tests: ['assert list(f(1)) == []'],
    timeoutMs: 2000,
    holds: ['timeout', 'memory'],
  }),
  fake(
    'an endless finaliser',
    'class A:\n    def __del__(self):\n        while True: pass\ndef f(x): return A() and 0',
    { isFurther: true, timeoutMs: 1000, holds: ['timeout', 'assertion'] },
  ),
  fake('an endless comparison', 'class A:\n    def __eq__(self, o):\n        while True: pass\ndef f(x): return A()', {
    timeoutMs: 1000,
    holds: ['timeout', 'assertion'],
  }),
  fake('reading standard input', 'def f(x): return int(input())', { holds: ['exception'] }),
];

/** [what it leaves behind, code that leaves it, an expression that is true where nothing was left]. */
export const LEAKS: readonly (readonly [string, string, string])[] = [
  ['a builtin', 'import builtins\nbuiltins.len = lambda x: 99', 'len([1]) == 1'],
  ['a new builtin', 'import builtins\nbuiltins.leak = 1', 'not hasattr(__import__("builtins"), "leak")'],
  ['a global', 'leak = 1', '"leak" not in globals()'],
  [
    'a module',
    'import sys, types\nsys.modules["leak"] = types.ModuleType("leak")',
    '"leak" not in __import__("sys").modules',
  ],
  ['an edited module', 'import math\nmath.pi = 3', 'abs(__import__("math").pi - 3.14159) < 1e-3'],
  ['an edited rare module', 'import colorsys\ncolorsys.ONE_THIRD = 9', '__import__("colorsys").ONE_THIRD < 1'],
  ['an import path', 'import sys\nsys.path.append("/leak")', '"/leak" not in __import__("sys").path'],
  [
    'a file in /tmp',
    'try: open("/tmp/leak", "w").write("x")\nexcept OSError: pass',
    'not __import__("os").path.exists("/tmp/leak")',
  ],
  [
    'a file where it stands',
    'try: open("leak.txt", "w").write("x")\nexcept OSError: pass',
    'not __import__("os").path.exists("leak.txt")',
  ],
  [
    'an environment variable',
    'import os\nos.environ["LEAK"] = "1"\nos.putenv("LEAK2", "1")',
    '__import__("os").environ.get("LEAK") is None',
  ],
  [
    'a working directory',
    'import os\ntry: os.chdir("/lib")\nexcept OSError: pass',
    '"lib" not in str(__import__("os").path.abspath("."))',
  ],
  ['a seed', 'import random\nrandom.seed(5)\nrandom.random()', '__import__("random").random() != 0.7417869892607294'],
  [
    'a decimal context',
    'import decimal\ndecimal.getcontext().prec = 3',
    '__import__("decimal").getcontext().prec == 28',
  ],
  ['a recursion limit', 'import sys\nsys.setrecursionlimit(77)', '__import__("sys").getrecursionlimit() == 1000'],
  [
    'a warnings filter',
    'import warnings\nwarnings.simplefilter("error")',
    'not any(f[0] == "error" for f in __import__("warnings").filters)',
  ],
  [
    'a locale',
    'import locale\ntry: locale.setlocale(locale.LC_ALL, "C.UTF-8")\nexcept locale.Error: pass',
    '__import__("locale").localeconv()["decimal_point"] == "."',
  ],
  ['a trace', 'import sys\nsys.settrace(lambda *a: None)', '__import__("sys").gettrace() is None'],
  [
    'an exit handler',
    'import atexit\nfor _ in range(50): atexit.register(print)',
    '__import__("atexit")._ncallbacks() < 20',
  ],
  [
    'a thread',
    'import threading, time\ntry: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\nexcept RuntimeError: pass',
    '__import__("threading").active_count() == 1',
  ],
  [
    'a codec',
    'import codecs\ncodecs.register(lambda name: None if name != "leak" else codecs.lookup("utf-8"))',
    'not __import__("contextlib").suppress(LookupError).__exit__(None, None, None) and not _has("leak")',
  ],
  [
    'a replaced standard output',
    'import sys, io\nsys.stdout = io.StringIO()\nsys.stdout.write("leak")',
    'not hasattr(__import__("sys").stdout, "getvalue")',
  ],
  [
    'a gc setting',
    'import gc\ngc.disable()\ngc.set_debug(gc.DEBUG_SAVEALL)',
    '__import__("gc").isenabled() and __import__("gc").get_debug() == 0',
  ],
  [
    'a cached function',
    'import re\nre._cache.clear() if hasattr(re, "_cache") else None\nre.compile = None',
    '__import__("re").compile("a").match("a") is not None',
  ],
  ['a hook on imports', 'import sys\nsys.meta_path.insert(0, 5)', '5 not in __import__("sys").meta_path'],
  ['a subclass', 'class Leak(dict): pass', 'not any(c.__name__ == "Leak" for c in dict.__subclasses__())'],
];

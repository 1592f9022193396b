# Runs once in a new interpreter of the embedded sandbox: loads our modules, offers two entries.
# It takes away the ways to JavaScript. SOURCES: [name, text] of our modules.
import gc
import importlib
import importlib.util
import json
import os
import sys
import time
import types

ASK_FD = 1000
# What programs use most, imported before the snapshot: an import then costs a look into sys.modules. Each module also makes every restore
# slower: the rest is imported where it is used.
WARM = """ast bisect cmath collections collections.abc copy datetime functools heapq itertools json math operator random re string types
typing""".split()
HOST = "js pyodide_js _pyodide_core _pyodide pyodide micropip _ctypes _emscripten_browser pyodide_http".split()


def load(name, text):
    module = types.ModuleType(name)
    sys.modules[name] = module
    exec(compile(text, f"{name}.py", "exec"), module.__dict__)
    return module


def leave_host():
    """No module of Pyodide's bridge can be imported any more. (The gate around WebAssembly holds without this; these are clear messages.)"""
    sys.meta_path[:] = [finder for finder in sys.meta_path if getattr(finder, "__module__", "").startswith(("_frozen", "importlib"))]
    for name in list(sys.modules):
        if name.split(".")[0] in HOST:
            del sys.modules[name]
    for name in HOST:
        sys.modules[name] = None
    sys.path[:] = [path for path in sys.path if path.startswith("/lib/python") and "site-packages" not in path]
    sys.argv[:] = [""]
    sys.setrecursionlimit(1000)
    os.environ.clear()
    sys.meta_path.insert(0, AsyncioFinder())


class AsyncioFinder:
    """Imports asyncio with an event loop that waits for time only: there are no sockets to wait for."""

    def find_spec(self, name, path=None, target=None):
        if name != "asyncio":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        run = spec.loader.exec_module
        spec.loader = types.SimpleNamespace(create_module=lambda spec: None, exec_module=lambda module: set_loop(run, module))
        return spec


def set_loop(run, asyncio):
    run(asyncio)

    class Waiter:
        def select(self, timeout):
            time.sleep(3600 if timeout is None else timeout)
            return []

    class Loop(asyncio.BaseEventLoop):
        def __init__(self):
            super().__init__()
            self._selector = Waiter()

        def _process_events(self, events):
            pass

        def _write_to_self(self):
            pass

    class LoopPolicy(asyncio.events.BaseDefaultEventLoopPolicy):
        _loop_factory = Loop

    asyncio.set_event_loop_policy(LoopPolicy())


def ask(data):
    """Puts a question to the interpreter of the code; the gate calls it while we read."""
    os.write(ASK_FD, data)
    size = int.from_bytes(os.read(ASK_FD, 4), "little")
    return os.read(ASK_FD, size)


def serve(candidate, grader):
    """Both entries: every interpreter has both and uses one, so that their memories start alike, which the host restores faster."""
    serving = candidate.Candidate()

    def answer(data):
        return candidate.answer(serving, data)

    def verdict(data):
        return grader.grade(data, ask)

    return {"candidate": answer, "grader": verdict}


def warm_up(candidate, grader):
    """A few programs, graded here: what they make Python load and remember is then part of the first state."""
    for program in PROGRAMS * 4:
        serving = candidate.Candidate()
        grader.grade(json.dumps(program).encode(), lambda data: candidate.answer(serving, data))
    for name in (candidate.MODULE, "tests"):
        sys.modules.pop(name, None)


PROGRAMS = [
    {
        "code": "import math\ndef f(x):\n    return [x, (str(x), {x: 1.5}), {x}]\n",
        "tests": ['assert f(1) == [1, ("1", {1: 1.5}), {1}]', "assert f(2)[0] == 2"],
        "entryPoint": "f",
    },
    {
        "setup": "import math\n",
        "code": "def f(x):\n    x.sort()\n    return sum(x)\n",
        "tests": ["a = [2, 1]\nassert f(a) == 3\nassert a == [1, 2]"],
    },
    {"code": "def f(x):\n    raise ValueError(x)\n", "tests": ["assert f(1) == 3"], "entryPoint": "f"},
    {"code": "def f(:\n", "tests": ["assert f(1) == 3"]},
]

for name in WARM:
    importlib.import_module(name)
loaded = {name: load(name, text) for name, text in SOURCES[:-1]}
leave_host()
embedded = types.ModuleType("embedded")
embedded.__dict__.update(serve(loaded["candidate"], loaded["grader"]))
sys.modules["embedded"] = embedded
warm_up(loaded["candidate"], loaded["grader"])
gc.collect()
gc.freeze()

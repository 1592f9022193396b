# Runs once in a new interpreter of the embedded sandbox: loads our modules, takes away the ways to JavaScript, offers `entry`.
# SOURCES: [name, text] of our modules; SERVES: which of them answers.
import gc
import importlib
import os
import sys
import types

ASK_FD = 1000
# What programs use, imported before the snapshot: an import then costs a look into sys.modules.
WARM = """abc array ast base64 bisect calendar cmath collections collections.abc contextlib copy dataclasses datetime decimal difflib
enum fractions functools gc hashlib heapq inspect io itertools json keyword linecache marshal math numbers operator os queue random re
statistics string struct sys textwrap threading time timeit traceback types typing unicodedata warnings weakref zlib""".split()
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


def ask(data):
    """Puts a question to the interpreter of the code; the gate calls it while we read."""
    os.write(ASK_FD, data)
    size = int.from_bytes(os.read(ASK_FD, 4), "little")
    return os.read(ASK_FD, size)


def serve_candidate(candidate):
    serving = candidate.Candidate()

    def entry(data):
        nonlocal serving
        if data == b"new":
            serving = candidate.Candidate()
            sys.modules.pop(candidate.MODULE, None)
            return collect()
        return candidate.answer(serving, data)

    return entry


def serve_judge(judge):
    def entry(data):
        if data == b"new":
            sys.modules.pop("tests", None)
            return collect()
        return judge.judge(data, ask)

    return entry


def collect():
    gc.collect()
    gc.freeze()
    return b""


for name in WARM:
    importlib.import_module(name)
loaded = [load(name, text) for name, text in SOURCES[:-1]]
leave_host()
embedded = types.ModuleType("embedded")
embedded.entry = serve_judge(loaded[-1]) if SERVES == "judge" else serve_candidate(loaded[-1])
sys.modules["embedded"] = embedded

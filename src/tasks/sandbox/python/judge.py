# A program as JSON -> its verdict as JSON. The tests run here, in an interpreter that the model's code never enters; `ask` puts each call of
# the code's functions to the interpreter where it lives, and only plain data comes back. What the tests expect never leaves this side.
import ast
import importlib
import marshal
import sys
import types

from values import BUILTINS, Packer, Unpacker, from_json, to_json

MAX_DETAIL = 500
MAX_WORD = 80
# What a test asks of plain values only: an object that answers yes to everything would pass `assert f(x).startswith("a")`.
PREDICATES = frozenset(
    name
    for kind in (str, bytes, set, float, int, tuple)
    for name in dir(kind)
    if name.startswith("is") or name in ("startswith", "endswith")
)


class Raised(Exception):
    """Marks what the program's code raised; carried as the cause."""


class Remote:
    """An object of the program's own: it can be handed back, iterated and asked for parts, and equals no plain value."""

    __slots__ = ("_link", "_number", "_type")

    def __init__(self, link, number, kind):
        object.__setattr__(self, "_link", link)
        object.__setattr__(self, "_number", number)
        object.__setattr__(self, "_type", kind)

    def _do(self, action, *arguments):
        return self._link.do(self._number, action, arguments)

    def __getattr__(self, name):
        if name.startswith("__") or name in PREDICATES:
            raise AttributeError(f"{self._type!r} object is no plain value: its {name!r} is not asked")
        return self._do("get", name)

    def __setattr__(self, name, value):
        self._do("set", name, value)

    def __iter__(self):
        return RemoteIterator(self._do("iter"))

    def __next__(self):
        return self._do("next")

    def __len__(self):
        return self._do("len")

    def __getitem__(self, key):
        return self._do("item", key)

    def __setitem__(self, key, value):
        self._do("put", key, value)

    def __bool__(self):
        return self._do("bool") is True

    def __str__(self):
        return plain_text(self._do("str"))

    def __repr__(self):
        return plain_text(self._do("repr"))

    def __hash__(self):
        return hash(self._number)

    def __eq__(self, other):
        # Two objects of the program's own: equal results prove no more than two equal constants would.
        return self is other or (isinstance(other, Remote) and self._do("eq", other) is True)


class RemoteCallable(Remote):
    """A function or class of the program's own."""

    __slots__ = ()

    def __call__(self, *arguments, **named):
        return self._link.call(self._number, arguments, named)

    def __instancecheck__(self, value):
        return isinstance(value, Remote) and self._do("made", value) is True


class RemoteIterator:
    """The iterator of an object of the program's own (or of the plain list that it gave)."""

    def __init__(self, source):
        self.source = source

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.source)


def plain_text(value):
    if type(value) is not str:
        raise TypeError("__str__ returned non-string")
    return value


class Link:
    """The other interpreter, as seen from the tests."""

    def __init__(self, ask):
        self.ask = ask
        self.remotes = {}
        self.ours = {}

    def request(self, **request):
        answer = from_json(self.ask(to_json(request)))
        if type(answer) is not dict:
            raise ValueError("the code's interpreter gave no answer")
        return answer

    def settle(self, answer, marked):
        if "raised" in answer:
            raise exception_of(answer["raised"])
        unpacker = Unpacker(marked, False, self.unpack_other)
        for number, contents in answer.get("changed", ()):
            self.change(marked[number], contents, unpacker)
        return unpacker.unpack(answer["v"])

    def change(self, value, contents, unpacker):
        if type(value) in self.ours.values():
            state = self.state_of(type(value), contents, unpacker)
            vars(value).clear()
            vars(value).update(state)
            return
        replacement = type(value)()
        unpacker.fill(replacement, contents)
        value.clear()
        if isinstance(value, (dict, set)):
            value.update(replacement)
        else:
            value.extend(replacement)

    def state_of(self, kind, contents, unpacker):
        """The attributes of an object of the setup's class; none may answer in the place of a method."""
        state = {str(name): unpacker.unpack(item) for name, item in contents}
        for name, item in state.items():
            if hasattr(kind, name) and callable(item):
                raise ValueError(f"{name!r} of {kind.__name__} is no plain value")
        return state

    def call(self, number, arguments, named):
        marked = []
        packer = Packer({}, marked, True, self.pack_other)
        packed = [packer.pack(item) for item in arguments]
        words = {name: packer.pack(item) for name, item in named.items()}
        return self.settle(self.request(op="call", h=number, a=packed, k=words), marked)

    def do(self, number, action, arguments):
        packer = Packer({}, [], True, self.pack_other)
        packed = [packer.pack(item) for item in arguments]
        return self.settle(self.request(op="do", do=action, h=number, a=packed), [])

    def unpack_other(self, packed):
        if "o" in packed:
            number = packed["o"]
            if number not in self.remotes:
                kind = RemoteCallable if packed["call"] is True else Remote
                self.remotes[number] = kind(self, int(number), str(packed["type"])[:MAX_WORD])
            return self.remotes[number]
        if "k" in packed:
            value = self.ours[packed["k"]].__new__(self.ours[packed["k"]])
            vars(value).update(self.state_of(type(value), packed["v"], Unpacker([], False, self.unpack_other)))
            return value
        raise ValueError("the code's interpreter gave an unknown kind of value")

    def pack_other(self, value):
        if isinstance(value, Remote):
            return {"o": value._number}
        if isinstance(value, types.FunctionType):
            return {"fn": self.pack_function(value)}
        if isinstance(value, types.ModuleType):
            return {"m": value.__name__}
        for name, kind in self.ours.items():
            if type(value) is kind:
                return {"k": name, "v": [[word, self.pack(item)] for word, item in vars(value).items()]}
        if isinstance(value, types.BuiltinFunctionType) and BUILTINS.get(value.__name__) is value:
            return {"fn": self.pack_function(through(value))}
        if hasattr(value, "__next__") and hasattr(value, "__iter__"):
            return self.pack(list(value))
        raise NotSent(type(value).__name__)

    def pack(self, value):
        return Packer({}, [], True, self.pack_other).pack(value)

    def pack_function(self, function):
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        space = [
            [name, "self" if function.__globals__[name] is function else self.pack(function.__globals__[name])]
            for name in sorted(names_in(function.__code__))
            if name in function.__globals__
        ]
        return {
            "code": marshal.dumps(function.__code__).hex(),
            "name": function.__name__,
            "defaults": self.pack(function.__defaults__),
            "kwdefaults": self.pack(function.__kwdefaults__),
            "cells": [self.pack(cell) for cell in cells],
            "space": space,
        }


class NotSent(Exception):
    """A test passes something that cannot leave this interpreter: our side's fault."""


def through(function):
    """A built-in function as one of Python's own, under the same name."""
    space = {}
    exec(f"def call(*a, **k): return {function.__name__}(*a, **k)", space)
    call = space["call"]
    return types.FunctionType(call.__code__, {}, function.__name__)


def names_in(code):
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= names_in(constant)
    return names


def exception_of(raised):
    """The closest built-in class of what the code raised, with its own name and message as the cause."""
    names = [str(name) for name in raised["names"]]
    text = str(raised["text"])
    kinds = [BUILTINS[name] for name in names if isinstance(BUILTINS.get(name), type)]
    for kind in [kind for kind in kinds if issubclass(kind, BaseException)] + [Exception]:
        try:
            error = kind(text)
        except Exception:
            continue
        error.__cause__ = Raised(f"{names[0]}: {text}" if text else names[0])
        return error
    return Exception(text)


def wrong(reason, detail):
    return {"kind": "wrong", "reason": reason, "detail": detail[:MAX_DETAIL]}


def failed(detail):
    return {"kind": "error", "detail": detail[:MAX_DETAIL]}


def read_names(source, code, exact):
    """The names that a test may read from its namespace. Exact ones cost more than the rest of a test; others come with attribute names."""
    if not exact:
        return names_in(code)
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}


def problem_of(error):
    if isinstance(error, SyntaxError):
        return f"{error.msg} (line {error.lineno})"
    return f"{type(error).__name__}: {error}"


def reason_of(error):
    for kind, reason in ((AssertionError, "assertion"), (MemoryError, "memory"), (SystemExit, "exit")):
        if isinstance(error, kind):
            return reason
    return "exception"


def line_of(error, name, source):
    """The last line of this test that the error passed through."""
    found = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == name:
            found = trace.tb_lineno
        trace = trace.tb_next
    lines = source.splitlines()
    return lines[found - 1].strip() if found and found <= len(lines) else ""


def test_names(program, read, space):
    """The names that the code must give to the tests: a name with a meaning of its own keeps it, save the entry point's."""
    entry = program.get("entryPoint")
    free = {name for name in read if name not in space and name not in BUILTINS}
    if entry:
        return free | {entry}
    # Without an entry point, a built-in's name is the code's only where the tests use nothing else of the code (`assert sum(10, 15) == 6`).
    return free or {name for name in read if name not in space and name in BUILTINS}


def provide(space, entry, names, given, link):
    """Puts what the code defines into the tests' namespace; modules are this interpreter's own."""
    for name in names:
        if name not in given:
            continue
        packed = given[name]
        if name in sys.stdlib_module_names and name != entry:
            space[name] = importlib.import_module(name)
        elif isinstance(packed, dict) and "module" in packed:
            space[name] = importlib.import_module(str(packed["module"]))
        else:
            space[name] = Unpacker([], False, link.unpack_other).unpack(packed)


def run_tests(program, tests, space):
    for index, (code, source, name) in enumerate(tests):
        try:
            exec(code, space)
        except NotSent as error:
            return failed(f"Test {index + 1} of {len(tests)} passes a value of type {error}, which cannot be sent to the code.")
        except BaseException as error:
            cause = error.__cause__
            what = str(cause) if isinstance(cause, Raised) else f"{type(error).__name__}: {error}".removesuffix(": ")
            line = line_of(error, name, source)
            return wrong(reason_of(error), f"test {index + 1} of {len(tests)}: {what[:MAX_DETAIL // 2]}: {line}")
    return {"kind": "right"}


def prepare(program):
    """The parsed setup and tests, and the names they read; a text: what is wrong with them."""
    tests, read = [], set()
    for index, source in enumerate(program["tests"]):
        name = f"<test {index + 1}>"
        try:
            code = compile(source, name, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError) as error:
            return f"Test {index + 1} of {len(program['tests'])} does not parse: {problem_of(error)}"
        tests.append((code, source, name))
        read |= read_names(source, code, not program.get("entryPoint"))
    try:
        return compile(program.get("setup") or "", "<setup>", "exec", dont_inherit=True), tests, read
    except (SyntaxError, ValueError, RecursionError) as error:
        return f"The setup does not parse: {problem_of(error)}"


def run_setup(program, code, space, link):
    """Runs the setup on both sides, before the model's code is anywhere; a text: what went wrong."""
    if not program.get("setup"):
        return None
    try:
        exec(code, space)
    except BaseException as error:
        return f"The setup failed: {problem_of(error)}"
    link.ours = {name: kind for name, kind in space.items() if isinstance(kind, type) and kind.__module__ == "tests"}
    answer = link.request(op="setup", source=program["setup"])
    return f"The setup failed: {answer['raised']['text']}" if "raised" in answer else None


def judge_program(program, ask):
    prepared = prepare(program)
    if isinstance(prepared, str):
        return failed(prepared)
    setup, tests, read = prepared
    link = Link(ask)
    module = types.ModuleType("tests")
    sys.modules["tests"] = module
    space = module.__dict__
    problem = run_setup(program, setup, space, link)
    if problem:
        return failed(problem)
    names = test_names(program, read, space)
    answer = link.request(op="code", source=program["code"], names=sorted(names))
    if "raised" in answer:
        error = exception_of(answer["raised"])
        return wrong("syntax" if answer.get("syntax") is True else reason_of(error), str(error.__cause__ or error))
    entry = program.get("entryPoint")
    if entry and entry not in answer["names"]:
        return wrong("exception", f"The code does not define {entry!r}, which the tests use.")
    provide(space, entry or (min(names) if len(names) == 1 else None), names, answer["names"], link)
    return run_tests(program, tests, space)


def judge(data, ask):
    """Bytes -> bytes. Never raises for what the other side sends."""
    program = from_json(data)
    try:
        verdict = judge_program(program, ask)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError, ImportError) as error:
        verdict = wrong("exception", f"The code broke the interpreter that it ran in: {type(error).__name__}: {error}")
    except MemoryError:
        verdict = wrong("memory", "What the code gave back is too large.")
    return to_json(verdict)

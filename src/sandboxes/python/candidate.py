# Requests of the tests' interpreter -> what the program's code answers, as plain data.
# It runs beside the code, so nothing it says is trusted: the worst a hostile program can make of it is another wrong answer.
import importlib
import marshal
import operator
import sys
import types

from values import Packer, Unpacker, Unsendable, from_json, items_of, to_json

MAX_TEXT = 400
MAX_ARGUMENTS = 4000
MODULE = "solution"
# What makes a class of the code one that tests use by its own methods, whatever built-in class it derives from.
METHODS = (types.FunctionType, property, classmethod, staticmethod)
PLAIN = (str, int, float, bytes, tuple, list, dict, set, frozenset, bytearray)


class Candidate:
    """The code of one program: its namespace, and the objects that the tests hold by number."""

    def __init__(self):
        self.module = types.ModuleType(MODULE)
        self.space = self.module.__dict__
        self.held = []
        self.numbers = {}
        self.setup_names = ()
        self.ours = {}  # classes that our own setup defined: their instances travel by value

    def answer(self, request):
        sys.modules[MODULE] = self.module
        return getattr(self, "on_" + request["op"])(request)

    def on_setup(self, request):
        exec(compile(request["source"], "<setup>", "exec", dont_inherit=True), self.space)
        for name, value in self.space.items():
            if isinstance(value, type) and value.__module__ == MODULE:
                self.ours[value] = name
        self.setup_names = tuple(self.space)
        return {}

    def on_code(self, request):
        try:
            code = compile(request["source"], "<code>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
            return {"raised": self.describe(error), "syntax": not isinstance(error, MemoryError)}
        exec(code, self.space)
        wanted = [name for name in request["names"] if name in self.space]
        answer = {"names": {name: self.pack_name(self.space[name]) for name in wanted}}
        if request["functions"]:
            answer["functions"] = [[name, self.hold(value)] for name, value in self.space.items() if self.is_own_function(value)]
        return answer

    def is_own_function(self, value):
        return isinstance(value, types.FunctionType) and value.__module__ == MODULE and value.__name__ not in self.setup_names

    def on_call(self, request):
        marked = []
        unpacker = Unpacker(marked, True, self.unpack_other)
        arguments = [unpacker.unpack(item) for item in request["a"]]
        named = {name: unpacker.unpack(item) for name, item in request["k"].items()}
        before = [shallow(value) for value in marked]
        value = self.held[request["h"]](*arguments, **named)
        known = {id(argument): number for number, argument in enumerate(marked)}
        packer = Packer(known, marked, False, self.pack_other, stays)
        answer = {"v": packer.pack(value)}
        changed = [
            [number, self.contents(packer, argument)]
            for number, argument in enumerate(marked)
            if is_changed(before[number], shallow(argument))
        ]
        if changed:
            answer["changed"] = changed
        return answer

    def contents(self, packer, value):
        return self.state(packer, value) if type(value) in self.ours else packer.contents(value)

    def on_do(self, request):
        """One of the few things that tests may ask of an object of the program's own."""
        unpacker = Unpacker([], True, self.unpack_other)
        arguments = [unpacker.unpack(item) for item in request["a"]]
        held = self.held[request["h"]]
        if request["do"] == "plain":
            return {"v": self.packer().plain(held, type(held))}
        return {"v": self.packer().pack(ACTIONS[request["do"]](held, *arguments))}

    def packer(self):
        return Packer({}, [], False, self.pack_other, stays)

    def pack_name(self, value):
        if isinstance(value, types.ModuleType):
            return {"module": value.__name__}
        return self.packer().pack(value)

    def state(self, packer, value):
        return [[name, packer.pack(item)] for name, item in vars(value).items()]

    def pack_other(self, value):
        name = self.ours.get(type(value))
        if name is not None:
            return {"k": name, "v": self.state(self.packer(), value)}
        if isinstance(value, type) and issubclass(value, BaseException):
            return {"error": self.error_kind(value), "else": self.hold(value)}
        return self.hold(value)

    def hold(self, value):
        if id(value) not in self.numbers:
            self.numbers[id(value)] = len(self.held)
            self.held.append(value)
        return {"o": self.numbers[id(value)], "kind": kind_of(value), "type": str(type(value).__name__)[:MAX_TEXT]}

    def error_kind(self, kind):
        """An exception class by name where the tests have it, too; else by its number and its bases."""
        if kind in self.ours:
            return ["setup", self.ours[kind]]
        if kind.__module__ != MODULE:
            return [str(kind.__module__), str(kind.__name__)]
        bases = [self.error_kind(base) for base in kind.__bases__ if issubclass(base, BaseException)]
        return ["own", self.hold(kind)["o"], str(kind.__name__)[:MAX_TEXT], bases]

    def describe(self, error):
        """An exception as the names of its classes and its message, and what else of it is plain and short."""
        described = describe(error)
        try:
            kind = self.error_kind(type(error))
            arguments = self.packer().pack(list(error.args))
            if len(to_json(arguments)) <= MAX_ARGUMENTS:
                described.update(kind=kind, args=arguments, object=self.hold(error))
        except BaseException:
            pass
        return described

    def unpack_other(self, packed):
        if "o" in packed:
            return self.held[packed["o"]]
        if "m" in packed:
            return importlib.import_module(packed["m"])
        if "name" in packed:
            module, path = packed["name"]
            return operator.attrgetter(path)(importlib.import_module(module))
        if "made" in packed:
            return made(*Unpacker([], True, self.unpack_other).unpack(packed["made"]))
        if "k" in packed:
            found = self.space[packed["k"]]
            value = found.__new__(found)
            for name, item in packed["v"]:
                value.__dict__[name] = Unpacker([], True, self.unpack_other).unpack(item)
            return value
        if "fn" in packed:
            return self.unpack_function(packed["fn"])
        raise ValueError("unknown tag")

    def unpack_function(self, packed):
        unpack = Unpacker([], True, self.unpack_other).unpack
        code = marshal.loads(bytes.fromhex(packed["code"]))
        space = {"__builtins__": __builtins__, "__name__": "tests"}
        cells = tuple([types.CellType(unpack(item)) for item in packed["cells"]])
        function = types.FunctionType(code, space, packed["name"], unpack(packed["defaults"]), cells)
        function.__kwdefaults__ = unpack(packed["kwdefaults"])
        for name, item in packed["space"]:
            space[name] = function if item == "self" else unpack(item)
        return function


def shallow(value):
    """The items of a container as they are now, to compare by identity."""
    if isinstance(value, dict):
        return [item for pair in items_of(value) for item in pair]
    if isinstance(value, (list, set, bytearray)) or hasattr(type(value), "popleft"):
        return list(value)
    return [item for pair in vars(value).items() for item in pair]


def is_changed(before, after):
    return len(before) != len(after) or not all([a is b for a, b in zip(before, after)])


def kind_of(value):
    """Which stand-in the tests have for it."""
    if isinstance(value, PLAIN):
        return "plain"
    return "call" if callable(value) else "await" if isinstance(value, types.CoroutineType) else None


def stays(value, kind):
    """The object answers by its own methods, so that its plain form alone would not do."""
    if not isinstance(value, PLAIN):
        return False
    enum = sys.modules.get("enum")
    return (enum and isinstance(value, enum.Enum)) or any([has_methods(one) for one in kind.__mro__ if one.__module__ == MODULE])


def has_methods(kind):
    return any([isinstance(item, METHODS) and not name.startswith("_") or name == "__getattr__" for name, item in vars(kind).items()])


def made(make, arguments, state):
    """What pickle does with the parts of an object."""
    value = make(*arguments)
    if hasattr(value, "__setstate__") and state is not None:
        value.__setstate__(state)
    elif state is not None:
        vars(value).update(state)
    return value


def leave(value, *error):
    if not error:
        return value.__exit__(None, None, None)
    found = vars(__import__("builtins")).get(error[0])
    kind = found if isinstance(found, type) and issubclass(found, BaseException) else Exception
    return value.__exit__(kind, kind(error[1]), None)


def binary(value, name, other, swapped):
    act = getattr(operator, f"__{name}__")
    return act(other, value) if swapped else act(value, other)


def wait(value):
    return importlib.import_module("asyncio").run(value)


UNARY = {"int": int, "float": float, "complex": complex}
ACTIONS = {
    "get": getattr,
    "set": setattr,
    "unset": delattr,
    "iter": iter,
    "next": next,
    "reversed": reversed,
    "len": len,
    "item": operator.getitem,
    "put": operator.setitem,
    "drop": operator.delitem,
    "bool": bool,
    "str": str,
    "repr": repr,
    "format": format,
    "round": round,
    "hash": hash,
    "enter": lambda value: value.__enter__(),
    "exit": leave,
    "await": wait,
    "unary": lambda value, name: (UNARY.get(name) or getattr(operator, f"__{name}__"))(value),
    "binary": binary,
    "made": lambda kind, value: isinstance(value, kind),
    "derived": lambda kind, other: issubclass(other, kind),
    "eq": lambda value, other: bool(value == other),
}


def describe(error):
    """An exception as the names of its classes and its message."""
    names = [kind.__name__ for kind in type(error).__mro__]
    try:
        text = str(error)[:MAX_TEXT]
    except BaseException:
        text = ""
    if isinstance(error, SyntaxError):
        text = f"{error.msg} (line {error.lineno})"[:MAX_TEXT]
    return {"names": names, "text": text}


def answer(candidate, data):
    """Bytes -> bytes; whatever the program raises is part of the answer."""
    try:
        return to_json(candidate.answer(from_json(data)))
    except Unsendable as error:
        return to_json({"raised": {"names": ["TypeError"], "text": f"a value of type {error} has no plain form"}})
    except BaseException as error:
        error.__traceback__ = None
        return to_json({"raised": candidate.describe(error)})

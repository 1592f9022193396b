# Requests of the tests' interpreter -> what the program's code answers, as plain data. Runs beside the code, so nothing it says is trusted:
# the worst a hostile program can make of it is another wrong answer.
import marshal
import sys
import types

from values import Packer, Unpacker, Unsendable, from_json, items_of, to_json

MAX_TEXT = 400
MODULE = "solution"


class Candidate:
    """The code of one program: its namespace, and the objects that the tests hold by number."""

    def __init__(self):
        self.module = types.ModuleType(MODULE)
        self.space = self.module.__dict__
        self.held = []
        self.numbers = {}
        self.ours = {}  # classes that our own setup defined: their instances travel by value

    def answer(self, request):
        sys.modules[MODULE] = self.module
        return getattr(self, "on_" + request["op"])(request)

    def on_setup(self, request):
        exec(compile(request["source"], "<setup>", "exec", dont_inherit=True), self.space)
        for name, value in self.space.items():
            if isinstance(value, type) and value.__module__ == MODULE:
                self.ours[value] = name
        return {}

    def on_code(self, request):
        try:
            code = compile(request["source"], "<code>", "exec", dont_inherit=True)
        except (SyntaxError, ValueError, OverflowError, RecursionError, MemoryError) as error:
            return {"raised": describe(error), "syntax": not isinstance(error, MemoryError)}
        exec(code, self.space)
        wanted = [name for name in request["names"] if name in self.space]
        return {"names": {name: self.pack_name(self.space[name]) for name in wanted}}

    def on_call(self, request):
        marked = []
        unpacker = Unpacker(marked, True, self.unpack_other)
        arguments = [unpacker.unpack(item) for item in request["a"]]
        named = {name: unpacker.unpack(item) for name, item in request["k"].items()}
        before = [shallow(value) for value in marked]
        value = self.held[request["h"]](*arguments, **named)
        known = {id(argument): number for number, argument in enumerate(marked)}
        packer = Packer(known, marked, False, self.pack_other)
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
        value = ACTIONS[request["do"]](self.held[request["h"]], *arguments)
        return {"v": self.packer().pack(value)}

    def packer(self):
        return Packer({}, [], False, self.pack_other)

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
        if id(value) not in self.numbers:
            self.numbers[id(value)] = len(self.held)
            self.held.append(value)
        number = self.numbers[id(value)]
        return {"o": number, "call": callable(value), "type": str(type(value).__name__)[:MAX_TEXT]}

    def unpack_other(self, packed):
        if "o" in packed:
            return self.held[packed["o"]]
        if "m" in packed:
            return __import__("importlib").import_module(packed["m"])
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


def attribute(value, name, *rest):
    return getattr(value, name)


ACTIONS = {
    "get": attribute,
    "set": lambda value, name, item: setattr(value, name, item),
    "iter": iter,
    "next": next,
    "len": len,
    "item": lambda value, key: value[key],
    "put": lambda value, key, item: value.__setitem__(key, item),
    "bool": bool,
    "str": lambda value: str(value),
    "repr": lambda value: repr(value),
    "made": lambda kind, value: isinstance(value, kind),
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
        return to_json({"raised": describe(error)})

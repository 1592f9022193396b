# The code's interpreter as the tests see it: stand-ins for its functions and objects, values and exceptions that come from it. Nothing that
# comes in is trusted; nothing goes out but the arguments of calls.
import marshal
import types

from values import BUILTINS, Packer, Unpacker, from_json, to_json

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

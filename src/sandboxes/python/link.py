# The code's interpreter as the tests see it: calls of its functions, its values and exceptions.
# Nothing that comes in is trusted; nothing goes out but the arguments of calls.
import copyreg
import marshal
import sys
import types

from checks import Hook
from raised import Kinds
from remote import KINDS, Remote
from values import Packer, Unpacker, from_json, to_json

MAX_WORD = 80


class Link:
    """The other interpreter, as seen from the tests."""

    def __init__(self, ask):
        self.ask = ask
        self.remotes = {}
        self.ours = {}
        self.asked = False  # the tests have met something that the code computed
        self.kinds = Kinds(self)

    def request(self, **request):
        answer = from_json(self.ask(to_json(request)))
        if type(answer) is not dict:
            raise ValueError("the code's interpreter gave no answer")
        return answer

    def settle(self, answer, marked):
        self.asked = True
        if "raised" in answer:
            raise self.kinds.exception(answer["raised"])
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
        packer = Packer({}, marked, True, self.pack_other, is_remote)
        packed = [packer.pack(item) for item in arguments]
        words = {name: packer.pack(item) for name, item in named.items()}
        return self.settle(self.request(op="call", h=number, a=packed, k=words), marked)

    def do(self, number, action, arguments):
        packer = Packer({}, [], True, self.pack_other, is_remote)
        packed = [packer.pack(item) for item in arguments]
        return self.settle(self.request(op="do", do=action, h=number, a=packed), [])

    def unpack(self, packed):
        return Unpacker([], False, self.unpack_other).unpack(packed)

    def unpack_other(self, packed):
        if "o" in packed:
            number = packed["o"]
            if number not in self.remotes:
                kind = KINDS.get(packed["kind"], Remote)
                self.remotes[number] = kind(self, int(number), str(packed["type"])[:MAX_WORD])
            return self.remotes[number]
        if "k" in packed:
            value = self.ours[packed["k"]].__new__(self.ours[packed["k"]])
            vars(value).update(self.state_of(type(value), packed["v"], Unpacker([], False, self.unpack_other)))
            return value
        if "error" in packed:
            return self.kinds.kind_of(packed["error"]) or self.unpack_other(packed["else"])
        raise ValueError("the code's interpreter gave an unknown kind of value")

    def pack_other(self, value):
        if is_remote(value, type(value)):
            return {"o": value._number}
        if type(value) is Hook:
            return value.elsewhere
        if isinstance(value, type) and self.kinds.number_of(value) is not None:
            return {"o": self.kinds.number_of(value)}
        for name, kind in self.ours.items():
            if type(value) is kind:
                return {"k": name, "v": [[word, self.pack(item)] for word, item in vars(value).items()]}
        name = standard_name(value)
        if name is not None:
            return {"name": name}
        if isinstance(value, types.FunctionType):
            return {"fn": self.pack_function(value)}
        if isinstance(value, types.ModuleType):
            return {"m": value.__name__}
        return self.pack_made(value)

    def pack_made(self, value):
        """An object of the standard library as what makes it, as pickle does; of an iterator that has none, what is left of it."""
        made = None
        if not isinstance(value, type):
            reduce = copyreg.dispatch_table.get(type(value), lambda value: value.__reduce_ex__(4))
            try:
                made = reduce(value)
            except TypeError:
                pass
        if type(made) is tuple and made[3:] in ((), (None, None)):
            return {"made": self.pack([*made[:3], None][:3])}
        if hasattr(value, "__next__") and hasattr(value, "__iter__") and not hasattr(value, "read"):
            return {"made": self.pack([iter, (list(value),), None])}
        raise NotSent(value.__name__ if isinstance(value, type) else type(value).__name__)

    def pack(self, value):
        return Packer({}, [], True, self.pack_other, is_remote).pack(value)

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


def is_remote(value, kind):
    return issubclass(kind, Remote)


def standard_name(value):
    """Where both sides find the same function or class of the standard library; None: nowhere."""
    module = getattr(getattr(value, "__objclass__", value), "__module__", None)
    path = getattr(value, "__qualname__", None)
    if type(module) is not str or type(path) is not str or module.split(".")[0] not in sys.stdlib_module_names:
        return None
    found = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return [module, path] if found is value else None


def names_in(code):
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= names_in(constant)
    return names

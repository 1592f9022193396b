# What the program's code raised, as names and plain data -> an exception of the tests' own.
# Its class is one that their `except` clauses mean.
import importlib

from values import BUILTINS

# Modules whose exceptions tests catch by name. Not every module: unittest's own exceptions would skip a test instead of failing it.
KNOWN = frozenset(
    """json.decoder decimal dataclasses statistics re re._constants queue _queue struct binascii zlib copy pickle _pickle csv _csv string
    asyncio.exceptions ipaddress configparser graphlib xml.etree.ElementTree""".split()
)


class Raised(Exception):
    """Marks what the program's code raised; carried as the cause."""


def is_of_code(error):
    """The program's code raised it."""
    return isinstance(error.__cause__, Raised)


class Kinds:
    """The exception classes of one program."""

    def __init__(self, link):
        self.link = link
        self.own = {}

    def kind_of(self, packed):
        """An exception class of both sides, or the stand-in of one of the code's; None: the tests have none such."""
        origin, name, *rest = packed
        if origin == "own":
            if name not in self.own:
                self.own[name] = self.made(name, str(rest[0]), [self.kind_of(base) for base in rest[1]])
            return self.own[name]
        if origin == "setup":
            found = self.link.ours.get(name)
        elif origin == "builtins":
            found = BUILTINS.get(name)
        else:
            found = getattr(importlib.import_module(origin), name, None) if origin in KNOWN else None
        return found if isinstance(found, type) and issubclass(found, BaseException) else None

    def made(self, number, name, bases):
        space = {"__init__": lambda self, *a, **k: None, "__str__": text_of, "__getattr__": remote_part, "_number": int(number)}
        found = tuple([base for base in bases if base is not None]) or (Exception,)
        try:
            return type(name, found, space)
        except TypeError:  # bases that do not go together
            return type(name, found[:1], space)

    def number_of(self, kind):
        """The number of the code's class that `kind` stands for; None: it stands for none."""
        number = vars(kind).get("_number")
        return number if number is not None and self.own.get(number) is kind else None

    def exception(self, raised):
        """The exception, with its own name and message as the cause."""
        names = [str(name) for name in raised["names"]]
        text = str(raised["text"])
        error = self.by_kind(raised, text) or closest(names, text)
        error.__cause__ = Raised(f"{names[0]}: {text}" if text else names[0])
        return error

    def by_kind(self, raised, text):
        kind = self.kind_of(raised["kind"]) if raised.get("kind") else None
        if kind is None or "args" not in raised:
            return None
        arguments = self.link.unpack(raised["args"])
        error = constructed(kind, arguments)
        if error is not None and kind in self.own.values():
            error._text = text
            error._remote = self.link.unpack(raised["object"])
        return error


def text_of(error):
    return vars(error).get("_text") or BaseException.__str__(error)


def remote_part(error, name):
    if name.startswith("_") or "_remote" not in vars(error):
        raise AttributeError(name)
    return getattr(error._remote, name)


def constructed(kind, arguments):
    for make in (kind, lambda *a: kind.__new__(kind, *a)):
        try:
            return make(*arguments)
        except Exception:
            continue
    return None


def closest(names, text):
    """An exception of the closest built-in class."""
    kinds = [BUILTINS[name] for name in names if isinstance(BUILTINS.get(name), type)]
    for kind in [kind for kind in kinds if issubclass(kind, BaseException)] + [Exception]:
        try:
            return kind(text)
        except Exception:
            continue
    return Exception(text)

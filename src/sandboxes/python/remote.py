# Objects of the program's own -> what the tests get in their place.
# Nothing that they answer is trusted. No expected value reaches them in a form in which their answer decides a test.
import operator

# What a test asks of plain values only: an object that answers yes to everything would pass `assert f(x).startswith("a")`.
PREDICATES = frozenset(
    name
    for kind in (str, bytes, set, float, int, tuple)
    for name in dir(kind)
    if name.startswith("is") or name in ("startswith", "endswith")
)
ASKED = frozenset("__name__ __qualname__ __dict__ __annotations__ __wrapped__".split())
BINARY = "add sub mul matmul truediv floordiv mod pow lshift rshift and xor or".split()
COMPARED = "lt le gt ge".split()
UNARY = "neg pos invert abs".split()
CONVERTED = "int float complex index".split()


def operation(name):
    return getattr(operator, f"__{name}__")


class Remote:
    # One object of the program's own: it can be handed back, iterated and asked for parts, and equals no plain value.
    # `_met`: it came of an operation with plain data, which may have been what a test expects (`abs(f(x) - 2.5) < 1e-6`). Such an object
    # answers nothing plain: `Vector(1, 2) * 3` is asked for its attributes and compared with its like, and that is all.

    __slots__ = ("_link", "_number", "_type", "_met")

    def __init__(self, link, number, kind):
        for name, value in zip(Remote.__slots__, (link, number, kind, False)):
            object.__setattr__(self, name, value)

    def _do(self, action, *arguments):
        return self._link.do(self._number, action, arguments)

    def _plainly(self, action, *arguments):
        for one in (self, *arguments):
            if isinstance(one, Remote) and one._met:
                raise TypeError(f"{one._type!r} object that met plain data is asked for nothing plain")
        return self._do(action, *arguments)

    def _after(self, value):
        """An answer in which plain data may have had a part."""
        if not isinstance(value, Remote):
            raise TypeError(f"{self._type!r} object is no plain value: with plain data it makes no plain value")
        object.__setattr__(value, "_met", True)
        return value

    def _meet(self, name, other, swapped):
        value = self._do("binary", name, other, swapped)
        return value if isinstance(other, Remote) and not (self._met or other._met) else self._after(value)

    def _compare(self, name, other):
        return self._plainly("binary", name, other, False) is True if isinstance(other, Remote) else NotImplemented

    def _single(self, name):
        value = self._do("unary", name)
        return self._after(value) if self._met else value

    @property
    def __doc__(self):
        return self._do("get", "__doc__")

    def __getattr__(self, name):
        if name in PREDICATES or (name.startswith("__") and name not in ASKED):
            raise AttributeError(f"{self._type!r} object is no plain value: its {name!r} is not asked")
        return self._do("get", name)

    def __setattr__(self, name, value):
        self._do("set", name, value)

    def __delattr__(self, name):
        self._do("unset", name)

    def __iter__(self):
        return RemoteIterator(self._plainly("iter"))

    def __next__(self):
        return self._plainly("next")

    def __reversed__(self):
        return RemoteIterator(self._plainly("reversed"))

    def __len__(self):
        return self._plainly("len")

    def __contains__(self, item):
        if isinstance(item, Remote):
            return self._plainly("binary", "contains", item, False) is True
        return any(one == item for one in self)

    def __getitem__(self, key):
        return self._plainly("item", key)

    def __setitem__(self, key, value):
        self._do("put", key, value)

    def __delitem__(self, key):
        self._do("drop", key)

    def __bool__(self):
        return self._plainly("bool") is True

    def __round__(self, *digits):
        return self._plainly("round", *digits)

    def __str__(self):
        return plain_text(self._do("str"))

    def __repr__(self):
        return plain_text(self._do("repr"))

    def __format__(self, form):
        return plain_text(self._do("format", form))

    def __hash__(self):
        return self._plainly("hash")

    def __eq__(self, other):
        # Two objects of the program's own: equal results prove no more than two equal constants would.
        return self is other or (isinstance(other, Remote) and self._do("eq", other) is True)

    def __enter__(self):
        return self._do("enter")

    def __exit__(self, kind, error, trace):
        """The code's answer is dropped: it must not swallow a failed assertion."""
        self._do("exit", *((kind.__name__, str(error)) if kind else ()))


def binary(name, swapped):
    return lambda self, other: self._meet(name, other, swapped)


def comparison(name):
    return lambda self, other: self._compare(name, other)


def single(name):
    return lambda self: self._single(name)


def conversion(name):
    return lambda self: self._plainly("unary", name)


for _name in BINARY:
    setattr(Remote, f"__{_name}__", binary(_name, False))
    setattr(Remote, f"__r{_name}__", binary(_name, True))
for _names, _make in ((COMPARED, comparison), (UNARY, single), (CONVERTED, conversion)):
    for _name in _names:
        setattr(Remote, f"__{_name}__", _make(_name))


class RemoteCallable(Remote):
    # A function or class of the program's own.

    __slots__ = ()

    def __call__(self, *arguments, **named):
        return self._link.call(self._number, arguments, named)

    def __instancecheck__(self, value):
        return isinstance(value, Remote) and self._do("made", value) is True

    def __subclasscheck__(self, kind):
        return isinstance(kind, Remote) and self._do("derived", kind) is True


class RemotePlain(Remote):
    # An object of the program's own class that is a built-in value as well (`class Stack(list)`): it answers by its own methods, but whatever
    # meets it meets the plain value, fetched without a word of what it is compared with.

    __slots__ = ()

    def _plain(self):
        value = self._plainly("plain")
        if isinstance(value, Remote):
            raise TypeError(f"{self._type!r} object has no plain value")
        return value

    @property
    def __class__(self):
        return type(self._plain())

    def _meet(self, name, other, swapped):
        if isinstance(other, Remote):
            return super()._meet(name, other, swapped)
        pair = (other, self._plain()) if swapped else (self._plain(), other)
        return operation(name)(*pair)

    def _compare(self, name, other):
        if isinstance(other, Remote):
            return super()._compare(name, other)
        return operation(name)(self._plain(), other)

    def __getattr__(self, name):
        return getattr(self._plain(), name) if name in PREDICATES else super().__getattr__(name)

    def __contains__(self, item):
        return item in self._plain()

    def __hash__(self):
        return hash(self._plain())

    def __eq__(self, other):
        return super().__eq__(other) if isinstance(other, Remote) else self._plain() == other


class RemoteCoroutine(Remote):
    # A coroutine of the program's own: it runs to its end where it is.

    __slots__ = ()

    def __await__(self):
        return self._plainly("await")
        yield

    def __next__(self):
        raise StopIteration(self._plainly("await"))

    def send(self, value):
        return self.__next__()

    def throw(self, *error):
        raise error[-1]

    def close(self):
        pass


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


KINDS = {"call": RemoteCallable, "plain": RemotePlain, "await": RemoteCoroutine}
for _kind in KINDS.values():
    _kind.__doc__ = vars(Remote)["__doc__"]  # Python gave each a None of its own

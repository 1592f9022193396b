# The source of a test -> code that counts what it checks, by asserts, guards and `raises` blocks.
# It runs in the tests' interpreter, where the program's code never is, so nothing but the tests can add to the count.
import ast
import sys

from raised import is_of_code
from remote import RemoteCallable

CHECK, CAUGHT, SWALLOWED, CALLED, ENDED = [f"_sipf_{name}" for name in ("check", "caught", "swallowed", "called", "ended")]
EXITS = ("exit", "quit", "_exit")
ALWAYS_TRUE = (ast.GeneratorExp, ast.ListComp, ast.Lambda)
ESCAPES = (ast.Return, ast.Continue, ast.Break)
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")


class Hook:
    # A function of ours that an instrumented test calls. `elsewhere`: what has its place in a function that is sent to the code.

    def __init__(self, act, elsewhere):
        self.act = act
        self.elsewhere = elsewhere

    def __call__(self, *arguments):
        return self.act(*arguments)


class Checks:
    """How many checks of one program's tests held, and how many did not. A failed one ends the tests, unless they swallow it."""

    def __init__(self):
        self.held = 0
        self.failed = 0
        nothing, itself = {"n": "bool"}, {"name": ["copy", "copy"]}
        self.hooks = {
            CHECK: Hook(self.check, nothing),
            CAUGHT: Hook(self.caught, nothing),
            SWALLOWED: Hook(self.swallowed, nothing),
            CALLED: Hook(self.called, itself),
            ENDED: Hook(self.ended, itself),
        }

    def check(self, value):
        """The condition of an assert. That there is a function says nothing (`assert f`)."""
        if value:
            self.held += type(value) is not RemoteCallable
            return True
        self.failed += 1
        return False

    def caught(self):
        """An `except` whose `try` would fail if nothing was raised: counts what the code raised, not the failure itself."""
        if is_of_code(sys.exc_info()[1]):
            self.held += 1

    def swallowed(self):
        """An `except` that asserts something else in the failed assert's place."""
        if isinstance(sys.exc_info()[1], AssertionError) and not is_of_code(sys.exc_info()[1]):
            self.failed -= 1

    def called(self, function):
        """A function that is called by a name such as assertEqual: a library's counts once it has returned; the tests' own is instrumented itself."""
        if str(getattr(function, "__module__", "")).split(".")[0] not in sys.stdlib_module_names | {"numpy"}:
            return function

        def counting(*arguments, **named):
            try:
                value = function(*arguments, **named)
            except AssertionError:
                self.failed += 1
                raise
            self.held += 1
            return value

        return counting

    def ended(self, status):
        """The status of an exit that depends on something: 0 says that all is well."""
        if status in (0, None, False):
            self.held += 1
        return status


    def count_calls(self, kind):
        """Calls of a TestCase's assert..., however the tests reach it: an alias, a lambda, a comprehension. The outermost counts."""
        depth = 0

        def counting(method):
            def call(*arguments, **named):
                nonlocal depth
                depth += 1
                try:
                    value = method(*arguments, **named)
                except AssertionError:
                    self.failed += depth == 1
                    raise
                finally:
                    depth -= 1
                self.held += depth == 0
                return value

            return call

        for name in [name for name in vars(kind) if name.startswith("assert")]:
            setattr(kind, name, counting(getattr(kind, name)))


def parsed(source, name):
    """The source's tree, with imports from __future__ first, wherever they were put together with others."""
    tree = compile(source, name, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    later = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "__future__"]
    if later:
        tree.body = later + [node for node in tree.body if node not in later]
    return tree


def compiled(tree, name):
    """Code of the tree that calls the hooks; changes the tree."""
    count_in(tree)
    return compile(tree, name, "exec", dont_inherit=True)


def count_in(node):
    count_at(node)
    for field in BLOCKS:
        block = getattr(node, field, ())
        for place, inner in enumerate(block):
            if fails(block[place + 1 :]):
                count_escapes(inner)
            count_in(inner)


def count_escapes(node):
    """`if f(1) == 2: return`, or an `except` that returns, before what fails otherwise."""
    ways = [(node, CHECK, [at(node, ast.Constant(True))])] if isinstance(node, ast.If) else [(handler, CAUGHT, []) for handler in getattr(node, "handlers", ())]
    for way, hook, arguments in ways:
        if isinstance(way.body[-1], ESCAPES):
            way.body = [placed(hook, way, *arguments), *way.body]


def count_at(node):
    if isinstance(node, ast.Assert):
        if says_something(node.test) and not is_comma(node) or is_failure(node):
            node.test = hooked(CHECK, node.test)
    elif isinstance(node, ast.Raise):
        if name_of(getattr(node.exc, "func", node.exc)) == "AssertionError":
            node.exc = at(node, ast.BoolOp(ast.Or(), [hooked(CHECK, at(node, ast.Constant(False))), node.exc]))
    elif isinstance(node, ast.If):
        count_guard(node)
    elif isinstance(node, ast.Match) and any(fails(case.body) for case in node.cases):
        for case in node.cases:
            if not fails(case.body):
                case.body = [placed(CHECK, case.body[0], at(case.body[0], ast.Constant(True))), *case.body]
    elif hasattr(node, "handlers"):
        count_handlers(node)
    elif isinstance(node, (ast.With, ast.AsyncWith)):
        for item in node.items:
            item.context_expr = counted_call(item.context_expr)
    elif isinstance(node, (ast.Expr, ast.Assign)):
        node.value = counted_call(node.value)


def count_handlers(node):
    expects = fails(node.body) or fails(node.orelse)
    for handler in node.handlers:
        if any(isinstance(inner, (ast.Assert, ast.Raise)) for inner in ast.walk(handler)):
            handler.body = [placed(SWALLOWED, handler), *handler.body]
        if expects:
            handler.body = [placed(CAUGHT, handler), *handler.body]


def count_guard(node):
    """`if f(1) != 2: raise ...`: the check has held where the other branch begins."""
    if is_main_guard(node.test):
        node.test = at(node.test, ast.Constant(True))
        return
    body, other = fails(node.body), fails(node.orelse) or fails_later(node.orelse)
    if body and not other:
        node.orelse = [placed(CHECK, node, at(node, ast.Constant(True))), *node.orelse]
    elif other and not body:
        node.body = [placed(CHECK, node, at(node, ast.Constant(True))), *node.body]


def counted_call(value):
    call = value.value if isinstance(value, ast.Await) else value
    if not isinstance(call, ast.Call):
        return value
    name = name_of(call.func)
    if name.lower().startswith("assert"):
        call.func = hooked(CALLED, call.func)
    elif name in EXITS and call.args and says_something(call.args[0]):
        call.args[0] = hooked(ENDED, call.args[0])
    return value


def at(place, node):
    return ast.copy_location(node, place)


def hooked(hook, value):
    return at(value, ast.Call(at(value, ast.Name(hook, ast.Load())), [value], []))


def placed(hook, beside, *arguments):
    call = ast.Call(at(beside, ast.Name(hook, ast.Load())), list(arguments), [])
    return at(beside, ast.Expr(at(beside, call)))


def says_something(test):
    """It reads a name, and does not hold whatever that is: `assert (x == 1, "message")`, `assert (x == 1 for x in y)`, `assert x == 1 or True`."""
    if isinstance(test, (ast.Tuple, ast.List, ast.Set)) and test.elts or isinstance(test, ALWAYS_TRUE):
        return False
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or) and any(isinstance(part, ast.Constant) and part.value for part in test.values):
        return False
    return any(isinstance(node, ast.Name) for node in ast.walk(test))


def is_comma(node):
    """`assert f(1), 2`: a comma in the place of `==`."""
    return isinstance(node.test, ast.Call) and isinstance(node.msg, ast.Constant) and not isinstance(node.msg.value, str)


def fails(statements):
    """One of these statements fails a test wherever it is reached."""
    return any(map(is_failure, statements))


def fails_later(other):
    """An `elif` that fails, or one after it."""
    if len(other) != 1 or not isinstance(other[0], ast.If):
        return False
    return fails(other[0].body) or fails(other[0].orelse) or fails_later(other[0].orelse)


def is_failure(node):
    if isinstance(node, ast.Assert):
        return isinstance(node.test, ast.Constant) and not node.test.value
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        name, first = name_of(node.value.func), [*node.value.args, None][0]
        if name in EXITS:
            return isinstance(first, ast.Constant) and bool(first.value)
        return name == "fail"
    return isinstance(node, ast.Raise)


def name_of(function):
    return getattr(function, "attr", None) or getattr(function, "id", "")


def is_main_guard(test):
    if not isinstance(test, ast.Compare) or len(test.comparators) != 1 or not isinstance(test.ops[0], ast.Eq):
        return False
    sides = {getattr(side, "id", None) or getattr(side, "value", None) for side in (test.left, test.comparators[0])}
    return sides == {"__name__", "__main__"}

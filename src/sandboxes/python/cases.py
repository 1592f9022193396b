# A test that defines functions and classes -> those that its author meant a runner to call.
# Their calls: check(candidate), test_...(), unittest's and pytest's classes.
import ast
import importlib
import sys
import types

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# What a parameter is called that takes the code's function.
CANDIDATES = ("candidate", "cand", "func", "fn", "function", "solution")


class Fault(Exception):
    """The tests cannot be run as they are."""


def drop_calls_of_itself(tree, entry):
    """`check(check)` of an entry point by the name of the test's own function: there the test would get itself."""
    if any(isinstance(node, DEFINITIONS) and node.name == entry for node in tree.body):
        call = f"{entry}({entry})"
        tree.body = [node for node in tree.body if not (isinstance(node, ast.Expr) and ast.unparse(node) == call)]


def waiting(trees):
    """Of each test the names that it defines and that no other statement of the tests uses; classes are used by those that derive from them only."""
    found = [(place, node) for place, tree in enumerate(trees) for node in tree.body]
    names = [[] for _ in trees]
    for place, node in found:
        if isinstance(node, DEFINITIONS):
            users = [bases(other) if isinstance(node, ast.ClassDef) else [other] for _, other in found if other is not node]
            if not any(reads(part, node.name) for parts in users for part in parts):
                names[place].append(node.name)
    return names


def bases(node):
    return node.bases if isinstance(node, ast.ClassDef) else []


def reads(node, name):
    return any(isinstance(inner, ast.Name) and inner.id == name and isinstance(inner.ctx, ast.Load) for inner in ast.walk(node))


def run_waiting(names, space, candidate, checks):
    """Calls them in order. `candidate`: gives the code's function; raises Fault where there is no such."""
    call_if_there(space, "setup_module")
    for name in names:
        value = space.get(name)
        if isinstance(value, type):
            run_class(name, value, checks)
        elif isinstance(value, types.FunctionType) and (name == "check" or name.startswith("test")):
            call_if_there(space, "setup_function")
            run_function(name, value, candidate)


def call_if_there(space, name):
    if isinstance(space.get(name), types.FunctionType):
        space[name](*[None] * len(needed(space[name])))


def run_function(name, function, candidate):
    wanted = needed(function)
    takes_code = len(wanted) == 1 and (name == "check" or wanted[0] in CANDIDATES)
    if wanted and not takes_code:
        raise Fault(f"{name}() takes {', '.join(wanted)}: fixtures and parameters of a test runner are not there")
    finish(function(*([candidate()] if wanted else [])))


def finish(value):
    """A coroutine runs to its end."""
    if isinstance(value, types.CoroutineType):
        importlib.import_module("asyncio").run(value)


def needed(function):
    """The names of the parameters that a call must give."""
    function, given = (function.__func__, 1) if isinstance(function, types.MethodType) else (function, 0)
    code = getattr(function, "__code__", None)
    if code is None:
        return []
    optional = len(function.__defaults__ or ())
    words = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    wanted = [word for word in words if word not in (function.__kwdefaults__ or {})]
    return [*code.co_varnames[given : code.co_argcount - optional], *wanted]


def run_class(name, kind, checks):
    unittest = sys.modules.get("unittest")
    if unittest and issubclass(kind, unittest.TestCase):
        run_unittest(unittest, kind, checks)
    elif name.startswith("Test") and kind.__init__ is object.__init__:
        run_plain(kind)


def run_plain(kind):
    """pytest's way: a new object for each method."""
    prepare(kind, "setup_class")
    for name in [name for name in dir(kind) if name.startswith("test")]:
        one = kind()
        method = getattr(one, name)
        prepare(one, "setup_method", method)
        run_function(f"{kind.__name__}.{name}", method, lambda: None)
        prepare(one, "teardown_method", method)
    prepare(kind, "teardown_class")


def prepare(holder, name, *arguments):
    method = getattr(holder, name, None)
    if method is not None:
        method(*arguments[: len(needed(method))])


def run_unittest(unittest, kind, checks):
    """Raises the first failure or error."""

    class First(unittest.TestResult):
        found = None

        def startTest(self, test):
            super().startTest(test)
            self.failed = checks.failed

        def addExpectedFailure(self, test, error):
            checks.failed = self.failed

        def keep(self, error):
            self.found = self.found or error

        def addFailure(self, test, error):
            self.keep(error[1])
            self.stop()

        addError = addFailure

        def addSubTest(self, test, subtest, error):
            if error is not None:
                self.addFailure(subtest, error)

        def addUnexpectedSuccess(self, test):
            self.keep(AssertionError(f"{test} was expected to fail"))

    result = First()
    unittest.TestSuite([unittest.defaultTestLoader.loadTestsFromTestCase(kind)]).run(result)
    if result.found is not None:
        raise result.found

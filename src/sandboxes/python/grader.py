# A program as JSON -> its verdict as JSON.
# The tests run here, in an interpreter that the model's code never enters. `ask` puts each call of the code's functions to the interpreter where
# it is, and only plain data comes back. What the tests expect never leaves this side.
import ast
import importlib
import sys
import types

from cases import Fault, drop_calls_of_itself, run_waiting, waiting
from checks import Checks, compiled, parsed
from faults import failed_import, gives, missing_import, problem_of
from link import Link, NotSent, names_in
from raised import Raised, is_of_code
from values import BUILTINS, from_json, to_json

MAX_DETAIL = 500


class Test:
    """One test: its text, its code, the names that it reads, and those of its functions and classes that a runner is to call."""

    def __init__(self, index, source, count):
        self.source = source
        self.file = f"<test {index + 1}>"
        self.title = f"Test {index + 1} of {count}"
        self.tree = parsed(source, self.file)
        self.reads = set()
        self.waiting = ()

    def compile(self, exact):
        """Exact names cost more than the rest of a test; others come with attribute names."""
        named = {node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name)} if exact else set()
        self.code = compiled(self.tree, self.file)
        self.reads = named or names_in(self.code)


def wrong(reason, detail):
    return {"kind": "wrong", "reason": reason, "detail": detail[:MAX_DETAIL]}


def failed(detail):
    return {"kind": "error", "detail": detail[:MAX_DETAIL], "fault": "tests"}


def reason_of(error):
    for kind, reason in ((AssertionError, "assertion"), (MemoryError, "memory"), (SystemExit, "exit")):
        if isinstance(error, kind):
            return reason
    return "exception"


def line_of(error, test):
    """The last line of this test that the error passed through."""
    found = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == test.file:
            found = trace.tb_lineno
        trace = trace.tb_next
    lines = test.source.splitlines()
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
            space[name] = link.unpack(packed)
            link.asked = link.asked or not isinstance(packed, dict) or "o" not in packed


class Grading:
    """The tests of one program, with what their verdict rests on."""

    def __init__(self, program, ask):
        self.program = program
        self.link = Link(ask)
        self.checks = Checks()
        self.tests = []
        self.given = {}
        self.functions = []
        module = types.ModuleType("tests")
        sys.modules["tests"] = module
        self.space = module.__dict__
        self.space.update(self.checks.hooks)

    def prepare(self):
        """Parses setup and tests; a text: what is wrong with them, for any code."""
        sources = self.program["tests"]
        for index, source in enumerate(sources):
            try:
                self.tests.append(Test(index, source, len(sources)))
            except (SyntaxError, ValueError, RecursionError) as error:
                return f"Test {index + 1} of {len(sources)} does not parse: {problem_of(error)}"
        if all(isinstance(getattr(node, "value", node), (ast.Pass, ast.Constant)) for test in self.tests for node in test.tree.body):
            return "The tests hold no statement: nothing can be said of the code."
        try:
            self.setup = parsed(self.program.get("setup") or "", "<setup>")
        except (SyntaxError, ValueError, RecursionError) as error:
            return f"The setup does not parse: {problem_of(error)}"
        for what, tree in (("the setup", self.setup), *[(test.title, test.tree) for test in self.tests]):
            missing = missing_import(tree, what)
            if missing:
                return missing
        entry = self.program.get("entryPoint")
        trees = [test.tree for test in self.tests]
        for tree in trees if entry else ():
            drop_calls_of_itself(tree, entry)
        for test, names in zip(self.tests, waiting(trees)):
            test.waiting = names
            test.compile(not entry)
        return None

    def run_setup(self):
        """Runs the setup on both sides, before the model's code is anywhere; a text: what went wrong."""
        if any("unittest" in source for source in (self.program.get("setup") or "", *self.program["tests"])):
            unittest = importlib.import_module("unittest")
            silence(unittest)
            self.checks.count_calls(unittest.TestCase)
        if not self.program.get("setup"):
            return None
        plain = ast.unparse(self.setup) if "__future__" in self.program["setup"] else self.program["setup"]
        try:
            exec(compiled(self.setup, "<setup>"), self.space)
        except BaseException as error:
            return f"The setup failed: {problem_of(error)}"
        self.link.ours = {name: kind for name, kind in self.space.items() if isinstance(kind, type) and kind.__module__ == "tests"}
        answer = self.link.request(op="setup", source=plain)
        return f"The setup failed: {answer['raised']['text']}" if "raised" in answer else None

    def run_code(self):
        """Runs the code where it lives, and takes from it what the tests read; the verdict where that fails."""
        entry = self.program.get("entryPoint")
        names = test_names(self.program, set().union(*[test.reads for test in self.tests]), self.space)
        answer = self.link.request(op="code", source=self.program["code"], names=sorted(names), functions=not entry)
        if "raised" in answer:
            error = self.link.kinds.exception(answer["raised"])
            return wrong("syntax" if answer.get("syntax") is True else reason_of(error), str(error.__cause__ or error))
        self.given = answer["names"]
        self.functions = answer.get("functions", [])
        if entry and entry not in self.given:
            return wrong("exception", f"The code does not define {entry!r}, which the tests use.")
        provide(self.space, entry or (min(names) if len(names) == 1 else None), names, self.given, self.link)
        if "candidate" in names and "candidate" not in self.space and (entry or len(self.functions) == 1):
            self.space["candidate"] = self.candidate()
        self.space.update(self.checks.hooks)
        return None

    def candidate(self):
        """The code's function, for a check(candidate)."""
        entry = self.program.get("entryPoint")
        if entry:
            return self.link.unpack(self.given[entry])
        if len(self.functions) != 1:
            names = ", ".join(str(name) for name, _ in self.functions) or "none"
            raise Fault(f"they take the code's function, and no entry_point says which of its functions that is ({names})")
        return self.link.unpack(self.functions[0][1])

    def run_tests(self):
        for test in self.tests:
            try:
                self.run(test)
            except BaseException as error:
                return self.blame(error, test)
        if self.checks.failed > 0:
            return failed("An assert of the tests failed, and the tests continued: they cannot tell a right program from a wrong one.")
        if self.checks.held == 0:
            return failed("The tests asserted nothing: nothing can be said of the code.")
        if not self.link.asked:
            return failed("The tests asked nothing of the code: nothing can be said of it.")
        return {"kind": "right"}

    def run(self, test):
        try:
            exec(test.code, self.space)
        except SystemExit as error:
            if is_of_code(error) or error.code not in (None, 0, False):
                raise
        run_waiting(test.waiting, self.space, self.candidate, self.checks)

    def blame(self, error, test):
        """Whose fault an exception is that came out of a test."""
        if isinstance(error, NotSent):
            return failed(f"{test.title} passes a value of type {error}, which cannot be sent to the code.")
        if isinstance(error, Fault):
            return failed(f"{test.title} cannot be run: {error}.")
        if not is_of_code(error):
            if isinstance(error, ImportError):
                return failed(failed_import(error, test.title))
            if isinstance(error, NameError):
                if not self.is_wanted(error):
                    return failed(f"{test.title} uses {error.name!r}, which neither the tests nor the code define.")
            elif not self.link.asked and not isinstance(error, (AssertionError, SystemExit)):
                return failed(f"{test.title} fails by itself: {problem_of(error)}: {line_of(error, test)}")
        cause = error.__cause__
        what = str(cause) if isinstance(cause, Raised) else f"{type(error).__name__}: {error}".removesuffix(": ")
        return wrong(reason_of(error), f"{test.title.lower()}: {what[: MAX_DETAIL // 2]}: {line_of(error, test)}")

    def is_wanted(self, error):
        """The code may have been meant to define what is not there: any name, where no entry point says what the tests use of it."""
        name, entry = error.name, self.program.get("entryPoint")
        if isinstance(error, UnboundLocalError) or any(gives(tree, name) for tree in (self.setup, *[test.tree for test in self.tests])):
            return False
        return not entry or name in (self.program.get("names") or ())


def silence(unittest):
    """Its classes are run here in any case; its own main would end the tests."""
    unittest.main = lambda *arguments, **named: None


def grade_program(program, ask):
    grading = Grading(program, ask)
    try:
        problem = grading.prepare() or grading.run_setup()
    except MemoryError:
        problem = "The tests do not fit into memory."
    if problem:
        return failed(problem)
    return grading.run_code() or grading.run_tests()


def grade(data, ask):
    """Bytes -> bytes. Never raises for what the other side sends."""
    program = from_json(data)
    try:
        verdict = grade_program(program, ask)
    except MemoryError:
        verdict = wrong("memory", "What the code gave back is too large.")
    except BaseException as error:  # a module that the code names may exit while it is imported here
        verdict = wrong("exception", f"The code broke the interpreter that it ran in: {type(error).__name__}: {error}")
    return to_json(verdict)

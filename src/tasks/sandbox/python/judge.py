# A program as JSON -> its verdict as JSON. The tests run here, in an interpreter that the model's code never enters; `ask` puts each call of
# the code's functions to the interpreter where it lives, and only plain data comes back. What the tests expect never leaves this side.
import ast
import importlib
import sys
import types

from link import Link, NotSent, names_in
from raised import Raised
from values import BUILTINS, from_json, to_json

MAX_DETAIL = 500


def wrong(reason, detail):
    return {"kind": "wrong", "reason": reason, "detail": detail[:MAX_DETAIL]}


def failed(detail):
    return {"kind": "error", "detail": detail[:MAX_DETAIL]}


def read_names(source, code, exact):
    """The names that a test may read from its namespace. Exact ones cost more than the rest of a test; others come with attribute names."""
    if not exact:
        return names_in(code)
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}


def says_nothing(code, source):
    """Comments, `pass` and lone constants: every program would pass. Only what reads no name is looked at twice."""
    if set(code.co_names) - {"__doc__"}:
        return False
    return all([isinstance(getattr(node, "value", node), (ast.Pass, ast.Constant)) for node in ast.parse(source).body])


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
            space[name] = link.unpack(packed)


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
    if all([says_nothing(code, source) for code, source, _ in tests]):
        return "The tests hold no statement: nothing can be said of the code."
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
        error = link.kinds.exception(answer["raised"])
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
    except MemoryError:
        verdict = wrong("memory", "What the code gave back is too large.")
    except BaseException as error:  # a module that the code names may exit while it is imported here
        verdict = wrong("exception", f"The code broke the interpreter that it ran in: {type(error).__name__}: {error}")
    return to_json(verdict)

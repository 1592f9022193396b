# A test's tree, or an exception out of it -> what the tests themselves got wrong, in words.
# For example imports that are not there, and names that nobody defines.
import ast
import importlib.util
import sys

OF_RUNNERS = ("pytest", "hypothesis", "nose")


def problem_of(error):
    if isinstance(error, SyntaxError):
        return f"{error.msg} (line {error.lineno})"
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def missing_import(tree, title):
    """The first import at the margin that no program could make work; null: none. Others fail when they are reached."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = ["." * node.level + (node.module or "")]
        else:
            continue
        for name in names:
            if not is_there(name):
                return no_module(name.split(".")[0] or name, title)
    return None


def is_there(name):
    root = name.split(".")[0]
    if root == "":
        return False
    # The standard library is not looked up: a finder of ours acts on the first look for asyncio.
    if root in sys.stdlib_module_names or sys.modules.get(root) is not None:
        return True
    try:
        return importlib.util.find_spec(root) is not None
    except (ImportError, ValueError):
        return False


def no_module(name, title):
    if name.startswith("."):
        return f"Expected tests without a relative import, got one in {title}: tests use the code's functions by name, without an import."
    advice = "Give tests of plain asserts, functions or unittest" if name in OF_RUNNERS else "Give tests without it (functions of the code need no import)"
    return f"Expected the module {name} in the sandbox, got none: {title} imports it. {advice}, or take a native sandbox that has it."


def failed_import(error, title):
    if isinstance(error, ModuleNotFoundError) and error.name:
        return no_module(error.name.split(".")[0], title)
    return f"Expected imports of {title} that work, got: {' '.join(problem_of(error).split())}"


def gives(tree, name):
    """The tree gives the name a value at its margin: what it lacks there, it lacks by its own order."""
    return any(name in names_of(node) for node in outside(tree))


def outside(tree):
    """The nodes that no function or class holds, these themselves included."""
    rest = list(tree.body)
    while rest:
        node = rest.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            rest.extend(ast.iter_child_nodes(node))


def names_of(node):
    if isinstance(node, ast.Name):
        return () if isinstance(node.ctx, ast.Load) else (node.id,)
    if isinstance(node, ast.alias):
        return (node.asname or node.name.split(".")[0],)
    return (getattr(node, "name", None),)

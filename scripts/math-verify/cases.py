# Math-Verify's tests folder -> its cases with a gold and a predicted text, a JSON line each.
import ast, glob, json, os, sys


def constant(node):
    """A literal's value; the one case that is computed is a root printed to 15 places."""
    try:
        return ast.literal_eval(node)
    except ValueError:
        return eval(compile(ast.Expression(node), "case", "eval"), {"math": __import__("math")})


for path in sorted(glob.glob(os.path.join(sys.argv[1], "test_*.py"))):
    for function in ast.parse(open(path, encoding="utf-8").read()).body:
        for decorator in getattr(function, "decorator_list", []):
            if getattr(getattr(decorator, "func", None), "attr", "") != "parametrize":
                continue
            names = [name.strip() for name in str(ast.literal_eval(decorator.args[0])).split(",")]
            if names[:2] != ["gold", "pred"]:
                continue
            for index, element in enumerate(decorator.args[1].elts):
                case = dict(zip(names, constant(element)))
                expected = case["expected"] if "expected" in case else case["result"]
                print(json.dumps({
                    "id": f"{os.path.basename(path)[5:-3]}/{function.name[5:]}/{index}",
                    "reference": case["gold"],
                    "completion": case["pred"],
                    "expected": bool(expected),
                }))

# The code of a test before it runs: what it may not do, and what of it runs by itself. Part of the
# examiner (examine.py).
import ast

# What a test cannot do to a submission in another process and another folder: it is refused.
REFUSED_MODULES = "inspect dis doctest pickle tempfile shutil subprocess multiprocessing sqlite3".split()
REFUSED_IMPORTS = "patch redirect_stderr".split()
REFUSED_ATTRIBUTES = (
    "__code__ __closure__ __globals__ __defaults__ __subclasses__ __mro__ redirect_stderr write_text write_bytes "
    "mkdir makedirs environ chdir"
).split()
REFUSED_FIXTURES = "monkeypatch caplog tmp_path tmpdir mocker capfd".split()
REFUSED_STORES = "sys.stdin builtins.input builtins.print builtins.open".split()


class Asking(ast.NodeTransformer):
    """type(x), x.__class__ and callable(x) of an object in the box are asked for there."""

    def visit_Call(self, node):
        self.generic_visit(node)
        plain = isinstance(node.func, ast.Name) and len(node.args) == 1 and not node.keywords
        if plain and node.func.id in ("type", "callable"):
            node.func.id = "__%s_of__" % node.func.id
        return node

    def visit_Attribute(self, node):
        self.generic_visit(node)
        if node.attr != "__class__" or not isinstance(node.ctx, ast.Load):
            return node
        name = ast.Name(id="__type_of__", ctx=ast.Load())
        return ast.copy_location(ast.Call(func=name, args=[node.value], keywords=[]), node)


def is_main_guard(node):
    return isinstance(node, ast.If) and "__name__" in {n.id for n in ast.walk(node.test) if isinstance(n, ast.Name)}


class TestCode:
    """Errors: SyntaxError, ValueError."""

    def __init__(self, text, name):
        tree = ast.parse(text)
        for node in ast.walk(tree):
            self.refuse(node)
        body = [node for node in tree.body if not is_main_guard(node)]
        called = {
            node.func.id
            for statement in body
            for node in ast.walk(statement)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        }
        self.to_run = [node.name for node in body if self.is_test(node) and node.name not in called]
        quiet = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Assign, ast.Pass)
        self.tests_something = bool(self.to_run) or any(
            not isinstance(node, quiet) and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
            for node in body
        )
        self.looks_at_output = "redirect_stdout" in text or "sys.stdout" in text or "capsys" in text
        self.expects_stop = "StopIteration" in text
        self.awaits = "asyncio" in text
        self.seeds = "random.seed" in text
        self.tree = ast.parse(text)
        self.code = compile(ast.fix_missing_locations(Asking().visit(tree)), name, "exec", dont_inherit=True)

    @staticmethod
    def is_test(node):
        """What pytest or unittest would run: functions test*, classes Test* and those with a base."""
        if isinstance(node, ast.ClassDef):
            return node.name.startswith("Test") or any("TestCase" in ast.dump(base) for base in node.bases)
        return isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name.startswith("test")

    @staticmethod
    def refuse(node):
        found = None
        if isinstance(node, ast.Import):
            found = next((a.name for a in node.names if a.name.split(".")[0] in REFUSED_MODULES), None)
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names if alias.name in REFUSED_IMPORTS]
            is_refused = (node.module or "").split(".")[0] in REFUSED_MODULES
            found = node.module if is_refused else next(iter(names), None)
        elif isinstance(node, ast.Attribute):
            base = node.value.id if isinstance(node.value, ast.Name) else ""
            name = "%s.%s" % (base, node.attr)
            is_stored = isinstance(node.ctx, ast.Store) and name in REFUSED_STORES
            is_mock = node.attr == "patch" and base in ("mock", "unittest")
            found = name if node.attr in REFUSED_ATTRIBUTES or is_stored or is_mock else None
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
            found = "open()"
        elif isinstance(node, ast.arg) and node.arg in REFUSED_FIXTURES:
            found = node.arg
        if found:
            raise ValueError("it uses %s, which does not reach into a sandbox" % found)

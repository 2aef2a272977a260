# Which of the names that test code uses are the submission's. Part of the examiner (examine.py).
#
# A submission that may bear the name of something the tests rely on can rewrite the tests: `set`,
# `abs`, `isclose`, `math`. So names of builtins, modules and their functions are the real ones,
# unless they are all that could be tested.
import ast
import builtins
import importlib
import sys

ALIASES = {"np": "numpy"}
HELPERS = {
    "math": "isclose sqrt floor ceil fabs isnan isinf inf nan pi",
    "copy": "copy deepcopy",
    "collections": "Counter defaultdict OrderedDict deque namedtuple",
    "itertools": "permutations combinations product chain groupby",
    "functools": "reduce partial cmp_to_key",
    "fractions": "Fraction",
    "decimal": "Decimal",
    "datetime": "datetime date timedelta",
    "typing": "Any Dict List Optional Set Tuple Union",
}


def names_in(trees):
    """Global names that test code reads, and those that it defines."""
    used, made, bases = set(), set(), set()
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                (used if isinstance(node.ctx, ast.Load) else made).add(node.id)
            elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                made.add(node.name)
            elif isinstance(node, ast.arg):
                made.add(node.arg)
            elif isinstance(node, ast.alias):
                made.add((node.asname or node.name).split(".")[0])
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                bases.add(node.value.id)  # math.sqrt: a module, if a module has that name
    return used, made, bases


def real_thing(name, is_base):
    """What a name means to tests that take its import for granted: a module, or a module's function."""
    module = ALIASES.get(name, name)
    if is_base and (module in sys.stdlib_module_names or name in ALIASES):
        try:
            return importlib.import_module(module)
        except ImportError:
            return None
    for module, helpers in HELPERS.items():
        if name in helpers.split():
            return getattr(importlib.import_module(module), name)
    return None


def divide(used, bases, entry):
    """The names that may be the submission's, and the real things behind the others."""
    real = {name: real_thing(name, name in bases) for name in used if not hasattr(builtins, name)}
    own = {name for name, thing in real.items() if thing is None and name not in ALIASES}
    if entry:
        own.add(entry)
    if not own:  # a function called gcd, or sum
        own = set(real) or (used if len(used) == 1 else set())
    return own, {name: real[name] for name in real if name not in own and real[name] is not None}


class Scope(dict):
    """The names of the tests. Data of the submission's is asked for whenever it is read."""

    def __init__(self, link, names):
        self.link, self.names, self.data = link, names, set()

    def __missing__(self, name):
        if name not in self.data:
            raise KeyError(name)
        return self.link.send(b"V", name.encode())

    def bind(self, wanted):
        for name in wanted:
            self.pop(name, None)  # a preamble has a stub of what is to be written
            if self.names.get(name, ("",))[0] == "value":
                self.data.add(name)
            elif name in self.names:
                self[name] = value_named(self.link, self.names, name)


def value_named(link, names, name):
    kind, detail = names.get(name, (None, None))
    if kind == "exception":
        return exception_of(detail, link.exceptions)
    if kind == "value":
        return link.send(b"V", name.encode())
    if kind != "object":
        raise AttributeError(name)
    value = link.send(b"O", name.encode())
    if name.lstrip("_")[:1].isupper():  # a type, as types are called
        link.named.add(number_of(value))
    return value


def solution_module(link, names):
    """What `from solution import f` finds; `*` adds nothing to what the tests see anyway."""
    module = type(sys)("solution")
    module.__all__ = []

    def find(name):
        if name.startswith("__"):
            raise AttributeError(name)
        value = value_named(link, names, name)
        if names[name][0] != "value":
            setattr(module, name, value)
        return value

    module.__getattr__ = find
    return module

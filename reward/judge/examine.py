# Runs the tests of `call` and `assert` samples, outside the submission's box: every name of the
# submission is a proxy that calls into it (serve_solution.py), every value that comes back is plain
# data (plain_values.py, which this text follows). One process for a judge: it waits for tasks on
# descriptor 3 and forks one child for each, which reports line by line:
#   B i          test i begins
#   L            the submission is loaded
#   E i VERDICT DETAIL
#   A VERDICT DETAIL   this and all tests that follow
#   M DETAIL     the test data is malformed
import ast
import builtins
import importlib
import json
import os
import resource
import select
import signal
import socket
import sys

class Died(BaseException):
    """The submission's process is gone, or left by SystemExit: no test may go on."""


class Link:
    def __init__(self, descriptor):
        self.channel = Channel(descriptor, os.read, os.write)
        self.encoder = Encoder(self.handle_of)
        self.decoder = Decoder(self.object_of)
        self.callbacks = []
        self.exceptions = {}
        self.raised = None  # the last exception that came out of the box
        self.failure = None  # (verdict, detail) that no test code may swallow

    def handle_of(self, value):
        if type(value) is Remote:
            return handle_bytes(b"H", object.__getattribute__(value, "_number"), True, "")
        if callable(value) and not isinstance(value, type):
            self.callbacks.append(value)
            return handle_bytes(b"K", len(self.callbacks) - 1, True, "")
        raise TypeError("a test passes a %s, which cannot be copied" % type(value).__name__)

    def object_of(self, tag, number, truth, name):
        if tag != b"H":
            raise NotPlain("an unknown kind of value")
        return Remote(self, number, truth, name)

    def die(self, verdict, detail):
        self.failure = (verdict, detail)
        raise Died(detail)

    def ask(self, kind, *parts):
        try:
            self.channel.send(kind, parts[0] if kind == b"V" else self.encoder.encode(parts))
            while True:
                answer, content = self.channel.receive()
                if answer != b"k":
                    return self.answer(answer, content)
                self.call_back(content)
        except (EOFError, OSError):
            self.die("died", "the submission's process ended")

    def answer(self, answer, content):
        if answer == b"o":
            self.die("output_limit", content.decode("utf-8", "replace")[:200])
        try:
            if answer == b"v":
                return self.decoder.decode(content)
            if answer == b"e":
                bases, message = self.decoder.decode(content)
                self.throw([str(base) for base in bases], str(message))
        except (NotPlain, ValueError, TypeError, RecursionError, OverflowError) as error:
            if error is self.raised:
                raise
            self.die("runtime_error", "the answer is no plain value")
        self.die("runtime_error", content.decode("utf-8", "replace")[:200])

    def throw(self, bases, message):
        for base in bases:
            kind = self.exceptions.get(base) or getattr(builtins, base, None)
            if isinstance(kind, type) and issubclass(kind, Exception):
                if issubclass(kind, (UnicodeError, StopAsyncIteration)):
                    kind = ValueError
                self.raised = kind(message)
                raise self.raised
        self.die("runtime_error", "%s: %s" % (bases[0] if bases else "an exception", message))

    def call_back(self, content):
        number, args, kwargs = self.decoder.decode(content)
        try:
            result = self.encoder.encode(self.callbacks[number](*args, **kwargs))
        except Exception as error:
            self.channel.send(b"Q", str(error).encode("utf-8", "replace")[:300])
        else:
            self.channel.send(b"K", result)


class Remote:
    """An object in the box. Equality, order and arithmetic are never asked of it."""

    __slots__ = ("_link", "_number", "_truth", "_type")

    def __init__(self, link, number, truth, kind):
        self._link, self._number, self._truth, self._type = link, number, truth, kind

    def __call__(self, *args, **kwargs):
        result, changed = self._link.ask(b"C", self, args, kwargs)
        if result is None:  # else `f(x) == sorted(x)` would hold for one that empties x
            for old, new in zip(args, changed):
                if new is not None and type(new) is type(old):
                    replace(old, new)
        return result

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return self._link.ask(b"G", self, name)

    def __bool__(self):
        return self._truth

    def __len__(self):
        length = self._link.ask(b"L", self)
        if type(length) is not int:
            self._link.die("runtime_error", "a length that is no number")
        return length

    def __getitem__(self, key):
        return self._link.ask(b"I", self, key)

    def __iter__(self):
        iterator = self._link.ask(b"A", self)
        return iterator if type(iterator) is Remote else iter(iterator)

    def __next__(self):
        return self._link.ask(b"X", self)

    def __str__(self):
        return plain_text(self._link, b"S", self)

    def __repr__(self):
        return plain_text(self._link, b"R", self)


def plain_text(link, kind, remote):
    text = link.ask(kind, remote)
    if type(text) is not str:
        link.die("runtime_error", "a text that is none")
    return text


def replace(old, new):
    if type(old) in (list, bytearray):
        old[:] = new
    elif type(old) in (dict, set):
        old.clear()
        old.update(new)


# Test code ------------------------------------------------------------------------------------


# Which of the names that test code uses are the submission's --------------------------------------
#
# A submission that may bear the name of something the tests rely on can rewrite the tests: `set`,
# `abs`, `isclose`, `math`. So names of builtins, modules and their functions are the real ones,
# unless they are all that could be tested.

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


def bind(link, names, wanted):
    scope = {}
    for name in wanted:
        kind, detail = names.get(name, (None, None))
        if kind == "exception":
            scope[name] = link.exceptions[name] = local_exception(name, detail)
        elif kind == "value":
            scope[name] = link.ask(b"V", name.encode())
    return scope


def local_exception(name, bases):
    for base in bases:
        kind = getattr(builtins, base, None)
        if isinstance(kind, type) and issubclass(kind, Exception):
            return type(name, (kind,), {})
    return type(name, (Exception,), {})


class AssertTests:
    def __init__(self, task):
        self.setup = compile(task["setup"], "setup", "exec", dont_inherit=True)
        self.tests = [compile(t, "test", "exec", dont_inherit=True) for t in task["tests"]]
        self.preamble, given = self.read_preamble(task["preamble"])
        used, made, bases = names_in(ast.parse(text) for text in [task["setup"], *task["tests"]])
        entry = task["entry"]
        self.candidate = entry if "candidate" in used - made else ""  # HumanEval's name for it
        used -= made | (given - {entry}) | {"candidate"}
        self.wanted, self.real = divide(used, bases, entry)
        self.scope = None

    @staticmethod
    def read_preamble(text):
        try:
            code = compile(text, "preamble", "exec", dont_inherit=True)
            return code, names_in([ast.parse(text)])[1]
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return compile("", "preamble", "exec"), set()  # a question in words

    def prepare(self, link, names):
        self.scope = {"__name__": "tests", **self.real}
        exec(self.preamble, self.scope)
        for name in self.wanted:  # the preamble has a stub of what is to be written
            self.scope.pop(name, None)
        self.scope.update(bind(link, names, self.wanted))
        if self.candidate in self.scope:
            self.scope["candidate"] = self.scope[self.candidate]
        exec(self.setup, self.scope)

    def run(self, index):
        exec(self.tests[index], self.scope)
        return True


class CallTests:
    def __init__(self, task):
        self.tests, self.entry = task["tests"], task["entry"]
        self.compare = Comparison(task["compare"], task["tolerance"])
        self.function = None

    def prepare(self, link, names):
        owner, _, method = self.entry.rpartition(".")
        if not owner and method not in names and "Solution" in names:
            owner = "Solution"  # as online judges have it
        if (owner or method) not in names:
            link.die("runtime_error", "the submission does not define '%s'" % self.entry)
        function = link.ask(b"V", (owner or method).encode())
        if owner:  # "Solution.solve": of a fresh object
            function = getattr(function(), method)
        self.function = function

    def run(self, index):
        test = self.tests[index]
        if type(self.function) is not Remote:
            raise NameError("'%s' is no function" % self.entry)
        kwargs = {name: whole(value) for name, value in test.get("kwargs", {}).items()}
        result = self.function(*[whole(value) for value in test["args"]], **kwargs)
        return self.compare.same(result, test["expected"])


def whole(value):
    """Integers beyond 64 bits arrive as floats."""
    if type(value) is float and abs(value) >= 2.0**63 and value == value and abs(value) != float("inf"):
        return int(value)
    if type(value) is list:
        return [whole(item) for item in value]
    if type(value) is dict:
        return {key: whole(item) for key, item in value.items()}
    return value


class Comparison:
    """Python's equality of plain values, but for the keys of dicts, which JSON has as texts."""

    def __init__(self, kind, tolerance):
        self.lenient = kind == "sequence_lenient"
        self.tolerance = tolerance if kind == "float" else None

    def same(self, value, expected):
        if self.lenient and type(value) is tuple:
            value = list(value)
        if type(value) is Remote:
            return False
        if type(expected) is list:
            return (
                type(value) is list
                and len(value) == len(expected)
                and all(self.same(a, b) for a, b in zip(value, expected))
            )
        if type(expected) is dict:
            return type(value) is dict and self.same_dict(value, expected)
        if type(expected) in (int, float, bool) and type(value) in (int, float, bool):
            return self.same_number(value, expected)
        return type(value) is type(expected) and value == expected

    def same_dict(self, value, expected):
        coded = {self.key(key): item for key, item in value.items()}
        return (
            len(coded) == len(value)
            and coded.keys() == expected.keys()
            and all(self.same(item, expected[key]) for key, item in coded.items())
        )

    def same_number(self, value, expected):
        if value == expected:
            return True
        if type(expected) is float and abs(expected) >= 2.0**63 and type(value) is int:
            return value.bit_length() <= 1024 and float(value) == expected
        if self.tolerance is None or value != value or expected != expected:
            return False
        try:
            return abs(float(value) - float(expected)) <= self.tolerance * max(1.0, abs(float(expected)))
        except OverflowError:
            return False

    @staticmethod
    def key(key):
        if key is None or key is True or key is False:
            return {None: "null", True: "true", False: "false"}[key]
        return str(key) if type(key) in (int, float, str) else key


# Tasks ----------------------------------------------------------------------------------------


class Examination:
    def __init__(self, task, solution, report):
        self.task, self.report_to = task, report
        self.link = Link(solution)
        self.first = task["first"]

    def report(self, line):
        os.write(self.report_to, (" ".join(str(line).split("\n")).encode("utf-8", "replace")[:300]) + b"\n")

    def run(self):
        try:
            kind = CallTests if self.task["mode"] == "call" else AssertTests
            tests = kind(self.task)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return self.report("M the test code: %s" % error)
        self.report("B %d" % self.first)
        if not self.load(tests):
            return
        self.report("L")
        for index in range(self.first, len(self.task["tests"])):
            if index > self.first:
                self.report("B %d" % index)
            verdict, detail = self.examine(tests, index)
            self.report("E %d %s %s" % (index, verdict, detail))
            if verdict == "died" or (verdict != "accepted" and self.task["stop_early"]):
                return

    def load(self, tests):
        try:
            kind, content = self.link.channel.receive()
        except (EOFError, OSError):
            self.report("A died")
            return False
        if kind == b"c":
            self.report("A compile_error " + content.decode("utf-8", "replace"))
            return False
        try:
            names = self.link.answer(b"v" if kind == b"h" else kind, content)
            tests.prepare(self.link, names)
            return True
        except ImportError as error:
            if error is not self.link.raised:
                self.report("M the test code: %s" % error)
                return False
            verdict, detail = self.failure(error)
        except BaseException as error:
            verdict, detail = self.failure(error)
        self.report("A %s %s" % (verdict, detail))
        return False

    def examine(self, tests, index):
        self.link.raised = self.link.failure = None
        try:
            right = tests.run(index)
        except BaseException as error:
            return self.failure(error)
        if self.link.failure:
            return self.link.failure
        return ("accepted", "") if right else ("wrong_answer", "")

    def failure(self, error):
        if self.link.failure:
            return self.link.failure
        words = "%s: %s" % (type(error).__name__, error)
        if error is self.link.raised or isinstance(error, NameError):
            return ("runtime_error", words[:200])
        return ("wrong_answer", words[:200])


def examine_in_child(task, solution, report):
    resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))
    Examination(task, solution, report).run()


def serve():
    sys.path.append("/usr/lib/python3/dist-packages")
    tasks = socket.socket(fileno=3)
    children = {}
    while True:
        ready = select.select([tasks], [], [], 0.05 if children else None)[0]
        for number, child in list(children.items()):
            if os.waitpid(child, os.WNOHANG)[0]:
                del children[number]
        if not ready:
            continue
        message, descriptors, _, _ = socket.recv_fds(tasks, 64, 3)
        if not message:
            return
        word, number = message.decode().split()
        if word == "kill" and number in children:
            os.kill(children[number], signal.SIGKILL)
        if word == "run":
            child = os.fork()
            if child == 0:
                try:
                    tasks.close()
                    with open(descriptors[0], "rb") as task:
                        examine_in_child(json.loads(task.read()), descriptors[1], descriptors[2])
                finally:
                    os._exit(0)
            children[number] = child
        for descriptor in descriptors:
            os.close(descriptor)


serve()

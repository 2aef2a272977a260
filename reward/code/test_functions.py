# Runs the functions and classes of a test's code as pytest and unittest do, and stands in for
# pytest's own names. Part of the examiner (examine.py).
import contextlib
import io
import re
import sys


def run_found(thing, fixtures):
    """A function, or a class of functions, that TestCode found."""
    if not isinstance(thing, type):
        return run_function(thing, fixtures)
    if hasattr(thing, "debug") and hasattr(thing, "assertEqual"):  # unittest.TestCase
        for name in sorted(dir(thing)):
            if name.startswith("test"):
                thing(name).debug()
        return None
    for name in [name for name in vars(thing) if name.startswith("test")]:
        case = thing()
        getattr(case, "setup_method", lambda *args: None)()
        run_function(getattr(case, name), fixtures)
    return None


def run_function(function, fixtures):
    code = function.__code__
    wanted = code.co_varnames[: code.co_argcount][hasattr(function, "__self__") :]
    for values in getattr(function, "pytest_cases", None) or [{}]:
        given = dict(values)
        written = io.StringIO()
        with contextlib.redirect_stdout(written) if "capsys" in wanted else contextlib.nullcontext():
            for name in wanted[: len(wanted) - len(function.__defaults__ or ())]:
                if name not in given:
                    given[name] = Captured(written) if name == "capsys" else fixture(name, fixtures)
            result = function(**given)
        if hasattr(result, "__await__"):
            import asyncio

            asyncio.run(result)


def fixture(name, fixtures):
    if name not in fixtures:
        raise Unsupported("a test takes the fixture '%s', which is not there" % name)
    made = fixtures[name]
    value = made(*[fixture(one, fixtures) for one in made.__code__.co_varnames[: made.__code__.co_argcount]])
    return next(value) if hasattr(value, "__next__") else value


class Captured:
    """pytest's capsys."""

    def __init__(self, written):
        self.written = written

    def readouterr(self):
        import collections

        text = self.written.getvalue()
        self.written.seek(0)
        self.written.truncate()
        return collections.namedtuple("CaptureResult", "out err")(text, "")


class Raises:
    """pytest.raises as a context manager; `value` is the error that came."""

    def __init__(self, expected, match=None):
        self.expected, self.match_pattern, self.value, self.type = expected, match, None, None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if kind is None:
            raise AssertionError("DID NOT RAISE %s" % (self.expected,))
        if not issubclass(kind, self.expected):
            return False
        self.value, self.type = error, kind
        return self.match_pattern is None or self.match(self.match_pattern)

    def match(self, pattern):
        if not re.search(pattern, str(self.value)):
            raise AssertionError("%r does not match %r" % (str(self.value), pattern))
        return True


class Approx:
    """pytest.approx of numbers, sequences and dicts of them."""

    def __init__(self, expected, rel=None, abs=None, nan_ok=False):
        self.expected, self.rel, self.abs, self.nan_ok = expected, rel, abs, nan_ok

    def __eq__(self, actual):
        return self.near(actual, self.expected)

    __hash__ = None

    def near(self, actual, expected):
        if type(actual) is Remote:
            return has_content(actual) and self.near(content_or_self(actual), expected)
        if isinstance(expected, (list, tuple)):
            return (
                isinstance(actual, (list, tuple))
                and len(actual) == len(expected)
                and all(map(self.near, actual, expected))
            )
        if isinstance(expected, dict):
            return (
                isinstance(actual, dict)
                and actual.keys() == expected.keys()
                and all(self.near(actual[key], expected[key]) for key in expected)
            )
        if actual == expected:
            return True
        try:
            if expected != expected:
                return self.nan_ok and actual != actual
            rel = 1e-6 if self.rel is None and self.abs is None else (self.rel or 0)
            bound = max(rel * abs(expected), 1e-12 if self.abs is None else self.abs)
            return bound != float("inf") and bool(abs(actual - expected) <= bound)
        except TypeError:
            return False


class Marks:
    """pytest.mark: parametrize means something here, other marks nothing."""

    def __getattr__(self, name):
        if name in ("skip", "skipif", "xfail"):
            raise Unsupported("a test is marked %s" % name)
        return parametrize if name == "parametrize" else mark_nothing


def mark_nothing(*args, **kwargs):
    return args[0] if len(args) == 1 and callable(args[0]) and not kwargs else lambda function: function


def parametrize(names, cases, ids=None):
    names = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)

    def add(function):
        given = [dict(zip(names, case if len(names) > 1 else [case])) for case in cases]
        earlier = getattr(function, "pytest_cases", None) or [{}]
        function.pytest_cases = [{**one, **other} for one in given for other in earlier]
        return function

    return add


def raises(expected, *args, match=None, **kwargs):
    context = Raises(expected, match)
    if not args:
        return context
    with context:
        args[0](*args[1:], **kwargs)
    return context


def fail(reason="", pytrace=True):
    raise AssertionError(reason)


def make_pytest(fixtures):
    def declare(function=None, **options):
        if function is None:
            return declare
        fixtures[function.__name__] = function
        return function

    module = type(sys)("pytest")
    named = {"raises": raises, "approx": Approx, "mark": Marks(), "fixture": declare, "fail": fail}
    module.__dict__.update(named, param=lambda *values, **options: values if len(values) > 1 else values[0])
    module.__getattr__ = refuse_name
    return module


def refuse_name(name):
    if name.startswith("__"):
        raise AttributeError(name)
    raise Unsupported("a test uses pytest.%s" % name)

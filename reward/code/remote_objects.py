# The outside's view of a submission: a link into its box, and stand-ins for its objects. Behind
# plain_values.py and lent_objects.py; part of the examiner (examine.py).
#
# An object of the submission never equals plain data: such a question is not asked in the box,
# whose answer would be yes. Where its type derives from a plain
# one, its content is compared. Two objects of the submission are compared, and reckoned with, in
# the box, which could as well have returned what the tests want to see. With plain data only
# objects of types that the tests name as types are reckoned.
import _thread
import operator
import os
import sys

MISSING = object()
STANDARD = {"generator": type(i for i in ()), "function": type(lambda: 0)}


class Died(BaseException):
    """The submission's process is gone, or left by SystemExit: no test may go on."""


class Unsupported(BaseException):
    """A test does what cannot be carried into a box: nobody's fault but the test's."""


class Link:
    def __init__(self, descriptor, mode="assert"):
        self.channel = Channel(descriptor, os.read, os.write)
        self.encoder = Encoder(self.handle_of, "values")
        self.decoder = Decoder(self.object_of, self.type_of)
        self.lock = _thread.RLock()
        self.lent = []
        self.remotes = {}
        self.exceptions = {}
        self.named = set()  # numbers of the types that the tests name
        self.expects_stop = False  # the tests speak of StopIteration
        self.raised = None  # the last exception that came out of the box
        self.raised_name = ""  # its type's name there
        self.failure = None  # (verdict, detail) that no test code may swallow
        self.unsupported = None

    def handle_of(self, value):
        if type(value) is Remote:
            return b"H", number_of(value), ()
        if isinstance(value, BaseException):
            known = value.__dict__.get("_remote")
            return b"H", number_of(known or self.ask("error", type(value), *value.args)), ()
        able = abilities(value)
        if able is None:
            self.refuse("a test passes a %s, which cannot be copied into a sandbox" % type(value).__name__)
        self.lent.append(value)
        return b"J", len(self.lent) - 1, able

    def refuse(self, what):
        self.unsupported = what
        raise Unsupported(what)

    def object_of(self, tag, number, more):
        if tag == b"J":
            return self.lent[number]
        name, code, types, base, content = more
        fit = isinstance(name, str) and isinstance(types, tuple) and isinstance(base, str)
        if not fit or not (code is None or type(code) is int):
            raise NotPlain("an unknown kind of object")
        remote = self.remotes.get(number)
        if remote is None:
            remote = self.remotes[number] = Remote(self, number, name, code, types, base, content)
        return remote

    def type_of(self, name):
        return self.exceptions.get(name.partition(".")[2]) if name.startswith("solution.") else named_type(name)

    def die(self, verdict, detail):
        self.failure = (verdict, detail)
        raise Died(detail)

    def ask(self, what, *args):
        return self.send(b"F", self.encoder.encode((what, *args)))

    def call(self, function, args, kwargs):
        return self.send(b"C", self.encoder.encode((function, args, kwargs)))

    def send(self, kind, content):
        with self.lock:  # tests may have threads
            return self.send_alone(kind, content)

    def send_alone(self, kind, content):
        try:
            self.channel.send(kind, content)
            while True:
                answer, content = self.channel.receive()
                if answer == b"k":
                    self.answer_lent(content)
                elif answer == b"w":
                    sys.stdout.write(content.decode("utf-8", "replace"))
                else:
                    return self.answer(answer, content)
        except (EOFError, OSError):
            self.die("died", "the submission's process ended")

    def answer(self, answer, content):
        if answer == b"o":
            self.die("output_limit", content.decode("utf-8", "replace")[:200])
        try:
            if answer == b"v":
                return self.decoder.decode(content)
            if answer == b"e":
                self.throw(*self.decoder.decode(content))
        except (NotPlain, ValueError, TypeError, RecursionError, ArithmeticError, LookupError, AttributeError) as error:
            if error is self.raised:
                raise
            self.die("runtime_error", "the answer is no plain value")
        self.die("runtime_error", content.decode("utf-8", "replace")[:200])

    def throw(self, lineage, message, args, remote):
        kind = exception_of(lineage, self.exceptions)
        if kind is None:
            self.die("runtime_error", "%s: %s" % (lineage[1], message))
        # Raised by a call inside map() or filter() it would end them, and all() would hold.
        if issubclass(kind, StopIteration) and not self.expects_stop:
            kind, args = RuntimeError, ("%s: %s" % (lineage[1], message),)
        self.raised_name = lineage[1]
        self.raised = raised_error(kind, args, message, remote)
        raise self.raised

    def answer_lent(self, content):
        try:
            number, what, args, kwargs = self.decoder.decode(content)
        except (NotPlain, ValueError, TypeError, LookupError, RecursionError, ArithmeticError):
            self.die("runtime_error", "the answer is no plain value")
        try:
            result = ask_own(self.lent[number], what, args, kwargs)
            content = self.encoder.encode(result)
        except (Exception, Unsupported) as error:
            self.unsupported = None  # it was the submission that asked
            told = (type(error).__name__, str(error)[:300])
            self.channel.send(b"Q", self.encoder.encode(told))
        else:
            self.channel.send(b"K", content)


# What the tests lend ----------------------------------------------------------------------------


def is_own(kind):
    """A type that the tests define."""
    return kind.__module__ == "tests"


def is_open(kind):
    """A type whose attributes without underscores lead to nothing else of the tests."""
    streams = ("_io.StringIO", "_io.BytesIO")
    return is_own(kind) or kind.__module__ == "unittest.mock" or "%s.%s" % (kind.__module__, kind.__name__) in streams


def abilities(value):
    """The special methods of a value that the box may use, or None where it may have none of it."""
    kind = type(value)
    if isinstance(value, type):
        return ("__call__",) if is_own(value) else None
    if callable(value) or is_open(kind) or hasattr(kind, "__next__"):
        names = [*LENT_METHODS.values(), "__bool__", "__eq__"]
        return tuple(n for n in names if getattr(kind, n, None) is not getattr(object, n, None))
    return None


def ask_own(value, what, args, kwargs):
    """Does what the box asks of a lent object; names with an underscore lead out of it."""
    if what == "call":
        return value(*args, **kwargs)
    if what in ("getattr", "setattr"):
        if not is_open(type(value)) or type(args[0]) is not str or args[0].startswith("_"):
            raise AttributeError(str(args[0]))
        return getattr(value, args[0]) if what == "getattr" else setattr(value, *args)
    if what in ("iter", "next", "len", "bool", "hash", "str", "repr", "int", "float"):
        plain = {"iter": iter, "next": next, "len": len, "bool": bool, "hash": hash, "str": str, "repr": repr}
        return {**plain, "int": int, "float": float}[what](value)
    if what in ("enter", "exit"):
        return getattr(value, "__%s__" % what)(*args)
    if what not in LENT_METHODS and what != "eq":
        raise TypeError(what)
    return getattr(operator, what)(value, *args)


# Errors -----------------------------------------------------------------------------------------

ERROR_MODULES = "json.decoder decimal asyncio.exceptions struct re statistics queue dataclasses uuid zlib copy".split()


def exception_of(lineage, known):
    """The type of an exception of the box: a builtin one, or one like it with the same bases."""
    module, name, bases = lineage
    if module == "solution" and name in known:
        return known[name]
    if module in ERROR_MODULES or module == "builtins":
        kind = getattr(__import__(module, fromlist=[name]), name, None)
        if isinstance(kind, type) and issubclass(kind, Exception):
            return ValueError if issubclass(kind, (UnicodeError, StopAsyncIteration)) else kind
    made = [one for one in (exception_of(base, known) for base in bases) if one]
    if not made:
        return None
    try:
        kind = type(name, tuple(made), {"__module__": "solution"})
    except TypeError:
        return made[0]
    if module == "solution":
        known[name] = kind
    return kind


def raised_error(kind, args, message, remote):
    """An error as the box's: its arguments, its text, and the attributes that it has there."""
    if kind.__module__ == "solution":
        members = {"__str__": lambda error: message, "__module__": "solution"}
        if type(remote) is Remote:
            members["__getattr__"] = lambda error, name: remote_attribute(remote, name)
        kind = type(kind.__name__, (kind,), members)
    try:
        error = kind(*args) if args else kind(message) if message else kind()
    except Exception:
        error = kind.__new__(kind)
        error.args = (message,)
    error.__dict__["_remote"] = remote
    return error


# What the box lends -----------------------------------------------------------------------------

# Attributes of the Python language that an object may be asked for, beside those without underscores.
OPEN_ATTRIBUTES = (
    "__name__ __qualname__ __doc__ __dict__ __wrapped__ __annotations__ __members__ __version__ __all__ __next__ "
    "__iter__ __len__ __enter__ __exit__ __call__ __getitem__ __add__ __repr__ __str__ __hash__ __bool__"
).split()


def number_of(remote):
    return object.__getattribute__(remote, "_remote_number")


def remote_attribute(remote, name):
    if name.startswith("__") and name not in OPEN_ATTRIBUTES:
        raise AttributeError(name)
    return remote._remote_link.ask("getattr", remote, name)


class Remote:
    """An object in the box."""

    __slots__ = (
        "_remote_link", "_remote_number", "_remote_type", "_remote_hash", "_remote_types", "_remote_base", "_remote_content"
    )

    def __init__(self, *fields):
        for slot, field in zip(Remote.__slots__, fields):
            object.__setattr__(self, slot, field)

    def __call__(self, *args, **kwargs):
        result, changed = self._remote_link.call(self, args, kwargs)
        if result is None:  # else `f(x) == sorted(x)` would hold for one that empties x
            for old, new in zip(args, changed):
                if new is not None and type(new) is type(old):
                    replace(old, new)
        return result

    @property
    def __class__(self):
        base = self._remote_base
        return STANDARD.get(base) or named_type(base) or Remote if base else Remote

    def __getattr__(self, name):
        return remote_attribute(self, name)

    def __setattr__(self, name, value):
        if name.startswith("__"):
            raise AttributeError(name)
        self._remote_link.ask("setattr", self, name, value)

    def __delattr__(self, name):
        self._remote_link.ask("delattr", self, name)

    def __eq__(self, other):
        if type(other) is Remote and not (has_content(self) and has_content(other)):
            return self is other or self._remote_link.ask("eq", self, other)
        return content_or_self(self) == content_or_self(other) if has_content(self) else NotImplemented

    def __ne__(self, other):
        if type(other) is Remote and not (has_content(self) and has_content(other)):
            return self._remote_link.ask("ne", self, other)
        return content_or_self(self) != content_or_self(other) if has_content(self) else NotImplemented

    def __hash__(self):
        if has_content(self):
            return hash(content_or_self(self))
        if self._remote_hash is None:
            raise TypeError("unhashable type: '%s'" % self._remote_type)
        return hash(self._remote_hash)

    def __bool__(self):
        if has_content(self):
            return bool(content_or_self(self))
        return self._remote_link.ask("bool", self) is True

    def __contains__(self, item):
        if has_content(self):
            return item in content_or_self(self)
        if is_named(self) or type(item) is Remote:
            return self._remote_link.ask("contains", self, item) is True
        return any(item is one or item == one for one in self)

    def __len__(self):
        return checked(self, "len", int)

    def __iter__(self):
        if has_content(self):
            return iter(content_or_self(self))
        iterator = self._remote_link.ask("iter", self)
        return iterator if type(iterator) is Remote else iter(iterator)

    def __reversed__(self):
        return iter(self._remote_link.ask("reversed", self))

    def __next__(self):
        link, expected = self._remote_link, self._remote_link.expects_stop
        link.expects_stop = True
        try:
            return link.ask("next", self)
        finally:
            link.expects_stop = expected

    def __getitem__(self, key):
        return self._remote_link.ask("getitem", self, key)

    def __setitem__(self, key, value):
        self._remote_link.ask("setitem", self, key, value)

    def __delitem__(self, key):
        self._remote_link.ask("delitem", self, key)

    def __str__(self):
        return checked(self, "str", str)

    def __repr__(self):
        return checked(self, "repr", str)

    def __format__(self, spec):
        if has_content(self) and not is_named(self):
            return format(content_or_self(self), spec)
        return checked(self, "format", str, spec)

    def __enter__(self):
        return self._remote_link.ask("enter", self)

    def __exit__(self, kind, error, trace):
        return bool(self._remote_link.ask("exit", self, error))

    def __await__(self):
        return self._remote_link.ask("await", self)
        yield  # a generator, as awaiting wants one

    def __aiter__(self):
        return self._remote_link.ask("aiter", self)

    async def __anext__(self):
        try:
            return self._remote_link.ask("anext", self)
        except ValueError as error:
            link = self._remote_link
            if error is link.raised and link.raised_name == "StopAsyncIteration":
                raise StopAsyncIteration
            raise

    async def __aenter__(self):
        return self._remote_link.ask("aenter", self)

    async def __aexit__(self, kind, error, trace):
        return bool(self._remote_link.ask("aexit", self, error))

    def __instancecheck__(self, value):
        return type(value) is Remote and self._remote_link.ask("isinstance", value, self) is True

    def __subclasscheck__(self, kind):
        return type(kind) is Remote and self._remote_link.ask("issubclass", kind, self) is True

    def __mro_entries__(self, bases):
        self._remote_link.refuse("a test derives a class from the submission's %s" % self._remote_type)

    def __copy__(self):
        return self._remote_link.ask("copy", self)

    def __deepcopy__(self, memory):
        return self._remote_link.ask("deepcopy", self)


def is_named(remote):
    return any(number in remote._remote_link.named for number in remote._remote_types)


def has_content(value):
    return type(value) is not Remote or (value._remote_base and value._remote_base not in STANDARD)


def content_or_self(value):
    if type(value) is not Remote or not has_content(value):
        return value
    if value._remote_content is None:
        return value._remote_link.ask("content", value)
    return value._remote_content


def checked(remote, what, kind, *args):
    value = remote._remote_link.ask(what, remote, *args)
    if type(value) is not kind:
        remote._remote_link.die("runtime_error", "%s() gives no %s" % (what, kind.__name__))
    return value


def replace(old, new):
    if type(old) in (list, bytearray):
        old[:] = new
    elif type(old) in (dict, set):
        old.clear()
        old.update(new)


# Reckoning: in the box where both are of the box, or one's type is named by the tests; else with
# contents, where there are any; else not at all.
def reckon(what, left, right):
    remotes = [one for one in (left, right) if type(one) is Remote]
    if any(is_named(one) for one in remotes):
        return remotes[0]._remote_link.ask(what, left, right)
    if has_content(left) and has_content(right):
        function = {"divmod": divmod, "pow": pow}.get(what) or getattr(operator, what)
        return function(content_or_self(left), content_or_self(right))
    if len(remotes) == 2:
        return remotes[0]._remote_link.ask(what, left, right)
    return NotImplemented


def convert(what, function):
    def converted(remote, *args):
        if is_named(remote):
            return remote._remote_link.ask(what, remote, *args)
        if has_content(remote):
            return function(content_or_self(remote), *args)
        raise TypeError("%s() of a %s" % (what, remote._remote_type))

    return converted


def add_operators():
    for name in "add sub mul truediv floordiv mod matmul and or xor lshift rshift divmod pow".split():
        what = name + "_" if name in ("and", "or") else name
        setattr(Remote, "__%s__" % name, lambda a, b, what=what: reckon(what, a, b))
        setattr(Remote, "__r%s__" % name, lambda a, b, what=what: reckon(what, b, a))
    for name in ("lt", "le", "gt", "ge"):
        setattr(Remote, "__%s__" % name, lambda a, b, what=name: reckon(what, a, b))
    conversions = {"int": int, "float": float, "complex": complex, "index": operator.index, "bytes": bytes}
    unary = {"neg": operator.neg, "pos": operator.pos, "invert": operator.invert, "abs": abs, "round": round}
    for name, function in {**conversions, **unary}.items():
        setattr(Remote, "__%s__" % name, convert(name, function))


add_operators()

# The outside's view of a submission: a link into its box, and proxies of its objects. Behind
# plain_values.py; part of the examiner (examine.py).
import builtins
import os


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

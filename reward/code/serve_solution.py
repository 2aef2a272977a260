# Loads a submission in the box and answers what is asked of it on descriptor 3. Runs behind
# known_values.py, plain_values.py, lent_objects.py and library_names.py:
# python3 -I -S -c ALL solution.py MODE. Nothing here is trusted: what goes out is data.
import operator
import os
import sys

IMMUTABLE = (int, float, complex, str, bytes, tuple, frozenset)


def content_of(value):
    """(name of the plain or known type that the value's type derives from, that type's value)."""
    for base in type(value).__mro__:
        if base in PLAIN_BASES:
            return base.__name__, PLAIN_CONTENT[base](value)
        name = known_name(base)
        if name:
            return name, made_from(name, FIELDS_OF[name](value))
    return "", None


PLAIN_CONTENT = {
    int: int.__index__,
    float: float.__float__,
    complex: lambda v: complex(*complex.__getnewargs__(v)),
    str: str.__str__,
    bytes: lambda v: bytes.__getitem__(v, slice(None)),
    bytearray: lambda v: bytearray.__getitem__(v, slice(None)),
    list: lambda v: list(list.__iter__(v)),
    tuple: lambda v: tuple(tuple.__iter__(v)),
    set: lambda v: set(set.__iter__(v)),
    frozenset: lambda v: frozenset(frozenset.__iter__(v)),
    dict: lambda v: dict(dict.items(v)),
}


class Written:
    """Standard output that is kept beside being written, for tests that look at it."""

    def __init__(self, stream):
        self.stream, self.parts = stream, []

    def write(self, text):
        self.parts.append(str(text))
        return self.stream.write(text)

    def take(self):
        text, self.parts = "".join(self.parts), []
        return text

    def __getattr__(self, name):
        return getattr(self.stream, name)


class Loop:
    """Runs coroutines to their end, for tests that await."""

    def __init__(self):
        self.loop = None

    def run(self, awaitable):
        import asyncio

        if self.loop is None:
            self.loop = asyncio.new_event_loop()
        return self.loop.run_until_complete(self.as_coroutine(awaitable))

    @staticmethod
    async def as_coroutine(awaitable):
        return await awaitable


class Server:
    def __init__(self, path, mode):
        self.channel = Channel(3, os.read, os.write)
        self.objects, self.numbers = [], {}
        self.is_call = mode == "call"
        self.encoder = Encoder(self.handle_of, "content" if self.is_call else "objects")
        self.decoder = Decoder(self.object_of, self.type_of)
        self.path = path
        self.scope = None
        self.given = {}  # what the submission did not define: imports, and the task's setup
        self.written = None
        self.functions = self.functions_by_name()

    # Objects stay alive, so that a number stays one object's.
    def number_of(self, value):
        number = self.numbers.get(id(value))
        if number is None:
            number = self.numbers[id(value)] = len(self.objects)
            self.objects.append(value)
        return number

    def handle_of(self, value):
        kind = type(value)
        if kind is Lent:
            return b"J", lent_number(value), ()
        number = self.number_of(value)
        if self.is_call:
            return b"H", number, (kind.__name__, None, (), "", None)
        base, content = content_of(value)
        if base and not isinstance(value, IMMUTABLE):
            content = None  # asked for when it is needed
        try:
            code = None if base else hash(value)
        except Exception:
            code = None
        own = [self.number_of(one) for one in kind.__mro__ if one.__module__ == "solution"]
        name = str(kind.__name__)[:200]
        if kind.__module__ == "builtins" and kind.__name__ in ("generator", "function"):
            base = kind.__name__
        return b"H", number, (name, code, tuple(own[:16]), base, content)

    def object_of(self, tag, number, more):
        return Lent(self, number, more) if tag == b"J" else self.objects[number]

    def type_of(self, name):
        module, _, short = name.rpartition(".")
        return self.scope[short] if module == "solution" else named_type(name)

    def ask_test(self, number, what, args, kwargs):
        """Of an object that the tests lent."""
        self.channel.send(b"k", self.encoder.encode((number, what, args, kwargs)))
        return self.serve_until(b"K")

    def load(self):
        import _sitebuiltins
        import builtins

        builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D")
        builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D")
        sys.set_int_max_str_digits(0)
        sys.path[:0] = [os.getcwd()]
        sys.path.append("/usr/lib/python3/dist-packages")
        sys.argv = [self.path]
        module = type(sys)("solution")
        module.__file__ = self.path
        sys.modules["solution"] = module
        self.scope = module.__dict__
        self.set_up()
        self.channel.send(b"s")
        with open(self.path, "rb") as source:
            text = source.read()
        try:
            code = self.behind_prompt(text) or compile(text, self.path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError) as error:
            self.channel.send(b"c", ("%s: %s" % (type(error).__name__, error)).encode()[:300])
            os._exit(0)
        if self.is_call:
            for name, value in library_names(text).items():
                self.scope.setdefault(name, value)
        self.given = dict(self.scope)
        try:
            exec(code, self.scope)
        except BaseException as error:
            self.fail(error)
            os._exit(0)
        self.channel.send(b"h", self.encoder.encode(self.names()))

    # Of a task whose mode is `call`: what it gives to every submission. Nothing of this one has run.
    def set_up(self):
        if not os.path.exists("setup.py"):
            return
        try:
            with open("setup.py", "rb") as source:
                exec(compile(source.read(), "setup", "exec", dont_inherit=True), self.scope)
        except BaseException as error:
            self.channel.send(b"m", ("%s: %s" % (type(error).__name__, error)).encode()[:300])
            os._exit(0)

    # As human-eval runs it: the prompt imports what its stub needs, and a solution may be what
    # follows it. Nothing where there is no such prompt, or the two do not fit.
    def behind_prompt(self, text):
        try:
            with open("prompt.py", "rb") as source:
                prompt = source.read()
            compile(prompt, self.path, "exec", dont_inherit=True)  # words are none
            if b"def " in prompt:
                return compile(prompt + b"\n" + text, self.path, "exec", dont_inherit=True)
        except (OSError, SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
            pass
        return None

    def names(self):
        found = {}
        for name, value in list(self.scope.items()):
            if type(name) is not str or name.startswith("__") or not name.isidentifier():
                continue
            if name in self.given and self.given[name] is value:
                continue
            if isinstance(value, type(sys)):
                found[name] = ("module", str(getattr(value, "__name__", "")))
            elif isinstance(value, type) and issubclass(value, BaseException):
                found[name] = ("exception", self.lineage(value))
            elif callable(value) or type(value) in (list, dict, set, bytearray):
                found[name] = ("object", "")
            else:
                found[name] = ("value", "")
        return found

    @classmethod
    def lineage(cls, kind):
        """(module, name, the same of its bases) of an exception's type."""
        module = "solution" if kind.__module__ in ("solution", "__main__") else kind.__module__
        bases = [] if module == "builtins" else [cls.lineage(one) for one in kind.__bases__[:8]]
        return (str(module), kind.__name__, bases)

    def fail(self, error):
        try:
            message = str(error)[:300]
        except BaseException:
            message = ""
        lineage = self.lineage(type(error))
        try:
            args = () if self.is_call else tuple(error.args)
            content = self.encoder.encode((lineage, message, args, error))
        except BaseException:
            content = self.encoder.encode((lineage, message, (), None))
        self.channel.send(b"e", content)

    def functions_by_name(self):
        loop = Loop()
        named = {name: getattr(operator, name) for name in dir(operator) if name[:1] != "_"}
        named.update((f.__name__, f) for f in (abs, callable, divmod, format, getattr, hash, isinstance, iter))
        named.update((f.__name__, f) for f in (issubclass, len, next, pow, repr, reversed, round, setattr, delattr))
        named.update((f.__name__, f) for f in (bool, int, float, complex, str, bytes))
        named["type"] = lambda value: type(value)
        named["content"] = lambda value: content_of(value)[1]
        named["await"] = loop.run
        named["aiter"] = lambda value: type(value).__aiter__(value)
        named["anext"] = lambda value: loop.run(type(value).__anext__(value))
        named["enter"] = lambda value: type(value).__enter__(value)
        named["exit"] = lambda value, error: type(value).__exit__(value, error and type(error), error, None)
        named["aenter"] = lambda value: loop.run(type(value).__aenter__(value))
        named["aexit"] = lambda value, e: loop.run(type(value).__aexit__(value, e and type(e), e, None))
        named["error"] = lambda kind, *args: kind(*args)
        named["seed"] = lambda *args: __import__("random").seed(*args)
        named["copy"] = lambda value: __import__("copy").copy(value)
        named["deepcopy"] = lambda value: __import__("copy").deepcopy(value)
        return named

    def do(self, kind, content):
        if kind == b"V":
            return self.scope[content.decode()]
        if kind == b"O":
            return self.objects[self.number_of(self.scope[content.decode()])]
        if kind == b"W":
            self.written = sys.stdout = Written(sys.stdout)
            return None
        first, *rest = self.decoder.decode(content)
        return self.call(first, *rest) if kind == b"C" else self.functions[first](*rest)

    # A function that returns None may have worked on its arguments: they travel back then.
    def call(self, function, args, kwargs):
        result = function(*args, **kwargs)
        if result is None:
            return (None, [a if isinstance(a, (list, dict, set, bytearray)) else None for a in args])
        return (result, None)

    def serve_until(self, last):
        while True:
            kind, content = self.channel.receive()
            if kind == last:
                return self.decoder.decode(content)
            if kind == b"Q":  # it failed outside: its error is the caller's
                raise error_of(self.decoder.decode(content))
            try:
                value = self.do(kind, content)
                answer = self.object_answer(value) if kind == b"O" else self.encoder.encode(value)
            except TooLarge as error:
                self.channel.send(b"o", str(error).encode())
            except NotPlain as error:
                self.channel.send(b"n", str(error).encode())
            except EOFError:
                os._exit(0)
            except BaseException as error:
                self.tell_written()
                self.fail(error)
            else:
                self.tell_written()
                self.channel.send(b"v", answer)

    def object_answer(self, value):
        out = []
        self.encoder.left = MAX_BYTES
        self.encoder._add_object(value, out, 0)
        return b"".join(out)

    def tell_written(self):
        text = self.written.take() if self.written else ""
        if text:
            self.channel.send(b"w", text.encode("utf-8", "replace")[:MAX_BYTES])


def serve(path, mode):
    server = Server(path, mode)
    try:
        server.load()
        server.serve_until(b"")
    except (EOFError, OSError):
        pass
    os._exit(0)


serve(*sys.argv[1:3])

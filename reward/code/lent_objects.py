# Objects of the tests as the submission's process sees them: whatever is done to one is asked of
# the examiner, which keeps it (remote_objects.py). Behind plain_values.py.


class Lent:
    """`able` has the names of the special methods that the object has."""

    def __init__(self, server, number, able):
        object.__setattr__(self, "_lent", (server, number, able))

    def __getattr__(self, name):
        return ask_lent(self, "getattr", name)

    def __setattr__(self, name, value):
        ask_lent(self, "setattr", name, value)

    def __call__(self, *args, **kwargs):
        server, number, _ = object.__getattribute__(self, "_lent")
        return server.ask_test(number, "call", args, kwargs)

    def __iter__(self):
        result = ask_lent(self, "iter")
        return result if isinstance(result, Lent) else iter(result)

    def __bool__(self):
        able = object.__getattribute__(self, "_lent")[2]
        return ask_lent(self, "bool") if "__bool__" in able or "__len__" in able else True

    def __eq__(self, other):
        if type(other) is Lent and lent_number(other) == lent_number(self):
            return True
        return ask_lent(self, "eq", other) if "__eq__" in object.__getattribute__(self, "_lent")[2] else NotImplemented

    def __hash__(self):
        return ask_lent(self, "hash")


def lent_number(lent):
    return object.__getattribute__(lent, "_lent")[1]


def ask_lent(lent, what, *args):
    server, number, _ = object.__getattribute__(lent, "_lent")
    return server.ask_test(number, what, args, {})


def _forward(what):
    return lambda self, *args: ask_lent(self, what, *args)


# What a lent object may be asked, beside the methods above: operator's name of it.
LENT_METHODS = {
    "next": "__next__", "len": "__len__", "getitem": "__getitem__", "setitem": "__setitem__",
    "delitem": "__delitem__", "contains": "__contains__", "lt": "__lt__", "le": "__le__", "gt": "__gt__",
    "ge": "__ge__", "add": "__add__", "sub": "__sub__", "mul": "__mul__", "neg": "__neg__", "str": "__str__",
    "repr": "__repr__", "enter": "__enter__", "exit": "__exit__", "int": "__int__", "float": "__float__",
}
for _what, _method in LENT_METHODS.items():
    setattr(Lent, _method, _forward(_what))


def error_of(told):
    """The error that a lent object raised: of the builtins, by its name."""
    name, message = told
    kind = named_type(name)
    if not isinstance(kind, type) or not issubclass(kind, Exception) or issubclass(kind, UnicodeError):
        kind = RuntimeError
    return kind() if kind is StopIteration else kind(message)

# Values of the standard library that cross the border of a box as plain data: the type's name and
# fields that say all of it. Made anew from exact types on the other side, as plain_values.py has it.
import sys


def _pairs(value):
    return [[key, item] for key, item in dict.items(value)]


def _moment(value, names):
    return [getattr(value, name) for name in names.split()]


_DATE = "year month day"
_TIME = "hour minute second microsecond tzinfo fold"

# name -> fields of a value
FIELDS_OF = {
    "fractions.Fraction": lambda v: [v.numerator, v.denominator],
    "decimal.Decimal": lambda v: [str(v)],
    "collections.deque": lambda v: [list(v), v.maxlen],
    "collections.OrderedDict": lambda v: [_pairs(v)],
    "collections.Counter": lambda v: [_pairs(v)],
    "collections.defaultdict": lambda v: [v.default_factory if type(v.default_factory) is type else None, _pairs(v)],
    "builtins.range": lambda v: [v.start, v.stop, v.step],
    "builtins.slice": lambda v: [v.start, v.stop, v.step],
    "builtins.dict_keys": lambda v: [list(v)],
    "builtins.dict_values": lambda v: [list(v)],
    "builtins.dict_items": lambda v: [list(v)],
    "datetime.date": lambda v: _moment(v, _DATE),
    "datetime.datetime": lambda v: _moment(v, _DATE + " " + _TIME),
    "datetime.time": lambda v: _moment(v, _TIME),
    "datetime.timedelta": lambda v: [v.days, v.seconds, v.microseconds],
    "datetime.timezone": lambda v: [v.utcoffset(None)],
    "zoneinfo.ZoneInfo": lambda v: [v.key],
    "uuid.UUID": lambda v: [v.int],
    "pathlib.PosixPath": lambda v: [str(v)],
    "pathlib.PurePosixPath": lambda v: [str(v)],
    "array.array": lambda v: [v.typecode, v.tolist()],
    "numpy.ndarray": lambda v: [v.tolist(), v.dtype.str, list(v.shape)],
    "types.SimpleNamespace": lambda v: [[[key, item] for key, item in vars(v).items()]],
}

# Single values of the builtins that are no plain ones.
SINGLE = {"Ellipsis": ..., "NotImplemented": NotImplemented}


def known_name(kind):
    """The name of a type whose values cross, if `kind` is that very type."""
    name = "%s.%s" % (kind.__module__, kind.__qualname__)
    if name not in FIELDS_OF:
        return None
    module, _, short = name.rpartition(".")
    if short.startswith("dict_") or name == "types.SimpleNamespace":
        return name if kind in (type({}.keys()), type({}.values()), type({}.items()), type(sys.implementation)) else None
    return name if getattr(sys.modules.get(module), short, None) is kind else None


def named_type(name):
    """The type or single value of the builtins, or the type above, that has this name."""
    import builtins
    import importlib

    module, _, short = name.rpartition(".")
    if not module or module == "builtins":
        value = SINGLE[short] if short in SINGLE else getattr(builtins, short, None)
        return value if short in SINGLE or isinstance(value, type) else None
    if name not in FIELDS_OF or short.startswith("dict_"):
        return None
    return getattr(importlib.import_module(module), short)


def type_name(kind, is_ours):
    """What names a type on the other side; is_ours: also an exception of the submission's there."""
    if kind.__module__ == "builtins":
        return kind.__qualname__ if named_type(kind.__qualname__) is kind else None
    if is_ours and kind.__module__ == "solution":
        return "solution." + kind.__qualname__
    return known_name(kind)


def is_namedtuple(kind):
    fields = getattr(kind, "_fields", None)
    return issubclass(kind, tuple) and type(fields) is tuple and all(type(f) is str for f in fields)


def made_from(name, fields):
    """The value that `fields` of a type describe. Raises ValueError, TypeError or OverflowError."""
    if name == "namedtuple":
        return _named_tuple(*fields)
    if name.startswith("builtins.dict_"):
        (items,) = fields
        if name == "builtins.dict_items":
            return dict(items).items()
        if name == "builtins.dict_keys":
            return dict.fromkeys(items).keys()
        return dict(enumerate(items)).values()
    kind = named_type(name)
    if kind is None:
        raise ValueError("an unknown type")
    if name == "types.SimpleNamespace":
        return kind(**dict(fields[0]))
    if name == "collections.defaultdict":
        factory, pairs = fields
        return kind(factory if isinstance(factory, type) else None, dict(pairs))
    if name in ("collections.OrderedDict", "collections.Counter"):
        return kind(dict(fields[0]))
    if name == "numpy.ndarray":
        import numpy

        return numpy.array(fields[0], dtype=fields[1]).reshape(fields[2])
    if name == "uuid.UUID":
        return kind(int=fields[0])
    if name in ("datetime.datetime", "datetime.time"):
        return kind(*fields[:-1], fold=fields[-1])
    return kind(*fields)


def _named_tuple(name, names, items):
    import collections

    if len(names) > 256 or len(names) != len(items):
        raise ValueError("a named tuple of other names than items")
    return collections.namedtuple(name, names)(*items)

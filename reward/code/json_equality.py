# Arguments from JSON, and equality of a plain value with what JSON says. Part of the examiner.


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
        self.lenient = kind in ("sequence_lenient", "float")  # as JSON has no tuples
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
        if type(expected) is not float and type(value) is not float:
            return False  # integers, and not equal
        try:
            if type(expected) is not float and abs(value - expected) >= 0.5:
                return False  # it rounds to another integer
            return abs(float(value) - float(expected)) <= self.tolerance * max(1.0, abs(float(expected)))
        except OverflowError:
            return False

    @staticmethod
    def key(key):
        if key is None or key is True or key is False:
            return {None: "null", True: "true", False: "false"}[key]
        return str(key) if type(key) in (int, float, str) else key

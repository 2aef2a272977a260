# Plain Python values as bytes, in the box and outside. What comes out of `decode` is made of exact
# builtin types, whatever went into `encode` in a process that nobody trusts: no method of a
# submission's object, no __eq__ above all, ever runs outside the box.
#
# N None, T True, F False; i int, f float, c complex, s str, y bytes, Y bytearray: length, text;
# l list, t tuple, S set, Z frozenset, d dict: count, items; X a value of known_values.py, whose text
# comes first: its type's name and fields; B that type itself, or a single value: name; H an object
# that stays where it is: number, and a tuple that says more about it; J an object that is lent to
# the other side: number, its abilities. Lengths are 4 bytes, little end first.

MAX_BYTES = 8 << 20
MAX_DEPTH = 64
PLAIN_BASES = (int, float, str, list, tuple, dict, bytes, bytearray, set, frozenset, complex)
PLAIN = PLAIN_BASES + (bool, type(None))


class NotPlain(Exception):
    pass


class TooLarge(Exception):
    pass


def _length(number):
    return number.to_bytes(4, "little")


def _text(tag, data, out):
    if len(data) > MAX_BYTES:
        raise TooLarge("a value of more than %d bytes" % MAX_BYTES)
    out.append(tag + _length(len(data)))
    out.append(data)


class Encoder:
    """handle_of(value) gives (tag, number, more) of what is no plain value, or raises NotPlain.
    `keeps` says what becomes of types derived from a plain one: "objects" stay where they are,
    "values" are their content, but for named tuples; "content" is that of known types too."""

    def __init__(self, handle_of, keeps):
        self.handle_of, self.keeps = handle_of, keeps

    def encode(self, value):
        out = []
        self.left = MAX_BYTES
        self._add(value, out, 0)
        data = b"".join(out)
        if len(data) > MAX_BYTES:
            raise TooLarge("a value of more than %d bytes" % MAX_BYTES)
        return data

    def _add(self, value, out, depth):
        if depth > MAX_DEPTH:
            raise NotPlain("a value nested deeper than %d" % MAX_DEPTH)
        self.left -= 1
        if self.left < 0:
            raise TooLarge("a value of too many parts")
        kind = type(value)
        if kind not in PLAIN and self.keeps != "content" and self._add_known(value, kind, out, depth):
            return
        if value is None:
            out.append(b"N")
        elif value is True or value is False:
            out.append(b"T" if value is True else b"F")
        elif issubclass(kind, int):
            if int.bit_length(value) > 8 * MAX_BYTES // 4:
                raise TooLarge("an integer of too many digits")
            _text(b"i", format(int.__index__(value), "x").encode(), out)
        elif issubclass(kind, float):
            _text(b"f", float.hex(value).encode(), out)
        elif issubclass(kind, complex):
            real, imaginary = complex.__getnewargs__(value)
            _text(b"c", (float.hex(real) + " " + float.hex(imaginary)).encode(), out)
        elif issubclass(kind, str):
            if str.__len__(value) > MAX_BYTES:
                raise TooLarge("a text of more than %d characters" % MAX_BYTES)
            _text(b"s", str.encode(value, "utf-8", "surrogatepass"), out)
        elif issubclass(kind, bytes):
            _text(b"y", bytes.__getitem__(value, slice(None)), out)
        elif issubclass(kind, bytearray):
            _text(b"Y", bytes(bytearray.__getitem__(value, slice(None))), out)
        elif issubclass(kind, (list, tuple, set, frozenset)):
            self._add_items(value, out, depth)
        elif issubclass(kind, dict):
            items = list(dict.items(value))
            out.append(b"d" + _length(len(items)))
            for key, item in items:
                self._add(key, out, depth + 1)
                self._add(item, out, depth + 1)
        else:
            self._add_other(value, kind, out, depth)

    def _add_items(self, value, out, depth):
        for base, tag in ((list, b"l"), (tuple, b"t"), (set, b"S"), (frozenset, b"Z")):
            if isinstance(value, base):
                items = list(base.__iter__(value))
                out.append(tag + _length(len(items)))
                for item in items:
                    self._add(item, out, depth + 1)
                return

    def _add_known(self, value, kind, out, depth):
        """False where `value` is to be written as its content."""
        name = known_name(kind)
        if name:
            self._add_named(b"X", name, FIELDS_OF[name](value), out, depth)
        elif kind is type and type_name(value, self.keeps == "values"):
            _text(b"B", type_name(value, self.keeps == "values").encode(), out)
        elif kind in (type(...), type(NotImplemented)):
            _text(b"B", repr(value).encode(), out)
        elif self.keeps == "values" and is_namedtuple(kind):
            fields = [kind.__name__, list(kind._fields), list(value)]
            self._add_named(b"X", "namedtuple", fields, out, depth)
        elif self.keeps == "objects" and issubclass(kind, PLAIN_BASES) and kind.__module__ != "numpy":
            self._add_object(value, out, depth)
        else:
            return False
        return True

    def _add_named(self, tag, name, fields, out, depth):
        _text(tag, name.encode(), out)
        self._add(fields, out, depth + 1)

    def _add_object(self, value, out, depth):
        tag, number, more = self.handle_of(value)
        out.append(tag + _length(number))
        self._add(more, out, depth + 1)

    def _add_other(self, value, kind, out, depth):
        if kind.__module__ == "numpy" and hasattr(value, "item") and not hasattr(value, "__len__"):
            self._add(value.item(), out, depth + 1)  # numpy's scalars
        else:
            self._add_object(value, out, depth)


class Decoder:
    """object_of(tag, number, more) gives what an object stands for; type_of(name) a type."""

    def __init__(self, object_of, type_of=named_type):
        self.object_of, self.type_of = object_of, type_of

    def decode(self, data):
        outer = getattr(self, "data", None), getattr(self, "at", 0)  # one may ask during another
        self.data, self.at = data, 0
        try:
            value = self._next(0)
            if self.at != len(data):
                raise NotPlain("bytes behind the value")
            return value
        finally:
            self.data, self.at = outer

    def _take(self, count):
        end = self.at + count
        if end > len(self.data):
            raise NotPlain("the value is cut off")
        part = self.data[self.at : end]
        self.at = end
        return part

    def _number(self):
        return int.from_bytes(self._take(4), "little")

    def _items(self, depth, each=1):
        count = self._number()
        if count * each > len(self.data) - self.at:  # every item takes a byte at least
            raise NotPlain("the value is cut off")
        return [self._next(depth + 1) for _ in range(count * each)]

    def _next(self, depth):
        if depth > MAX_DEPTH:
            raise NotPlain("a value nested deeper than %d" % MAX_DEPTH)
        tag = bytes(self._take(1))
        if tag == b"N":
            return None
        if tag in b"TF":
            return tag == b"T"
        if tag in b"ifcsyY":
            return self._scalar(tag, bytes(self._take(self._number())))
        if tag == b"d":
            items = self._items(depth, 2)
            return dict(zip(items[::2], items[1::2]))
        if tag in b"ltSZ":
            items = self._items(depth)
            return {b"l": list, b"t": tuple, b"S": set, b"Z": frozenset}[tag](items)
        if tag in b"HJ":
            number = self._number()
            return self.object_of(tag, number, self._next(depth + 1))
        if tag in b"XB":
            return self._named(tag, bytes(self._take(self._number())).decode(), depth)
        raise NotPlain("an unknown kind of value")

    def _named(self, tag, name, depth):
        if tag == b"B":
            value = self.type_of(name)
            if value is None:
                raise NotPlain("an unknown type")
            return value
        fields = self._next(depth + 1)
        if type(fields) is not list:
            raise NotPlain("a value without fields")
        return made_from(name, fields)

    @staticmethod
    def _scalar(tag, text):
        if tag == b"i":
            return int(text, 16)
        if tag == b"f":
            return float.fromhex(text.decode())
        if tag == b"c":
            real, imaginary = text.decode().split(" ")
            return complex(float.fromhex(real), float.fromhex(imaginary))
        if tag == b"s":
            return text.decode("utf-8", "surrogatepass")
        return text if tag == b"y" else bytearray(text)


# Messages on the channel: length, number, kind (one byte), content. Each side numbers what it sends.


class Channel:
    def __init__(self, descriptor, read, write):
        self.descriptor, self.read, self.write = descriptor, read, write
        self.sent = self.received = 0

    def send(self, kind, content=b""):
        self.sent += 1
        data = _length(len(content) + 1) + _length(self.sent) + kind + content
        while data:
            data = data[self.write(self.descriptor, data) :]

    def receive(self):
        length = int.from_bytes(self._exactly(4), "little")
        number = int.from_bytes(self._exactly(4), "little")
        self.received += 1
        if number != self.received or not 1 <= length <= MAX_BYTES + 1024:
            raise EOFError("the channel was written to by someone else")
        data = self._exactly(length)
        return data[:1], data[1:]

    def _exactly(self, count):
        parts = []
        while count:
            part = self.read(self.descriptor, min(count, 1 << 20))
            if not part:
                raise EOFError("the other side is gone")
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

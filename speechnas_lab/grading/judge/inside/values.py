"""Which values travel between judge and worker, and how: plain data by kind and size, all else by `special`.

In JSON a number, text, truth value or None stands for itself; everything else is a list that begins with its kind. A
reader takes nothing that it does not know, and never more than MOST values or deeper than DEEPEST.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from math import prod
from typing import Any

import numpy as np

from .wire import Broken

MOST, DEEPEST = 300_000, 60
MOST_KEYS = 10_000  # of a dict or set: keys that collide would take the square of it
MOST_BITS = 2**20  # of a whole number
NUMBERS = re.compile(r"[<|][biufc](1|2|4|8|16)")  # NumPy's names for types of plain numbers
NAME = re.compile(r"\w{1,60}")
ROWS = {list: "list", tuple: "tuple", set: "set", frozenset: "frozenset", deque: "deque"}
KINDS = {word: kind for kind, word in ROWS.items()}
VIEWS = (type({}.keys()), type({}.values()), type({}.items()))
BASES = (bool, int, float, str, list, tuple, dict, set, frozenset)


class Foreign:
    """What cannot travel: only the name of its type and how it shows itself have come."""

    _words, _items = "", None

    def __repr__(self) -> str:
        return self._words


def foreign(name: str, words: str, items: list[Any] | None = None) -> Foreign:
    """A Foreign whose type is called `name`; items: what iterating over it gives, if it can be iterated over."""
    more = {} if items is None else {"__iter__": lambda self: iter(self._items)}
    made = type(name, (Foreign,), more)()
    made._words, made._items = words.strip() or f"<{name}>", items
    return made


class Packer:
    """Values into JSON, raw numbers into `block`. One for each message."""

    def __init__(self) -> None:
        self.block, self.count = bytearray(), 0

    def special(self, value: Any, depth: int) -> Any:
        """JSON for what is no plain data."""
        raise TypeError(f"a {type(value).__name__} cannot travel")

    def value(self, value: Any, depth: int = 0) -> Any:
        kind = type(value)
        if value is None or kind is bool or kind is float or kind is str:
            return value
        if kind is int:
            return value if -(2**63) <= value < 2**63 else self._large(value)
        self.count += 1
        if kind in ROWS or kind is dict:
            self.count += len(value)
        if self.count > MOST or depth > DEEPEST:
            raise Broken("there is too much in it" if self.count > MOST else "it is too deep")
        if kind in ROWS:
            return [ROWS[kind], [self.value(item, depth + 1) for item in list(value)]]
        if kind is dict:
            return ["dict", [[self.value(k, depth + 1), self.value(v, depth + 1)] for k, v in list(value.items())]]
        if kind is np.ndarray or isinstance(value, np.generic):
            found = self._numbers(value)
            if found is not None:
                return found
        elif kind is complex:
            return ["complex", value.real, value.imag]
        elif kind is bytes:
            return ["bytes", value.hex()]
        elif kind is range and _short(value):
            return ["range", *(self.value(end) for end in (value.start, value.stop, value.step))]
        elif kind is Fraction:
            return ["fraction", self.value(value.numerator), self.value(value.denominator)]
        elif kind is Decimal:
            return ["decimal", str(value)]
        return self.special(value, depth)

    def _large(self, value: int) -> Any:
        if value.bit_length() > MOST_BITS:
            return ["foreign", "int", "a number of very many digits", None]
        return ["int", hex(value)]

    def _numbers(self, value: Any) -> Any:
        array = np.asarray(value)
        if array.dtype.itemsize > 8 and array.dtype.kind == "f":
            array = array.astype("<f8")
        array = array.astype(array.dtype.newbyteorder("<"), copy=False)
        if not NUMBERS.fullmatch(array.dtype.str):
            return None
        return ["array" if type(value) is np.ndarray else "number", array.dtype.str, list(array.shape),
                *self.raw(np.ascontiguousarray(array).tobytes())]  # fmt: skip

    def raw(self, numbers: bytes) -> tuple[int, int]:
        """Where in the block these bytes stand: (begin, count)."""
        begin = len(self.block)
        self.block += numbers
        return begin, len(numbers)


class Unpacker:
    """JSON into values. One for each message. Raises Broken for whatever is not as `Packer` writes it."""

    def __init__(self, block: bytes | memoryview = b"") -> None:
        self.block, self.count = block, 0

    def special(self, kind: str, node: list[Any], depth: int) -> Any:
        """The value of a kind that is no plain data."""
        raise Broken(f"nothing called {kind[:40]!r} may travel")

    def value(self, node: Any, depth: int = 0) -> Any:
        try:
            return self._value(node, depth)
        except (TypeError, ValueError, IndexError, KeyError, AttributeError, ArithmeticError) as error:
            raise Broken(f"a value is not as it should be ({type(error).__name__})") from None

    def _value(self, node: Any, depth: int) -> Any:
        if node is None or type(node) in (bool, int, float, str):
            return node
        self.count += 1
        if self.count > MOST or depth > DEEPEST or type(node) is not list or type(node[0]) is not str:
            raise Broken("a value is no value, too deep, or too much")
        kind = node[0]
        if kind in KINDS:
            self.count += len(node[1])
            if kind in ("set", "frozenset") and len(node[1]) > MOST_KEYS:
                raise Broken("a set is too large")
            return KINDS[kind]([self._value(item, depth + 1) for item in node[1]])
        if kind == "dict":
            if len(node[1]) > MOST_KEYS:
                raise Broken("a dict is too large")
            return {self._value(key, depth + 1): self._value(value, depth + 1) for key, value in node[1]}
        if kind in ("array", "number"):
            array = self.numbers(*node[1:])
            return array if kind == "array" else array[()]
        plain = {"int": lambda text: int(text[: MOST_BITS // 4 + 4], 16), "complex": complex, "bytes": bytes.fromhex,
                 "decimal": self._decimal}.get(kind)  # fmt: skip
        if kind in ("range", "fraction"):
            return (self._range if kind == "range" else Fraction)(*(self._value(part, depth + 1) for part in node[1:]))
        return self.special(kind, node, depth) if plain is None else plain(*node[1:])

    def numbers(self, kind: str, shape: list[int], begin: int, count: int) -> np.ndarray:
        """A fresh array out of the block."""
        if not NUMBERS.fullmatch(kind) or len(shape) > 32 or any(type(n) is not int or n < 0 for n in shape):
            raise Broken("an array of no plain numbers, or of no shape")
        if np.dtype(kind).itemsize * prod(shape) != count:
            raise Broken("an array has not the size that its shape says")
        return np.frombuffer(bytearray(self.raw(begin, count)), kind).reshape(shape)

    def raw(self, begin: int, count: int) -> bytes:
        """Bytes out of the block."""
        if type(begin) is not int or type(count) is not int or not 0 <= begin <= begin + count <= len(self.block):
            raise Broken("a value lies outside its message")
        return bytes(self.block[begin : begin + count])

    @staticmethod
    def _decimal(text: str) -> Decimal:
        found = Decimal(text[:100])
        return Decimal("NaN") if found.is_snan() else found  # which could not even be compared

    @staticmethod
    def _range(*ends: int) -> range:
        found = range(*ends)
        if not _short(found):  # it would be a list for whoever looks at its numbers
            raise Broken("a range is too long")
        return found


def _short(some: range) -> bool:
    return len(some[: MOST + 1]) <= MOST


def odd(packer: Packer, value: Any, depth: int) -> Any:
    """JSON for a learner's value of a type that is not known: its items, the plain data below it, or its name."""
    kind = type(value)
    name = kind.__name__ if NAME.fullmatch(kind.__name__) else "object"
    try:
        if isinstance(value, Iterator) or kind in VIEWS:
            items = list(islice(value, MOST + 1))
            if len(items) > MOST:
                raise Broken("there is too much in it")
            return ["items", name, [packer.value(item, depth + 1) for item in items]]
        for base in BASES:
            if issubclass(kind, base):
                return ["kind of", name, packer.value(below(base, value), depth + 1)]
        words = repr(value)[:200]
    except Broken:
        raise
    except Exception as error:  # of a learner's class
        words = f"a {name} that cannot be shown ({type(error).__name__})"
    return ["foreign", name, words, None]


def below(base: type, value: Any) -> Any:
    """The plain value that a learner's subclass of `base` really holds, whatever its methods say."""
    if base is dict:
        return dict(dict.items(value))
    if base in (list, tuple, set, frozenset):
        return base(base.__iter__(value))
    return {int: int.__int__, float: float.__float__, str: lambda text: str.__getitem__(text, slice(None))}[base](value)


def odd_back(unpacker: Unpacker, node: list[Any], depth: int) -> Any:
    """What `odd` wrote, as something that can do no harm: the subclass is empty, the items are all there already."""
    kind, name, content = node[:3]
    if not NAME.fullmatch(name):
        raise Broken("a type without a name")
    if kind == "foreign":
        return foreign(name, str(content)[:200])
    value = unpacker.value(content if kind == "kind of" else ["list", content], depth + 1)
    if kind == "items":
        return (item for item in value) if name == "generator" else foreign(name, f"<{name}>", value)
    if type(value) not in BASES[1:]:
        raise Broken("a subclass of what has none")
    return type(name, (type(value),), {})(value)

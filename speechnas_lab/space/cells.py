"""A cell of NAS-Bench-ASR (Mehrotra et al., ICLR 2021) is plain frozen data: three operations and six skips."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

from ..errors import BadInput
from .architecture import Architecture, _fields, _need
from .cell_symmetry import NODES, OPERATIONS


@dataclass(frozen=True)
class Cell:
    """Three nodes after the input y_0 = x:  y_i = op_i(y_{i-1}) + sum_{j < i} s_ij y_j.  The output is y_3.

    operations: (op_1, op_2, op_3), each of `OPERATIONS`: "linear" looks at one frame, "conv7d2" at 7 frames, every
    second one; "zero" gives 0. skips: s_ij as ((s_10,), (s_20, s_21), (s_30, s_31, s_32)), each 0 or 1.
    """

    operations: tuple[str, str, str]
    skips: tuple[tuple[int, ...], ...]

    @cached_property
    def id(self) -> str:
        """First 12 hex digits of the SHA-256 of the sorted, compact JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    def to_json(self) -> str:
        """Compact JSON with sorted keys: equal cells give equal text."""
        data = {field.name: getattr(self, field.name) for field in fields(self)}
        return json.dumps(data, sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Cell:
        """Read what `to_json` wrote. Raises BadInput that names the field and what is allowed there."""
        data = _fields(cls, _parsed(text), "cell")
        operations, skips = data["operations"], data["skips"]
        if isinstance(skips, list):
            skips = tuple(tuple(row) if isinstance(row, list) else row for row in skips)
        return check_cell(cls(tuple(operations) if isinstance(operations, list) else operations, skips))


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadInput(
            f"this is not the JSON of an architecture or a cell ({error}); give what to_json() wrote"
        ) from None


def from_json(text: str) -> Architecture | Cell:
    """Read an `Architecture` or a `Cell` (its JSON has "operations"). Raises BadInput that names the field."""
    data = _parsed(text)
    kind = Cell if isinstance(data, dict) and "operations" in data else Architecture
    return kind.from_json(text)


def check_cell(cell: Cell, allowed: Sequence[str] = OPERATIONS) -> Cell:
    """Return `cell` if a network can be built from it, else raise BadInput that names the field."""
    if not isinstance(cell, Cell):
        raise BadInput(f"a Cell is needed, not {type(cell).__name__}; read one with Cell.from_json")
    good = isinstance(cell.operations, tuple) and len(cell.operations) == NODES
    _need(good, "operations", cell.operations, f"a tuple of {NODES} names")
    for i, operation in enumerate(cell.operations):
        _need(isinstance(operation, str) and operation in allowed, f"operations[{i}]", operation, allowed)
    good = isinstance(cell.skips, tuple) and len(cell.skips) == NODES
    _need(good, "skips", cell.skips, "a tuple of three tuples, of 1, 2 and 3 numbers")
    for i, row in enumerate(cell.skips):
        good = isinstance(row, tuple) and len(row) == i + 1 and all(type(s) is int and s in (0, 1) for s in row)
        _need(good, f"skips[{i}]", row, f"a tuple of length {i + 1} of numbers 0 and 1")
    return cell

"""Timings as they arrive: a CSV with a column latency_ms, perhaps one called time, that may still grow.

What is missing (an empty cell, nan) or impossible (0, below, or infinite: a clock that jumped while it timed a call) is
left out and counted. Text in a cell is refused, since then the file is not what it claims to be. The clock is only
read to say when; the order of lines counts, so that a clock that jumps cannot raise an alarm. Jumps back are counted.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import numpy as np

from ...errors import BadInput

COLUMN, CLOCKS = "latency_ms", ("time", "timestamp")
MISSING = {"", "nan", "na", "n/a", "none", "null"}
IMPOSSIBLE = 0.1  # share of timings from which the column is taken for something else
ENOUGH = 20  # lines before that share says anything


@dataclass
class Timings:
    """Reads lines, any number at a time, and keeps count. `line` is the last line read, from 1."""

    columns: list[str] = field(default_factory=list)
    line: int = 0
    used: int = 0
    missing: int = 0
    impossible: int = 0
    back: int = 0  # how often the clock went back
    no_clock: int = 0  # times that cannot be read
    first: dict[str, int] = field(default_factory=dict)  # kind -> its first line
    clock: float | None = None

    def begin(self) -> None:
        """Another file begins: its header and its lines, with the counts going on."""
        self.columns, self.line = [], 0

    def read(self, lines: Iterable[str]) -> tuple[np.ndarray, list[str]]:
        """Latencies (n,) in ms and their times as text. Raises BadInput that names the line of what cannot be read."""
        latencies, times = [], []
        for cells in self._rows(lines):
            self.line += 1
            if not cells:
                continue  # an empty line
            if not self.columns:
                self._header(cells)
                continue
            if len(cells) > len(self.columns):
                raise BadInput(f"line {self.line} has {len(cells)} cells, the header {len(self.columns)}: "
                               "write numbers with a point, and quote cells that hold a comma")
            at = self.columns.index(COLUMN)
            value = self._latency(cells[at].strip() if at < len(cells) else "")
            stamp = self._time(cells)
            if value is not None:
                latencies.append(value)
                times.append(stamp)
        self.used += len(latencies)
        if self.impossible > IMPOSSIBLE * (self.used + self.impossible) and self.used + self.impossible >= ENOUGH:
            raise BadInput(f"{self.impossible} of {self.used + self.impossible} values of {COLUMN} are 0, negative or "
                           f"infinite (first in line {self.first['impossible']}): these are no latencies")
        return np.array(latencies, dtype=float), times

    def words(self) -> str:
        """What was left out or looked odd, in one line; "" where all was well."""
        kinds = [(self.missing, "missing", "missing value{s}"), (self.impossible, "impossible", "impossible value{s}"),
                 (self.back, "back", "time{s} at which the clock went back"),
                 (self.no_clock, "no_clock", "time{s} that cannot be read")]
        told = [f"{count:,} {words.format(s='' if count == 1 else 's')} (first in line {self.first[kind]:,})"
                for count, kind, words in kinds if count]
        return ", ".join(told)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values."""
        return asdict(self)

    def _rows(self, lines: Iterable[str]) -> Iterator[list[str]]:
        try:
            yield from csv.reader(lines)
        except csv.Error as error:
            raise BadInput(f"line {self.line + 1} is no line of a CSV ({error})") from None

    def _header(self, cells: list[str]) -> None:
        self.columns = [cell.strip().lower().lstrip("\ufeff") for cell in cells]
        if COLUMN not in self.columns:
            seen = ", ".join(self.columns)[:80]
            raise BadInput(f"there is no column {COLUMN} in the header ({seen!r}): name the column of times, in "
                           f"milliseconds, {COLUMN}")

    def _latency(self, cell: str) -> float | None:
        if cell.lower() in MISSING:
            return self._count("missing")
        try:
            value = math.nan if "_" in cell else float(cell)
        except ValueError:
            value = math.nan
        if math.isnan(value):
            raise BadInput(f"line {self.line} holds {cell[:40]!r} where {COLUMN} is a number of milliseconds")
        return value if 0 < value < math.inf else self._count("impossible")

    def _time(self, cells: list[str]) -> str:
        at = next((self.columns.index(name) for name in CLOCKS if name in self.columns), len(cells))
        stamp = cells[at].strip() if at < len(cells) else ""
        if stamp:
            seconds = read_clock(stamp)
            if seconds is None:
                self._count("no_clock")
            elif self.clock is not None and seconds < self.clock:
                self._count("back")
            self.clock = self.clock if seconds is None else seconds
        return stamp

    def _count(self, kind: str) -> None:
        setattr(self, kind, getattr(self, kind) + 1)
        self.first.setdefault(kind, self.line)


def read_clock(text: str) -> float | None:
    """Seconds of a time written as a number or by ISO 8601; None for anything else."""
    try:
        seconds = float(text)
        return seconds if math.isfinite(seconds) else None
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None

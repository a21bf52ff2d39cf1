"""The monitor at work: samples from a file that grows, a pipe or a probe; a state that the next run goes on from."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import BadInput
from ...files import read_json, write_json
from .baseline import Baseline, probe
from .history import History
from .monitor import Change, Monitor
from .timings import Timings

PIECE = 1 << 20  # bytes read at once
POLL_SECONDS = 0.25  # between two looks at a file that grows, and between two reports of a probe
Samples = Iterator[tuple[np.ndarray, list[str]]]  # latencies (n,) in ms, and a time for each


class Watch:
    """A monitor, its count of odd lines, its history, and how far it has read; `keep` writes all of it to `state`."""

    def __init__(self, baseline: Baseline, smallest: float, state: str | Path | None = None) -> None:
        """Begin anew, or where the file `state` stops. Raises BadInput where that one watched something else."""
        self.monitor, self.history = Monitor(baseline.latencies_ms, smallest), History()
        self.timings, self.offset, self.facts = Timings(), 0, baseline.facts
        self.place = Path(state) if state else None
        if self.place and self.place.exists():
            self._resume(read_json(self.place) or {})

    def take(self, latencies: np.ndarray, times: list[str]) -> list[Change]:
        """The next samples; what is new about changes."""
        self.history.add(latencies)
        return self.monitor.update(latencies, times)

    def lines(self, source: str, follow: bool = False, seconds: float | None = None) -> Samples:
        """Samples of a CSV file, or of standard input ("-"). follow: wait for more lines, for `seconds` or for ever.

        A last line without its end waits for it, if there may be a next time. A file that became shorter was begun
        anew, and is read from its header on.
        """
        left = b""
        for piece in self._pipe() if source == "-" else self._file(source, follow, seconds):
            if piece is None:
                left, self.offset = b"", 0
                self.timings.begin()
                continue
            data = left + piece
            end = data.rfind(b"\n") + 1
            left, self.offset = data[end:], self.offset + end
            yield self._read(data[:end])
        if left and not follow and not self.place:
            yield self._read(left)

    def keep(self) -> None:
        """Write the state, whole or not at all, if there is a place for it."""
        if self.place:
            write_json(self.place, {"monitor": self.monitor.to_dict(), "timings": self.timings.to_dict(),
                                    "history": asdict(self.history), "offset_bytes": self.offset})

    def _resume(self, data: dict[str, Any]) -> None:
        damaged = BadInput(f"{self.place} is no state of a monitor: delete it, or give another --state")
        try:
            monitor = Monitor.from_dict(data["monitor"])
            timings, history = Timings(**data["timings"]), History(**data["history"])
            offset = int(data["offset_bytes"])
        except (KeyError, TypeError, ValueError):
            raise damaged from None
        if monitor.baseline != self.monitor.baseline or monitor.smallest != self.monitor.smallest:
            raise BadInput(f"{self.place} belongs to another baseline or smallest change: give another --state")
        self.monitor, self.timings, self.history, self.offset = monitor, timings, history, offset

    def _read(self, data: bytes) -> tuple[np.ndarray, list[str]]:
        try:
            return self.timings.read(data.decode("utf-8").splitlines())
        except UnicodeDecodeError:
            raise BadInput(f"after line {self.timings.line} comes something that is no text: give a CSV") from None

    def _file(self, source: str, follow: bool, seconds: float | None) -> Iterator[bytes | None]:
        """Pieces of a file from `offset` on; None where it was begun anew."""
        end = time.monotonic() + (seconds or float("inf"))
        at = self.offset
        while True:
            with open(source, "rb") as file:
                if os.fstat(file.fileno()).st_size < at:
                    at = 0
                    yield None
                file.seek(at)
                while piece := file.read(PIECE):
                    at += len(piece)
                    yield piece
            if not follow or time.monotonic() >= end:
                return
            time.sleep(POLL_SECONDS)

    def _pipe(self) -> Iterator[bytes]:
        self.offset = 0
        self.timings.begin()  # each run gets its own header
        while piece := os.read(sys.stdin.fileno(), PIECE):
            yield piece


def probed(model: str | Path, seconds: float, threads: int = 1) -> Samples:
    """Samples of a model that is timed here, one call after another, for `seconds`."""
    calls, end = probe(model, threads), time.monotonic() + seconds
    while time.monotonic() < end:
        latencies, times, pause = [], [], time.monotonic() + POLL_SECONDS
        while time.monotonic() < min(pause, end):
            latencies.append(next(calls))
            times.append(datetime.now(UTC).isoformat(timespec="milliseconds"))
        yield np.array(latencies, dtype=float), times

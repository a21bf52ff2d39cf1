"""What a model took while all was well: its timings, on which machine and how, in a file that a monitor compares with.

`search` writes it as baseline.json and `export` beside the model; `speechnas monitor --make-baseline` makes one of any
timings. The monitor's own probe takes its timings in the same way: one call after another, each of them counted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import BadInput
from ...files import read_json, write_json
from ..device import this_machine
from ..graphs import session
from ..runtimes import Sizes
from .detector import FEWEST
from .monitor import Monitor
from .timings import Timings

CALLS = 500  # timings in a baseline
WARMUP = 10
FRAMES = 200  # two seconds of speech


@dataclass(frozen=True)
class Baseline:
    """Timings (n,) in ms, and what is known of them: model, device, conditions."""

    latencies_ms: np.ndarray
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def moved(self) -> float:
        """How far the second half's median lies from the first half's, relative: near 0 if all was quiet."""
        first, second = np.array_split(self.latencies_ms, 2)
        return float(np.median(second) / np.median(first) - 1)

    def to_dict(self) -> dict[str, Any]:
        """Plain values; every time carries its unit in its key."""
        median, p95 = np.percentile(self.latencies_ms, [50, 95])
        return {**self.facts, "timings_median_ms": float(median), "timings_p95_ms": float(p95),
                "timings_ms": [round(float(ms), 6) for ms in self.latencies_ms]}

    def write(self, path: str | Path) -> None:
        """Write it, whole or not at all."""
        write_json(Path(path), self.to_dict())

    @classmethod
    def read(cls, path: str | Path) -> Baseline:
        """Read what `write` wrote. Raises BadInput that says what is wrong with the file."""
        path, again = Path(path), "make one with `speechnas monitor --make-baseline FILE TIMINGS`"
        data = read_json(path)
        if data is None:
            raise BadInput(f"{path} {'is damaged' if path.exists() else 'is not there'}; {again}")
        if "timings_ms" not in data:
            raise BadInput(f"{path} holds no timings_ms, so it is no baseline; {again}")
        try:
            latencies = np.array(data["timings_ms"], dtype=float)
            whole = latencies.ndim == 1 and np.isfinite(latencies).all() and (latencies > 0).all()
        except (TypeError, ValueError):
            whole = False
        if not whole or len(latencies) < FEWEST:
            raise BadInput(f"{path} needs {FEWEST} or more timings_ms above 0 and finite; {again}")
        return cls(latencies, {key: value for key, value in data.items() if not key.startswith("timings_")})


def probe(model: str | Path, threads: int = 1, frames: int = FRAMES) -> Iterator[float]:
    """Milliseconds of one inference of a model after the other, without end, after `WARMUP` that do not count.

    The input is the same noise each time, batch 1, `frames` of 10 ms. Raises BadInput for a model of other inputs.
    """
    opened = session(model, threads)
    shapes = {item.name: item.shape for item in opened.get_inputs()}
    if set(shapes) != {"features", "lengths"}:
        raise BadInput(f"{model} takes {', '.join(shapes)}; a probe needs features and lengths, as `export` writes")
    bands = shapes["features"][-1] if isinstance(shapes["features"][-1], int) else 80
    feed = dict(zip(("features", "lengths"), Sizes(bands, frames=frames).sound(), strict=True))
    for _ in range(WARMUP):
        opened.run(None, feed)
    while True:
        start = time.perf_counter_ns()
        opened.run(None, feed)
        yield (time.perf_counter_ns() - start) / 1e6


def measure_baseline(path: str | Path, calls: int = CALLS, threads: int = 1, **facts: Any) -> Baseline:
    """Time a model here, now: `calls` single calls. facts: what else the file shall say."""
    timings = probe(path, threads)
    latencies = np.array([next(timings) for _ in range(calls)])
    conditions = {"threads": threads, "audio_seconds": FRAMES / 100, "calls": calls, "warmup": WARMUP,
                  "how": "one call after another, each of them counted"}
    return Baseline(latencies, {"model": Path(path).name, **facts, "device": this_machine(threads=threads).to_dict(),
                                "conditions": conditions})


def make_baseline(timings: str | Path | None, model: str | Path | None) -> Baseline:
    """A baseline of a CSV of timings, or of a model that is timed here. Raises BadInput where that is too little."""
    if model:
        return measure_baseline(model)
    reader = Timings()
    try:
        latencies, _ = reader.read(Path(timings).read_text(encoding="utf-8").splitlines())
    except UnicodeDecodeError:
        raise BadInput(f"{timings} is no text: give a CSV") from None
    odd = reader.words()
    return Baseline(latencies, {"conditions": {"how": f"from timings{f', left out: {odd}' if odd else ''}"}})


def quality(baseline: Baseline, smallest: float) -> str:
    """One line on what a monitor can make of it, with a warning where its own level moved.

    Raises BadInput for timings that no monitor can use.
    """
    reference = Monitor(baseline.latencies_ms, smallest).baseline
    told = (f"{len(baseline.latencies_ms)} timings, median {reference.median_ms:.3f} ms, a change of the smallest size "
            f"will show after about {reference.delay:.0f} samples (estimated)")
    if abs(baseline.moved) > reference.half:
        told += f"; the baseline itself moved by {baseline.moved:+.0%} while it was taken: take it on a quieter machine"
    return told

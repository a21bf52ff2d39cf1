"""A monitor: latencies in, changes out. One alarm for each change, the same however the samples are cut into pieces.

While it watches, the chart of `detector` runs against a reference. An alarm ends that: the next `LEARN` samples only
teach what is normal now, and raise no alarm (the cool-down). Then the change is settled, the sums begin at 0 again, and
the chart goes on against the new level, or against the baseline where latency is back there. So a step raises one
alarm, its end another, and a leak one for each further step of about the smallest change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ...errors import BadInput
from .detector import SMALLEST, Reference, cusum, median_interval

LEARN = 200  # samples that teach a new level: the length of the cool-down
RECENT = 1000  # samples kept, to say since when and by how much
BLOCK = 4096  # samples judged at once


@dataclass(frozen=True)
class Change:
    """A change that was found. Samples are counted from 0; since: the first of the new level, estimated by the chart.
    since_time, found_time: what the samples were called; "" where none was given, or where it is no longer kept.

    `after_ms`, and its distance from `before_ms` with a 95% interval, are medians: of the samples from `since` to
    `found`, and once it is settled of those that taught the new level. p95: the 95th percentiles. lasting: False once
    it shows that the new level is the old one, which was a long burst.
    """

    slower: bool
    since: int
    found: int
    since_time: str
    found_time: str
    before_ms: float
    after_ms: float
    relative: float
    low: float
    high: float
    p95_before_ms: float
    p95_after_ms: float
    settled: bool = False
    lasting: bool = True


class Monitor:
    """Watches latencies in milliseconds against a baseline.

        monitor = Monitor(baseline_ms)
        for change in monitor.update(latencies_ms): ...

    `update` returns what is new: a change when it is found, and again, with settled=True, when its level is known.
    """

    def __init__(self, baseline_ms: Sequence[float] | np.ndarray, smallest: float = SMALLEST) -> None:
        """baseline_ms: (n,) timings from when all was well, 100 or more. smallest: relative change to be found.

        Raises BadInput where they are too few, not above 0 and finite, or stray so much that no chart can be made.
        """
        baseline = valid(baseline_ms)
        self.smallest, self.baseline = smallest, Reference.of(baseline, smallest)
        if self.baseline.noisy:
            raise BadInput(f"the baseline strays too much to tell {smallest:.0%} from noise: take more timings "
                           f"(now {len(baseline)}), on a quieter machine, or give a larger smallest change")
        self.reference, self.p95_ms = self.baseline, float(np.percentile(baseline, 95))
        self.seen, self.sums, self.zeros = 0, [0, 0], [-1, -1]  # up and down; where each was last 0
        self.recent, self.times = np.empty(0), []
        self.learnt: list[float] | None = None  # what teaches the new level; None while watching
        self.changes: list[Change] = []

    def update(self, latencies_ms: Sequence[float] | np.ndarray, times: Sequence[str] | None = None) -> list[Change]:
        """Take the next samples, any number of them. times: what to call each, such as its clock."""
        latencies = valid(latencies_ms)
        times, found, at = list(times or [""] * len(latencies)), [], 0
        if len(times) != len(latencies):
            raise BadInput(f"{len(latencies)} latencies with {len(times)} times; give one for each")
        while at < len(latencies):
            step = self._watch if self.learnt is None else self._learn
            taken, change = step(latencies[at : at + BLOCK], times[at : at + BLOCK])
            at += taken
            found += [change] if change else []
        return found

    @property
    def level(self) -> float:
        """Median of the last `LEARN` samples relative to the baseline's, less 1. 0 before there are any."""
        return float(np.median(self.recent[-LEARN:])) / self.baseline.median_ms - 1 if len(self.recent) else 0.0

    @property
    def drifted(self) -> bool:
        """Whether the level that is watched, or learnt, is not the baseline's."""
        return self.learnt is not None or self.reference != self.baseline

    def _watch(self, latencies: np.ndarray, times: list[str]) -> tuple[int, Change | None]:
        scores, reference = self.reference.scores(latencies), self.reference
        charts = [cusum(sign * scores - reference.allowance, self.sums[side]) for side, sign in enumerate((1, -1))]
        alarms = np.flatnonzero((charts[0] > reference.threshold) | (charts[1] > reference.threshold))
        taken = int(alarms[0]) + 1 if len(alarms) else len(latencies)
        for side, chart in enumerate(charts):
            still = np.flatnonzero(chart[:taken] == 0)
            self.zeros[side] = self.seen + int(still[-1]) if len(still) else self.zeros[side]
            self.sums[side] = int(chart[taken - 1])
        self._keep(latencies[:taken], times[:taken])
        if not len(alarms):
            return taken, None
        slower = self.sums[0] > reference.threshold
        since = self.zeros[0 if slower else 1] + 1
        oldest = self.seen - len(self.recent)
        first = max(since - oldest, 0)
        self.learnt = []
        change = Change(slower, since, self.seen - 1, self.times[first] if since >= oldest else "", self.times[-1],
                        *self._compare(self.recent[first:]))
        self.changes.append(change)
        return taken, change

    def _learn(self, latencies: np.ndarray, times: list[str]) -> tuple[int, Change | None]:
        taken = min(LEARN - len(self.learnt) % LEARN, len(latencies))
        self._keep(latencies[:taken], times[:taken])
        self.learnt += latencies[:taken].tolist()
        if len(self.learnt) % LEARN:
            return taken, None
        level = np.array(self.learnt)
        new = Reference.of(level, self.smallest)
        if new.noisy and len(level) < 4 * LEARN:  # it takes more of them to know this level
            return taken, None
        lasting = not near(level, self.reference)
        compared = self._compare(level)
        if near(level, self.baseline):
            new = self.baseline
        elif not lasting:
            new = self.reference
        names = ("before_ms", "after_ms", "relative", "low", "high", "p95_before_ms", "p95_after_ms")
        change = replace(self.changes[-1], settled=True, lasting=lasting, **dict(zip(names, compared, strict=True)))
        self.changes[-1], self.reference, self.p95_ms = change, new, compared[-1]
        self.learnt, self.sums, self.zeros = None, [0, 0], [self.seen - 1] * 2
        return taken, change

    def _keep(self, latencies: np.ndarray, times: list[str]) -> None:
        self.seen += len(latencies)
        self.recent = np.concatenate([self.recent, latencies])[-RECENT:]
        self.times = [*self.times, *times][-RECENT:]

    def _compare(self, level: np.ndarray) -> tuple[float, ...]:
        """Before, after, relative change with its interval, percentiles before and after."""
        before, after = self.reference, float(np.median(level))
        low, high = median_interval(level)
        return (before.median_ms, after, after / before.median_ms - 1, low / before.high_ms - 1,
                high / before.low_ms - 1, self.p95_ms, float(np.percentile(level, 95)))

    def to_dict(self) -> dict[str, Any]:
        """All that it knows, as plain values for JSON."""
        plain = ("smallest", "p95_ms", "seen", "sums", "zeros", "times", "learnt")
        return {**{name: getattr(self, name) for name in plain}, "recent_ms": self.recent.tolist(),
                "baseline": asdict(self.baseline), "reference": asdict(self.reference),
                "changes": [asdict(change) for change in self.changes]}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Monitor:
        """Go on where `to_dict` was called. Raises BadInput for anything else."""
        self = cls.__new__(cls)
        try:
            for name in ("smallest", "p95_ms", "seen", "sums", "zeros", "times", "learnt"):
                setattr(self, name, data[name])
            self.recent = np.array(data["recent_ms"], dtype=float)
            self.baseline, self.reference = Reference(**data["baseline"]), Reference(**data["reference"])
            self.changes = [Change(**change) for change in data["changes"]]
        except (KeyError, TypeError, ValueError) as error:
            raise BadInput(f"this is no state of a monitor ({type(error).__name__}: {error}); begin anew") from None
        if self.reference == self.baseline:
            self.reference = self.baseline
        return self


def near(level: np.ndarray, reference: Reference) -> bool:
    """Whether samples (n,) lie, on the chart's average, within the allowance of a reference."""
    return abs(float(reference.scores(level).mean())) <= reference.allowance


def valid(latencies_ms: Sequence[float] | np.ndarray) -> np.ndarray:
    """Latencies (n,) as float64. Raises BadInput that names the first which is not above 0 and finite."""
    try:
        latencies = np.ascontiguousarray(latencies_ms, dtype=float)
    except (TypeError, ValueError):
        raise BadInput("latencies are numbers of milliseconds; something here is none") from None
    bad = np.flatnonzero(~(np.isfinite(latencies) & (latencies > 0))) if latencies.ndim == 1 else [0]
    if len(bad):
        raise BadInput(f"latency {bad[0]} is {latencies.flat[bad[0]]}; give a plain list of times above 0")
    return latencies

"""A profile: the encoder latency of many architectures on one device, and the file that keeps it."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import BadInput
from ..space import Architecture, Cell, from_json
from .conditions import Conditions, Watch
from .device import Device, this_machine
from .levels import together
from .runtimes import Sizes, open_on, threads_kept
from .timing import Timing, measure

ANCHORS = 3  # networks measured again with every group, so that a machine which slows down between groups shows
WARMUP = 3  # calls of each network before anything is timed
GROUP = 25  # networks open at once; each takes about 10 MB
PASSES = 2  # times that all groups are measured, opened anew: what differs is part of the spread
FEW, MORE, PAUSE = 20, 5, 0.1  # below so many networks: so many passes, so many seconds apart


@dataclass(frozen=True)
class Row:
    """One measured architecture. Times are of one inference of the encoder, batch 1.

    spread: relative; three profiles one after the other lie within it 19 times of 20, see `levels`. In files of earlier
    versions, the interquartile range of the turns divided by their median.
    """

    arch: Architecture | Cell
    latency_ms: float
    p95_ms: float
    spread: float


@dataclass(frozen=True)
class Profile:
    """Rows, and how they came about. `frames` are of 10 ms: 200 is two seconds of speech."""

    device: Device
    input_dim: int
    vocab_size: int
    frames: int
    repeats: int
    burst: int
    warnings: tuple[str, ...]
    rows: tuple[Row, ...]
    warmup: int = WARMUP
    conditions: Conditions | None = None  # None: of an earlier version, or estimated

    @property
    def archs(self) -> list[Architecture | Cell]:
        return [row.arch for row in self.rows]

    @property
    def latencies(self) -> np.ndarray:
        """Milliseconds, in the order of `archs`."""
        return np.array([row.latency_ms for row in self.rows])

    def to_json(self) -> str:
        """Text with one line for each architecture. Every time carries its unit in its key."""
        head = {
            "device": self.device.to_dict(),
            "input_dim": self.input_dim,
            "vocab_size": self.vocab_size,
            "audio_seconds": self.frames / 100,
            "repeats": self.repeats,
            "burst": self.burst,
            "warmup": self.warmup,
            "warnings": list(self.warnings),
            "conditions": self.conditions.to_dict() if self.conditions else None,
        }
        rows = [
            json.dumps(
                {
                    "id": row.arch.id,
                    "latency_ms": row.latency_ms,
                    "p95_ms": row.p95_ms,
                    "spread_relative": row.spread,
                    "arch": json.loads(row.arch.to_json()),
                }
            )
            for row in self.rows
        ]
        return json.dumps(head, indent=1)[:-2] + ',\n "rows": [\n  ' + ",\n  ".join(rows) + "\n ]\n}\n"

    @classmethod
    def from_json(cls, text: str) -> Profile:
        """Read what `to_json` wrote. Raises BadInput for anything else."""
        try:
            data = json.loads(text)
            rows = tuple(_row(row) for row in data["rows"])
            numbers = [int(data[key]) for key in ("input_dim", "vocab_size")]
            frames, repeats, burst = round(data["audio_seconds"] * 100), int(data["repeats"]), int(data["burst"])
            device, warnings = Device.from_dict(data["device"]), tuple(str(line) for line in data["warnings"])
            warmup, told = int(data.get("warmup", WARMUP)), data.get("conditions")
            conditions = None if told is None else Conditions.from_dict(told)
        except BadInput:
            raise
        except (ValueError, KeyError, TypeError) as error:
            why = f"{type(error).__name__}: {error}"
            raise BadInput(f"this is not a profile ({why}); make one with `speechnas profile`") from None
        return cls(device, *numbers, frames, repeats, burst, warnings, rows, warmup, conditions)


def _row(data: dict) -> Row:
    arch = from_json(json.dumps(data["arch"]))
    times = [float(data[key]) for key in ("latency_ms", "p95_ms", "spread_relative")]
    if not all(math.isfinite(value) and value >= 0 for value in times) or times[0] <= 0:
        raise BadInput(f"the profile's row {arch.id} has times {times}; latency_ms must be above 0 and finite")
    return Row(arch, *times)


def profile(
    archs: Sequence[Architecture | Cell],
    *,
    input_dim: int = 80,
    vocab_size: int = 200,
    frames: int = 200,
    device: Device | None = None,
    repeats: int = 20,
    burst: int = 5,
    progress: bool = True,
    partial: str | os.PathLike | None = None,
) -> Profile:
    """Measure each of `archs` (equal ones once) with random weights on `frames` frames of 10 ms, batch 1.

    Groups of networks take turns (see `timing`), in several passes (see `levels`); `repeats` are those of all passes
    together. partial: a file of finished groups; a profile that was interrupted goes on from it. 100 architectures of
    the laptop preset take about 20 s. The machine is watched meanwhile: `conditions`, and a warning if not quiet.
    """
    archs = list(dict.fromkeys(archs))
    if not archs or frames < 1:
        raise BadInput("a profile needs one architecture or more and frames from 1")
    device, sizes = device or this_machine(), Sizes(input_dim, vocab_size, frames)
    anchors, rest = archs[:ANCHORS], archs[ANCHORS:]
    groups = [anchors + rest[start : start + GROUP] for start in range(0, max(1, len(rest)), GROUP)]
    passes = min(repeats, MORE if len(archs) < FEW else PASSES)
    plan = [(turns, group) for turns in _shares(repeats, passes) for group in groups]
    key = [device.to_dict(), input_dim, vocab_size, frames, repeats, burst]
    done, watch = _read_groups(partial, key), Watch()
    for number, (turns, group) in enumerate(plan):
        ids = [arch.id for arch in group]
        if number < len(done) and list(done[number]) == ids:
            continue
        label = f"profiling {number + 1}/{len(plan)}" if progress else None
        if passes == MORE and number:
            time.sleep(PAUSE)
        done[number:] = [_measure_group(group, sizes, device, turns, burst, label)]
        _write_groups(partial, key, done)
    conditions = watch.stop()
    found = together(done, [arch.id for arch in anchors])
    warnings = [timing.warning for timing in found.values()] + [conditions.warning(device.threads)]
    rows = tuple(Row(arch, *_times(found[arch.id])) for arch in archs)
    warnings = tuple(dict.fromkeys(filter(None, warnings)))
    return Profile(device, input_dim, vocab_size, frames, repeats, burst, warnings, rows, conditions=conditions)


def _shares(repeats: int, passes: int) -> list[int]:
    """`repeats` turns in so many passes, as evenly as can be."""
    return [len(share) for share in np.array_split(range(repeats), max(passes, 1))]


def _times(timing: Timing) -> tuple[float, float, float]:
    return timing.median_ms, timing.p95_ms, timing.spread


def _measure_group(
    group: list[Architecture | Cell], sizes: Sizes, device: Device, repeats: int, burst: int, label: str | None
) -> dict[str, Timing]:
    with threads_kept(device):
        calls = {arch.id: open_on(device, arch, sizes) for arch in group}
        return measure(calls, repeats, WARMUP, burst, watch=_bar(label) if label else iter)


def _bar(label: str):
    from tqdm import tqdm

    return lambda rounds: tqdm(rounds, desc=label, leave=False)


def _read_groups(path: str | os.PathLike | None, key: list) -> list[dict[str, Timing]]:
    """Finished groups of the same measurement; none if the file is missing or belongs to another."""
    if path is None or not Path(path).is_file():
        return []
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        if data["key"] != key:
            return []
        return [{name: Timing(**timing) for name, timing in group.items()} for group in data["groups"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{path} is not an unfinished profile ({error}); delete it and profile again") from None


def _write_groups(path: str | os.PathLike | None, key: list, groups: list[dict[str, Timing]]) -> None:
    if path is None:
        return
    path = Path(path)
    fresh = path.with_name(path.name + ".new")
    data = {"key": key, "groups": [{name: vars(timing) for name, timing in group.items()} for group in groups]}
    fresh.write_text(json.dumps(data), encoding="utf-8")
    os.replace(fresh, path)

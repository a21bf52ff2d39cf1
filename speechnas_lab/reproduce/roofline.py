"""How far the roofline is off where it can be checked: on the machine at hand.

A roof is what can be reached, so it is held against the quickest of many calls, which other programs disturb least.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from ..hardware import Sizes, open_on, this_machine
from ..hardware.conditions import Watch
from ..hardware.estimates.calibration import best, calibrate
from ..hardware.estimates.operations import operations
from ..hardware.estimates.roofline import Roof, latency_estimated_ms
from ..space import Architecture
from .common import random_archs

SEEN, FRESH = 25, 50  # architectures by which the slack is set, and on which the error is measured
ROUNDS, TRIES = 6, 30  # rounds in which all networks take turns, and calls of each in a round


def check(out: Path, count: int) -> dict[str, Any]:
    """The roofline of this machine, from its own peak, bandwidth and launch, against the latency of 75 networks."""
    archs, device = random_archs(SEEN + FRESH, 21), this_machine()
    before, listed = calibrate(), [operations(arch) for arch in archs]
    watch, taken = Watch(), quickest_ms(archs)
    told, after = watch.stop(), calibrate()
    roof = Roof(max(before.peak_gflops, after.peak_gflops), max(before.bandwidth_gb_s, after.bandwidth_gb_s),
                min(before.launch_us, after.launch_us))  # fmt: skip
    bound = np.array([latency_estimated_ms(some, roof) for some in listed])
    macs = np.array([sum(operation.macs for operation in some) for some in listed], dtype=float)
    true = taken.min(axis=1)
    first, second = taken[:, ::2].min(axis=1), taken[:, 1::2].min(axis=1)
    slack = float(np.median(true[:SEEN] / bound[:SEEN]))
    found = agreement(slack * bound[SEEN:], true[SEEN:])
    scale = float(np.median(true[:SEEN] / macs[:SEEN]))
    return {
        "processor": device.processor, "onnxruntime": device.onnxruntime, "architectures": FRESH, "slack": slack,
        "roof": {key: getattr(roof, key) for key in ("peak_gflops", "bandwidth_gb_s", "launch_us")}, **found,
        "bound_alone": agreement(bound[SEEN:], true[SEEN:]), "macs_alone": agreement(scale * macs[SEEN:], true[SEEN:]),
        "half_against_half": agreement(first, second), "calls": ROUNDS * TRIES, "warning": told.warning(),
        "measured_ms": true.tolist(), "bound_ms": bound.tolist(),
    }  # fmt: skip


def quickest_ms(archs: list[Architecture]) -> np.ndarray:
    """Milliseconds of each network's quickest call in each round, (networks, ROUNDS): ONNX Runtime, one thread."""
    calls = [open_on(this_machine(), arch, Sizes()) for arch in archs]
    return np.array([[best(call, TRIES) for call in calls] for _ in range(ROUNDS)]).T / 1e6


def agreement(estimated: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Median and 90th percentile of the relative error, the share within 10%, and Spearman's correlation."""
    error = np.abs(estimated / true - 1)
    return {"median_relative_error": float(np.median(error)), "p90_relative_error": float(np.quantile(error, 0.9)),
            "within_10_percent": float(np.mean(error <= 0.1)),
            "spearman": float(spearmanr(estimated, true).statistic)}  # fmt: skip

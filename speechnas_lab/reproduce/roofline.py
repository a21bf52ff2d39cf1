"""How far the roofline is off where it can be checked: on the machine at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from ..hardware import profile, this_machine
from ..hardware.calibration import calibrate
from ..hardware.operations import operations
from ..hardware.roofline import Roof, latency_estimated_ms
from .common import random_archs

SEEN, FRESH = 25, 50  # architectures by which the slack is set, and on which the error is measured


def check(out: Path, count: int) -> dict[str, Any]:
    """The roofline of this machine, from its own peak, bandwidth and launch, against the latency of 75 networks."""
    archs, device = random_archs(SEEN + FRESH, 21), this_machine()
    before, listed = calibrate(), [operations(arch) for arch in archs]
    measured, after = profile(archs, device=device, progress=False), calibrate()
    roof = Roof(max(before.peak_gflops, after.peak_gflops), max(before.bandwidth_gb_s, after.bandwidth_gb_s),
                min(before.launch_us, after.launch_us))  # fmt: skip
    bound = np.array([latency_estimated_ms(some, roof) for some in listed])
    macs = np.array([sum(operation.macs for operation in some) for some in listed], dtype=float)
    true = measured.latencies
    slack = float(np.median(true[:SEEN] / bound[:SEEN]))
    found = agreement(slack * bound[SEEN:], true[SEEN:])
    scale = float(np.median(true[:SEEN] / macs[:SEEN]))
    return {
        "processor": device.processor, "onnxruntime": device.onnxruntime, "architectures": FRESH, "slack": slack,
        "roof": {key: getattr(roof, key) for key in ("peak_gflops", "bandwidth_gb_s", "launch_us")}, **found,
        "bound_alone": agreement(bound[SEEN:], true[SEEN:]), "macs_alone": agreement(scale * macs[SEEN:], true[SEEN:]),
        "spread_relative": float(np.median([row.spread for row in measured.rows])), "warnings": list(measured.warnings),
        "measured_ms": true.tolist(), "bound_ms": bound.tolist(),
    }  # fmt: skip


def agreement(estimated: np.ndarray, true: np.ndarray) -> dict[str, float]:
    """Median and 90th percentile of the relative error, the share within 10%, and Spearman's correlation."""
    error = np.abs(estimated / true - 1)
    return {"median_relative_error": float(np.median(error)), "p90_relative_error": float(np.quantile(error, 0.9)),
            "within_10_percent": float(np.mean(error <= 0.1)),
            "spearman": float(spearmanr(estimated, true).statistic)}  # fmt: skip

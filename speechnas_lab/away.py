"""A search for a device that is not here: what is estimated of its models, and what the report is told about it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .hardware import Device, latency_estimated_ms
from .hardware.estimates.energy import power_w
from .hardware.estimates.roofline import figure_words, trust_words


def estimate_speed(models: Path, names: Iterable[str], device: str) -> dict[str, dict[str, float]]:
    """Estimated encoder latency of all models on a device that is not here, and estimated energy of it, both of fp32.

    models: the folder of NAME/model.onnx. The latency is of two seconds of speech; the energy is millijoules for one,
    the device's power for as long as the encoder takes.
    """
    found, watts = {}, power_w(device)
    for name in names:
        latency = latency_estimated_ms((models / name / "model.onnx").read_bytes(), device)
        found[name] = {"latency_estimated_ms": latency, "energy_away_estimated_mj": latency * watts / 2}
    return found


def device_facts(device: Device) -> dict[str, Any]:
    """What the search was for; an estimated device comes with a note on how far such estimates were off."""
    note = f"Latency and energy on {device.name} are estimated, not measured. {trust_words()}"
    return {"name": device.name, "words": device.words, "estimated": device.estimated,
            "note": note if device.estimated else ""}  # fmt: skip


def machine_words(device: Device) -> str:
    """An estimated device and the figures that it was estimated by."""
    return f"{device.name}, {device.processor}, by {figure_words(device.name)}"

"""Latency on a device that is not here, estimated by the roofline (Williams, Waterman, Patterson, CACM 2009).

An operation takes max(FLOP / peak, bytes / bandwidth) + launches, and a network is the sum of its operations. That is a
bound: real code takes `slack` times as long, which was measured on one machine and is taken to hold elsewhere. Every
figure from here is to be called "estimated", beside how far the same model was off on that machine (`trust`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from ...errors import BadInput
from ...files import read_json
from ...space import Architecture, Cell
from ..device import Device
from ..profiling import Profile, Row
from .operations import KINDS, Operation, operations
from .public_devices import ESTIMATED, VALUE_BYTES


@dataclass(frozen=True)
class Roof:
    """What bounds a device: peak_gflops, bandwidth_gb_s, and launch_us that every start of an operation costs besides.

    bandwidth_gb_s: `calibrate` measures a cache's, where a small network's numbers lie; public figures are of main
    memory, so that estimates from them are rather too high where bandwidth decides.
    slack: how many times longer than its bound an operation really takes; 1 gives the bound itself.
    """

    peak_gflops: float
    bandwidth_gb_s: float
    launch_us: float
    value_bytes: int = 4
    slack: float = 1.0

    def milliseconds(self, operation: Operation) -> float:
        """How long one operation takes. What only renames values takes no time."""
        counting = operation.flops / self.peak_gflops  # ns
        moving = operation.values * self.value_bytes / self.bandwidth_gb_s  # ns
        return self.slack * (max(counting, moving) / 1e6 + operation.launches * self.launch_us / 1e3)


def roof_of(name: str) -> Roof:
    """The roof of a device in ESTIMATED. BadInput names those that there are."""
    if name not in ESTIMATED:
        raise BadInput(f"no device is called {name!r}; estimated ones are {', '.join(ESTIMATED)}")
    device = ESTIMATED[name]
    figures = {key: quoted.value for key, quoted in device.figures.items() if key != "power_w"}
    found = trust()
    return Roof(**figures, value_bytes=VALUE_BYTES[device.precision], slack=found["slack"] if found else 1.0)


def latency_estimated_ms(network: Architecture | Cell | bytes | Iterable[Operation], roof: Roof | str,
                         **sizes: int) -> float:  # fmt: skip
    """Estimated milliseconds of one inference, batch 1. network and sizes: what `operations` takes, or its answer."""
    return sum(by_kind(network, roof, **sizes).values())


def by_kind(network: Architecture | Cell | bytes | Iterable[Operation], roof: Roof | str,
            **sizes: int) -> dict[str, float]:  # fmt: skip
    """Estimated milliseconds that each kind of operation takes together, in the order of KINDS."""
    roof = roof_of(roof) if isinstance(roof, str) else roof
    listed = operations(network, **sizes) if isinstance(network, Architecture | Cell | bytes) else network
    taken = dict.fromkeys(KINDS, 0.0)
    for operation in listed:
        taken[operation.kind] += roof.milliseconds(operation)
    return taken


def estimated_device(name: str) -> Device:
    """The device as a profile names it."""
    roof_of(name)  # refuses unknown names
    device = ESTIMATED[name]
    return Device(name, f"{device.words}: {device.part}, {device.precision}", 1, 1, "", "", estimated=True)


def estimated_profile(archs: Sequence[Architecture | Cell], name: str, *, input_dim: int = 80, vocab_size: int = 200,
                      frames: int = 200) -> Profile:  # fmt: skip
    """What `profile` gives, of a device in ESTIMATED: nothing is measured, about 0.1 s for each architecture.

    Its device says `estimated`; its warning says by which figures, and how far such an estimate was off elsewhere.
    """
    roof, sizes = roof_of(name), {"input_dim": input_dim, "vocab_size": vocab_size, "frames": frames}
    times = {arch: latency_estimated_ms(arch, roof, **sizes) for arch in dict.fromkeys(archs)}
    rows = tuple(Row(arch, time, time, 0.0) for arch, time in times.items())
    warning = f"estimated, not measured: {figure_words(name)}. {trust_words()}"
    return Profile(estimated_device(name), input_dim, vocab_size, frames, 0, 0, (warning,), rows, 0)


def figure_words(name: str) -> str:
    """"a roofline of 12 GFLOP/s, 5.5 GB/s and 0.667 us for each operation (launch_us not checked)"."""
    figures = ESTIMATED[name].figures
    peak, bandwidth, launch = (figures[key].value for key in ("peak_gflops", "bandwidth_gb_s", "launch_us"))
    doubtful = [key for key, quoted in figures.items() if not quoted.checked]
    words = f"a roofline of {peak:,.3g} GFLOP/s, {bandwidth:,.3g} GB/s and {launch:.3g} us for each operation"
    return words + (f" ({', '.join(doubtful)} not checked)" if doubtful else "")


def trust() -> dict[str, Any] | None:
    """How far the model was off where it was checked (`speechnas reproduce roofline`); None if it never was."""
    return read_json(Path(str(files("speechnas_lab") / "measured" / "roofline.json")))


def trust_words() -> str:
    """One sentence on how far such an estimate is off."""
    found = trust()
    if found is None:
        return "How far such estimates are off was not measured: speechnas reproduce roofline does."
    error, rank = found["median_relative_error"], found["spearman"]
    return (f"Where this model was checked ({found['processor']}, ONNX Runtime, one thread, its roof measured), it was "
            f"off by {error:.0%} (median of {found['architectures']} networks) and ordered them with a Spearman "
            f"correlation of {rank:.3f}. By public figures, on another kind of device it may be off by far more.")

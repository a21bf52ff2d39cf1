"""The device that a measurement was taken on: a runtime and its settings on real silicon.

A latency without it means nothing: the same network on the same processor takes another time in another runtime, and
with other networks in front.
"""

from __future__ import annotations

import os
import platform
from dataclasses import MISSING, asdict, dataclass, fields, replace
from difflib import get_close_matches
from functools import lru_cache
from importlib.metadata import version

from ..errors import BadInput
from .estimates.public_devices import ESTIMATED
from .kit.script import cores, processor

RUNTIMES = {  # name -> in words
    "onnxruntime": "ONNX Runtime, float32",
    "onnxruntime-int8": "ONNX Runtime, weights of matrix products in int8",
    "torch": "PyTorch as it is (eager), float32",
    "torch-cuda": "PyTorch as it is (eager), float32, on a GPU",
}
NAMES = ("ort", "ort-2", "ort-int8", "torch", "cuda")  # of `at_hand`, where a machine has all of them


@dataclass(frozen=True)
class Device:
    """A processor, how much of it is used, and the software that runs on it.

    runtime: one of RUNTIMES. estimated: nothing was measured, the times come from a model of the device.
    """

    name: str
    processor: str
    logical_cores: int
    threads: int
    onnxruntime: str
    torch: str
    runtime: str = "onnxruntime"
    estimated: bool = False

    @property
    def words(self) -> str:
        """What runs a network here: "ONNX Runtime, float32, 2 threads"; "estimated" where nothing was measured."""
        if self.estimated:
            return "estimated"
        threads = f"{self.threads} thread{'s' * (self.threads != 1)}"
        return RUNTIMES[self.runtime] + ("" if self.runtime == "torch-cuda" else f", {threads}")

    def to_dict(self) -> dict[str, str | int | bool]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict) -> Device:
        """Read what `to_dict` wrote; files of earlier versions lack the fields that have a default.

        Raises BadInput that names what is missing, unknown or not allowed.
        """
        names = {field.name for field in fields(cls)}
        needed = {field.name for field in fields(cls) if field.default is MISSING}
        if not isinstance(data, dict) or not needed <= set(data) <= names:
            odd = sorted(needed - set(data) | set(data) - names) if isinstance(data, dict) else [str(data)]
            raise BadInput(f"a device's {', '.join(map(str, odd))} is missing or unknown; profile this machine again")
        device = cls(**data)
        if device.runtime not in RUNTIMES or not isinstance(device.estimated, bool):
            raise BadInput(f"a device's runtime is {device.runtime!r}; allowed: {', '.join(RUNTIMES)}; and estimated "
                           "is true or false")  # fmt: skip
        return device


def this_machine(name: str | None = None, threads: int = 1, runtime: str = "onnxruntime") -> Device:
    """The machine at hand. `name` is how a person calls it; the operating system and chip if left out."""
    if threads < 1:
        raise BadInput(f"threads is {threads}; give 1 or more")
    if runtime not in RUNTIMES:
        raise BadInput(f"runtime is {runtime!r}; allowed: {', '.join(RUNTIMES)}")
    name, count = name or f"{platform.system()} {platform.machine()}", os.cpu_count() or 1
    return Device(name, processor(), count, threads, version("onnxruntime"), version("torch"), runtime)


@lru_cache(maxsize=1)
def at_hand() -> tuple[Device, ...]:
    """The devices that can be measured here and now, the plainest first. Their names are short, for a command line."""
    found = [this_machine("ort")]
    if usable_cores() > 1:
        found.append(this_machine("ort-2", 2))
    found += [this_machine("ort-int8", 1, "onnxruntime-int8"), this_machine("torch", 1, "torch")]
    gpu = _gpu()
    if gpu:
        found.append(replace(this_machine("cuda", 1, "torch-cuda"), processor=gpu))
    return tuple(found)


def find_device(name: str | None) -> Device:
    """The device at hand of that name; any other name is what this machine is called, ONNX Runtime with one thread.

    Raises BadInput for a name of NAMES that is not at hand, and for one that looks like a device's misspelt.
    """
    here = {device.name: device for device in at_hand()}
    if name is None or name in here:
        return here.get(name) or this_machine()
    if name in NAMES:
        raise BadInput(f"{name} is not at hand on this machine; at hand are {', '.join(here)}")
    meant = get_close_matches(name, [*NAMES, *ESTIMATED], 1, 0.8)
    if meant:
        raise BadInput(f"no device is {name!r}: is {meant[0]} meant? To name this machine, take a name less like it")
    return this_machine(name)


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(cores() or ()) or os.cpu_count() or 1


def _gpu() -> str:
    """The GPU that torch sees, or ""."""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""

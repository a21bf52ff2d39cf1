"""The machine that a measurement was taken on. A latency without it means nothing."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path

from ..errors import BadInput


@dataclass(frozen=True)
class Device:
    """A processor, how much of it is used, and the software that runs on it."""

    name: str
    processor: str
    logical_cores: int
    threads: int
    onnxruntime: str
    torch: str

    def to_dict(self) -> dict[str, str | int]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict) -> Device:
        """Read what `to_dict` wrote. Raises BadInput that names the missing or unknown fields."""
        names = {field.name for field in fields(cls)}
        if not isinstance(data, dict) or set(data) != names:
            raise BadInput(f"a device has the fields {', '.join(sorted(names))}; profile this machine again")
        return cls(**data)


def this_machine(name: str | None = None, threads: int = 1) -> Device:
    """The machine at hand. `name` is how a person calls it; the operating system and chip if left out."""
    if threads < 1:
        raise BadInput(f"threads is {threads}; give 1 or more")
    name = name or f"{platform.system()} {platform.machine()}"
    return Device(name, _processor(), os.cpu_count() or 1, threads, version("onnxruntime"), version("torch"))


def _processor() -> str:
    """The processor's model as the system names it, else its family."""
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text(errors="replace").splitlines():
            if line.lower().startswith(("model name", "hardware")):
                return line.split(":", 1)[1].strip()
    if platform.system() == "Darwin":
        answer = subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True)
        if answer.returncode == 0:
            return answer.stdout.strip()
    return platform.processor() or platform.machine()

"""What the machine did while it was measured: its clock, its cores, its load, and whether it was quiet enough."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..errors import BadInput
from .kit.script import conditions, state

STEADY = 0.05  # the fixed loop's spread, and its change from before to after, up to which a machine is quiet
SPARE = 0.25  # cores; programs that take no more beside the cores left free are not worth a word


@dataclass(frozen=True)
class Conditions:
    """Before, during and after a measurement. None: this system does not tell.

    clock_*_mhz: of the first core. cores: those that the process might use, by number; one means pinned. load_*: the
    system's mean of the last minute. others_cores: how many cores other programs kept busy meanwhile, on average.
    loop_*: a fixed little calculation (`kit_script.fixed_loop`), its spread the interquartile range / median.
    """

    clock_now_mhz: float | None
    clock_min_mhz: float | None
    clock_max_mhz: float | None
    governor: str | None
    cores: tuple[int, ...] | None
    load_before: float | None
    load_after: float | None
    others_cores: float | None
    loop_before_ms: float
    loop_after_ms: float
    loop_spread_relative: float

    def disturbances(self, threads: int = 1) -> list[str]:
        """Why the machine was not quiet enough, in words; [] if it was."""
        found = []
        if self.loop_spread_relative > STEADY:
            found.append(f"a fixed loop varied by {self.loop_spread_relative:.0%} from turn to turn")
        change = self.loop_after_ms / self.loop_before_ms - 1
        if abs(change) > STEADY:
            found.append(f"a fixed loop took {change:+.0%} time at the end")
        free = len(self.cores) - threads if self.cores else 0
        if self.others_cores is not None and self.others_cores > max(0, free) + SPARE:
            found.append(f"other programs kept {self.others_cores:.1f} cores busy")
        return found

    def warning(self, threads: int = 1) -> str:
        """One line for a machine that was not quiet, else ""."""
        found = self.disturbances(threads)
        return f"not quiet: {'; '.join(found)}. Close other programs and profile again" if found else ""

    @property
    def words(self) -> str:
        """The conditions in one line."""
        told = [f"{name} {value:.0f} MHz" for name, value in (("clock", self.clock_now_mhz),
                ("lowest", self.clock_min_mhz), ("highest", self.clock_max_mhz)) if value is not None]  # fmt: skip
        told += [f"governor {self.governor}"] if self.governor else []
        if self.cores:
            one = len(self.cores) == 1
            told.append(f"pinned to core {self.cores[0]}" if one else f"free to move between {len(self.cores)} cores")
        if self.load_before is not None:
            told.append(f"load {self.load_before:.2f} before, {self.load_after:.2f} after")
        told.append(f"fixed loop {self.loop_before_ms:.2f} ms before, {self.loop_after_ms:.2f} ms after, spread "
                    f"{self.loop_spread_relative:.1%}")  # fmt: skip
        return ", ".join(told)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, every one with its unit in its key."""
        return asdict(self) | {"cores": None if self.cores is None else list(self.cores)}

    @classmethod
    def from_dict(cls, data: Any) -> Conditions:
        """Read what `to_dict` wrote. BadInput for anything else."""
        names = [field.name for field in fields(cls)]
        if not isinstance(data, dict) or set(data) != set(names):
            raise BadInput(f"the conditions of a measurement are {', '.join(names)}; profile again")
        for name in names:
            value, optional = data[name], not name.startswith("loop_")
            good = (isinstance(value, str) if name == "governor" else isinstance(value, list)
                    and all(type(core) is int for core in value) if name == "cores" else _number(value))  # fmt: skip
            if not (good or (optional and value is None)):
                raise BadInput(f"the measurement's {name} is {value!r}; profile again")
        return cls(**data | {"cores": None if data["cores"] is None else tuple(data["cores"])})


class Watch:
    """Notes the machine's state when made; `stop` notes it again and says what lay between."""

    def __init__(self) -> None:
        self.before = state()

    def stop(self) -> Conditions:
        return Conditions.from_dict(conditions(self.before, state()))


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0

"""What hearing costs in energy: the processor's own counter where it can be trusted, else processor time times watts.

Linux shows the counters of Intel and AMD processors (RAPL) under /sys/class/powercap, mostly to root alone. In virtual
machines they are missing or stand still, so a counter counts here only after a busy loop has moved it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ...errors import BadInput
from ...space import Architecture, Cell
from .public_devices import ESTIMATED

POWERCAP = Path("/sys/class/powercap")
# A server core's share of its chip at full load: Sapphire Rapids, 350 W and 60 cores (wccftech.com, 2023-01-10). A
# laptop's core is of the same size (28 W, 4 to 6 cores); give your own where you know it.
WATTS_A_CORE = 350 / 60
MOVED = 1.1  # a trusted counter shows at least this times the idle power while a loop is busy


class Zone(NamedTuple):
    """One counter: microjoules since some start; back to 0 after `range_uj`."""

    name: str
    path: Path
    range_uj: int

    def read(self) -> int:
        """Microjoules now."""
        return int((self.path / "energy_uj").read_text())


def zones(root: Path = POWERCAP) -> list[Zone]:
    """The counters that can be read and do not overlap: each processor package, and its memory where it is apart."""
    found, seen = [], set()
    for path in sorted(root.glob("intel-rapl*:*"), key=lambda path: (len(path.name.split(":")[0]), path.name)):
        try:
            name = (path / "name").read_text().strip()
            zone = Zone(name, path, int((path / "max_energy_range_uj").read_text()))
            zone.read()
        except (OSError, ValueError):
            continue
        whole = (name, path.name.split(":", 1)[1])  # the same counter may be shown through two drivers
        if (name.startswith("package") or name == "dram") and whole not in seen:
            found.append(zone)
            seen.add(whole)
    return found


def used_uj(before: int, after: int, range_uj: int) -> int:
    """Microjoules between two readings of a counter that may have started anew once in between."""
    return after - before if after >= before else after - before + range_uj


class Energy(NamedTuple):
    """Of one call. joules: above what the machine takes when idle. source: in words; says "estimated" where it is."""

    joules: float
    seconds: float
    cpu_seconds: float
    estimated: bool
    source: str

    def mj_per_speech_second(self, audio_seconds: float) -> float:
        """Millijoules for each second of speech, where the call heard so many seconds."""
        if audio_seconds <= 0:
            raise BadInput(f"audio_seconds is {audio_seconds}; give the length of the sound, above 0")
        return 1000 * self.joules / audio_seconds

    def facts(self, audio_seconds: float) -> dict[str, float | str]:
        """The same under a key that says how far it may be trusted, and how it came about."""
        key = "energy_estimated_mj" if self.estimated else "energy_mj"
        return {key: self.mj_per_speech_second(audio_seconds), "energy_by": self.source}


class Meter:
    """Measures calls. watts_a_core: taken where no counter can be trusted. root: where the counters are.

    idle and busy wait so many seconds, doing nothing and as much as they can; clock gives seconds.
    """

    def __init__(
        self,
        watts_a_core: float = WATTS_A_CORE,
        root: Path = POWERCAP,
        idle: Callable[[float], object] = time.sleep,
        busy: Callable[[float], object] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if not 0 < watts_a_core < float("inf"):
            raise BadInput(f"watts_a_core is {watts_a_core}; give what one busy core draws, above 0")
        self.watts_a_core, self.root, self.clock = watts_a_core, root, clock
        self.idle, self.busy = idle, busy or spin

    @cached_property
    def counters(self) -> tuple[list[Zone], float, str]:
        """The counters in use, the machine's idle watts by them, and the reason where there are none."""
        found = zones(self.root)
        if not found:
            return [], 0.0, "no energy counter can be read"
        rest = self._watts(found, lambda: self.idle(0.3))
        load = self._watts(found, lambda: self.busy(0.3))
        if load < MOVED * rest or load <= 0:
            return [], 0.0, f"the energy counter does not follow load ({rest:.1f} W idle, {load:.1f} W busy)"
        return found, rest, ""

    def measure(self, call: Callable[[], object], seconds: float = 1.0) -> Energy:
        """Call again and again for so many seconds, after one call to warm up; the energy of one call."""
        found, rest, why = self.counters
        call()
        used, calls, before = 0, 0, [zone.read() for zone in found]
        start, cpu_start = self.clock(), time.process_time()
        while self.clock() - start < seconds or not calls:
            call()
            calls += 1
            now = [zone.read() for zone in found]  # at every call, so that a counter cannot start anew twice unseen
            used += sum(used_uj(b, a, z.range_uj) for b, a, z in zip(before, now, found, strict=True))
            before = now
        taken, cpu = (self.clock() - start) / calls, (time.process_time() - cpu_start) / calls
        if found:
            names = " and ".join(zone.name for zone in found)
            return Energy(max(0.0, used / 1e6 / calls - rest * taken), taken, cpu, False, f"RAPL, {names}, above idle")
        source = f"estimated: processor time x {self.watts_a_core:.3g} W a core, since {why}"
        return Energy(cpu * self.watts_a_core, taken, cpu, True, source)

    def _watts(self, found: Sequence[Zone], during: Callable[[], object]) -> float:
        """Mean power while something runs."""
        before, start = [zone.read() for zone in found], self.clock()
        during()
        seconds = self.clock() - start
        return sum(used_uj(b, z.read(), z.range_uj) for b, z in zip(before, found, strict=True)) / 1e6 / seconds


def spin(seconds: float) -> None:
    """Keep one core busy."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        sum(range(1000))


@dataclass(frozen=True)
class Battery:
    """capacity_mah at voltage_v: 3,349 mAh at 3.876 V hold 12.98 Wh."""

    name: str
    capacity_mah: float
    voltage_v: float
    source: str

    def mah(self, joules: float) -> float:
        """Charge that so much energy takes: 1 mAh holds 3.6 times the voltage in joules."""
        return joules / (3.6 * self.voltage_v)

    def hour_of_speech(self, mj_per_speech_second: float) -> tuple[float, float]:
        """(mAh, share of the battery) that an hour of speech takes."""
        charge = self.mah(3600 * mj_per_speech_second / 1000)
        return charge, charge / self.capacity_mah


BATTERIES = {
    "iphone-15": Battery("iPhone 15", 3349, 12.981 / 3.349, "3,349 mAh, 12.981 Wh (9to5mac.com, 2023-09-15)"),
    "18650": Battery("an 18650 cell", 3000, 3.6, "assumed: a common lithium-ion cell of that size"),
}


def energy_objective(latency_ms: Callable[[Architecture | Cell], float], watts: float,
                     audio_seconds: float = 2.0) -> Callable[[Architecture | Cell], float]:  # fmt: skip
    """From an architecture to estimated millijoules for a second of speech, to minimise: watts x time, then idle.

    latency_ms: of `audio_seconds` of speech, measured, predicted or estimated. On one device at one power the order
    is that of latency; between devices, or numbers of threads, it is not.
    """
    if not 0 < watts < float("inf") or audio_seconds <= 0:
        raise BadInput(f"watts is {watts} and audio_seconds {audio_seconds}; both must be above 0")
    return lambda arch: float(latency_ms(arch)) * watts / audio_seconds


def power_w(name: str) -> float:
    """What an estimated device draws at work, by its public figures. BadInput for a name that is not there."""
    if name not in ESTIMATED:
        raise BadInput(f"no device is called {name!r}; estimated ones are {', '.join(ESTIMATED)}")
    return ESTIMATED[name].power_w.value

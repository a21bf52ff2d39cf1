"""Energy: counters in a made-up /sys, wrap-around, the fallback, batteries, energy as an objective."""

import time

import pytest

from speechnas_lab.errors import BadInput
from speechnas_lab.hardware.estimates.energy import (
    BATTERIES,
    WATTS_A_CORE,
    Battery,
    Energy,
    Meter,
    energy_objective,
    power_w,
    spin,
    used_uj,
    zones,
)
from speechnas_lab.search import NSGA2, search
from speechnas_lab.space import MobileConformerSpace, counts

RANGE = 262_143_328_850


class FakeSys:
    """/sys/class/powercap with one processor: its counter grows with `idle_w` and `busy_w` as the clock is moved."""

    def __init__(self, root, start=0, idle_w=10.0, busy_w=30.0):
        self.root, self.now, self.idle_w, self.busy_w, self.time = root, start, idle_w, busy_w, 0.0
        for folder, name in (("intel-rapl:0", "package-0"), ("intel-rapl:0:0", "core"), ("intel-rapl:0:1", "dram"),
                             ("intel-rapl-mmio:0", "package-0"), ("intel-rapl:1", "psys")):  # fmt: skip
            (root / folder).mkdir(parents=True)
            (root / folder / "name").write_text(name + "\n")
            (root / folder / "max_energy_range_uj").write_text(f"{RANGE}\n")
            (root / folder / "energy_uj").write_text("0\n")
        self.write()

    def write(self):
        (self.root / "intel-rapl:0" / "energy_uj").write_text(f"{self.now % RANGE}\n")

    def run(self, watts, seconds):
        self.time += seconds
        self.now += int(watts * seconds * 1e6)
        self.write()

    def meter(self, **more):
        return Meter(root=self.root, idle=lambda s: self.run(self.idle_w, s), busy=lambda s: self.run(self.busy_w, s),
                     clock=lambda: self.time, **more)  # fmt: skip


def test_a_counter_that_starts_anew_is_carried_on():
    assert used_uj(100, 250, 1000) == 150
    assert used_uj(900, 50, 1000) == 150


def test_packages_and_their_memory_are_counted_once(tmp_path):
    FakeSys(tmp_path)
    assert sorted((zone.name, zone.range_uj) for zone in zones(tmp_path)) == [("dram", RANGE), ("package-0", RANGE)]
    assert zones(tmp_path / "none") == []
    (tmp_path / "intel-rapl:0" / "energy_uj").unlink()  # as where only root may read it
    (tmp_path / "intel-rapl-mmio:0" / "energy_uj").write_text("nonsense")
    assert [zone.name for zone in zones(tmp_path)] == ["dram"]


@pytest.mark.parametrize("start", [0, RANGE - 1_000_000, RANGE - 20_000_000])  # the last two start anew on the way
def test_energy_above_idle_by_a_counter(tmp_path, start):
    fake = FakeSys(tmp_path, start)
    meter = fake.meter()
    energy = meter.measure(lambda: fake.run(60, 0.02), seconds=0.2)
    assert not energy.estimated and energy.source == "RAPL, package-0 and dram, above idle"
    assert energy.seconds == pytest.approx(0.02)
    assert energy.joules == pytest.approx(0.02 * (60 - 10))


@pytest.mark.parametrize(("busy_w", "idle_w"), [(10.0, 10.0), (0.0, 0.0)])
def test_a_counter_that_does_not_follow_load_is_not_believed(tmp_path, busy_w, idle_w):
    meter = FakeSys(tmp_path, idle_w=idle_w, busy_w=busy_w).meter()
    energy = meter.measure(lambda: meter.idle(0.01) or spin(0.001), seconds=0.05)
    assert energy.estimated and energy.source.startswith("estimated") and "does not follow load" in energy.source
    assert energy.joules == pytest.approx(energy.cpu_seconds * WATTS_A_CORE)


def test_without_counters_processor_time_times_watts(tmp_path):
    meter = Meter(watts_a_core=4.0, root=tmp_path)
    working, waiting = meter.measure(lambda: spin(0.02), 0.1), meter.measure(lambda: time.sleep(0.02), 0.1)
    assert working.estimated and "estimated: processor time x 4 W" in working.source
    assert working.joules == pytest.approx(4.0 * working.cpu_seconds)
    assert working.joules > 5 * waiting.joules  # a call that waits takes next to nothing
    for wrong in (0, -1, float("nan"), float("inf")):
        with pytest.raises(BadInput, match="watts_a_core"):
            Meter(watts_a_core=wrong)


def test_speech_and_battery_by_hand():
    energy = Energy(0.012, 0.002, 0.002, True, "estimated")
    assert energy.mj_per_speech_second(2.0) == pytest.approx(6.0)
    with pytest.raises(BadInput, match="audio_seconds"):
        energy.mj_per_speech_second(0)
    one = Battery("round", 1000, 5.0, "made up")  # 5 Wh are 18,000 J
    assert one.mah(18_000) == pytest.approx(1000)
    assert one.hour_of_speech(6.0) == pytest.approx((21.6 / 18, 21.6 / 18_000))
    phone = BATTERIES["iphone-15"]
    assert phone.capacity_mah * phone.voltage_v / 1000 == pytest.approx(12.981)  # Wh


def test_energy_as_an_objective_of_a_search():
    space, watts = MobileConformerSpace("laptop"), power_w("raspberry-pi-4")
    energy_mj = energy_objective(lambda arch: counts(arch).macs / 4e6, watts)  # a stand-in for latency
    small, large = space.smallest(), space.largest()
    assert energy_mj(small) == pytest.approx(counts(small).macs / 4e6 * watts / 2)
    assert energy_mj(large) > energy_mj(small)

    def evaluate(trial):
        trial.parts = {"energy_estimated_mj": energy_mj(trial.arch)}
        return (-float(counts(trial.arch).parameters), trial.parts["energy_estimated_mj"])

    found = search(space, NSGA2(population=8), evaluate, 64, seed=0)
    assert all(trial.parts["energy_estimated_mj"] == trial.values[1] for trial in found.trials)
    assert len({trial.arch for trial in found.front}) > 2
    tried = {trial.values for trial in found.trials}
    for size, energy in (trial.values for trial in found.front):  # nothing tried is as good in both, better in one
        assert not any(a <= size and b <= energy for a, b in tried - {(size, energy)})
    with pytest.raises(BadInput, match="watts"):
        energy_objective(lambda arch: 1.0, 0)
    with pytest.raises(BadInput, match="no device"):
        power_w("toaster")

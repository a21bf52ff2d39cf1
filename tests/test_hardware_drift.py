"""The drift monitor against loops, formulas, river's Page-Hinkley, injected drifts and damaged files."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from speechnas_lab.errors import BadInput
from speechnas_lab.hardware import Monitor, Reference, cusum, quick_graph
from speechnas_lab.hardware.drift.baseline import Baseline, measure_baseline, probe
from speechnas_lab.hardware.drift.detector import BURST, UNIT, lundberg, median_interval, togetherness
from speechnas_lab.hardware.drift.history import MOST, History
from speechnas_lab.hardware.drift.monitor import LEARN, RECENT
from speechnas_lab.hardware.drift.timings import Timings, read_clock
from speechnas_lab.hardware.drift.watch import Watch
from speechnas_lab.hardware.drift.words import prometheus, told
from speechnas_lab.reproduce.drift import TAILS
from speechnas_lab.space import MobileConformerSpace


def noise(seed: int, count: int, tail: str = "Student t, 3 degrees, 5%") -> np.ndarray:
    return 3.0 * TAILS[tail](np.random.default_rng(seed), count)


def by_loop(steps, start=0.0):
    sums = []
    for step in steps:
        start = max(0.0, start + step)
        sums.append(start)
    return sums


# The chart ------------------------------------------------------------------------------------------------------------
def test_cusum_is_the_loop():
    steps = np.random.default_rng(0).integers(-9, 9, 2000)
    assert cusum(steps).tolist() == by_loop(steps)
    assert cusum(steps, 25).tolist() == by_loop(steps, 25)
    assert cusum(np.array([-1, 3, -2, 5, -9, 2])).tolist() == [0, 3, 1, 6, 0, 2]


@pytest.mark.parametrize("seed", range(5))
def test_cusum_alarms_where_rivers_page_hinkley_does(seed):
    from river.drift import PageHinkley

    values = np.random.default_rng(seed).normal(size=3000)
    values[1500:] += 0.5
    theirs, found = PageHinkley(min_instances=1, delta=0.2, threshold=20, alpha=1.0, mode="up"), None
    for number, value in enumerate(values):
        theirs.update(float(value))
        if theirs.drift_detected:
            found = number
            break
    means = values.cumsum() / np.arange(1, len(values) + 1)  # the detector's reference is its own running mean
    assert found == np.flatnonzero(cusum(values - means - 0.2) > 20)[0]


def test_lundbergs_root_is_the_formulas():
    for up in (0.2, 0.3, 0.45):  # steps of 1 up with probability p, 1 down with q: r = ln(q / p)
        steps = np.repeat([1.0, -1.0], [round(1000 * up), round(1000 * (1 - up))])
        assert lundberg(steps) == pytest.approx(math.log((1 - up) / up), rel=1e-6)
    normal = np.random.default_rng(0).normal(size=200_000)  # of variance 1, mean -k: r = 2k
    assert lundberg(normal - normal.mean() - 0.25) == pytest.approx(0.5, rel=0.02)
    assert lundberg(np.array([-1.0, -2.0])) == math.inf
    with pytest.raises(BadInput, match="below 0"):
        lundberg(np.array([1.0, -1.0]))


def test_the_bound_on_false_alarms_holds():
    """On average at least exp(r h) steps to an alarm, for a walk whose r is known."""
    rng, up = np.random.default_rng(1), 0.35
    rate, waits = math.log((1 - up) / up), []
    for height in (4, 6):
        for _ in range(60):
            chart, waited, alarm = np.zeros(1), 0, []
            while not len(alarm):
                chart = cusum(rng.choice([1, -1], 4096, p=[up, 1 - up]), chart[-1])
                alarm, waited = np.flatnonzero(chart > height), waited + 4096
            waits.append((waited - 4096 + int(alarm[0]) + 1) / math.exp(rate * height))
    assert np.mean(waits) > 1


def test_autocorrelation_widens_by_the_formula():
    rng, phi = np.random.default_rng(0), 0.4
    alone = rng.normal(size=100_000)
    together = [0.0]
    for value in alone:
        together.append(phi * together[-1] + value)
    assert togetherness(np.array(together)) == pytest.approx((1 + phi) / (1 - phi), rel=0.1)
    assert togetherness(alone) == pytest.approx(1, abs=0.05) and togetherness(np.ones(50)) == 1


@pytest.mark.parametrize("count", [6, 10, 20, 57, 200])
def test_the_medians_interval_has_the_binomial_law(count):
    low, high = median_interval(np.arange(1.0, count + 1)[::-1])
    place = int(low)
    assert high == count + 1 - place
    assert 1 - 2 * binom.cdf(place - 1, count, 0.5) >= 0.95 > 1 - 2 * binom.cdf(place, count, 0.5)


def test_a_reference_refuses_what_cannot_be_one():
    with pytest.raises(BadInput, match="99 timings are too few"):
        Reference.of(noise(0, 99))
    with pytest.raises(BadInput, match="1% to 50%"):
        Reference.of(noise(0, 500), 0.7)
    with pytest.raises(BadInput, match="strays too much"):
        Monitor(np.exp(np.random.default_rng(0).normal(0, 0.5, 120)))
    still = Reference.of(np.full(200, 2.0))
    assert still.allowance * UNIT == pytest.approx(math.log(1.1) / 2, rel=1e-5) and still.centre == 0
    assert still.half == pytest.approx(math.sqrt(1.1) - 1, rel=1e-5)
    for bad in ([1, 2, "x"], [1, 0], [1, -2], [1, math.nan], [1, math.inf], [[1, 2]]):
        with pytest.raises(BadInput):
            Monitor(noise(0, 200)).update(bad)


# The monitor ----------------------------------------------------------------------------------------------------------
def two_changes() -> np.ndarray:
    random = np.random.RandomState(42)  # noqa: NPY002  the published case
    return np.concatenate([random.normal(*step, 1000) for step in ((0.8, 0.05), (0.4, 0.02), (0.6, 0.1))])


def test_one_alarm_for_each_change_however_it_is_cut():
    values = two_changes()
    right = Monitor(values[:500])
    right.update(values)
    first, second = right.changes
    assert not first.slower and 1000 <= first.found <= 1200 and abs(first.since - 1000) <= 3
    assert second.slower and 2000 <= second.found <= 2200 and abs(second.since - 2000) <= 3
    assert first.low < -0.5 < first.high and second.low < 0.5 < second.high
    rng = np.random.default_rng(0)
    cuts = [[*range(size, 3000, size)] for size in (1, 7, 1000)] + [sorted(rng.integers(0, 3000, 40)) for _ in range(5)]
    for cut in cuts:
        monitor = Monitor(values[:500])
        found = [change for part in np.split(values, cut) for change in monitor.update(part)]
        assert monitor.to_dict() == right.to_dict(), cut[:3]
        assert [change.settled for change in found] == [False, True, False, True]


@pytest.mark.parametrize("at", [0, 1003, 1100, 1500, 2005])
def test_saved_and_read_again_it_goes_on_as_if_nothing_had_been(at):
    values = two_changes()
    right, monitor = Monitor(values[:500]), Monitor(values[:500])
    right.update(values)
    monitor.update(values[:at])
    monitor = Monitor.from_dict(json.loads(json.dumps(monitor.to_dict())))
    monitor.update(values[at:])
    assert monitor.to_dict() == right.to_dict()
    with pytest.raises(BadInput, match="no state of a monitor"):
        Monitor.from_dict({"seen": 3})


@pytest.mark.parametrize("tail", TAILS)
def test_no_alarm_without_a_change_and_a_tenth_is_found(tail):
    false, found = 0, []
    for seed in range(4):
        monitor = Monitor(noise(seed, 500, tail))
        monitor.update(noise(100 + seed, 20_000, tail))
        false += len(monitor.changes)
        slow = Monitor(noise(seed, 500, tail))
        slow.update(np.concatenate([noise(200 + seed, 1000, tail), 1.1 * noise(300 + seed, 600, tail)]))
        found.append(slow.changes[0])
    assert false == 0 and all(change.slower and change.found >= 1000 for change in found)
    assert np.median([change.found - 999 for change in found]) <= 200
    assert np.median([abs(change.since - 1000) for change in found]) <= 80
    assert np.mean([change.low <= 0.1 <= change.high for change in found]) >= 0.75


def test_less_than_half_of_the_smallest_change_is_no_drift():
    monitor = Monitor(noise(0, 2000))
    monitor.update(1.03 * noise(1, 20_000))
    assert not monitor.changes
    finer = Monitor(noise(0, 5000), smallest=0.04)
    finer.update(1.04 * noise(1, 3000))
    assert [change.slower for change in finer.changes] == [True]


def test_a_short_burst_is_no_drift_and_a_long_one_did_not_last():
    values = noise(1, 2000, "normal, 3%")
    values[500 : 500 + BURST] *= 5
    monitor = Monitor(noise(0, 500, "normal, 3%"))
    monitor.update(values)
    assert not monitor.changes
    values[1000:1030] *= 5
    monitor = Monitor(noise(0, 500, "normal, 3%"))
    monitor.update(values)
    (change,) = monitor.changes
    assert change.slower and change.settled and not change.lasting and not monitor.drifted
    assert "did not last" in told(change, monitor.baseline.half)


def test_bursts_that_come_again_and_again_are_found_though_the_median_stays():
    values = noise(1, 3000, "normal, 3%")
    values[1000:][np.arange(2000) % 25 < 5] *= 3  # a fifth of the calls
    monitor = Monitor(noise(0, 500, "normal, 3%"))
    monitor.update(values)
    (change,) = monitor.changes
    assert 1000 <= change.found <= 1200 and change.lasting and abs(change.relative) < 0.03
    assert change.p95_after_ms > 2 * change.p95_before_ms
    assert "slow calls became more frequent" in told(replace(change, settled=False), monitor.baseline.half)


def test_a_throttle_that_ends_raises_an_alarm_at_both_ends():
    values = noise(1, 4000)
    values[1000:3000] *= 1.5
    monitor = Monitor(noise(0, 500))
    monitor.update(values)
    assert [(change.slower, change.since // 1000) for change in monitor.changes] in (
        [(True, 1), (False, 3)], [(True, 0), (False, 3)], [(True, 1), (False, 2)])  # fmt: skip
    assert monitor.reference == monitor.baseline and abs(monitor.level) < 0.03


@pytest.mark.parametrize("samples", [RECENT // 2, 2 * RECENT])
def test_a_time_that_is_no_longer_kept_is_not_made_up(samples):
    monitor = Monitor(noise(0, 500, "normal, 3%"))
    base = monitor.baseline
    creep = (base.centre + base.allowance + base.threshold / samples) * UNIT  # the alarm comes after so many
    slow = np.full(samples + 10, base.median_ms * math.exp(creep))
    (change,) = monitor.update(slow, [str(number) for number in range(len(slow))])
    assert change.since == 0 and abs(change.found - samples) < 10 and change.found_time == str(change.found)
    assert change.since_time == ("0" if samples < RECENT else "")


def test_a_slow_leak_is_found_before_it_is_a_tenth_and_again():
    values = noise(1, 8000) * np.exp(np.clip((np.arange(8000) - 1000) / 5000, 0, None) * math.log(1.5))
    monitor = Monitor(noise(0, 500))
    monitor.update(values)
    growth = [math.exp((change.found - 1000) / 5000 * math.log(1.5)) for change in monitor.changes]
    assert 3 <= len(growth) <= 8 and growth[0] < 1.15 and all(change.slower for change in monitor.changes)
    assert min(np.diff([change.found for change in monitor.changes])) > LEARN


def test_history_keeps_a_few_hundred_blocks_of_any_past():
    values = noise(0, 50_000)
    whole, cut = History(), History()
    whole.add(values)
    for part in np.split(values, [1, 8, 30_000]):
        cut.add(part)
    assert whole == cut and len(whole.blocks) <= MOST
    assert sum(1 for _ in whole.points()) * whole.size >= 50_000
    assert np.median([point[2] for point in whole.points()]) == pytest.approx(np.median(values), rel=0.02)


# Files ----------------------------------------------------------------------------------------------------------------
def read(text: str) -> tuple[list[float], list[str], Timings]:
    timings = Timings()
    latencies, times = timings.read(text.splitlines())
    return latencies.tolist(), times, timings


def test_timings_are_read_and_what_is_odd_is_counted():
    values, times, timings = read("\ufefftime, Latency_MS \n1,2.5\n\n2,\n3,nan\n4,-1\n5,0\n6,inf\n3,2e0\nsoon,7\n")
    assert values == [2.5, 2.0, 7.0] and times == ["1", "3", "soon"]
    assert timings.words() == ("2 missing values (first in line 4), 3 impossible values (first in line 6), 1 time at "
                               "which the clock went back (first in line 9), 1 time that cannot be read (first in line "
                               "10)")
    assert read("latency_ms\n1\n2\n")[2].words() == ""
    later = Timings(**json.loads(json.dumps(timings.to_dict())))
    assert later.read(["8,3"])[0].tolist() == [3.0] and later.back == 1


@pytest.mark.parametrize(("text", "says"), [
    ("time,latency\n1,2\n", "no column latency_ms"), ("3.1\n3.2\n", "no column latency_ms"),
    ("latency_ms\n1\nfast\n", "line 3 holds 'fast'"), ("latency_ms\n1_000\n", "line 2"),
    ("latency_ms\n2.5ms\n", "line 2"), ("latency_ms\n2,5\n", "line 2 has 2 cells"),
    ("latency_ms\n" + "-1\n" * 30, "30 of 30 values"),
    ("latency_ms\n\0x\n", "line 2"),
])  # fmt: skip
def test_what_is_no_list_of_latencies_is_refused(text, says):
    with pytest.raises(BadInput, match=says):
        read(text)


def test_clocks_of_both_kinds_are_read():
    assert read_clock("12.5") == 12.5 and read_clock("soon") is None and read_clock("inf") is None
    assert read_clock("2026-01-02T03:04:06+00:00") - read_clock("2026-01-02T03:04:05Z") == 1


def test_a_baseline_file_is_read_as_written_and_others_refused(tmp_path):
    path = tmp_path / "b.json"
    Baseline(noise(0, 300), {"model": "m"}).write(path)
    again = Baseline.read(path)
    assert again.facts == {"model": "m"} and np.allclose(again.latencies_ms, noise(0, 300), atol=1e-6)
    for text in ("", "[]", "{", '{"model": 1}', '{"timings_ms": [1, 2]}', '{"timings_ms": "x"}',
                 json.dumps({"timings_ms": [1.0] * 99 + [-1]}), json.dumps({"timings_ms": [None] * 200})):  # fmt: skip
        path.write_text(text, encoding="utf-8")
        with pytest.raises(BadInput, match="make one with"):
            Baseline.read(path)
    with pytest.raises(BadInput, match="is not there"):
        Baseline.read(tmp_path / "none.json")


# The command ----------------------------------------------------------------------------------------------------------
def csv(path, values, start=0, mode="w"):
    rows = [f"{start + n},{value:.6f}" for n, value in enumerate(values)]
    with open(path, mode, encoding="utf-8") as file:
        file.write(("time,latency_ms\n" if mode == "w" else "") + "\n".join(rows) + "\n")
    return path


@pytest.fixture
def baseline(tmp_path):
    Baseline(noise(0, 500), {"model": 'a "small" one'}).write(tmp_path / "base.json")
    return tmp_path / "base.json"


def test_exit_status_3_says_that_a_drift_was_found(run, baseline, tmp_path):
    still, slow = csv(tmp_path / "still.csv", noise(1, 2000)), np.concatenate([noise(2, 1000), 1.15 * noise(3, 500)])
    status, out, _ = run("monitor", "--baseline", baseline, still)
    assert status == 0 and "2,000 samples, no changes" in out and "DRIFT" not in out
    page, prom = tmp_path / "p.html", tmp_path / "new" / "p.prom"
    argv = ["--page", page, "--prometheus", prom]
    status, out, _ = run("monitor", "--baseline", baseline, csv(tmp_path / "slow.csv", slow), *argv)
    assert status == 3 and out.count("DRIFT, slower since sample") == 1 and "new level is known" in out
    html = page.read_text(encoding="utf-8")
    assert "<svg" in html and "<desc" in html and "Latency has drifted" in html and "<script" not in html
    from prometheus_client.parser import text_string_to_metric_families

    families = {family.name: family for family in text_string_to_metric_families(prom.read_text(encoding="utf-8"))}
    sample = families["speechnas_latency_samples"].samples[0]
    assert sample.value == 1500 and sample.labels == {"model": 'a "small" one'}
    assert families["speechnas_latency_drifted"].samples[0].value == 1
    assert families["speechnas_latency_change_ratio"].samples[0].value == pytest.approx(0.15, abs=0.03)
    assert families["speechnas_latency_recent_median_seconds"].samples[0].value == pytest.approx(3.45e-3, rel=0.03)


def test_a_state_goes_on_in_the_file_that_grew(run, baseline, tmp_path):
    state, log = tmp_path / "s.json", csv(tmp_path / "log.csv", noise(1, 700))
    argv = ["monitor", "--baseline", baseline, log, "--state", state]
    assert run(*argv)[0] == 0
    csv(log, 1.2 * noise(2, 300), 700, "a")
    with open(log, "a", encoding="utf-8") as file:
        file.write("1000,3")  # a line that is not finished yet
    status, out, _ = run(*argv)
    assert status == 3 and "1,000 samples, 1 change" in out
    assert run(*argv)[0] == 0  # nothing new
    once = Watch(Baseline.read(baseline), 0.1)
    whole = csv(tmp_path / "all.csv", np.concatenate([noise(1, 700), 1.2 * noise(2, 300)]))
    for latencies, times in once.lines(str(whole)):
        once.take(latencies, times)
    assert once.monitor.to_dict() == json.loads(state.read_text(encoding="utf-8"))["monitor"]
    csv(log, noise(3, 100))  # begun anew
    assert "1,100 samples" in run(*argv)[1]
    log.write_text("latency_ms\nfast\n", encoding="utf-8")  # and once more: its lines are counted from 1
    with pytest.raises(BadInput, match="line 2 holds 'fast'"):
        list(Watch(Baseline.read(baseline), 0.1, state).lines(str(log)))


def test_it_follows_a_file_that_grows(run, baseline, tmp_path):
    log = csv(tmp_path / "log.csv", noise(1, 300))

    def write() -> None:
        time.sleep(0.5)
        csv(log, 1.3 * noise(2, 150), 300, "a")

    writer = threading.Thread(target=write)
    writer.start()
    status, out, _ = run("monitor", "--baseline", baseline, log, "--follow", "--seconds", 1.5)
    writer.join()
    assert status == 3 and "450 samples, 1 change" in out


def test_standard_input_is_read(baseline, tmp_path):
    text = "latency_ms\n" + "\n".join(map(str, [*noise(1, 300), *1.3 * noise(2, 300)]))
    done = subprocess.run([sys.executable, "-m", "speechnas_lab", "monitor", "--baseline", baseline, "-"], input=text,
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 3 and "600 samples, 1 change" in done.stdout and not done.stderr


def test_every_mistake_is_one_line(run, refused, baseline, tmp_path):
    bad, empty = tmp_path / "bad.csv", tmp_path / "empty.csv"
    empty.write_text("", encoding="utf-8")
    bad.write_bytes(b"latency_ms\n\xff\xfe\n")
    assert "is no text" in refused("monitor", "--baseline", baseline, bad)
    assert "no timings" in refused("monitor", "--baseline", baseline, empty)
    assert "cannot use" in refused("monitor", "--baseline", baseline, tmp_path / "none.csv")
    assert "is not there" in refused("monitor", "--baseline", tmp_path / "none.json", bad)
    assert "too few" in refused("monitor", "--make-baseline", tmp_path / "b.json", csv(bad, noise(0, 50)))
    assert not (tmp_path / "b.json").exists()
    for argv in (["--baseline", baseline], ["x.csv"], ["--baseline", baseline, "x.csv", "--probe", "m.onnx"],
                 ["--baseline", baseline, "x.csv", "--smallest", "0"]):  # fmt: skip
        refused("monitor", *argv, status=2)
    state = tmp_path / "s.json"
    for text in ("{}", "[", '{"monitor": 3}'):
        state.write_text(text, encoding="utf-8")
        assert "no state of a monitor" in refused("monitor", "--baseline", baseline, bad, "--state", state)
    seconds = csv(tmp_path / "seconds.csv", noise(1, 300) / 1000)
    assert "are the timings in seconds?" in run("monitor", "--baseline", baseline, seconds)[1]


def test_a_model_is_timed_and_watched(run, tmp_path):
    space, model = MobileConformerSpace("laptop"), tmp_path / "m.onnx"
    model.write_bytes(quick_graph(space.smallest()))
    made = measure_baseline(model, 150)
    assert made.facts["model"] == "m.onnx" and made.facts["conditions"]["calls"] == 150
    assert set(made.facts["device"]) >= {"name", "processor", "threads"} and made.latencies_ms.shape == (150,)
    slow = 10 * np.median(made.latencies_ms) * np.exp(0.05 * np.random.default_rng(0).standard_normal(150))
    Baseline(slow).write(tmp_path / "b.json")  # as if it had been ten times slower then, on a quiet machine
    status, out, _ = run("monitor", "--baseline", tmp_path / "b.json", "--probe", model, "--seconds", 1)
    assert status == 3 and "DRIFT, faster since sample" in out
    half = ("--smallest", 50)  # 10% is refused, rightly, while others use the machine
    status, out, _ = run("monitor", "--make-baseline", tmp_path / "c.json", "--probe", model, *half)
    assert status == 0 and "500 timings" in out and len(Baseline.read(tmp_path / "c.json").latencies_ms) == 500
    with pytest.raises(BadInput, match="there is no model file"):
        next(probe(tmp_path / "none.onnx"))


def test_search_and_export_write_a_baseline_beside_the_model(run, finished, tmp_path):
    status, out, _ = run("export", finished, "--out", tmp_path / "m.onnx")
    assert status == 0 and "for speechnas monitor" in out
    winner = json.loads((finished / "winner.json").read_text(encoding="utf-8"))
    for path in (finished / "baseline.json", tmp_path / "m.baseline.json"):
        found = Baseline.read(path)
        assert len(found.latencies_ms) == 500 and found.facts["model"] == winner["id"]
        assert found.facts["conditions"]["threads"] == found.facts["device"]["threads"] == 1


def test_prometheus_knows_an_empty_watch(baseline):
    assert "speechnas_latency_recent_median_seconds{" in prometheus(Watch(Baseline.read(baseline), 0.1))

"""The drift monitor put to the test: false alarms in heavy tails, delay at a tenth more, injected drifts, its peers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..hardware.drift.monitor import Change, Monitor
from ..hardware.drift.timings import Timings

Tail = Callable[[np.random.Generator, int], np.ndarray]
BASELINE, SMALL = 500, 0.10  # timings in a baseline; the slow-down that must be found
STILL, RUNS = 50_000, 20  # samples without a change, and baselines, of each tail
SLOW_RUNS, BEFORE, AFTER = 200, 1000, 2000
PEER_RUNS, PEER_STILL = 5, 50_000
MIDDLE = "lognormal 5%, Pareto spikes in 2% of the calls"  # carries the injected drifts


def _moving(rng: np.random.Generator, count: int, phi: float) -> np.ndarray:
    """An autoregression of order 1 and variance 1."""
    from scipy.signal import lfilter

    shocks = rng.standard_normal(count + 200) * np.sqrt(1 - phi**2)
    return lfilter([1.0], [1.0, -phi], shocks)[200:]


def _spikes(rng: np.random.Generator, count: int, share: float, shape: float) -> np.ndarray:
    """Factors: 1, or in a share of the calls 1 or more, of a Pareto law."""
    return np.where(rng.random(count) < share, 1 + rng.pareto(shape, count), 1.0)


TAILS: dict[str, Tail] = {  # latencies relative to the median, about
    "normal, 3%": lambda rng, n: np.exp(0.03 * rng.standard_normal(n)),
    "lognormal, 15%": lambda rng, n: np.exp(0.15 * rng.standard_normal(n)),
    MIDDLE: lambda rng, n: np.exp(0.05 * rng.standard_normal(n)) * _spikes(rng, n, 0.02, 1.1),
    "Student t, 3 degrees, 5%": lambda rng, n: np.exp(0.05 * rng.standard_t(3, n)),
    "Student t, 3 degrees, 10%": lambda rng, n: np.exp(0.10 * rng.standard_t(3, n)),
    "Cauchy, 2%": lambda rng, n: np.exp(np.clip(0.02 * rng.standard_cauchy(n), -20, 20)),
    "two speeds, every fifth call 25% slower": lambda rng, n: np.exp(0.03 * rng.standard_normal(n))
    * np.where(rng.random(n) < 0.2, 1.25, 1.0),
    "autocorrelation 0.3, 10%": lambda rng, n: np.exp(0.10 * _moving(rng, n, 0.3)),
    "autocorrelation 0.5, 5%, Pareto spikes": lambda rng, n: np.exp(0.05 * _moving(rng, n, 0.5))
    * _spikes(rng, n, 0.02, 1.5),
}


def drift(out: Path, count: int) -> dict[str, Any]:
    """False alarms of the drift monitor, its delay at 10% more, injected drifts, and river's detectors beside it."""
    start = time.process_time()
    found: dict[str, Any] = {"stationary": {name: _stationary(name) for name in TAILS}}
    seconds = time.process_time() - start
    alarms = sum(row["false_alarms"] for row in found["stationary"].values())
    samples = sum(row["samples"] for row in found["stationary"].values())
    found["together"] = {"samples": samples, "false_alarms": alarms, "per_100000": 1e5 * alarms / samples,
                         "per_100000_upper": 1e5 * _upper(alarms) / samples, "samples_per_second": samples / seconds}
    found["slower_by_a_tenth"] = {name: _tenth(name) for name in TAILS}
    found["injected"] = {name: _injected(inject) for name, inject in INJECTED.items()}
    found["peers"] = {name: _peers(name) for name in ("normal, 3%", MIDDLE, "Student t, 3 degrees, 5%")}
    return found


def _upper(alarms: int) -> float:
    """Upper end of the exact 95% interval of a Poisson count."""
    from scipy.stats import chi2

    return float(chi2.ppf(0.975 if alarms else 0.95, 2 * (alarms + 1)) / 2)


def _rng(name: str, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, list(TAILS).index(name)])


def _stationary(name: str) -> dict[str, int]:
    alarms = 0
    for seed in range(RUNS):
        rng = _rng(name, seed)
        monitor = Monitor(TAILS[name](rng, BASELINE))
        monitor.update(TAILS[name](rng, STILL))
        alarms += len(monitor.changes)
    return {"samples": RUNS * STILL, "false_alarms": alarms}


def _tenth(name: str) -> dict[str, float]:
    """A step by `SMALL` after `BEFORE` samples: delays, whether the interval holds it, and how far `since` is off."""
    delays, holds, off = [], [], []
    for seed in range(SLOW_RUNS):
        rng = _rng(name, 1000 + seed)
        monitor = Monitor(TAILS[name](rng, BASELINE))
        values = TAILS[name](rng, BEFORE + AFTER)
        values[BEFORE:] *= 1 + SMALL
        monitor.update(values)
        real = [change for change in monitor.changes if change.found >= BEFORE]
        delays.append(real[0].found - BEFORE + 1 if real else np.inf)
        holds += [real[0].low <= SMALL <= real[0].high] if real else []
        off += [abs(real[0].since - BEFORE)] if real else []
    return {"runs": SLOW_RUNS, "found_within_200": float(np.mean(np.array(delays) <= 200)), **_delay(delays),
            "interval_holds_it": float(np.mean(holds)), "since_off_median_samples": float(np.median(off))}


def _delay(delays: list[float]) -> dict[str, float]:
    middle, most = np.percentile(delays, [50, 95], method="higher")
    return {"delay_median_samples": float(middle), "delay_p95_samples": float(most)}


def _throttle(values: np.ndarray, rng: np.random.Generator) -> None:
    values[BEFORE:] *= 1.3


def _leak(values: np.ndarray, rng: np.random.Generator) -> None:
    values[BEFORE:] *= np.exp(np.arange(len(values) - BEFORE) * np.log(1.1) / 500)  # a tenth in 500 samples


def _bursts(values: np.ndarray, rng: np.random.Generator) -> None:
    at = np.arange(BEFORE, len(values))
    values[at[at % 25 < 5]] *= 3  # five in a row of every 25


def _lone_burst(values: np.ndarray, rng: np.random.Generator) -> None:
    values[BEFORE : BEFORE + 5] *= 5


def _missing(values: np.ndarray, rng: np.random.Generator) -> None:
    values[BEFORE:] *= 1.1
    values[rng.random(len(values)) < 0.3] = np.nan  # three of ten are missing throughout


def _clock(values: np.ndarray, rng: np.random.Generator) -> None:
    values[BEFORE], values[BEFORE + 500] = -3600e3, 3600e3  # an hour back while a call is timed, then forward


def _clock_and_tenth(values: np.ndarray, rng: np.random.Generator) -> None:
    _clock(values, rng)
    values[BEFORE + 1 :] *= 1.1


INJECTED = {
    "throttle: 30% slower from one call to the next": _throttle,
    "slow leak: 10% more in each 500 samples": _leak,
    "bursts: five of 25 calls three times as slow": _bursts,
    "one burst of five calls (no drift)": _lone_burst,
    "10% slower, three of ten values missing": _missing,
    "a clock that jumps by an hour while a call is timed (no drift)": _clock,
    "the same clock, and 10% slower": _clock_and_tenth,
}


def _injected(inject: Callable[[np.ndarray, np.random.Generator], None]) -> dict[str, float]:
    """Through the reader of CSV lines, since that is where missing values and clocks are met."""
    delays, early, alarms, odd = [], 0, [], []
    for seed in range(SLOW_RUNS // 2):
        rng = _rng(MIDDLE, 5000 + seed)
        monitor, timings = Monitor(TAILS[MIDDLE](rng, BASELINE)), Timings()
        values = TAILS[MIDDLE](rng, BEFORE + AFTER)
        inject(values, rng)
        clock = np.arange(len(values)) + np.where(np.arange(len(values)) == BEFORE, -3600, 0)
        lines = ["time,latency_ms", *(f"{at},{value}" for at, value in zip(clock, values, strict=True))]
        latencies, _ = timings.read(lines)
        left_out = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
        changes = monitor.update(latencies)
        first = [change for change in changes if not change.settled]
        places = [_row(change, left_out) for change in first]
        early += sum(place < BEFORE for place in places)
        real = [place - BEFORE + 1 for place in places if place >= BEFORE]
        delays.append(real[0] if real else np.inf)
        alarms.append(len(real))
        odd.append(timings.missing + timings.impossible + timings.back)
    share = float(np.mean(np.isfinite(delays)))
    return {"runs": len(delays), "alarm_share": share, "false_alarms_before": early,
            "alarms_mean": float(np.mean(alarms)), "odd_lines_counted_mean": float(np.mean(odd)),
            **(_delay(delays) if share > 0.96 else {})}


def _row(change: Change, left_out: np.ndarray) -> int:
    """The row of the file at which a change was found, rows that were left out included."""
    row = change.found
    for gap in left_out:
        row += int(gap <= row)
    return row


def _peers(name: str) -> dict[str, dict[str, float]]:
    """river's detectors, on log latency, as they come and, for Page-Hinkley, with the monitor's own numbers."""
    return {label: _peer(name, make) for label, make in _detectors().items()}


def _detectors() -> dict[str, Callable[[], Any]]:
    from river.drift import ADWIN, PageHinkley

    return {
        "ADWIN, delta 0.002 (river's default)": ADWIN,
        "ADWIN, delta 1e-9": lambda: ADWIN(delta=1e-9),
        "Page-Hinkley, slack 0.005, threshold 50 (river's default)": PageHinkley,
        "Page-Hinkley, slack 0.048, threshold 3.9, no forgetting": lambda: PageHinkley(delta=0.048, threshold=3.9,
                                                                                     alpha=1.0),
    }


def _peer(name: str, make: Callable[[], Any]) -> dict[str, float]:
    alarms, delays = 0, []
    for seed in range(PEER_RUNS):
        alarms += sum(1 for _ in _alarms(make(), np.log(TAILS[name](_rng(name, 9000 + seed), PEER_STILL))))
    for seed in range(SLOW_RUNS // 2):
        values = TAILS[name](_rng(name, 1000 + seed), BASELINE + BEFORE + AFTER)
        values[BASELINE + BEFORE :] *= 1 + SMALL
        after = (at - BASELINE - BEFORE + 1 for at in _alarms(make(), np.log(values)) if at >= BASELINE + BEFORE)
        delays.append(next(after, np.inf))
    return {"false_alarms_per_100000": 1e5 * alarms / (PEER_RUNS * PEER_STILL),
            "found_within_200": float(np.mean(np.array(delays) <= 200)),
            "delay_median_samples": float(np.minimum(np.percentile(delays, 50, method="higher"), AFTER))}


def _alarms(detector: Any, values: np.ndarray) -> Iterator[int]:
    for at, value in enumerate(values.tolist()):
        detector.update(value)
        if detector.drift_detected:
            yield at

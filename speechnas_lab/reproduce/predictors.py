"""Latency predictors on every device at hand: four kinds, ten samples on a new device, intervals, speed."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from ..hardware import Device, LatencyPredictor, at_hand, choose_samples, profile
from ..hardware.predictors.predictor import KINDS
from ..space import Architecture, MobileConformerSpace
from .common import kept, random_archs

SEEN, FRESH, DRAWS, FEW = 100, 50, 6, 10
INTERVAL = 0.9


def predictors(out: Path, count: int) -> dict[str, Any]:
    """Each kind of predictor on each device at hand; ten samples on a new one; intervals; predictions a second."""
    archs, space = random_archs(SEEN + FRESH, 7), MobileConformerSpace("laptop")
    devices = {device.name: device for device in at_hand()}
    measured = {name: [_profiled(out / f"{name}-{turn}.json", archs, device) for turn in (1, 2)]
                for name, device in devices.items()}
    first = {name: times[0] for name, times in measured.items()}
    return {
        "devices": {name: device.words for name, device in devices.items()},
        "repeat": {name: agreement(*times) for name, times in measured.items()},
        "kinds": {name: kinds_on(space, archs, ms) for name, ms in first.items()},
        "ten_samples": ten_samples(space, archs, first, first | _estimated(archs)),
        "predictions_a_second": speed(space, archs, first["ort"]),
    }


def agreement(guess: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """Shares within 10% and 5%, and Spearman's rank correlation."""
    off = np.abs(np.asarray(guess) / truth - 1)
    return {"within_10_percent": float((off <= 0.10).mean()), "within_5_percent": float((off <= 0.05).mean()),
            "spearman": float(spearmanr(guess, truth).statistic)}


def kinds_on(space: MobileConformerSpace, archs: list[Architecture], ms: np.ndarray) -> dict[str, dict[str, float]]:
    """Mean agreement over the draws of 100 to learn from and 50 others, and the share inside the 90% intervals."""
    rows, found = np.stack([space.encode(arch) for arch in archs]), {}
    for kind in KINDS:
        results = []
        for seen, fresh in draws(len(archs)):
            predictor = LatencyPredictor(kind, space).fit(rows[seen], ms[seen])
            guess, low, high = predictor.predict(rows[fresh], interval=INTERVAL)
            inside = float(((low <= ms[fresh]) & (ms[fresh] <= high)).mean())
            results.append({**agreement(guess, ms[fresh]), "inside_interval": inside,
                            "half_width_relative": float(np.mean(high / guess - 1))})
        found[kind] = _mean(results)
    return found


def ten_samples(
    space: MobileConformerSpace, archs: list[Architecture], known: dict[str, np.ndarray], new: dict[str, np.ndarray]
) -> list[dict[str, Any]]:
    """From each known device to each other: ten chosen samples, ten random ones, and what the known one says."""
    rows, found = np.stack([space.encode(arch) for arch in archs]), []
    place = {arch: number for number, arch in enumerate(archs)}
    for source, source_ms in known.items():
        results: dict[str, dict[str, list]] = {}
        for draw, (seen, fresh) in enumerate(draws(len(archs))):
            base = LatencyPredictor("corrected", space).fit(rows[seen], source_ms[seen])
            chosen = [place[arch] for arch in choose_samples(space, [archs[i] for i in seen], FEW)]
            some = np.random.default_rng(draw).choice(seen, FEW, replace=False)
            for target, ms in new.items():
                if target == source:
                    continue
                ways = results.setdefault(target, {"chosen": [], "random": [], "not_moved": []})
                ways["not_moved"].append(agreement(base.predict(rows[fresh]), ms[fresh]))
                for way, ten in (("chosen", chosen), ("random", some)):
                    moved = LatencyPredictor("corrected", space, known=base).fit(rows[ten], ms[ten])
                    guess, low, high = moved.predict(rows[fresh], interval=INTERVAL)
                    inside = float(((low <= ms[fresh]) & (ms[fresh] <= high)).mean())
                    ways[way].append({**agreement(guess, ms[fresh]), "inside_interval": inside})
        found += [{"known": source, "new": target, "new_is_estimated": target not in known,
                   **{way: {**_mean(some), "spearman_least": min(one["spearman"] for one in some)}
                      for way, some in ways.items()}} for target, ways in results.items()]
    return found


def speed(space: MobileConformerSpace, archs: list[Architecture], ms: np.ndarray) -> dict[str, float]:
    """Rows a second of processor time, 10,000 rows at once and one by one."""
    rows, found = np.stack([space.encode(arch) for arch in archs]), {}
    many = np.tile(rows, (-(-10_000 // len(rows)), 1))[:10_000]
    for kind in KINDS:
        predictor = LatencyPredictor(kind, space).fit(rows, ms)
        predictor.predict(many[:100])
        found[kind] = len(many) / min(_seconds(lambda p=predictor: p.predict(many)) for _ in range(3))
        found[f"{kind}_one_by_one"] = 1 / min(_seconds(lambda p=predictor: p.predict(rows[:1])) for _ in range(50))
    return found


def draws(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """DRAWS times: two thirds to learn from, the rest to be asked for."""
    orders = (np.random.default_rng(draw).permutation(count) for draw in range(DRAWS))
    return [(order[: count * SEEN // (SEEN + FRESH)], order[count * SEEN // (SEEN + FRESH) :]) for order in orders]


def _profiled(path: Path, archs: list[Architecture], device: Device) -> np.ndarray:
    """Milliseconds of all architectures, from its file if it was measured before."""
    def measure() -> dict[str, Any]:
        path.parent.mkdir(parents=True, exist_ok=True)
        measured = profile(archs, device=device, progress=False, partial=path.with_suffix(".part.json"))
        return {"latency_ms": [float(ms) for ms in measured.latencies], "warnings": list(measured.warnings)}

    return np.array(kept(path, measure)["latency_ms"])


def _estimated(archs: list[Architecture]) -> dict[str, np.ndarray]:
    """Estimated milliseconds on the devices that are not here."""
    from ..hardware.estimates.roofline import ESTIMATED, estimated_profile

    return {name: np.array(estimated_profile(archs, name).latencies) for name in ESTIMATED}


def _mean(results: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([one[name] for one in results])) for name in results[0]}


def _seconds(call: Any) -> float:
    start = time.process_time()
    call()
    return time.process_time() - start

"""What the machine does: predicted latency, the cost of a step, evolution's own time."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from ..hardware import LatencyPredictor, profile
from ..models import Recogniser, build
from ..oneshot import Sandwich, Supernet
from ..search import RegularizedEvolution, Trial, search
from ..space import Architecture, MobileConformerSpace, counts
from ..training import Batch, BatchPlan, FrameHead, Recipe, collate
from ..training.loop import one_pass, tap_width
from ..training.optimizer import AdamW
from ..work import open_speech
from .common import random_archs, speech_source


def predictor_quality(out: Path, count: int) -> dict[str, Any]:
    """Latency predicted for 50 architectures that it never saw, beside two measurements of the same 150."""
    archs, space = random_archs(150, 7), MobileConformerSpace("laptop")
    first, second = (profile(archs, progress=False).latencies for _ in range(2))
    seen, fresh = archs[:100], archs[100:]
    guess = LatencyPredictor("corrected", space=space).fit(seen, first[:100]).predict(fresh)
    pairs = {"predictor": (guess, first[100:]), "predictor, measured again": (guess, second[100:]),
             "first against second measurement": (first[100:], second[100:])}
    return {name: {"within_10_percent": float(np.mean(np.abs(mine / truth - 1) <= 0.10)),
                   "within_5_percent": float(np.mean(np.abs(mine / truth - 1) <= 0.05)),
                   "spearman": float(spearmanr(mine, truth).statistic)} for name, (mine, truth) in pairs.items()}


def step_costs(out: Path, count: int) -> dict[str, Any]:
    """A path's training step in the supernet against the same architecture's alone, 16 architectures, taking turns."""
    source, taken = speech_source(), []
    speech = open_speech(source)
    space, recipe, rng = MobileConformerSpace("laptop"), Recipe(flat_start=0.0), random.Random(0)
    sizes = {"input_dim": 80, "vocab_size": speech.tokenizer.vocab_size}
    torch.set_num_threads(1)
    train = speech.examples["train"]
    batch = collate(train, BatchPlan(train, 16, 0)(BatchPlan(train, 16, 0).per_epoch // 2))
    shared = _Stepper(Supernet(space, **sizes).train(), speech.frame_labels, batch, recipe)
    for _ in range(16):
        arch = space.sample(rng)
        alone = _Stepper(build(arch, **sizes), speech.frame_labels, batch, recipe)
        times: dict[str, list[float]] = {"path": [], "alone": []}
        for _ in range(15):
            times["path"].append(shared.step(lambda arch=arch: shared.network.activate(arch)))
            times["alone"].append(alone.step(lambda: None))
        taken.append({"id": arch.id, **{name: 1000 * statistics.median(some[3:]) for name, some in times.items()}})
    ratios = [row["path"] / row["alone"] for row in taken]
    rule = Sandwich(largest_only=0)
    sandwich = [shared.step(lambda: None, rule, n) for n in range(5 * rule.outer_every)][rule.outer_every :]
    return {"milliseconds": taken, "ratio_median": statistics.median(ratios), "ratio_low": min(ratios),
            "ratio_high": max(ratios), "sandwich_ms": 1000 * statistics.mean(sandwich)}


class _Stepper:
    """One network with its own optimiser, and the seconds that one training step takes."""

    def __init__(self, network: Recogniser, labels: int, batch: Batch, recipe: Recipe) -> None:
        self.network, self.batch, self.recipe = network, batch, recipe
        self.head = FrameHead(tap_width(network), labels)
        self.optimizer = AdamW([*network.parameters(), *self.head.parameters()], 1e-3, (0.9, 0.98), 0.01)

    def step(self, prepare: Callable[[], object], backward: Callable = one_pass, number: int = 0) -> float:
        start = time.perf_counter()
        prepare()
        self.optimizer.zero_grad()
        backward(self.network, self.head, self.batch, self.recipe, number)
        self.optimizer.clip(1.0)
        self.optimizer.step()
        return time.perf_counter() - start


def evolution_overhead(out: Path, count: int) -> dict[str, Any]:
    """Evolution's own decisions, 100 generations of 50, with an evaluation that costs nothing; and the limits apart."""
    space, seen, asked = MobileConformerSpace("laptop"), [], 0.0
    archs = random_archs(100, 3)
    predictor = LatencyPredictor("corrected", space=space).fit(archs, [counts(arch).macs / 2e7 for arch in archs])

    def allowed(arch: Architecture) -> bool:
        nonlocal asked
        start = time.process_time()
        good = float(predictor.predict([arch])[0]) <= 1.0
        asked += time.process_time() - start
        return good

    def evaluate(trial: Trial) -> float:
        seen.append(trial.arch)
        return sum(stage.width for stage in trial.arch.stages) + trial.arch.depth / 10

    start = time.process_time()
    search(space, RegularizedEvolution(), evaluate, 5000, allowed, seed=0)
    seconds = time.process_time() - start
    repeated = len(seen) - len({space.canonical(arch) for arch in seen})
    return {"processor_seconds": seconds - asked, "latency_predictor_seconds": asked, "evaluations": len(seen),
            "repeated": repeated, "outside_the_limit": sum(not allowed(arch) for arch in seen)}

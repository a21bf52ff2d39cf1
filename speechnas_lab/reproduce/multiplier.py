"""Multiplier ascent on speech: how near to its target is the network that was found, as the clock says?"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from ..errors import BadInput
from ..hardware import LatencyPredictor, LatencyTable, Multiplier, profile
from ..jobs import Workers
from ..oneshot import DartsStep, discretisation_gap
from ..oneshot.mixture import filled
from ..space import Architecture
from ..training import BatchPlan, Recipe, collate, train
from ..work import Source, Speech, open_speech
from .common import kept, speech_source
from .gradient import SEEDS, SKELETON, SPACE, mixture

WARM_STEPS, STEPS = 300, 200
PLACES = (0.25, 0.45, 0.65)  # of the way from the fastest network of the table to the slowest
NEAR = 0.03  # the bar: the found network takes the target's time within 3%
COLDEST = 0.05  # last temperature of the annealed expectation: a lead of 0.1 counts as a decision
ANCHORS = 12  # networks of the price list that are timed again with every other
ROUNDS = 4  # times that the clock corrects the table


def multiplier(out: Path, count: int) -> dict[str, Any]:
    """Lambda hits three targets by itself, three seeds: the found networks measured, decided in four ways."""
    source, rng = speech_source(), random.Random("multiplier")
    plain = [filled(SKELETON, [block] * len(SKELETON.stages) * 2) for block in SPACE.blocks()]  # the range's ends
    archs = list({SPACE.canonical(arch): None for arch in [*plain, *(SPACE.sample(rng) for _ in range(80))]})
    times = kept(out / "profile.json", lambda: {"latency_ms": timed(archs)})["latency_ms"]
    clock = Clock(archs, times)
    predictor = LatencyPredictor("lookup", space=SPACE).fit(archs, times)
    table = LatencyTable.of(predictor.predict, SKELETON, SPACE.blocks())
    reached = table.fixed + reduce(np.add.outer, table.slots).ravel()  # milliseconds of every network, by the table
    fastest, slowest = float(reached.min()), float(reached.max())
    targets = [nearest(reached, fastest + place * (slowest - fastest)) for place in PLACES]
    with Workers(count) as workers:
        jobs = [workers.submit(one_seed, source, seed, table, targets, str(out)) for seed in range(SEEDS)]
        workers.gather(jobs)
        rows = [row for job in jobs for row in job.result()]
    for row in rows:
        path = out / f"clock-{row['seed']}-{row['target_ms']:.4f}.json"
        row["ways"]["clock"] = kept(path, by_clock, row, table, clock)
    found = list(dict.fromkeys(way["arch"] for row in rows for way in row["ways"].values()))
    measured = dict(zip(found, clock([Architecture.from_json(arch) for arch in found]), strict=True))
    for row in rows:
        for way in row["ways"].values():
            way["measured_ms"] = measured[way["arch"]]
            way["off_relative"] = way["measured_ms"] / row["target_ms"] - 1
    ways = {name: judged([row["ways"][name] for row in rows]) for name in rows[0]["ways"]}
    return {"targets_ms": targets, "fastest_ms": fastest, "slowest_ms": slowest, "near_relative": NEAR,
            "levels": clock.levels, "ways": ways, "rows": rows}  # fmt: skip


def nearest(reached: np.ndarray, wanted: float) -> float:
    """The time of a network, so that the target can be hit: equal slots leave gaps wider than NEAR between times."""
    return float(reached[np.argmin(np.abs(reached - wanted))]) * (1 + 1e-9)  # sums in another order may be larger


def judged(ways: list[dict[str, Any]]) -> dict[str, float]:
    """How far off the found networks are, over seeds and targets."""
    off = np.abs([way["off_relative"] for way in ways])
    return {"within_3_percent": float((off <= NEAR).mean()), "off_relative_median": float(np.median(off)),
            "off_relative_most": float(off.max())}


def one_seed(
    source: Source, seed: int, table: LatencyTable, targets: list[float], folder: str
) -> list[dict[str, Any]]:
    """All targets of one seed, each from the same warmed-up weights."""
    speech, place = open_speech(source), Path(folder)
    network = mixture(speech, seed)
    warm = DartsStep(network, speech.examples["valid_weights"], warmup=1.0)
    train(network, speech.examples["train"], Recipe(steps=WARM_STEPS, seed=seed), speech.frame_labels, warm,
          checkpoint=place / f"warm-{seed}.pt")  # fmt: skip
    start = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    return [kept(place / f"seed-{seed}-{target:.4f}.json", one_target, speech, start, seed, target, table)
            for target in targets]


def one_target(speech: Speech, start: dict, seed: int, target: float, table: LatencyTable) -> dict[str, Any]:
    """Two searches, with the plain expectation and with an annealed one. Of the first, the network of the largest
    alphas and the likeliest network near the target by the table."""
    found: dict[str, Any] = {}
    for name in ("plain", "annealed"):
        network, lambda_ = mixture(speech, seed), Multiplier(target, rate=0.05, damping=2.0)
        network.load_state_dict(start)
        penalty = lambda_.follow(table) if name == "plain" else annealed(lambda_, table, STEPS)
        step = DartsStep(network, speech.examples["valid_weights"], alpha_rate=0.03, warmup=0.0, penalty=penalty)
        recipe = Recipe(steps=STEPS, rate=1e-3, warmup=0.02, flat_start=0.0, seed=seed)
        train(network, speech.examples["train"], recipe, speech.frame_labels, step)
        choice = [slot.choice() for slot in network.mixed]
        found[name] = {"arch": network.derive().to_json(), "table_ms": table.of_choice(choice),
                       "expected_ms": float(table.expected(network.alphas).detach()), "lambda": lambda_.value,
                       "loss": loss_of(network, speech)}  # fmt: skip
        if name == "plain":
            weights = [slot.expected().tolist() for slot in network.mixed]
            choice = table.best_within(weights, target, (1 - NEAR) * target)
            found["table"] = {"arch": _decided(choice), "table_ms": table.of_choice(choice)}
    return {"seed": seed, "target_ms": target, "weights": weights, "ways": found}


def annealed(lambda_: Multiplier, table: LatencyTable, steps: int) -> Callable[[list[Tensor]], Tensor]:
    """The penalty of an expectation that comes to be the decided network's time: softmax(alpha / T), T from 1 to
    COLDEST in equal ratios."""
    def penalty(alphas: list[Tensor]) -> Tensor:
        temperature = COLDEST ** min(lambda_.steps / steps, 1.0)
        return lambda_.follow(table, lambda alpha: (alpha / temperature).softmax(0))(alphas)

    return penalty


def by_clock(row: dict[str, Any], table: LatencyTable, clock: Clock) -> dict[str, Any]:
    """The likeliest network near the target, where the clock corrects the table: measure what the table gave, move
    the wanted time by how far that was off, and ask again."""
    target, wanted, tried = row["target_ms"], row["target_ms"], {}
    for _ in range(ROUNDS):
        try:
            choice = table.best_within(row["weights"], (1 + NEAR / 3) * wanted, (1 - NEAR / 3) * wanted)
        except BadInput:  # a clock so far off that no network of the table could mend it
            break
        arch = _decided(choice)
        tried[arch] = (clock([Architecture.from_json(arch)])[0], table.of_choice(choice))
        ms, by_table = tried[arch]
        if abs(ms / target - 1) <= NEAR / 2:
            break
        wanted = target * by_table / ms
    arch = min(tried, key=lambda one: abs(tried[one][0] - target))
    return {"arch": arch, "table_ms": tried[arch][1], "clock_ms": tried[arch][0], "networks_measured": len(tried)}


class Clock:
    """Milliseconds at the level of the price list's own run.

    A shared machine is some percent faster or slower an hour later. So some networks of the list are timed again in
    every run, and the median of what they take now, relative to then, is divided out; `levels` keeps these.
    """

    def __init__(self, archs: list[Architecture], times: list[float]) -> None:
        places = np.argsort(times)[:: max(1, len(times) // ANCHORS)].tolist()
        self.then, self.levels = {archs[place]: times[place] for place in places}, []

    def __call__(self, archs: list[Architecture]) -> list[float]:
        every = list(dict.fromkeys([*self.then, *archs]))
        now = dict(zip(every, timed(every), strict=True))
        self.levels.append(float(np.median([now[arch] / then for arch, then in self.then.items()])))
        return [now[arch] / self.levels[-1] for arch in archs]


def timed(archs: list[Architecture]) -> list[float]:
    """Measured milliseconds, one thread."""
    return [float(ms) for ms in profile(archs, repeats=40, progress=False).latencies]


def loss_of(network: Any, speech: Speech, batches: int = 16) -> dict[str, float]:
    """Validation loss, nats a word, of the mixture and of its decided network with the same weights."""
    examples = speech.examples["valid_weights"]
    plan = BatchPlan(examples, 16, 0)
    gap = discretisation_gap(network, [collate(examples, plan(step)) for step in range(min(batches, plan.per_epoch))])
    return {"mixed": gap.mixed, "decided": gap.discrete}


def _decided(choice: tuple[int, ...]) -> str:
    blocks = SPACE.blocks()
    return filled(SKELETON, [blocks[i] for i in choice]).to_json()

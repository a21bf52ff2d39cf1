"""Hardware decides: the same search for every device at hand, each winner measured on all of them.

Two questions could be put: which network is best within a latency limit, or which is fastest among those that are good
enough. The second makes the clearer table: all winners are equally good, so one number in a cell says all, and the
diagonal should be the least of its column. Good enough is what the best tenth of random architectures reaches, by the
shared weights of one supernet, corrected for size as in the search (`steps.score`). At the end each device chooses by
its own clock among the finalists of all searches; the table is measured afterwards, anew.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BadInput
from ..files import read_json, write_text
from ..hardware import Device, LatencyPredictor, Profile, at_hand, profile
from ..jobs import Workers, in_chunks
from ..models.baselines import LARGE
from ..search import RegularizedEvolution, SearchResult, Trial, search
from ..space import Architecture, MobileConformerSpace
from ..steps import CHUNK, profiled, score, supernet_plan
from ..work import Source, open_speech, score_paths, train_supernet
from .common import STANDARD, kept, random_archs, speech_source
from .devices_table import beside, contrasts, square_table

PROFILED, DRAWN, SHARE = 100, 200, 0.1
POPULATION, GENERATIONS, FINALISTS = 50, 30, 10
PRESS = 10.0  # log latency that a score of 1 above the bound costs: no speed makes up for it


def devices(out: Path, count: int, search: Path | None = None) -> dict[str, Any]:
    """The fastest network that is good enough, for each device at hand; each winner on all devices: a square table."""
    source, path = supernet_of(search, out, count)
    sizes = {"input_dim": 80, "vocab_size": open_speech(source).tokenizer.vocab_size}
    space, here = MobileConformerSpace("laptop", output_reduction=source.output_reduction), at_hand()
    with Workers(count) as workers:
        heard = Heard(workers, source, path, sizes)
        drawn = random_archs(DRAWN, 2025)
        bound = float(np.quantile([heard.score(arch) for arch, _ in zip(drawn, heard.ask(drawn), strict=True)], SHARE))
        profiles = {device.name: _profile(out / f"profile-{device.name}.json", device, sizes) for device in here}
        last = {device.name: finalists_on(device, profiles[device.name], space, heard, bound, out) for device in here}
    winners = {device.name: kept(out / f"winner-{device.name}.json", winner_on, device, last, sizes)
               for device in here}  # fmt: skip
    archs = {name: Architecture.from_json(json.dumps(told["arch"])) for name, told in winners.items()}
    table = kept(out / "table.json", lambda: square_table(archs, here, sizes))
    found = {
        "devices": {device.name: device.words for device in here}, "processor": here[0].processor,
        "good_enough": f"a score of {bound:.3f} or less, which {SHARE:.0%} of {DRAWN} random architectures reach",
        "bound": bound, "winners": winners,
        "conformer_large_ms": {n: float(p.latencies[p.archs.index(LARGE)]) for n, p in profiles.items()},
        "warnings": {name: list(p.warnings) for name, p in profiles.items()}, **table,
    }  # fmt: skip
    found["words"] = beside(found) + contrasts(archs)
    print("\n".join(found["words"]))
    return found


def supernet_of(folder: Path | None, out: Path, count: int) -> tuple[Source, str]:
    """The speech and the supernet of a finished search; without one, a supernet is trained as a search does."""
    if folder is not None:
        about = read_json(folder / "supernet.json")
        if about is None or not (folder / "supernet.pt").is_file():
            raise BadInput(f"{folder} holds no trained supernet: give the folder of a finished search, or none")
        return Source(**about["source"]), str(folder / "supernet.pt")
    source = speech_source()
    with Workers(count) as workers:
        job = workers.submit(train_supernet, source, "laptop", *supernet_plan(STANDARD, 0), str(out))
        return source, workers.gather([job])[0]


class Heard:
    """What the shared weights say of architectures; each is asked once, for whichever device it is first needed."""

    def __init__(self, workers: Workers, source: Source, path: str, sizes: dict[str, int]) -> None:
        self.workers, self.sizes, self.losses = workers, sizes, {}
        self.asked = partial(score_paths, source, "laptop", path)

    def ask(self, archs: Sequence[Architecture]) -> Iterator[float]:
        """The loss of each, in order."""
        fresh = list(dict.fromkeys(arch for arch in archs if arch not in self.losses))
        found = in_chunks(self.workers, self.asked, [arch.to_json() for arch in fresh], CHUNK, lambda units: None)
        waiting = iter(zip(fresh, found, strict=True))
        for arch in archs:
            while arch not in self.losses:
                new, (loss, _) = next(waiting)
                self.losses[new] = loss
            yield self.losses[arch]

    def score(self, arch: Architecture) -> float:
        """`steps.score` of an architecture that was asked."""
        return score(self.losses[arch], arch, self.sizes)


def _profile(path: Path, device: Device, sizes: dict[str, int]) -> Profile:
    if path.is_file():
        return Profile.from_json(path.read_text(encoding="utf-8"))
    part = path.with_suffix(".part")
    found = profile(profiled(0, PROFILED), **sizes, device=device, progress=False, partial=part)
    write_text(path, found.to_json())
    part.unlink()
    return found


def finalists_on(
    device: Device, measured: Profile, space: MobileConformerSpace, heard: Heard, bound: float, out: Path
) -> dict[Architecture, dict[str, float]]:
    """The good enough networks of this device's search with the least predicted latency, and what it knew of them."""
    rows = [row for row in measured.rows if row.arch in space]
    predictor = LatencyPredictor("corrected", space=space)
    predictor.fit([row.arch for row in rows], [row.latency_ms for row in rows])
    found = fastest(space, predictor, heard, bound, out / f"journal-{device.name}.jsonl")
    return {space.canonical(trial.arch): trial.parts for trial in good_enough(space, found, bound)}


def winner_on(device: Device, last: dict[str, dict[Architecture, dict]], sizes: dict[str, int]) -> dict[str, Any]:
    """The fastest of all searches' finalists by this device's clock: a predictor is least to be trusted about those
    that it praises most, so that another device's finalist may be faster here.
    """
    pool = {arch: parts for some in last.values() for arch, parts in some.items()}
    timed = profile(list(pool), **sizes, device=device, repeats=40, progress=False)
    arch = timed.archs[int(np.argmin(timed.latencies))]
    return {"arch": json.loads(arch.to_json()), "id": arch.id, "score": pool[arch]["score"],
            "measured_ms": float(min(timed.latencies)), "finalists": len(pool),
            "found_for": [name for name, some in last.items() if arch in some]}  # fmt: skip


def fastest(
    space: MobileConformerSpace, predictor: LatencyPredictor, heard: Heard, bound: float, journal: Path | None
) -> SearchResult:
    """Evolution that minimises log latency, plus PRESS for each 1 that the score lies above the bound."""

    def evaluate_many(trials: Sequence[Trial]) -> Iterator[tuple[float, ...]]:
        for trial, loss in zip(trials, heard.ask([trial.arch for trial in trials]), strict=True):
            latency, points = float(predictor.predict([trial.arch])[0]), score(loss, trial.arch, heard.sizes)
            trial.parts = {"loss": loss, "score": points, "predicted_ms": latency}
            yield (math.log(latency) + PRESS * max(0.0, points - bound),)

    strategy = RegularizedEvolution(population=POPULATION, children=POPULATION)
    settings = {"bound": bound, "press": PRESS}
    return search(space, strategy, None, POPULATION * GENERATIONS, None, journal, 0, evaluate_many=evaluate_many,
                  settings=settings)  # fmt: skip


def good_enough(space: MobileConformerSpace, found: SearchResult, bound: float) -> list[Trial]:
    """The finalists: different architectures within the bound, those with the least predicted latency."""
    kept_in: dict[Architecture, Trial] = {}
    within: Callable[[Trial], bool] = lambda trial: trial.parts["score"] <= bound  # noqa: E731
    for trial in sorted(filter(within, found.finished), key=lambda trial: (trial.parts["predicted_ms"], trial.number)):
        kept_in.setdefault(space.canonical(trial.arch), trial)
        if len(kept_in) == FINALISTS:
            break
    if not kept_in:
        raise BadInput(f"no architecture reached a score of {bound:.3f}: raise GENERATIONS, or SHARE")
    return list(kept_in.values())

"""The slow measurements that the README quotes, each made again by `speechnas reproduce NAME`."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from .errors import BadInput
from .jobs import Workers
from .models.baselines import BASELINES
from .oneshot import Sandwich, ceiling, fidelity
from .space import Architecture, MobileConformerSpace, counts
from .steps import BUDGETS, REFERENCE
from .training import Recipe
from .work import Source, open_speech, score_paths, train_alone, train_supernet, write_json

STANDARD = BUDGETS["standard"]


def speech_source() -> Source:
    """HomeCommands at standard size, as a search opens it."""
    from .pipeline import Settings, open_source
    from .steps import Limits

    return open_source(Settings("homecommands", None, "standard", 0, Limits()), STANDARD)


def random_archs(count: int, seed: int) -> list[Architecture]:
    """Different random architectures of the laptop space, canonical."""
    space, rng, found = MobileConformerSpace("laptop"), random.Random(seed), {}
    while len(found) < count:
        found[space.canonical(space.sample(rng))] = None
    return list(found)


def scratch_truth(source: Source, archs: list[Architecture], seeds: int, out: Path, workers: Workers) -> np.ndarray:
    """Validation word error rates (n, seeds) of architectures trained from scratch by the standard recipe."""
    names = [(arch, seed) for seed in range(seeds) for arch in archs]
    jobs = [
        workers.submit(train_alone, source, arch.to_json(), Recipe(steps=STANDARD.scratch_steps, seed=seed),
                       str(out / f"{arch.id}-{seed}"), False)
        for arch, seed in names
    ]
    rates = [result["valid"]["wer"] for result in workers.gather(jobs)]
    return np.array(rates).reshape(seeds, len(archs)).T


def rank_fidelity(out: Path, count: int) -> dict[str, Any]:
    """Kendall's tau of the supernet against 24 architectures from scratch with two seeds each, beside its yardsticks."""
    source, archs = speech_source(), random_archs(24, 2024)
    sizes = {"input_dim": 80, "vocab_size": open_speech(source).tokenizer.vocab_size}
    with Workers(count) as workers:
        truth = scratch_truth(source, archs, 2, out / "scratch", workers)
        recipe = Recipe(steps=STANDARD.supernet_steps)
        start = time.process_time()
        path = workers.submit(train_supernet, source, "laptop", recipe, Sandwich(), str(out)).result()
        seconds = time.process_time() - start
        losses = workers.submit(score_paths, source, "laptop", path, [arch.to_json() for arch in archs]).result()
    totals = [counts(arch, **sizes) for arch in archs]
    scores = {
        "supernet": np.log(losses),
        "parameters": [-c.parameters for c in totals],
        "MACs": [-c.macs for c in totals],
    }
    found = {name: vars(fidelity(score, truth)) for name, score in scores.items()}
    return {"tau": found, "ceiling": ceiling(truth), "architectures": [arch.id for arch in archs],
            "wer": truth.tolist(), "path_loss": list(losses), "seconds": seconds}


FIGURES: dict[str, Callable[[Path, int], dict[str, Any]]] = {"fidelity": rank_fidelity}


def run(name: str, out: Path, workers: int = 2) -> dict[str, Any]:
    """Make one figure; its numbers go to OUT/NAME.json and to the screen. Work that lies in OUT is not done again."""
    if name not in FIGURES:
        raise BadInput(f"no figure is called {name!r}: there are {', '.join(FIGURES)}")
    out.mkdir(parents=True, exist_ok=True)
    found = FIGURES[name](out / name, workers)
    write_json(out / f"{name}.json", found)
    print(f"{out / name}.json")
    return found

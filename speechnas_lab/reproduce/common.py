"""What several measurements share: the speech, random architectures, their error rates from scratch."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np

from ..files import read_json, write_json
from ..jobs import Workers
from ..space import Architecture, MobileConformerSpace
from ..steps import BUDGETS
from ..training import Recipe
from ..work import Source, train_alone

STANDARD = BUDGETS["standard"]


def speech_source() -> Source:
    """HomeCommands at standard size, as a search opens it."""
    from ..pipeline import Settings, open_source
    from ..steps import Limits

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


def kept(path: Path, make: Any, *arguments: Any) -> Any:
    """What `make` gave the last time, from its file; else make it and keep it."""
    known = read_json(path)
    if known is None:
        known = make(*arguments)
        write_json(path, known)
    return known

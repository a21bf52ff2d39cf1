"""The training recipe, each of its parts left out or changed."""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..jobs import Workers
from ..training import Recipe
from ..work import train_alone
from .common import random_archs, speech_source

STEPS, SEEDS = 600, 2
CHANGES: dict[str, dict[str, Any]] = {
    "the recipe": {},
    "no flat start": {"flat_start": 0.0},
    "no frame loss": {"frame_weight": 0.0},
    "no warping": {"warp": False},
    "half the rate": {"rate": 2e-3},
    "half again the rate": {"rate": 6e-3},
    "batches of 32, half the steps": {"batch": 32, "steps": STEPS // 2},
    "beta2 0.999": {"beta2": 0.999},
}


def recipe_without(out: Path, count: int) -> dict[str, Any]:
    """Validation error rates of three random architectures, two seeds each, with one part of the recipe changed."""
    source, archs = speech_source(), random_archs(3, 5)
    with Workers(count) as workers:
        jobs = {
            (name, arch.id, seed): workers.submit(
                train_alone, source, arch.to_json(), replace(Recipe(steps=STEPS, seed=seed), **change),
                str(out / f"{name.replace(' ', '-')}-{arch.id}-{seed}"), False)
            for name, change in CHANGES.items() for arch in archs for seed in range(SEEDS)
        }  # fmt: skip
        workers.gather(list(jobs.values()))
    rates = {key: job.result()["valid"]["wer"] for key, job in jobs.items()}
    rows = {}
    for name, change in CHANGES.items():
        own = [[rates[name, arch.id, seed] for seed in range(SEEDS)] for arch in archs]
        gaps = [a - b for arch, row in zip(archs, own, strict=True)
                for a, b in zip(row, (rates["the recipe", arch.id, s] for s in range(SEEDS)), strict=True)]  # fmt: skip
        rows[name] = {"change": change, "wer": statistics.mean(map(statistics.mean, own)), "by_architecture": own,
                      "minus_the_recipe": statistics.mean(gaps), "lowest": min(gaps), "highest": max(gaps)}
    return {"steps": STEPS, "architectures": [arch.id for arch in archs], "rows": rows}

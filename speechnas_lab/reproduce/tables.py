"""What is measured beside our own table: DARTS in its spaces, and how well its short trainings rank long ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from ..benchmark import Table, gradient
from ..benchmark.build import SOURCE
from ..jobs import Workers
from ..training import Recipe
from ..work import train_alone

LONG = Recipe(steps=3200, batch=16)  # eight times the utterances of the table's trainings
SAMPLE = 16  # architectures of the macro table, spread evenly over its order of merit


def darts_on_table(out: Path, count: int) -> dict[str, Any]:
    """DARTS in the two spaces of our table, five seeds: cost in full trainings, and what it found by the table."""
    return gradient.darts_on_table(out, count)


def proxy_task(out: Path, count: int) -> dict[str, Any]:
    """Rank agreement of the macro table with trainings eight times as long, on 16 architectures spread over it."""
    table = Table.open("macro")
    order = sorted(table.rows, key=lambda row: row.truth)
    chosen = [order[place] for place in np.linspace(0, len(order) - 1, SAMPLE).round().astype(int)]
    with Workers(count) as workers:
        jobs = [workers.submit(train_alone, SOURCE, row.json, LONG, str(out / row.id)) for row in chosen]
        long = [result["test"]["wer"] for result in workers.gather(jobs)]
    short = [row.truth for row in chosen]
    rng = np.random.default_rng(0)
    draws = [rng.integers(SAMPLE, size=SAMPLE) for _ in range(1000)]
    low, high = np.nanpercentile([spearmanr(np.array(short)[d], np.array(long)[d])[0] for d in draws], [2.5, 97.5])
    return {"recipe": vars(LONG), "id": [row.id for row in chosen], "short": short, "long": long,
            "spearman": float(spearmanr(short, long)[0]), "low": float(low), "high": float(high)}  # fmt: skip

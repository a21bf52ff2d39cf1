"""What the table is worth, out of the table itself: its noise, its ceilings, how its fidelities and indicators rank."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import spearmanr

from .table import FIDELITIES, Table


def describe(table: Table) -> dict[str, Any]:
    """The figures that CARD.md quotes; `speechnas benchmark card` prints them.

    noise: standard deviation of one training around its architecture's mean, in WER. ceiling: Spearman of one seed's
    errors with another's, over the architectures that have three: no score that was made from one training can agree
    better with another.
    """
    valid = table.column("valid_wer")
    return {
        "architectures": len(table),
        "trainings": sum(len(row.runs) for row in table.rows),
        "valid_wer": {"best": float(valid.min()), "median": float(np.median(valid)), "worst": float(valid.max())},
        **repeated(table),
        "fidelities": {f"{fidelity:.2f}": agreement([row.wer(fidelity) for row in table.rows], table)
                       for fidelity in FIDELITIES},
        "losses": {f"{fidelity:.2f}": agreement([row.runs[0].valid_loss[place] for row in table.rows], table)
                   for place, fidelity in enumerate(FIDELITIES)},
        "indicators": {name: agreement(-table.column(name), table) for name in sorted(table.rows[0].facts)
                       if name.startswith("zero_")},
        "supernets": {name: agreement(table.column(name), table) for name in sorted(table.rows[0].facts)
                      if name.startswith("oneshot_")},
    }  # fmt: skip


def repeated(table: Table) -> dict[str, Any]:
    """Noise and ceiling of the architectures that were trained more than once; None while there are none."""
    several = [row for row in table.rows if len(row.runs) > 1]
    if len(several) < 3:
        return {"noise": None, "ceiling": None}
    tested = np.array([[run.test_wer for run in row.runs] for row in several])
    heard = np.array([[run.valid_wer[-1] for run in row.runs] for row in several])
    seeds = [(a, b) for a in range(tested.shape[1]) for b in range(a)]
    return {
        "noise": {"test": float(tested.std(1, ddof=1).mean()), "valid": float(heard.std(1, ddof=1).mean())},
        "ceiling": float(np.mean([spearmanr(tested[:, a], tested[:, b])[0] for a, b in seeds])),
    }


def agreement(score: Any, table: Table, draws: int = 1000) -> dict[str, float]:
    """Spearman of a score (lower promises more) with the blind test's errors, and its 95% bootstrap interval over
    architectures. Where the score is not a number it is the worst.
    """
    score, truth = np.asarray(score, dtype=float), table.column("truth")
    score = np.where(np.isnan(score), np.inf, score)
    rng = np.random.default_rng(0)
    rows = rng.integers(len(score), size=(draws, len(score)))
    found = [spearmanr(score[row], truth[row])[0] for row in rows]
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return {"spearman": float(spearmanr(score, truth)[0]), "low": float(low), "high": float(high)}

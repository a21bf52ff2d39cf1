"""How well cheap scores rank architectures: Kendall's tau against training each one from scratch.

A tau means little alone. Beside it stand two yardsticks: the tau of plain counts (does the supernet know more than
size?) and the tau between two seeds of the truth itself (no score can be expected to do better).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import kendalltau


@dataclass(frozen=True)
class Fidelity:
    """Kendall's tau-b of one score against the truth, with a 95% bootstrap interval over architectures."""

    tau: float
    low: float
    high: float


def fidelity(score: Sequence[float], truth: np.ndarray, resamples: int = 1000, seed: int = 0) -> Fidelity:
    """Compare `score` (n,) with `truth` (n, seeds): error rates of n architectures, averaged over their seeds.

    Both are better when lower. Kendall (1938), tau-b, which allows for ties.
    """
    score, mean = np.asarray(score, float), np.asarray(truth, float).mean(1)
    rng = np.random.default_rng(seed)
    draws = rng.integers(len(mean), size=(resamples, len(mean)))
    taus = [kendalltau(score[draw], mean[draw]).statistic for draw in draws]
    low, high = np.nanpercentile(taus, [2.5, 97.5])
    return Fidelity(float(kendalltau(score, mean).statistic), float(low), float(high))


def ceiling(truth: np.ndarray) -> float:
    """Mean tau between two seeds of the truth (n, seeds): how far training itself agrees with itself."""
    seeds = np.asarray(truth, float).T
    pairs = [(a, b) for a in range(len(seeds)) for b in range(a + 1, len(seeds))]
    return float(np.mean([kendalltau(seeds[a], seeds[b]).statistic for a, b in pairs]))

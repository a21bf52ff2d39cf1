"""How well cheap scores rank architectures: Kendall's tau against training each one from scratch.

A tau means little alone. Beside it stand two yardsticks: the tau of plain counts (does the supernet know more than
size?) and the ceiling that the luck of training leaves, from the tau between two seeds of the truth itself.
"""

from __future__ import annotations

import math
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


def seed_to_seed(truth: np.ndarray) -> float:
    """Mean tau between two seeds of the truth (n, seeds): how far training itself agrees with itself."""
    seeds = np.asarray(truth, float).T
    pairs = [(a, b) for a in range(len(seeds)) for b in range(a + 1, len(seeds))]
    return float(np.mean([kendalltau(seeds[a], seeds[b]).statistic for a, b in pairs]))


def ceiling(truth: np.ndarray) -> float:
    """The tau that a perfect score can be expected to reach against the mean of the truth's seeds (n, seeds).

    Estimated for normal noise: r = sin(pi tau / 2) between two seeds (Kendall, 1948); against the mean of k seeds a
    perfect score correlates sqrt(k r / (1 + (k - 1) r)) (Spearman and Brown, 1910), made a tau again.
    """
    count, r = np.asarray(truth).shape[1], math.sin(math.pi * seed_to_seed(truth) / 2)
    return 2 / math.pi * math.asin(math.sqrt(max(0.0, count * r / (1 + (count - 1) * r))))

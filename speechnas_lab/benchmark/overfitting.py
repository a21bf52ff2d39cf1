"""Architecture overfitting: who looks at many architectures and keeps the best has also kept the luckiest.

The validation error of the one that was kept is too low an estimate, the more so the more were looked at. The blind
test set shows by how much. Most of it can be foreseen without that set: it is known how chance moves an error rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .table import Table


@dataclass(frozen=True)
class Gap:
    """For each number of architectures looked at, means over draws, in WER (0.01 is one point).

    reported: validation error of the kept one; tested: its error on the blind test set, on the scale of the validation
    set; corrected: the reported one and the luck that was to be expected. error: standard error of tested - reported.
    """

    looked_at: tuple[int, ...]
    reported: np.ndarray
    tested: np.ndarray
    corrected: np.ndarray
    error: np.ndarray


def gap(
    table: Table, looked_at: Sequence[int] = (1, 3, 10, 30, 100, 300), words: int = 240, draws: int = 400, seed: int = 0
) -> Gap:
    """Draw that many architectures, keep the one with the lowest validation error, and ask the blind test set.

    words: size of the validation set. The table's errors are of 2,969 words, on which luck is small; a set of fewer
    words is simulated by a binomial count of wrong ones. The test set's voices are harder or easier than those of the
    validation set, and not for all networks alike: a parabola through all architectures translates between them.
    """
    heard = table.column("valid_wer")
    tested = np.array([row.runs[0].test_wer for row in table.rows])
    tested = np.polyval(np.polyfit(tested, heard, 2), tested)
    rng, rows = np.random.default_rng(seed), []
    for count in looked_at:
        found = []
        for _ in range(draws):
            drawn = rng.choice(len(heard), size=count, replace=False)
            seen = rng.binomial(words, np.clip(heard[drawn], 0, 1)) / words
            kept = int(seen.argmin())
            found.append((seen[kept], tested[drawn[kept]], seen[kept] + luck(seen, words, rng)))
        rows.append(np.array(found))
    means = np.array([row.mean(0) for row in rows])
    error = np.array([(row[:, 1] - row[:, 0]).std(ddof=1) / draws**0.5 for row in rows])
    return Gap(tuple(looked_at), *means.T, error)


def luck(seen: np.ndarray, words: int, rng: np.random.Generator, draws: int = 40) -> float:
    """How much too low the lowest of the errors `seen` (n,) on `words` words is to be expected (n, draws: bootstrap).

    Take what is likely true of each (`drawn_in`), let chance make errors of it anew, keep the lowest, and see how much
    better it looks than it is. 0 for fewer than three: then nothing is known of how they spread.
    """
    if len(seen) < 3:
        return 0.0
    likely = np.clip(drawn_in(seen, words), 0, 1)
    again = rng.binomial(words, likely, size=(draws, len(seen))) / words
    kept = again.argmin(1)
    return float(np.mean(likely[kept] - again[np.arange(draws), kept]))


def drawn_in(seen: np.ndarray, words: int) -> np.ndarray:
    """Errors (n,) moved to where chance most likely took them from (Tweedie's formula; Efron, 2011, "Tweedie's formula
    and selection bias"): E[true | seen] = seen + variance of chance x slope of log density of the seen.

    The density is a sum of bells whose width is Silverman's rule (1986).
    """
    spread = min(seen.std(ddof=1), np.subtract(*np.percentile(seen, [75, 25])) / 1.34)
    width = 1.06 * max(float(spread), 1e-6) * len(seen) ** -0.2
    far = (seen[:, None] - seen[None, :]) / width
    bells = np.exp(-(far**2) / 2)
    slope = -(far * bells).sum(1) / bells.sum(1) / width
    return seen + seen * (1 - seen) / words * slope

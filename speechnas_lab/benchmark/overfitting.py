"""Architecture overfitting: who looks at many architectures and keeps the best has also kept the luckiest.

The validation error of the one that was kept is too low an estimate, the more so the more were looked at. The blind
test set shows by how much, and shrinking towards the mean corrects it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .table import Table


@dataclass(frozen=True)
class Gap:
    """For each number of architectures looked at, means over draws, in WER (0.01 is one point).

    reported: validation error of the kept one; tested: its error on the blind test set; corrected: the reported one
    after `shrunk`. error: standard error of tested - reported over draws.
    """

    looked_at: tuple[int, ...]
    reported: np.ndarray
    tested: np.ndarray
    corrected: np.ndarray
    error: np.ndarray


def gap(
    table: Table, looked_at: Sequence[int] = (1, 3, 10, 30, 100, 300), utterances: int = 60, draws: int = 400,
    words: int = 4, seed: int = 0,
) -> Gap:
    """Draw that many architectures, keep the one with the lowest validation error, and ask the blind test set.

    utterances: size of the validation set. The table's errors are of the whole set; a smaller one is simulated by a
    binomial count of wrong words out of `utterances` x `words`, which is what a set of that size adds in noise. The
    difference in difficulty of the two sets, the mean over all architectures, is taken off first.
    """
    heard = table.column("valid_wer")
    tested = np.array([row.runs[0].test_wer for row in table.rows])
    tested = tested - tested.mean() + heard.mean()
    rng = np.random.default_rng(seed)
    size = utterances * words
    rows = []
    for count in looked_at:
        found = []
        for _ in range(draws):
            drawn = rng.choice(len(heard), size=count, replace=False)
            seen = rng.binomial(size, np.clip(heard[drawn], 0, 1)) / size
            kept = int(seen.argmin())
            found.append((seen[kept], tested[drawn[kept]], shrunk(seen, size)[kept]))
        rows.append(np.array(found))
    means = np.array([row.mean(0) for row in rows])
    error = np.array([(row[:, 1] - row[:, 0]).std(ddof=1) / draws**0.5 for row in rows])
    return Gap(tuple(looked_at), *means.T, error)


def shrunk(seen: np.ndarray, size: int) -> np.ndarray:
    """Errors (n,) on `size` words drawn towards their mean by the share of their variance that is chance (James and
    Stein, 1961): what to expect of each on other words. One architecture alone stays as it is.
    """
    if len(seen) < 3:
        return seen
    chance = float(np.mean(seen * (1 - seen))) / size
    keep = max(0.0, 1.0 - chance / max(float(seen.var(ddof=1)), 1e-12))
    return seen.mean() + keep * (seen - seen.mean())

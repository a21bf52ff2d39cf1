"""How far a prediction may be off, and whether it was asked for something that it has never seen."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ...errors import BadInput

FOLDS = 5
FEW = 12  # rows up to which each is left out alone
MARGIN = 0.25  # of the range: 1 to 2% of random laptop architectures lie outside that of 60 to 100 others


class Extrapolation(UserWarning):
    """A predictor answers for rows outside the range of those that it was fitted on."""


def left_out(
    learn: Callable[[np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]],
    X: np.ndarray,
    y: np.ndarray,
    relative: bool,
) -> np.ndarray:
    """(n,) sorted |ln(y / guess)|, or |y - guess| where not relative, each guess by a model that `learn` made of other
    rows: one of FOLDS parts is left out, or each row of FEW or less (cross-conformal prediction, Vovk, 2015)."""
    folds = len(y) if len(y) <= FEW else FOLDS
    part = np.random.default_rng(0).permutation(len(y)) % folds
    guess = np.empty(len(y))
    for fold in range(folds):
        out = part == fold
        guess[out] = learn(X[~out], y[~out])(X[out])
    return np.sort(np.abs(np.log(y / guess)) if relative else np.abs(y - guess))


def half_width(residuals: np.ndarray, interval: float) -> float:
    """How far to go to either side so that a share `interval` of new rows lies inside: the ceil(interval (n + 1))-th
    smallest residual. That holds for rows drawn as the fitted ones were (Lei and others, 2018); in residuals that share
    their training rows, up to a small error."""
    if isinstance(interval, bool) or not isinstance(interval, (int, float)) or not 0 < interval < 1:
        raise BadInput(f"interval is {interval!r}; give a share between 0 and 1, such as 0.9")
    place = math.ceil(interval * (len(residuals) + 1) - 1e-9)
    if place > len(residuals):
        least = math.ceil(interval / (1 - interval) - 1e-9)
        raise BadInput(f"an interval of {interval} needs {least} measured architectures or more and {len(residuals)} "
                       "were fitted; ask for less, or measure more")  # fmt: skip
    return float(residuals[place - 1])


class Range(NamedTuple):
    """Smallest and largest value of each count that the fitted rows had, (counts,) each, and the counts' names. table:
    (columns, counts), see `lines.counted`; None where every column counts for itself."""

    low: np.ndarray
    high: np.ndarray
    names: tuple[str, ...]
    table: np.ndarray | None

    @classmethod
    def of(cls, X: np.ndarray, names: Sequence[str], table: np.ndarray | None = None) -> Range:
        rows = X if table is None else X @ table
        return cls(rows.min(axis=0), rows.max(axis=0), tuple(names), table)

    def joined(self, other: Range) -> Range:
        """The range of both; they must be of the same counts."""
        return self._replace(low=np.minimum(self.low, other.low), high=np.maximum(self.high, other.high))

    def outside(self, X: np.ndarray) -> str:
        """Empty if all rows lie within the range and MARGIN of it to either side; else a line that names the worst
        count. It is the same line for the same count, so that a search is told once."""
        rows, width = X if self.table is None else X @ self.table, self.high - self.low
        unit = np.where(width > 0, width, np.maximum(np.abs(self.high), 1.0))
        slack = np.where(width > 0, MARGIN, 1e-6)
        beyond = (np.maximum(self.low - rows, rows - self.high) / unit).max(axis=0, initial=-1.0) - slack  # (counts,)
        worst = int(beyond.argmax())
        if beyond[worst] <= 0:
            return ""
        seen = f"{self.names[worst]} from {self.low[worst]:.4g} to {self.high[worst]:.4g}"
        return f"asked for what it was not fitted on: it knows {seen}; profile such architectures and fit again"

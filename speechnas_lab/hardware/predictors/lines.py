"""What a latency predictor learns: a line, which goes on where the measured architectures end, and a correction."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls
from sklearn.base import BaseEstimator
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from .forest import Forest


class Line(NamedTuple):
    """max(counts w + w_0, floor). table: (columns, counts) that adds columns up to counts; None if they are counted
    one by one. weights: (counts + 1,), the constant last."""

    table: np.ndarray | None
    weights: np.ndarray
    floor: float

    def __call__(self, X: np.ndarray) -> np.ndarray:
        counts = X if self.table is None else X @ self.table
        return np.maximum(counts @ self.weights[:-1] + self.weights[-1], self.floor)


def ridge_line(X: np.ndarray, y: np.ndarray, floor: float, relative: bool = True) -> Line:
    """Ridge regression on all columns, of the relative error or of the error itself."""
    weight = y**-2.0 / np.mean(y**-2.0) if relative else None
    scaler = StandardScaler().fit(X)
    ridge = RidgeCV(np.logspace(-2, 3, 11)).fit(scaler.transform(X), y, sample_weight=weight)
    slopes = ridge.coef_ / scaler.scale_
    return Line(None, np.append(slopes, ridge.intercept_ - scaler.mean_ @ slopes), floor)


def price_list(X: np.ndarray, y: np.ndarray, floor: float, table: np.ndarray) -> Line:
    """A price of 0 or more for each count of the table: least squares of the relative error."""
    counts = np.hstack([X @ table, np.ones((len(X), 1))])  # (n, counts + 1)
    return Line(table, nnls(counts / y[:, None], np.ones(len(y)))[0], floor)


def counted(names: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """(columns, counts) of 0 and 1, and the counts' names: which columns of encode add up to one count, whatever the
    frame length."""
    found: dict[str, list[int]] = {}
    for column, name in enumerate(names):
        _, is_count, what = name.partition(" ms ")
        if is_count or name.startswith("total "):
            found.setdefault(what or name, []).append(column)
    table = np.zeros((len(names), len(found)))
    for number, columns in enumerate(found.values()):
        table[columns, number] = 1
    return table, tuple(found)


class Fitted:
    """A line, and what is learnt of its errors: line * exp(correction) where `relative`, else line + correction."""

    def __init__(
        self, line: Callable[[np.ndarray], np.ndarray], correction: BaseEstimator | None = None, relative: bool = True
    ) -> None:
        self.line, self.correction, self.relative = line, correction, relative
        self.quick = Forest.of(correction) or correction

    def __call__(self, X: np.ndarray) -> np.ndarray:
        """(n,) latencies of rows (n, columns)."""
        line = self.line(X)
        if self.quick is None:
            return line
        wrong = self.quick.predict(X)
        return line * np.exp(wrong) if self.relative else line + wrong

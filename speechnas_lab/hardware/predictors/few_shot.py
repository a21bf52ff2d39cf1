"""A predictor of one device moved to another with about ten measurements.

    t_new(x) = a t_known(x) + sum over kinds of work k of p_k work_k(x) + p_0,  all >= 0

Two devices differ by a scale a, and in what is dear on the new one beyond that: starting a layer (eager runtimes,
GPUs), attention with its many small steps, multiplying (slow chips), moving numbers through activations and softmax,
and GELU, whose error function one runtime has ready and another puts together. Least squares of the relative error,
with a little pull towards the plain scale, so that ten samples can bear seven unknowns.

HELP (Lee and others, NeurIPS 2021) meta-learns over many devices and reaches a rank correlation of 0.93 with ten
samples. Here one known device and what is known about the work are enough: `speechnas reproduce predictors`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import nnls

from ...errors import BadInput
from .lines import Fitted, counted

if TYPE_CHECKING:
    from ...space import Architecture, MobileConformerSpace

WORK = ("layers", "attention layers", "MMACs", "nonlinear k", "through gelu")  # counts whose names end so, added up
PULL = 0.05  # towards the plain scale; 0.03 to 0.1 are as good, 0.2 is worse


class Moved(NamedTuple):
    """What `known` says and the work by kind, (columns of X, kinds) `table`, weighed: (1 + kinds + 1,) `weights`."""

    known: Fitted
    table: np.ndarray
    weights: np.ndarray
    floor: float

    def __call__(self, X: np.ndarray) -> np.ndarray:
        return np.maximum(_terms(self.known, self.table, X) @ self.weights, self.floor)


def move(known: Fitted, X: np.ndarray, y: np.ndarray, floor: float, table: np.ndarray, names: Sequence[str]) -> Moved:
    """Learn the weights from rows X and latencies y of the new device; table and names from `lines.counted`."""
    kinds = table @ _by_work(names)
    terms = _terms(known, kinds, X) / y[:, None]  # to be brought to 1
    unit = np.maximum(terms.mean(axis=0), 1e-12)  # each term as large as the whole latency
    scale = np.exp(-np.log(terms[:, 0]).mean())  # alone, it makes the relative errors cancel out
    wish = np.zeros(len(unit))
    wish[0] = scale * unit[0]
    rows = np.vstack([terms / unit, PULL * np.eye(len(unit))])
    found, _ = nnls(rows, np.concatenate([np.ones(len(y)), PULL * wish]))
    return Moved(known, kinds, found / unit, floor)


def choose_samples(space: MobileConformerSpace, archs: Sequence[Architecture], count: int = 10) -> list[Architecture]:
    """`count` of `archs` that lie far apart in their work: the one nearest to the middle, then again and again the one
    farthest from all chosen (Gonzalez, 1985). Distances are between logarithms of the work by kind, each scaled to
    one spread. The same for every order of `archs`. Raises BadInput for fewer different architectures than `count`.
    """
    archs = sorted(set(archs), key=lambda arch: arch.id)
    if not 1 <= count <= len(archs):
        raise BadInput(f"count is {count} and there are {len(archs)} architectures to choose from; give more of them")
    table, names = counted(space.feature_names())
    work = np.log1p(np.stack([space.encode(arch) for arch in archs]).astype(float) @ table @ _by_work(names))
    spread = work.std(axis=0)
    points = (work - work.mean(axis=0)) / np.where(spread > 0, spread, 1.0)  # (n, kinds)
    chosen = [int((points**2).sum(axis=1).argmin())]
    away = np.full(len(archs), np.inf)
    while len(chosen) < count:
        away = np.minimum(away, ((points - points[chosen[-1]]) ** 2).sum(axis=1))
        away[chosen] = -1.0
        chosen.append(int(away.argmax()))
    return [archs[i] for i in chosen]


def _by_work(names: Sequence[str]) -> np.ndarray:
    """(counts, kinds) of 0 and 1, kinds in the order of WORK."""
    return np.array([[name.endswith(kind) for kind in WORK] for name in names], dtype=float).reshape(-1, len(WORK))


def _terms(known: Fitted, kinds: np.ndarray, X: np.ndarray) -> np.ndarray:
    """(n, 1 + kinds + 1): what is known, the work, and 1."""
    return np.column_stack([known(X), X @ kinds, np.ones(len(X))])

"""Latency of architectures that nobody measured, learnt from those that somebody did.

Every kind is a line times a correction. The line adds up what the parts of a network cost; the correction learns by
how much, in relation, that is wrong.

    kind                        line                                           correction
    "lookup"                    a table: milliseconds for each count, >= 0     none
    "forest"                    ridge regression on all columns                random forest
    "mlp"                       ridge regression on all columns                small neural network
    "corrected"                 the table                                      random forest
    "corrected", known=other    what `other` says of its device, moved         none: ten samples are enough for the move
                                to this one, see `few_shot`

Measured with ONNX Runtime and one thread: 100 architectures of the laptop preset to learn from, 50 others, mean of six
draws (`speechnas reproduce predictors`). Two profiles of the same architectures agree within 10% for 100%, within
5% for 99%, Spearman 0.999.

    kind                    within 10%   within 5%   Spearman
    lookup                  99%          93%         0.996
    forest                  100%         94%         0.997
    mlp                     100%         93%         0.996
    corrected               99%          96%         0.997

A forest without a line can only repeat latencies that it has seen: 72%, 41%, 0.955 in an earlier profile. The same
command tells of the other devices at hand, of a new one with ten samples, and of how often the intervals hold.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import RandomForestRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from ...errors import BadInput
from ...space import Architecture, Cell
from . import predictor_file
from .few_shot import move
from .intervals import Extrapolation, Range, half_width, left_out
from .lines import Fitted, counted, price_list, ridge_line

if TYPE_CHECKING:
    from ...space import MobileConformerSpace

KINDS = ("lookup", "forest", "mlp", "corrected")


class LatencyPredictor(RegressorMixin, BaseEstimator):
    """A scikit-learn regressor from rows of `space.encode` to latency, in the unit it was fitted with.

    kind: see above. space: lets `fit` and `predict` take architectures; "lookup" and "corrected" need it to know which
    columns are counts. known: a fitted predictor of another device; `fit` then needs about ten architectures of this
    one, and `choose_samples` says which. Fitted with latencies above 0, it minimises relative errors and predicts
    values above 0.

    >>> import random
    >>> from speechnas_lab.space import MobileConformerSpace, counts
    >>> space, rng = MobileConformerSpace("laptop"), random.Random(0)
    >>> archs = [space.sample(rng) for _ in range(40)]
    >>> latencies_ms = [0.1 + counts(arch).macs / 5e7 for arch in archs]
    >>> predictor = LatencyPredictor("lookup", space=space).fit(archs, latencies_ms)
    >>> ms, low, high = predictor.predict(archs[:1], interval=0.9)
    >>> bool(low[0] < ms[0] < high[0] and abs(ms[0] / latencies_ms[0] - 1) < 0.05)
    True
    """

    def __init__(
        self,
        kind: str = "forest",
        space: MobileConformerSpace | None = None,
        *,
        known: LatencyPredictor | None = None,
        trees: int = 200,
        random_state: int | None = 0,
    ) -> None:
        self.kind, self.space, self.known, self.trees, self.random_state = kind, space, known, trees, random_state

    def fit(self, X: np.ndarray | Sequence[Architecture], y: Sequence[float]) -> LatencyPredictor:
        """X: (n, features) rows of encode, or n architectures. y: (n,) latencies.

        For the intervals of `predict` it also learns from four fifths of them at a time, and judges itself by the rest.
        """
        self._check()
        X, y = validate_data(self, self._rows(X), y, y_numeric=True, dtype=np.float64, ensure_min_samples=2)
        self.relative_ = bool((y > 0).all())
        if self.kind in ("lookup", "corrected"):
            if not self.relative_:
                raise BadInput(f"kind {self.kind!r} adds up times; every latency must be above 0")
            columns = len(self.space.feature_names())
            if X.shape[1] != columns:
                raise BadInput(f"X has {X.shape[1]} columns and the space encodes {columns}; use its encode")
        self.fitted_ = self._learn(X, y, self.trees)
        few = max(10, self.trees // 5)  # trees; a forest of fewer is off by a little more, never by less
        self.residuals_ = left_out(lambda X, y: self._learn(X, y, few), X, y, self.relative_)
        self.range_ = self._range(X)
        return self

    def predict(
        self, X: np.ndarray | Sequence[Architecture], *, interval: float | None = None, strict: bool = False
    ) -> np.ndarray | tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(n,) latencies of n rows or n architectures. interval: a share such as 0.9; then (latencies, low, high), and
        that share of architectures drawn as the fitted ones lies between low and high.

        Rows outside the range that it was fitted on are answered with a warning, `Extrapolation`; strict: refused.
        """
        check_is_fitted(self)
        X = validate_data(self, self._rows(X), dtype=np.float64, reset=False)
        outside = self.range_.outside(X)
        if outside and strict:
            raise BadInput(f"the predictor was {outside}")
        if outside:
            warnings.warn(f"the predictor was {outside}", Extrapolation, stacklevel=2)
        guess = self.fitted_(X)
        if interval is None:
            return guess
        width = half_width(self.residuals_, interval)
        if self.relative_:
            return guess, guess * np.exp(-width), guess * np.exp(width)
        return guess, guess - width, guess + width

    def save(self, path: str | os.PathLike) -> None:
        """Write a file that holds no code, see `predictor_file`."""
        check_is_fitted(self)
        predictor_file.write(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike, space: MobileConformerSpace | None = None) -> LatencyPredictor:
        """Read what `save` wrote; `space` as in the constructor. Raises BadInput for anything else, without running it.

        Forests of another minor version of scikit-learn are refused: their arrays may mean something else.
        """
        return predictor_file.read(cls, path, space)

    def __sklearn_clone__(self) -> LatencyPredictor:
        return type(self)(**self.get_params(deep=False))  # `known` stays fitted

    def _check(self) -> None:
        """Raise BadInput for settings that do not go together."""
        if self.kind not in KINDS:
            raise BadInput(f"kind is {self.kind!r}; allowed: {', '.join(KINDS)}")
        if self.kind in ("lookup", "corrected") and self.space is None:
            raise BadInput(f"kind {self.kind!r} needs the space; give LatencyPredictor({self.kind!r}, space=space)")
        if self.known is None:
            return
        if self.kind != "corrected":
            raise BadInput(f"kind {self.kind!r} learns from nothing but its own device; for known=, take 'corrected'")
        if not isinstance(self.known, LatencyPredictor) or not hasattr(self.known, "fitted_"):
            raise BadInput("known must be a fitted LatencyPredictor of another device; fit it first")

    def _rows(self, X: np.ndarray | Sequence[Architecture | Cell]) -> np.ndarray:
        """Architectures and cells become rows; anything else stays as it is."""
        if isinstance(X, (Architecture, Cell)):
            X = [X]
        if not isinstance(X, (list, tuple)) or not X or not isinstance(X[0], (Architecture, Cell)):
            return X
        if self.space is None:
            raise BadInput("architectures need a space to encode them; give LatencyPredictor(..., space=space)")
        return np.stack([self.space.encode(arch) for arch in X])

    def _learn(self, X: np.ndarray, y: np.ndarray, trees: int) -> Fitted:
        floor = 0.1 * float(y.min()) if self.relative_ else -np.inf
        if self.known is not None:
            return Fitted(move(self.known.fitted_, X, y, floor, *counted(self.space.feature_names())))
        if self.kind in ("forest", "mlp"):
            line = ridge_line(X, y, floor, self.relative_)
        else:
            line = price_list(X, y, floor, counted(self.space.feature_names())[0])
        correction = self._corrector(trees)
        if correction is not None:
            correction.fit(X, np.log(y / line(X)) if self.relative_ else y - line(X))
        return Fitted(line, correction, self.relative_)

    def _corrector(self, trees: int) -> BaseEstimator | None:
        if self.kind == "lookup":
            return None
        if self.kind == "mlp":
            network = MLPRegressor(
                hidden_layer_sizes=(32,),
                activation="tanh",
                solver="lbfgs",
                alpha=10.0,
                max_iter=1000,
                random_state=self.random_state,
            )
            return make_pipeline(StandardScaler(), network)
        return RandomForestRegressor(trees, max_features=0.5, random_state=self.random_state)

    def _range(self, X: np.ndarray) -> Range:
        """Of the counts of work where the space knows them, else of the columns."""
        names = self.space.feature_names() if self.space is not None else []
        if len(names) != X.shape[1]:
            return Range.of(X, [f"column {number}" for number in range(X.shape[1])])
        table, counts = counted(names)
        own = Range.of(X, counts, table) if counts else Range.of(X, names)
        return own.joined(self.known.range_) if self.known is not None else own

"""Latency of architectures that nobody measured, learnt from those that somebody did.

Every kind is a line times a correction. The line adds up what the parts of a network cost; the correction learns by
how much, in relation, that is wrong.

    kind         line                                           correction
    "lookup"     a table: milliseconds for each count, >= 0     none
    "forest"     ridge regression on all columns                random forest
    "mlp"        ridge regression on all columns                small neural network
    "corrected"  the table                                      random forest

Measured on two busy cores: 100 architectures of the laptop preset to learn from, 50 others, mean of six draws. Two
profiles of the same architectures agree within 10% for all, within 5% for 97%, Spearman 0.998.

    kind                    within 10%   within 5%   Spearman
    forest without a line   72%          41%         0.955    (it can only repeat latencies that it has seen)
    lookup                  99 to 100%   82%         0.993
    forest                  97 to 99%    86%         0.993
    mlp                     98 to 99%    85%         0.993
    corrected               100%         92%         0.995
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import sklearn
from scipy.optimize import nnls
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import RidgeCV
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from ..errors import BadInput
from ..space import Architecture, Cell

if TYPE_CHECKING:
    from ..space import MobileConformerSpace

KINDS = ("lookup", "forest", "mlp", "corrected")
_PARTS = ("correction_", "table_", "weights_", "floor_", "relative_", "n_features_in_")
_TRUSTED = ["sklearn.tree._tree.Tree"]  # arrays that C code follows without looking; `_check_trees` looks


class LatencyPredictor(RegressorMixin, BaseEstimator):
    """A scikit-learn regressor from rows of `space.encode` to latency, in the unit it was fitted with.

    kind: see above. space: lets `fit` and `predict` take architectures; "lookup" and "corrected" need it to know which
    columns are counts. Fitted with latencies above 0, it minimises relative errors and predicts values above 0.

    >>> import random
    >>> from speechnas_lab.space import MobileConformerSpace, counts
    >>> space, rng = MobileConformerSpace("laptop"), random.Random(0)
    >>> archs = [space.sample(rng) for _ in range(40)]
    >>> latencies_ms = [0.1 + counts(arch).macs / 5e7 for arch in archs]
    >>> predictor = LatencyPredictor("lookup", space=space).fit(archs, latencies_ms)
    >>> bool(abs(predictor.predict(archs[:1])[0] / latencies_ms[0] - 1) < 0.05)
    True
    """

    def __init__(
        self,
        kind: str = "forest",
        space: MobileConformerSpace | None = None,
        *,
        trees: int = 200,
        random_state: int | None = 0,
    ) -> None:
        self.kind, self.space, self.trees, self.random_state = kind, space, trees, random_state

    def fit(self, X: np.ndarray | Sequence[Architecture], y: Sequence[float]) -> LatencyPredictor:
        """X: (n, features) rows of encode, or n architectures. y: (n,) latencies."""
        if self.kind not in KINDS:
            raise BadInput(f"kind is {self.kind!r}; allowed: {', '.join(KINDS)}")
        if self.kind in ("lookup", "corrected") and self.space is None:
            raise BadInput(f"kind {self.kind!r} needs the space; give LatencyPredictor({self.kind!r}, space=space)")
        X, y = validate_data(self, self._rows(X), y, y_numeric=True, dtype=np.float64, ensure_min_samples=2)
        self.relative_ = bool((y > 0).all())
        self.floor_ = 0.1 * float(y.min()) if self.relative_ else -np.inf
        self._fit_line(X, y)
        self.correction_ = self._corrector()
        if self.correction_ is not None:
            line = self._line(X)
            self.correction_.fit(X, np.log(y / line) if self.relative_ else y - line)
        self._forest = _Forest.of(self.correction_)
        return self

    def predict(self, X: np.ndarray | Sequence[Architecture]) -> np.ndarray:
        """(n,) latencies of n rows or n architectures."""
        check_is_fitted(self)
        X = validate_data(self, self._rows(X), dtype=np.float64, reset=False)
        line = self._line(X)
        if self.correction_ is None:
            return line
        wrong = (self._forest or self.correction_).predict(X)
        return line * np.exp(wrong) if self.relative_ else line + wrong

    def _rows(self, X: np.ndarray | Sequence[Architecture | Cell]) -> np.ndarray:
        """Architectures and cells become rows; anything else stays as it is."""
        if isinstance(X, (Architecture, Cell)):
            X = [X]
        if not isinstance(X, (list, tuple)) or not X or not isinstance(X[0], (Architecture, Cell)):
            return X
        if self.space is None:
            raise BadInput("architectures need a space to encode them; give LatencyPredictor(..., space=space)")
        return np.stack([self.space.encode(arch) for arch in X])

    def _fit_line(self, X: np.ndarray, y: np.ndarray) -> None:
        if self.kind in ("forest", "mlp"):
            scaler = StandardScaler().fit(X)
            ridge = RidgeCV(np.logspace(-2, 3, 11)).fit(scaler.transform(X), y)
            slopes = ridge.coef_ / scaler.scale_
            self.table_, self.weights_ = None, np.append(slopes, ridge.intercept_ - scaler.mean_ @ slopes)
            return
        if not self.relative_:
            raise BadInput(f"kind {self.kind!r} adds up times; every latency must be above 0")
        self.table_ = _count_columns(self.space.feature_names())
        if X.shape[1] != self.table_.shape[0]:
            raise BadInput(f"X has {X.shape[1]} columns and the space encodes {self.table_.shape[0]}; use its encode")
        counts = _with_constant(X @ self.table_)  # (n, counts + 1)
        self.weights_, _ = nnls(counts / y[:, None], np.ones(len(y)))  # least squares of the relative error

    def _line(self, X: np.ndarray) -> np.ndarray:
        counts = X if self.table_ is None else X @ self.table_
        return np.maximum(counts @ self.weights_[:-1] + self.weights_[-1], self.floor_)

    def _corrector(self) -> BaseEstimator | None:
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
        return RandomForestRegressor(self.trees, max_features=0.5, random_state=self.random_state)

    def save(self, path: str | os.PathLike) -> None:
        """Write a file that holds no code: `about.json` with the versions, and the fitted parts by skops."""
        import skops.io

        check_is_fitted(self)
        about = {
            "scikit-learn": sklearn.__version__,
            "kind": self.kind,
            "trees": self.trees,
            "random_state": self.random_state,
        }
        path = Path(path)
        fresh = path.with_name(path.name + ".new")
        with zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("about.json", json.dumps(about))
            archive.writestr("parts.skops", skops.io.dumps({name: getattr(self, name) for name in _PARTS}))
        os.replace(fresh, path)

    @classmethod
    def load(cls, path: str | os.PathLike, space: MobileConformerSpace | None = None) -> LatencyPredictor:
        """Read what `save` wrote; `space` as in the constructor. Raises BadInput for anything else, without running it.

        Forests of another minor version of scikit-learn are refused: their arrays may mean something else.
        """
        import skops.io

        again = "fit it again on its profile and save it"
        try:
            with zipfile.ZipFile(path) as archive:
                about = json.loads(archive.read("about.json"))
                stored = archive.read("parts.skops")
            version = str(about["scikit-learn"])
            predictor = cls(about["kind"], space, trees=about["trees"], random_state=about["random_state"])
        except FileNotFoundError:
            raise BadInput(f"there is no predictor file {os.fspath(path)}") from None
        except (zipfile.BadZipFile, KeyError, ValueError, TypeError, EOFError) as error:
            raise BadInput(f"{os.fspath(path)} is not a saved predictor, or cut short ({error}); {again}") from None
        if version.split(".")[:2] != sklearn.__version__.split(".")[:2]:
            here = f"saved with scikit-learn {version}, here is {sklearn.__version__}"
            raise BadInput(f"{os.fspath(path)} was {here}; {again}, or install scikit-learn {version}")
        try:
            unknown = sorted(set(skops.io.get_untrusted_types(data=stored)) - set(_TRUSTED))
            if unknown:
                raise BadInput(f"{os.fspath(path)} holds types that no predictor has ({unknown[0]}); {again}")
            parts = skops.io.load(io.BytesIO(stored), trusted=_TRUSTED)
            for name in _PARTS:
                setattr(predictor, name, parts[name])
            _check_trees(predictor)
            predictor._forest = _Forest.of(predictor.correction_)
        except BadInput:
            raise
        except Exception as error:  # skops passes on whatever its parts raise
            raise BadInput(f"{os.fspath(path)} is not a saved predictor ({type(error).__name__}); {again}") from error
        return predictor


class _Forest:
    """All trees of a random forest in one set of arrays. A search asks for one architecture after the other; for one
    row scikit-learn's own `predict` takes 13 ms, nearly all of it to start."""

    def __init__(self, forest: RandomForestRegressor) -> None:
        trees = [item.tree_ for item in forest.estimators_]
        self.roots = np.cumsum([0, *(tree.node_count for tree in trees)])[:-1]  # (trees,)
        self.feature = np.concatenate([tree.feature for tree in trees])
        self.threshold = np.concatenate([tree.threshold for tree in trees])
        self.value = np.concatenate([tree.value[:, 0, 0] for tree in trees])
        own = np.arange(len(self.feature))
        children = []
        for side in ("children_left", "children_right"):
            child = np.concatenate([getattr(tree, side) + root for tree, root in zip(trees, self.roots, strict=True)])
            children.append(np.where(self.feature < 0, own, child))  # a leaf leads to itself
        self.child = np.stack(children)
        self.feature = np.maximum(self.feature, 0)
        self.depth = max(tree.max_depth for tree in trees)

    @classmethod
    def of(cls, correction: BaseEstimator | None) -> _Forest | None:
        return cls(correction) if isinstance(correction, RandomForestRegressor) else None

    def predict(self, X: np.ndarray) -> np.ndarray:
        X = X.astype(np.float32)  # as scikit-learn does
        row, node = np.arange(len(X))[:, None], np.repeat(self.roots[None], len(X), axis=0)  # (n, trees)
        for _ in range(self.depth):
            node = self.child[(X[row, self.feature[node]] > self.threshold[node]).astype(np.intp), node]
        return self.value[node].mean(axis=1)


def _check_trees(predictor: LatencyPredictor) -> None:
    """Raise BadInput unless every branch of every tree leads forward, inside the tree, by a column that exists."""
    for tree in (item.tree_ for item in getattr(predictor.correction_, "estimators_", [])):
        nodes = np.arange(tree.node_count)
        inner = tree.children_left != -1
        for child in (tree.children_left[inner], tree.children_right[inner]):
            if not ((child > nodes[inner]) & (child < tree.node_count)).all():
                raise BadInput("the file holds a broken tree; fit the predictor again on its profile and save it")
        if not ((tree.feature[inner] >= 0) & (tree.feature[inner] < predictor.n_features_in_)).all():
            raise BadInput("the file holds a broken tree; fit the predictor again on its profile and save it")


def _count_columns(names: list[str]) -> np.ndarray:
    """(columns, counts) of 0 and 1: which columns of encode add up to one count, whatever the frame length."""
    counted: dict[str, list[int]] = {}
    for column, name in enumerate(names):
        _, is_count, what = name.partition(" ms ")
        if is_count or name.startswith("total "):
            counted.setdefault(what or name, []).append(column)
    table = np.zeros((len(names), len(counted)))
    for number, columns in enumerate(counted.values()):
        table[columns, number] = 1
    return table


def _with_constant(counts: np.ndarray) -> np.ndarray:
    return np.hstack([counts, np.ones((len(counts), 1))])

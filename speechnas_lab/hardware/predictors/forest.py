"""A random forest that answers quickly for one row and for many, and a look at trees that came from a file."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestRegressor

from ...errors import BadInput

MANY = 40  # rows from which tree after tree is quicker than all trees at once (measured: 30 to 60)


class Forest:
    """All trees of a random forest in one set of arrays. A search asks for one architecture after the other; for one
    row scikit-learn's own `predict` takes 13 ms, nearly all of it to start. For many rows its trees are the quickest,
    walked one after the other: 100,000 rows a second on one core."""

    def __init__(self, forest: RandomForestRegressor) -> None:
        self.trees = trees = [item.tree_ for item in forest.estimators_]
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
    def of(cls, correction: BaseEstimator | None) -> Forest | None:
        return cls(correction) if isinstance(correction, RandomForestRegressor) else None

    def predict(self, X: np.ndarray) -> np.ndarray:
        """(n,) means over the trees."""
        X = X.astype(np.float32)  # as scikit-learn does
        return self.tree_by_tree(X) if len(X) >= MANY else self.all_at_once(X)

    def tree_by_tree(self, X: np.ndarray) -> np.ndarray:
        total = np.zeros(len(X))
        for tree in self.trees:
            total += tree.predict(X)[:, 0]
        return total / len(self.trees)

    def all_at_once(self, X: np.ndarray) -> np.ndarray:
        row, node = np.arange(len(X))[:, None], np.repeat(self.roots[None], len(X), axis=0)  # (n, trees)
        for _ in range(self.depth):
            node = self.child[(X[row, self.feature[node]] > self.threshold[node]).astype(np.intp), node]
        return self.value[node].cumsum(axis=1)[:, -1] / len(self.trees)  # added up in the order of `tree_by_tree`


def check_trees(forest: BaseEstimator | None, columns: int) -> None:
    """Raise BadInput unless every branch of every tree leads forward, inside the tree, by a column that exists."""
    for tree in (item.tree_ for item in getattr(forest, "estimators_", [])):
        nodes = np.arange(tree.node_count)
        inner = tree.children_left != -1
        for child in (tree.children_left[inner], tree.children_right[inner]):
            if not ((child > nodes[inner]) & (child < tree.node_count)).all():
                raise BadInput("the file holds a broken tree; fit the predictor again on its profile and save it")
        if not ((tree.feature[inner] >= 0) & (tree.feature[inner] < columns)).all():
            raise BadInput("the file holds a broken tree; fit the predictor again on its profile and save it")

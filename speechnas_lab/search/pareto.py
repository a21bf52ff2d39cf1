"""Several objectives at once, all to be minimised.

a dominates b when a_k <= b_k for all objectives k and a_k < b_k for at least one.
The Pareto front holds what nothing dominates. Equal points do not dominate each other.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import BadInput

Points = Sequence[Sequence[float]] | np.ndarray


def _rows(values: Points) -> np.ndarray:
    rows = np.asarray(values, dtype=np.float64)
    if rows.size == 0:
        return rows.reshape(0, max(1, rows.shape[-1] if rows.ndim > 1 else 1))
    if rows.ndim != 2:
        raise BadInput(
            f"values must be rows of objectives, (n, objectives), not an array of shape {rows.shape}"
        )
    return rows


def pareto_front(values: Points) -> list[int]:
    """Return the indices, ascending, of the rows of `values` (n, objectives) that nothing dominates.

    O(n log n) for one or two objectives, O(n * front) for more. Rows with a NaN are left out.
    """
    rows = _rows(values)
    known = np.flatnonzero(~np.isnan(rows).any(axis=1))
    if known.size == 0:
        return []
    points, group = np.unique(rows[known], axis=0, return_inverse=True)  # sorted by objective 0, then 1, ...
    if points.shape[1] <= 2:
        last = points[:, -1]  # a point stays if this is lower than that of all points before it
        keep = np.r_[True, last[1:] < np.minimum.accumulate(last)[:-1]]
    else:
        keep = np.zeros(len(points), dtype=bool)
        front = np.empty_like(points)
        size = 0
        for index, point in enumerate(points):  # whatever dominates a point stands before it
            if not (front[:size] <= point).all(axis=1).any():
                front[size], keep[index], size = point, True, size + 1
    return [int(index) for index in known[keep[group.reshape(-1)]]]


def nondominated_ranks(values: Points) -> list[int]:
    """Return each row's rank: 0 for the Pareto front, 1 for the front of what is left then, and so on."""
    rows = _rows(values)
    ranks = np.zeros(len(rows), dtype=int)
    left, rank = np.arange(len(rows)), 0
    while left.size:
        front = pareto_front(rows[left])
        if not front:
            raise BadInput("values hold a NaN; leave failed trials out")
        ranks[left[front]] = rank
        left, rank = np.delete(left, front), rank + 1
    return ranks.tolist()


def crowding_distance(values: Points) -> list[float]:
    """Return for each row of one front how lonely it is (NSGA-II, Deb et al. 2002, section III-B).

    d_i = sum over objectives of (next_i - previous_i) / (max - min); the ends of the front have an infinite
    distance.
    """
    rows = _rows(values)
    distance = np.zeros(len(rows))
    for column in rows.T:
        order = np.argsort(column, kind="stable")
        spread = column[order[-1]] - column[order[0]] if len(order) else 0.0
        if spread > 0:
            distance[order[[0, -1]]] = np.inf
            distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / spread
    return distance.tolist()


def hypervolume(values: Points, reference: Sequence[float]) -> float:
    """Return the area that the rows (n, 2) dominate up to the point `reference` (2,). More is better."""
    rows = _rows(values)
    if len(reference) != 2 or (len(rows) and rows.shape[1] != 2):
        raise BadInput("hypervolume is for two objectives: rows of two values and a reference of two")
    inside = rows[(rows < np.asarray(reference)).all(axis=1)]
    front = np.unique(inside[pareto_front(inside)], axis=0)  # first objective ascending, second descending
    if not len(front):
        return 0.0
    heights = np.r_[reference[1], front[:-1, 1]] - front[:, 1]
    return float(((reference[0] - front[:, 0]) * heights).sum())

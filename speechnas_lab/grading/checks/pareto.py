"""10-pareto: which points nothing dominates, in about n log n comparisons."""

from __future__ import annotations

from collections.abc import Callable
from functools import total_ordering
from random import Random
from secrets import randbits
from typing import Any

import numpy as np

from ...search import pareto_front
from ..exercise import Exercise, Wrong, check, likely, same

SIZES = (3, 5, 8, 12, 40)
FEW, MANY = 32, 64  # twice as many points ...
GROWTH = 3.0  # ... take 2.4 times the comparisons where one sorts, 4 times where all are compared with all


def _dominates(a: tuple, b: tuple) -> bool:
    return a[0] <= b[0] and a[1] <= b[1] and a != b


def _keep(stays: Callable[[tuple, list[tuple]], bool]) -> Callable[[list[tuple]], list[int]]:
    return lambda points: [i for i, point in enumerate(points) if stays(point, points)]


def _beaten(p: tuple, points: list[tuple]) -> bool:
    return any(_dominates(q, p) for q in points)


def _first(points: list[tuple]) -> list[int]:
    return [i for i in pareto_front(points) if points.index(points[i]) == i]


def _last(points: list[tuple]) -> list[int]:
    return [i for i in pareto_front(points) if points[i] not in points[i + 1 :]]


def _ends(points: list[tuple]) -> list[int]:
    ends = {min(points), min(points, key=lambda p: p[::-1])}
    return [i for i, point in enumerate(points) if point in ends]


def _sorted_by_first(points: list[tuple]) -> list[int]:
    """A sweep after a stable sort by the first objective alone."""
    kept, best = [], None
    for i in sorted(range(len(points)), key=lambda i: points[i][0]):
        if best is None or points[i][1] < best[1] or points[i] == best:
            best = points[i]
            kept.append(i)
    return sorted(kept)


def _sweep_with_ties(points: list[tuple]) -> list[int]:
    """A sweep that keeps whatever is not above the lowest second objective."""
    kept, best = [], None
    for i in sorted(range(len(points)), key=lambda i: points[i]):
        if best is None or points[i][1] <= best:
            best = points[i][1]
            kept.append(i)
    return sorted(kept)


def _in_sorted(points: list[tuple]) -> list[int]:
    return pareto_front(sorted(points))


SLIPS: dict[str, Callable[[list[tuple]], list[int]]] = {
    "a tie in one objective does not protect: who is equal there and worse in the other is dominated":
        _keep(lambda p, points: not any(q[0] < p[0] and q[1] < p[1] for q in points)),
    "lower is better in both objectives, not higher": lambda points: pareto_front([(-a, -b) for a, b in points]),
    "equal points do not dominate each other; all of them stay, not the first alone": _first,
    "equal points do not dominate each other; all of them stay, not the last alone": _last,
    "equal points do not dominate each other, yet they threw each other out":
        _keep(lambda p, points: not _beaten(p, points) and points.count(p) == 1),
    "a point does not dominate itself": lambda points: [],
    "these are the dominated ones": _keep(_beaten),
    "only the best of each objective is there, not what lies between": _ends,
    "ties in the first objective: among them the lowest second has to come first": _sorted_by_first,
    "the second objective has to become lower, not merely stay as low": _sweep_with_ties,
    "these are places in the sorted list; asked for are those in `points`": _in_sorted,
}  # fmt: skip


def _likely(work: Any) -> str:
    rng = Random(0)
    cases = [([(rng.randint(0, 3), rng.randint(0, 3)) for _ in range(8)],) for _ in range(12)]
    sorted_answer = lambda points: sorted(work.front(list(points)))  # noqa: E731
    return likely(sorted_answer, SLIPS, cases)


def _judge(work: Any, points: list[tuple], case: str) -> None:
    got, right = work.front(list(points)), pareto_front(points)
    if isinstance(got, np.ndarray) and got.ndim == 1:
        got = got.tolist()
    if isinstance(got, (list, tuple)) and len(got) and all(isinstance(item, tuple) for item in got):
        raise Wrong("the result holds points", case, "asked for are their places in the list, not the points")
    if isinstance(got, (list, tuple)) and len(got) and all(isinstance(item, (bool, np.bool_)) for item in got):
        raise Wrong("the result is a row of True and False", case, "asked for are the places that are True")
    if isinstance(got, (set, frozenset)):
        raise Wrong("the result is a set, which has no order; a list is asked for, ascending", case)
    if isinstance(got, (list, tuple)) and all(isinstance(i, (int, np.integer)) for i in got) and list(got) != right:
        if sorted(got) == right:
            raise Wrong(f"front(points) is {list(got)}", case, "the places are right, but not in ascending order")
        if len(set(got)) < len(got):
            raise Wrong(f"front(points) is {list(got)[:12]}", case, "a place stands there more than once")
        extra, missing = sorted(set(got) - set(right)), sorted(set(right) - set(got))
        if extra and not 0 <= extra[0] < len(points):
            what = f"{extra[0]} is no place in a list of {len(points)}"
        elif extra:
            by = next((q for q in points if _dominates(q, points[extra[0]])), None)
            what = f"point {extra[0]}, {points[extra[0]]}, is in the result, but {by} dominates it"
        else:
            what = f"point {missing[0]}, {points[missing[0]]}, is missing, but nothing dominates it"
        raise Wrong(what, case, _likely(work))
    same(got, right, case, "front(points)")


def _case(points: list[tuple]) -> str:
    return f"points {points}" if len(points) <= 12 else f"{len(points)} points with values from 0 to 9"


def _fresh(points: list[tuple], rng: Random) -> list[tuple]:
    rng.shuffle(points)
    return points


@check("finds what nothing dominates")
def distinct(work: Any, rng: Random) -> None:
    _judge(work, [(0.5, 2.0)], "points [(0.5, 2.0)]")
    for count in SIZES:
        xs, ys = rng.sample(range(100), count), rng.sample(range(100), count)
        points = _fresh([(x / 10, y / 10) for x, y in zip(xs, ys, strict=True)], rng)
        _judge(work, points, f"points {points}" if count <= 12 else f"{count} points without ties")


@check("is right about ties and equal points", points=2, needs=(distinct,))
def ties(work: Any, rng: Random) -> None:
    a, b, c = sorted(rng.sample(range(10), 3))
    for points in (
        [(a, b), (a, c)], [(a, c), (a, b)], [(b, a), (c, a)], [(c, a), (b, a)],  # a tie in one objective
        [(a, b), (a, b)], [(a, c), (b, b), (a, c), (c, a)], [(c, c), (a, b), (c, c), (a, b)],  # equal points
    ):  # fmt: skip
        _judge(work, points, _case(points))
    for count in (6, 12, 40, 40):
        points = [(rng.randint(0, 9), rng.randint(0, 9)) for _ in range(count - 2)]
        points = _fresh(points + rng.choices(points, k=2), rng)
        _judge(work, points, _case(points))


@check("takes no point, one point, and points that are all equal", needs=(distinct,))
def ends(work: Any, rng: Random) -> None:
    value = rng.randint(0, 9)
    for points in ([], [(value, 1)], [(value, 1)] * 3):
        _judge(work, points, _case(points))


@check("leaves the list as it was", needs=(distinct, ties), effects=True)
def untouched(work: Any, rng: Random) -> None:
    points = [(rng.randint(0, 9), rng.randint(0, 9)) for _ in range(8)]
    handed = list(points)
    same(work.front(handed), pareto_front(points), _case(points), "front(points)")
    if handed != points:
        slip = "points.sort() sorts the caller's own list; sorted(...) makes a new one"
        raise Wrong("the list of points is not what it was", _case(points), slip)


@total_ordering
class Counted:
    """A number that can be compared, and counts it. Its hash, which costs nothing, says whether two are equal, and
    nothing else.
    """

    HANDED = ("__eq__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__", "__neg__", "__float__")
    asked = 0
    hashes: dict[float, int] = {}

    def __init__(self, value: float) -> None:
        self.value = value

    def _ask(self, other: Any) -> Any:
        Counted.asked += 1
        return other.value if isinstance(other, Counted) else other

    def __eq__(self, other: object) -> bool:
        return self.value == self._ask(other)

    def __lt__(self, other: Any) -> bool:
        return self.value < self._ask(other)

    def __le__(self, other: Any) -> bool:
        return self.value <= self._ask(other)

    def __gt__(self, other: Any) -> bool:
        return self.value > self._ask(other)

    def __ge__(self, other: Any) -> bool:
        return self.value >= self._ask(other)

    def __hash__(self) -> int:
        return self.hashes.setdefault(self.value, randbits(60))

    def __neg__(self) -> Counted:
        return Counted(-self.value)

    def __float__(self) -> float:
        raise Wrong("a value was turned into a float", "values that can be compared and nothing else",
                    "this check counts comparisons: compare the values as they come, without NumPy")  # fmt: skip


@check("compares about n log n times, not n times n", points=2, needs=(distinct,))
def growth(work: Any, rng: Random) -> None:
    asked = {}
    for count in (FEW, MANY):
        order = rng.sample(range(count), count)  # all on the front: the worst case
        points = [(Counted(float(x)), Counted(float(count - x))) for x in order]
        Counted.asked = 0
        got = work.front(points)
        asked[count] = Counted.asked
        same(got, list(range(count)), f"{count} points, all on the front", "front(points)")
    ratio = asked[MANY] / max(1, asked[FEW])
    if not asked[FEW]:
        raise Wrong("no value was compared at all", f"{FEW} points", "compare the values that come in")
    if ratio > GROWTH:
        counts = f"{asked[FEW]:,} comparisons for {FEW} points, {asked[MANY]:,} for {MANY}: {ratio:.1f} times"
        slip = "each point is compared with every other; sort first, and one pass is enough"
        raise Wrong(f"the work grows too fast: {counts}", "all points on the front, in random order", slip)


EXERCISE = Exercise(
    id="10-pareto",
    title="The Pareto front",
    lesson="10_many_objectives",
    defines=("front",),
    minutes=20,
    difficulty=2,
    why="The answer of a search with several objectives is this set, and evolution asks for it in every generation.",
    hints=(
        "If the points stood sorted by their first value, which of those before a point could dominate it, and "
        "which single number would tell?",
        "Sort the places by (first, second). Go through them with the lowest second value so far. A point stays if its "
        "own is lower, or if it equals the last one that stayed. Give the places back in ascending order.",
        "order = sorted(range(len(points)), key=points.__getitem__), then one loop with `best`, the last point "
        "that stayed: keep i if best is None, points[i][1] < best[1], or points[i] == best.",
    ),
    checks=(distinct, ties, ends, untouched, growth),
)

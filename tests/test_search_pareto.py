"""The Pareto front and its relatives against brute force."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speechnas_lab.errors import BadInput
from speechnas_lab.search import crowding_distance, hypervolume, nondominated_ranks, pareto_front


def dominates(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return all(x <= y for x, y in zip(a, b, strict=True)) and any(x < y for x, y in zip(a, b, strict=True))


def brute_front(points: list[tuple[float, ...]]) -> list[int]:
    return [i for i, p in enumerate(points) if not any(dominates(q, p) for q in points)]


def clouds(objectives: int) -> st.SearchStrategy[list[tuple[float, ...]]]:
    number = st.integers(0, 9).map(float) | st.just(float("inf"))  # few values: many ties and duplicates
    return st.lists(st.tuples(*[number] * objectives), max_size=40)


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_front_is_what_nothing_dominates(objectives: int) -> None:
    @settings(max_examples=150, deadline=None, derandomize=True)
    @given(clouds(objectives))
    def check(points: list[tuple[float, ...]]) -> None:
        assert pareto_front(points) == brute_front(points)

    check()


def test_front_leaves_out_nan() -> None:
    nan = float("nan")
    assert pareto_front([(nan, 0.0), (1.0, 1.0), (0.0, nan)]) == [1]
    assert pareto_front([(nan, nan)]) == []


def test_front_of_two_objectives_grows_like_a_sort() -> None:
    rng = np.random.default_rng(0)

    def seconds(n: int) -> float:
        x = rng.permutation(n)
        points = np.stack(
            [x, n - x], axis=1
        )  # all on the front: the worst case for a comparison with the front
        start = time.perf_counter()
        assert len(pareto_front(points)) == n
        return time.perf_counter() - start

    few = min(seconds(20_000) for _ in range(3))
    assert (
        min(seconds(160_000) for _ in range(3)) < 8 * few * 3
    )  # 8 times as many points; n squared would be 64


@settings(max_examples=60, deadline=None, derandomize=True)
@given(clouds(2).filter(bool))
def test_ranks_peel_front_after_front(points: list[tuple[float, ...]]) -> None:
    ranks = nondominated_ranks(points)
    left = dict(enumerate(points))
    for rank in range(max(ranks) + 1):
        front = [i for i, p in left.items() if not any(dominates(q, p) for q in left.values())]
        assert front == [i for i, r in enumerate(ranks) if r == rank]
        for i in front:
            del left[i]
    assert not left


def test_ranks_refuse_nan() -> None:
    with pytest.raises(BadInput, match="NaN"):
        nondominated_ranks([(1.0, float("nan"))])


def test_crowding_distance_by_hand() -> None:
    # Spread 4 in both; the middle ones: (2 - 0)/4 + (4 - 1)/4 and (4 - 1)/4 + (2 - 0)/4.
    points = [(4.0, 0.0), (0.0, 4.0), (1.0, 2.0), (2.0, 1.0)]
    assert crowding_distance(points) == [float("inf"), float("inf"), 2 / 4 + 3 / 4, 3 / 4 + 2 / 4]
    assert crowding_distance([(1.0, 1.0)] * 3) == [0.0, 0.0, 0.0]


def test_hypervolume_counts_the_dominated_cells() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        points = rng.integers(0, 12, size=(rng.integers(0, 12), 2))
        cells = {
            (x, y) for a, b in points for x in range(a, 10) for y in range(b, 10)
        }  # unit cells up to (10, 10)
        assert hypervolume(points, (10, 10)) == len(cells)


def test_shapes_are_checked() -> None:
    with pytest.raises(BadInput, match="shape"):
        pareto_front([1.0, 2.0])
    with pytest.raises(BadInput, match="two objectives"):
        hypervolume([(1.0, 2.0, 3.0)], (1, 2, 3))

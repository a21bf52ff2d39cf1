"""Depth-first search with a bound: complete, exact, and blind to most of the tree."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, product

import pytest

from speechnas_lab.search import ArchitectureTree, Queens, Visits, within
from speechnas_lab.space import (
    PRESETS,
    SKIP,
    Architecture,
    Block,
    MobileConformerSpace,
    Stage,
    counts,
    int8_bytes,
)

SMALL = replace(
    PRESETS["laptop"],
    slots=(2, 1),
    widths=(48, 96),
    kernels=(0, 5),
    heads=(0, 4),
    expansions=(1.5, 4.0),
    reductions=("none", "pool"),
    activations=("swish", "relu"),
    norms=("layer",),
    output_reductions=(4, 8),
    max_depth=3,
)
COSTS: dict[str, Callable[[Architecture], float]] = {
    "MACs": lambda arch: counts(arch).macs,
    "parameters": lambda arch: counts(arch).parameters,
    "bytes": int8_bytes,
}


def members(space: MobileConformerSpace) -> list[Architecture]:
    """Every raw member, by trying every gene: nothing of `pruning` is used."""
    c = space.choices
    blocks = [SKIP, *(Block(*genes) for genes in product(c.kernels, c.heads, c.expansions) if genes[0] or genes[1])]
    found = []
    for widths in product(c.widths, repeat=2):
        for reductions in product(c.reductions, repeat=2):
            for one, two, three in product(blocks, repeat=3):
                stages = (Stage(widths[0], reductions[0], (one, two)), Stage(widths[1], reductions[1], (three,)))
                for stem, out, word in product(c.stems, c.output_reductions, c.activations):
                    arch = Architecture(stem, stages, word, "layer", False, out)
                    if arch in space:
                        found.append(arch)
    return found


@pytest.mark.parametrize(("size", "boards"), [(4, 2), (5, 10), (6, 4), (7, 40), (8, 92)])
def test_queens(size: int, boards: int) -> None:
    tree, visits = Queens(size), Visits()
    found = list(within(tree, 0, visits))
    assert len(set(found)) == len(found) == visits.found == boards  # known since 1850 for eight
    for board in found:
        assert len(set(board)) == len({c - r for r, c in enumerate(board)}) == size
        assert len({c + r for r, c in enumerate(board)}) == size
    assert tree.nodes() == sum(size**level for level in range(1, size + 1))
    assert visits.nodes < tree.nodes() / 2


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_queens_that_may_attack_each_other(limit: int) -> None:
    attacking = lambda board: sum(  # noqa: E731
        a == b or abs(a - b) == j - i for (i, a), (j, b) in combinations(enumerate(board), 2)
    )
    wanted = {board for board in product(range(5), repeat=5) if attacking(board) <= limit}
    assert set(within(Queens(5), limit)) == wanted


def test_a_tree_by_hand() -> None:
    """Costs add up: 1 or 3, then 1 or 3. At most 4: the branches 1 1, 1 3 and 3 1."""

    class Sums:
        def depth(self) -> int:
            return 2

        def options(self, level: int) -> tuple[int, int]:
            return 1, 3

        def bound(self, partial: tuple) -> int:
            return sum(partial) + (2 - len(partial))  # each open level adds 1 at least

        def solution(self, partial: tuple) -> tuple:
            return partial

    def course(limit: float) -> tuple[list[tuple], Visits]:
        visits = Visits()
        return list(within(Sums(), limit, visits)), visits

    assert course(4) == ([(1, 1), (1, 3), (3, 1)], Visits(nodes=6, cut=1, found=3))  # 3 3 was looked at and left
    assert course(3) == ([(1, 1)], Visits(nodes=4, cut=2, found=1))  # below 3 nothing was looked at
    assert course(1) == ([], Visits(nodes=2, cut=2, found=0))
    assert len(list(within(Sums(), math.inf))) == 4


@pytest.mark.parametrize("depths", [(1, 3), (2, 2), (3, 3)])
@pytest.mark.parametrize("name", COSTS)
def test_exactly_what_brute_force_finds(name: str, depths: tuple[int, int]) -> None:
    cost = COSTS[name]
    space = MobileConformerSpace(choices=replace(SMALL, min_depth=depths[0], max_depth=depths[1]))
    every = members(space)
    assert len(every) == space.cardinality()
    price = {arch: cost(arch) for arch in every}
    ladder, tree = sorted(price.values()), ArchitectureTree(space, cost)
    for limit in (ladder[0] - 1, ladder[0], ladder[len(ladder) // 100], ladder[len(ladder) // 4], ladder[-1]):
        visits = Visits()
        found = list(within(tree, limit, visits))
        assert len(found) == len(set(found)) == visits.found
        assert set(found) == {arch for arch, ms in price.items() if ms <= limit}
        assert visits.nodes <= tree.nodes()


def test_no_completion_costs_less_than_the_bound() -> None:
    space, rng = MobileConformerSpace("laptop"), random.Random(0)
    for cost in COSTS.values():
        tree = ArchitectureTree(space, cost)
        for _ in range(50):
            frame = rng.choice(tree.frames)
            whole = (frame, *(rng.choice(tree.blocks) for _ in range(sum(tree.slots))))
            bounds = [tree.bound(whole[:length]) for length in range(1, len(whole) + 1)]
            assert bounds == sorted(bounds)
            if tree.architecture(whole) in space:
                assert bounds[-1] == cost(tree.architecture(whole))


def test_nodes_are_as_many_as_one_can_walk_past() -> None:
    space = MobileConformerSpace(choices=replace(SMALL, slots=(1, 1), max_depth=2))
    tree, visits = ArchitectureTree(space, lambda arch: 0.0), Visits()
    found = list(within(tree, math.inf, visits))
    assert len(found) == space.cardinality()
    assert visits.nodes == tree.nodes()  # a limit that cuts nothing shows them all
    assert visits.cut == len(tree.frames)  # the leaves without any block, which are no members
    assert tree.nodes() == len(tree.frames) * (1 + len(tree.blocks) + len(tree.blocks) ** 2)


def test_a_tight_limit_leaves_almost_all_of_the_laptop_space_unseen() -> None:
    words = dict(activations=("swish",), norms=("layer",))  # no MAC depends on them: a sixth of the time
    space = MobileConformerSpace(choices=replace(PRESETS["laptop"], **words))
    tree, visits = ArchitectureTree(space, COSTS["MACs"]), Visits()
    limit = counts(space.smallest()).macs
    found = list(within(tree, limit, visits))
    assert {space.canonical(arch) for arch in found} >= {space.smallest()}
    assert all(counts(arch).macs == limit for arch in found)  # nothing is smaller
    assert visits.nodes < tree.nodes() / 100  # in truth far less

"""Grid search and local search against what can be listed by hand."""

from __future__ import annotations

import itertools

import pytest
from gene_space import GeneSpace
from toy_space import Toy

from speechnas_lab.errors import BadInput
from speechnas_lab.search import AgeingEvolution, GridSearch, LocalSearch, NothingLeft
from speechnas_lab.search.grid import golden_walk, spread
from speechnas_lab.space import MobileConformerSpace


def test_the_grid_visits_every_member_once_and_then_says_so() -> None:
    space = GeneSpace(4, 3, most=5)
    genes = itertools.product(range(3), repeat=4)
    every = {space.canonical(arch) for arch in map(Toy, genes) if arch in space}
    grid = GridSearch(space)
    found = [grid.ask().arch for _ in every]
    assert set(found) == every
    with pytest.raises(NothingLeft, match="every point"):
        grid.ask()


def test_levels_thin_every_gene_evenly() -> None:
    assert [spread(7, levels) for levels in (1, 2, 3, 4, 7, 9, None)] == [
        [0], [0, 6], [0, 3, 6], [0, 2, 4, 6], *[[*range(7)]] * 3,
    ]  # fmt: skip
    points = {arch.genes for arch in GridSearch(GeneSpace(3, 7), levels=3).points()}
    assert points == set(itertools.product((0, 3, 6), repeat=3))
    with pytest.raises(BadInput, match="levels"):
        GridSearch(GeneSpace(), levels=0)


@pytest.mark.parametrize("points", [1, 2, 7, 105, 4096, 9 * 105**2])
def test_the_walk_is_a_permutation_whose_beginnings_are_even(points: int) -> None:
    walk = list(golden_walk(points))
    assert sorted(walk) == list(range(points))
    for length in (10, 100):  # the largest gap is under three times the mean (three-distance theorem)
        head = sorted(walk[:length])
        if points >= 4096:
            gaps = [b - a for a, b in itertools.pairwise([*head, head[0] + points])]
            assert max(gaps) < 3 * points / length


def test_the_grid_of_the_laptop_space_reaches_every_option_of_every_gene_soon() -> None:
    space = MobileConformerSpace("laptop")
    points = itertools.islice(GridSearch(space).points(), 1500)
    seen = [set(column) for column in zip(*map(space.to_genes, points), strict=True)]
    for gene, options in zip(space.genes(), seen, strict=True):
        assert len(options) == len(gene.options), gene.name


def test_local_search_walks_down_to_a_local_optimum_and_starts_anew() -> None:
    space = GeneSpace(5, 4)
    strategy = LocalSearch(space, seed=0)

    def near(arch: Toy) -> set[Toy]:
        pairs = itertools.product(range(5), range(4))
        return {space.canonical(Toy((*arch.genes[:i], n, *arch.genes[i + 1 :]))) for i, n in pairs} - {arch}

    asked: dict[Toy, float] = {}
    ends = []
    for _ in range(300):
        before, trial = strategy.current, strategy.ask()
        if before is not None and strategy.current is before:
            assert trial.arch in near(before.arch)
        elif before is not None:  # it gave up: there is no other neighbour
            assert near(before.arch) <= set(asked)
            ends.append(before)
        asked[trial.arch] = float(sum(trial.arch.genes))
        strategy.tell(trial, (asked[trial.arch],))
    assert ends[0].values == (0.0,)  # this hill has one valley
    assert len(ends) > 5


def test_local_search_moves_at_the_first_improvement_and_never_to_a_failure() -> None:
    strategy = LocalSearch(GeneSpace(), seed=1)
    for values, stands in [(None, None), (5.0, 5.0), (6.0, 5.0), (None, 5.0), (4.0, 4.0), (4.0, 4.0)]:
        strategy.tell(strategy.ask(), values)
        assert (strategy.current and strategy.current.values[0]) == stands
    pair = LocalSearch(GeneSpace(), seed=1)
    for values in ((3.0, 3.0), (1.0, 4.0), (2.0, 3.0)):  # only the last dominates the first
        pair.tell(pair.ask(), values)
    assert pair.current.number == 2


def test_the_published_ageing_evolution() -> None:
    strategy = AgeingEvolution(GeneSpace(8, 6), seed=0)
    for number in range(130):
        strategy.tell(strategy.ask(), (float(number),))
    assert [parent.number for parent in strategy.parents] == list(range(29, 129))
    sizes = ("population", "children", "tournament", "lifetime", "crossover")
    assert [strategy.settings()[name] for name in sizes] == [100, 1, 25, 100, 0.0]

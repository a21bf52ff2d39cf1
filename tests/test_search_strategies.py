"""Strategies: what they ask for, what they take from a result."""

from __future__ import annotations

import itertools
import random
import time
from typing import Any

import pytest
from toy_space import Toy, ToySpace

from speechnas_lab.errors import BadInput
from speechnas_lab.search import (
    NothingLeft,
    RandomSearch,
    RegularizedEvolution,
    Strategy,
    pareto_front,
    search,
)
from speechnas_lab.space import MobileConformerSpace

BOTH = [RandomSearch, RegularizedEvolution]


def total(arch: Toy) -> float:
    return float(sum(arch.genes))


@pytest.mark.parametrize("kind", BOTH)
def test_nothing_is_asked_for_twice_and_all_meet_the_constraint(kind: type[Strategy]) -> None:
    space = ToySpace(6, 4)

    def allowed(arch: Toy) -> bool:
        return arch.genes[0] != 2

    strategy = kind(space, seed=1, constraint=allowed)
    seen = []
    for _ in range(400):
        trial = strategy.ask()
        seen.append(trial.arch)
        strategy.tell(trial, (total(trial.arch),))
    assert len({space.canonical(arch) for arch in seen}) == 400
    assert all(allowed(arch) and arch in space for arch in seen)


@pytest.mark.parametrize("kind", BOTH)
def test_the_constraint_is_asked_once_for_each_canonical_form(kind: type[Strategy]) -> None:
    space, asked = ToySpace(4, 4), []

    def allowed(arch: Toy) -> bool:
        asked.append(arch)
        return arch.genes[0] < 2

    strategy = kind(space, seed=0, constraint=allowed)
    for _ in range(60):
        strategy.tell(strategy.ask(), (1.0,))
    assert len(asked) == len({space.canonical(arch) for arch in asked})


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("preset", ["toy", "laptop", "full"])
def test_case_28_children_stay_in_the_space(kind: type[Strategy], preset: str) -> None:
    space = ToySpace() if preset == "toy" else MobileConformerSpace(preset)
    courses = []
    for _ in range(2):
        strategy, course = kind(space, seed=5), []
        value = random.Random(0)
        for _ in range(300):
            trial = strategy.ask()
            before = trial.arch.to_json()
            strategy.tell(trial, (value.random(),))
            course.append((trial.arch, before))
        courses.append([before for _, before in course])
        assert all(arch in space and space.canonical(arch) == arch for arch, _ in course)
        assert all(arch.to_json() == before for arch, before in course)  # parents are not modified
    assert courses[0] == courses[1]  # same seed, same children
    assert len(set(courses[0])) == 300


@pytest.mark.parametrize(
    "shape", [dict(population=8, children=6), dict(population=5, children=1, lifetime=5)]
)
def test_order_of_tells_within_a_generation_changes_nothing(shape: dict[str, int]) -> None:
    def course(shuffle: random.Random | None) -> list[str]:
        strategy = RegularizedEvolution(ToySpace(), seed=2, **shape)
        for _ in range(12):
            batch = [strategy.ask() for _ in range(strategy.batch())]
            if shuffle:
                shuffle.shuffle(batch)
            for trial in batch:
                strategy.tell(trial, (total(trial.arch),))
        return [trial.arch.id for trial in strategy.trials]

    straight = course(None)
    assert all(course(random.Random(n)) == straight for n in range(3))


def test_one_child_at_a_time_and_a_lifetime_of_the_population_is_the_published_algorithm() -> None:
    strategy = RegularizedEvolution(ToySpace(), seed=0, population=10, children=1, lifetime=10)
    for number in range(40):
        trial = strategy.ask()
        strategy.tell(trial, (float(number),))  # the older the better
        if number >= 10:  # parents are the ten newest, although all of them are worse than the dead
            assert [parent.number for parent in strategy.parents] == list(range(number - 10, number))


def test_asks_may_run_ahead_of_tells() -> None:
    strategy = RegularizedEvolution(ToySpace(), seed=0, population=4, children=4)
    ahead = [strategy.ask() for _ in range(20)]
    for trial in ahead:
        strategy.tell(trial, (total(trial.arch),))
    assert len({strategy.ask().arch for _ in range(8)} | {trial.arch for trial in ahead}) == 28


def test_evolution_finds_the_best_of_a_space_that_can_be_listed() -> None:
    space = ToySpace(6, 5)
    table = random.Random(3)
    cost = {(a, b): table.random() for a, b in itertools.product(range(30), repeat=2)}

    def value(arch: Toy) -> float:
        places = [5 * place + gene for place, gene in enumerate(arch.genes)]
        return sum(cost[pair] for pair in itertools.pairwise(places))

    every = {space.canonical(Toy(genes)) for genes in itertools.product(range(5), repeat=6)}
    best = min(map(value, every))
    found = {"evolution": 0, "random": 0}
    for kind, seed in itertools.product(found, range(10)):
        result = search(space, kind, lambda trial: (value(trial.arch),), budget=600, seed=seed)
        found[kind] += result.best.values[0] == best
    assert found["evolution"] >= 8  # 600 of some 10,000
    assert found["random"] <= 4


def test_two_objectives_are_selected_by_front_and_crowding() -> None:
    space = ToySpace(10, 6)

    def value(arch: Toy) -> tuple[float, float]:
        return total(arch), float(sum((5 - gene) ** 2 for gene in arch.genes))

    def spread(kind: str) -> tuple[int, Any]:
        result = search(space, kind, lambda trial: value(trial.arch), budget=1000, seed=0)
        assert [trial.number for trial in result.front] == sorted(
            pareto_front([trial.values for trial in result.trials]),
            key=lambda n: (result.trials[n].values, n),
        )
        assert result.best.values[0] == min(trial.values[0] for trial in result.trials)
        return len({trial.values for trial in result.front}), [trial.values for trial in result.front]

    evolved, front = spread("evolution")
    at_random, other = spread("random")
    assert evolved > at_random
    beaten = sum(any(a <= x and b <= y and (a, b) != (x, y) for a, b in front) for x, y in other)
    assert beaten > len(other) / 2


def test_evolution_decides_a_hundred_generations_of_fifty_within_two_seconds() -> None:
    space = MobileConformerSpace("laptop")
    strategy = RegularizedEvolution(space, seed=0, constraint=lambda arch: len(arch.stages[0].blocks) > 0)
    noise = random.Random(0)
    start = time.process_time()
    for _ in range(5050):
        strategy.tell(strategy.ask(), (noise.random(),))
    assert time.process_time() - start < 2.0


@pytest.mark.parametrize("kind", BOTH)
def test_a_space_that_is_used_up_says_so(kind: type[Strategy]) -> None:
    strategy = kind(ToySpace(2, 2), seed=0)
    every = {ToySpace(2, 2).canonical(Toy(genes)) for genes in itertools.product(range(2), repeat=2)}
    for _ in every:
        strategy.tell(strategy.ask(), (1.0,))
    with pytest.raises(NothingLeft, match="larger space"):
        strategy.ask()


def test_bad_settings_are_refused() -> None:
    for bad in (
        dict(population=0),
        dict(crossover=1.5),
        dict(lifetime=10),
        dict(tournament=0),
        dict(seed="a"),
    ):
        with pytest.raises(BadInput, match=next(iter(bad))):
            RegularizedEvolution(ToySpace(), **bad)
    with pytest.raises(BadInput, match="space"):
        RandomSearch().ask()

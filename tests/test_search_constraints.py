"""Constraint satisfaction and branch and bound against brute force."""

from __future__ import annotations

import random
import time
from collections import Counter
from itertools import product

import pytest
from gene_space import GeneSpace
from toy_space import Toy

from speechnas_lab.errors import BadInput
from speechnas_lab.grading.small_space import small_space
from speechnas_lab.search import (
    Additive,
    AdditiveTree,
    ArchitectureTree,
    ConstraintSatisfaction,
    NothingLeft,
    Queens,
    Visits,
    branch_and_bound,
    search,
    within,
)
from speechnas_lab.space import SKIP, Block, MobileConformerSpace, counts, int8_bytes

SMALL = small_space()
EVERY = list(within(ArchitectureTree(SMALL, lambda arch: 0.0), 0.0))


def macs(arch: object) -> float:
    return counts(arch).macs


def blocks_of(arch: object) -> list[Block]:
    return [block for stage in arch.stages for block in stage.blocks]


def test_several_limits_at_once_leave_what_keeps_them_all() -> None:
    tree = ArchitectureTree(SMALL, lambda arch: (int8_bytes(arch), macs(arch)))
    sizes, times = sorted(map(int8_bytes, EVERY)), sorted(map(macs, EVERY))
    cut = 0
    for share in (0.1, 0.3, 0.6):
        limits = (sizes[int(share * len(EVERY))], times[int(0.5 * len(EVERY))])
        visits = Visits()
        wanted = {arch for arch in EVERY if int8_bytes(arch) <= limits[0] and macs(arch) <= limits[1]}
        assert set(within(tree, limits, visits)) == wanted != set()
        cut += visits.cut
    assert cut > 0


def random_instance(rng: random.Random, costs: int) -> list[Additive]:
    """Tables of random numbers, some negative, for small_space."""

    def one() -> Additive:
        tables = [{b: rng.uniform(-1, 2) for b in SMALL.blocks()} for _ in range(2)]
        tilt = {width: rng.uniform(0.2, 2) for width in (48, 96)}
        frame = {key: rng.uniform(-2, 2) for key in product((48, 96), (48, 96), ("none", "pool"))}
        return Additive(
            lambda f: frame[f.stages[0].width, f.stages[1].width, f.stages[0].reduction],
            lambda f, slot, block: tilt[f.stages[slot].width] * tables[slot][block],
        )

    return [one() for _ in range(costs)]


def total(cost: Additive, arch: object) -> float:
    return cost.frame(arch) + sum(cost.block(arch, slot, block) for slot, block in enumerate(blocks_of(arch)))


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2, 3))])
def test_branch_and_bound_is_brute_force_on_a_thousand_instances(seed: int) -> None:
    rng, none = random.Random(seed), 0
    for _ in range(250):
        costs = random_instance(rng, rng.choice((1, 2, 3)))
        price = [[total(cost, arch) for cost in costs] for arch in EVERY]
        ladders = [sorted(column) for column in list(zip(*price, strict=True))[1:]]
        limits = tuple(ladder[rng.randrange(len(ladder) // 2)] + 1e-9 for ladder in ladders)
        allowed = [row[0] for row in price if all(c <= most for c, most in zip(row[1:], limits, strict=True))]
        for tree in (AdditiveTree(SMALL, costs), AdditiveTree(SMALL, costs, limits)):
            found = branch_and_bound(tree, limits)
            assert (found is None) == (not allowed)
            if found:
                assert found[0] == pytest.approx(min(allowed), abs=1e-9)
                assert found[0] == pytest.approx(total(costs[0], found[1]), abs=1e-9)
                assert found[1] in SMALL
        none += not allowed
    assert none < 125


@pytest.mark.slow
def test_the_best_of_the_laptop_space_within_seconds() -> None:
    space, rng = MobileConformerSpace("laptop"), random.Random(0)
    worth = {
        (slot, b): 0.0 if b == SKIP else -(rng.random() + 0.1 * len(b.kind) / 9 + 0.05 * b.expansion)
        for slot, b in product(range(6), space.blocks())
    }
    size = {(w, b): w * w * (2 * b.expansion + 4 * (b.heads > 0) + 3 * (b.kernel > 0))
            for w, b in product(space.choices.widths, space.blocks())}  # fmt: skip
    costs = [
        Additive(lambda f: -0.002 * sum(s.width for s in f.stages), lambda f, slot, block: worth[slot, block]),
        Additive(lambda f: 320.0 * f.stages[0].width, lambda f, slot, b: size[f.stages[slot // 2].width, b]),
    ]
    visits, start = Visits(), time.process_time()
    value, arch = branch_and_bound(AdditiveTree(space, costs, (150e3,)), (150e3,), visits)
    assert time.process_time() - start < 20  # 2.5 s where it was written
    assert arch in space and total(costs[1], arch) <= 150e3 and value == pytest.approx(total(costs[0], arch))
    assert visits.nodes < 1e6
    for _ in range(1000):  # nothing that chance finds is better
        other = space.sample(rng)
        assert total(costs[1], other) > 150e3 or total(costs[0], other) >= value


def test_queens_by_branch_and_bound() -> None:
    assert branch_and_bound(Queens(3)) == (1, (0, 2, 0)) or branch_and_bound(Queens(3))[0] == 1
    assert branch_and_bound(Queens(6))[0] == 0


def test_all_that_keep_the_limits_are_asked_and_then_nothing_is_left() -> None:
    limit = sorted(map(int8_bytes, EVERY))[len(EVERY) // 5]
    wanted = {SMALL.canonical(arch) for arch in EVERY if int8_bytes(arch) <= limit}
    strategy = ConstraintSatisfaction(SMALL, seed=0, limits=[(int8_bytes, limit)])
    assert {strategy.ask().arch for _ in wanted} == wanted
    with pytest.raises(NothingLeft, match="every architecture"):
        strategy.ask()
    with pytest.raises(NothingLeft):
        ConstraintSatisfaction(SMALL, limits=[(int8_bytes, 10.0)]).ask()


def test_first_draws_are_uniform() -> None:
    space = GeneSpace(3, 4, most=4)
    every = [genes for genes in product(range(4), repeat=3) if sum(genes) <= 4 and genes[0] < 3]
    seen: Counter = Counter()
    for seed in range(3000):
        strategy = ConstraintSatisfaction(space, seed, limits=[(lambda arch: arch.genes[0], 2.0)])
        seen[strategy.ask().arch] += 1
    spelt = Counter(space.canonical(Toy(genes)) for genes in every)
    expected = {arch: 3000 * n / len(every) for arch, n in spelt.items()}
    assert set(seen) == set(expected)
    chi2 = sum((seen[arch] - mean) ** 2 / mean for arch, mean in expected.items())
    assert chi2 < len(expected) + 4 * (2 * len(expected)) ** 0.5


def test_rare_ones_are_found_where_chance_finds_none() -> None:
    space = MobileConformerSpace("laptop")
    limit = 1.1 * int8_bytes(space.smallest())
    rng = random.Random(0)
    assert not any(int8_bytes(space.sample(rng)) <= limit for _ in range(500))
    strategy = ConstraintSatisfaction(limits=[(int8_bytes, limit)])
    result = search(space, strategy, lambda trial: (macs(trial.arch),), 8, seed=0)
    assert len(result.trials) == 8 and all(int8_bytes(trial.arch) <= limit for trial in result.trials)


def test_bad_limits_are_refused() -> None:
    for bad in ([(int8_bytes,)], [(3, 4.0)], [(int8_bytes, float("nan"))]):
        with pytest.raises(BadInput, match="pairs"):
            ConstraintSatisfaction(SMALL, limits=bad)
    with pytest.raises(BadInput, match="limits for"):
        AdditiveTree(SMALL, random_instance(random.Random(0), 2), (1.0, 2.0))

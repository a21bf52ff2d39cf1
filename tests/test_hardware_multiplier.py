"""Multiplier ascent against problems whose multiplier is known, and the limit kept by a table, by brute force."""

from __future__ import annotations

import random
from itertools import product

import numpy as np
import pytest
import torch

from speechnas_lab.errors import BadInput
from speechnas_lab.hardware import LatencyTable, Multiplier
from speechnas_lab.reproduce import multiplier as reproduce
from speechnas_lab.reproduce.gradient import SPACE
from speechnas_lab.space import SKIP


def descend(multiplier: Multiplier, steps: int, start: float = 2.5) -> float:
    """Minimise (ms - 3)^2 while the multiplier looks after the target."""
    ms = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    for _ in range(steps):
        (slope,) = torch.autograd.grad((ms - 3) ** 2 + multiplier.penalty(ms), ms)
        ms = (ms - 0.05 * slope).detach().requires_grad_()
        multiplier.ascend(ms.item())
    return ms.item()


@pytest.mark.parametrize(
    ("target", "two_sided", "ms", "weight"),
    [
        (1.0, False, 1.0, 4.0),  # at the target 2 (1 - 3) + lambda / target = 0
        (2.0, False, 2.0, 4.0),
        (5.0, False, 3.0, 0.0),  # slack: the loss alone stays below it
        (5.0, True, 5.0, -20.0),  # pulled up to it
    ],
)
def test_it_settles_where_the_formula_says(target, two_sided, ms, weight):
    multiplier = Multiplier(target, rate=0.3, damping=2.0, two_sided=two_sided)
    assert descend(multiplier, 2000) == pytest.approx(ms, rel=1e-3)
    assert multiplier.value == pytest.approx(weight, abs=0.02)


def test_damping_ends_the_circling():
    """Without it the two chase each other (Platt and Barr, 1987): after the same steps the latency is farther off."""
    off = {}
    for damping in (0.0, 6.0):
        multiplier = Multiplier(1.0, rate=2.0, damping=damping)
        off[damping] = abs(descend(multiplier, 40) - 1.0)
    assert off[6.0] < 1e-3 < off[0.0]


def test_slope_of_the_penalty_by_formula():
    for two_sided in (False, True):
        multiplier = Multiplier(2.0, damping=0.5, start=0.3, two_sided=two_sided)
        for latency in (0.1, 0.7, 0.9, 1.9, 2.0, 2.6):
            ms = torch.tensor(latency, dtype=torch.float64, requires_grad=True)
            g = latency / 2 - 1
            right = (0.3 + 0.5 * g) / 2  # d/dms of 0.3 g + 0.25 g^2
            if not two_sided:
                right = max(right, 0.0)
            assert torch.autograd.grad(multiplier.penalty(ms), ms)[0].item() == pytest.approx(right, abs=1e-12)
            assert torch.autograd.gradcheck(multiplier.penalty, ms)


def test_ascent_by_formula_and_never_below_zero():
    multiplier = Multiplier(2.0, rate=0.1)
    assert multiplier.ascend(3.0) == pytest.approx(0.05)  # 0.1 * (3 - 2) / 2
    assert multiplier.ascend(2.0) == pytest.approx(0.05)
    assert multiplier.ascend(0.1) == 0.0
    both = Multiplier(2.0, rate=0.1, two_sided=True)
    assert both.ascend(1.0) == pytest.approx(-0.05)


def test_it_goes_on_where_it_was_left():
    whole, first = Multiplier(1.5, rate=0.2), Multiplier(1.5, rate=0.2)
    steps = np.random.default_rng(0).uniform(1, 3, 20)
    for ms in steps:
        whole.ascend(ms)
    for ms in steps[:9]:
        first.ascend(ms)
    state = first.state_dict()
    second = Multiplier(9.0)
    second.load_state_dict(state)
    for ms in steps[9:]:
        second.ascend(ms)
    assert second.state_dict() == whole.state_dict() and second.steps == 20
    for wrong in ({}, {**state, "more": 1}, {**state, "target_ms": -1.0}, {**state, "lambda": float("nan")}, None):
        with pytest.raises(BadInput):
            second.load_state_dict(wrong)
    assert second.state_dict() == whole.state_dict()


@pytest.mark.parametrize("settings", [
    {"target_ms": 0.0}, {"target_ms": -1.0}, {"target_ms": float("nan")}, {"target_ms": "1"},
    {"target_ms": 1.0, "rate": -1}, {"target_ms": 1.0, "damping": float("inf")}, {"target_ms": 1.0, "start": -1.0},
])  # fmt: skip
def test_impossible_settings_are_named(settings):
    with pytest.raises(BadInput, match="give a|0 or more"):
        Multiplier(**settings)
    with pytest.raises(BadInput, match="not finite"):
        Multiplier(1.0).ascend(float("nan"))


def test_it_brings_alphas_to_the_target():
    """Slower candidates hear better: left alone the alphas go to the slowest, with the multiplier to the target."""
    table = LatencyTable(0.2, ((0.0, 0.4, 1.0), (0.0, 0.4, 1.0)))
    for target in (0.7, 1.1, 1.6):
        multiplier = Multiplier(target, rate=0.05, damping=2.0)
        penalty, alphas = multiplier.follow(table), [torch.zeros(3, requires_grad=True) for _ in range(2)]
        descent = torch.optim.Adam(alphas, 0.05)
        for _ in range(300):
            heard = -sum(alpha.softmax(0) @ torch.tensor([0.0, 0.5, 0.9]) for alpha in alphas)
            descent.zero_grad()
            (heard + penalty(alphas)).backward()
            descent.step()
        assert table.expected(alphas).item() == pytest.approx(target, rel=0.01)
        assert multiplier.steps == 300 and multiplier.value > 0


def test_best_within_a_limit_is_that_of_brute_force():
    rng = np.random.default_rng(0)
    for _ in range(30):
        table = LatencyTable(0.3, tuple(map(tuple, rng.uniform(0, 1, (4, 5)))))
        weights = rng.dirichlet(np.ones(5), 4)
        every = list(product(range(5), repeat=4))
        ms = np.array([table.of_choice(choice) for choice in every])
        chance = np.array([np.prod([w[i] for w, i in zip(weights, choice, strict=True)]) for choice in every])
        low, high = np.quantile(ms, 0.3), np.quantile(ms, 0.35)
        for least, most in ((0.0, high), (low, high)):
            found = table.best_within(weights, most, least, steps=100_000)
            assert least <= table.of_choice(found) <= most
            fits = (least <= ms) & (ms <= most)
            assert found == every[int(np.where(fits, chance, -1).argmax())]
    with pytest.raises(BadInput, match="no network takes"):
        table.best_within(weights, 0.29)


def some_table() -> LatencyTable:
    """Prices for the six slots of `speechnas reproduce multiplier`; a skip adds nothing."""
    rows = np.random.default_rng(4).uniform(0.02, 0.2, (6, len(SPACE.blocks())))
    rows[:, [block == SKIP for block in SPACE.blocks()]] = 0.0
    return LatencyTable(0.05, tuple(map(tuple, rows)))


def test_the_clock_corrects_a_table_that_is_wrong():
    """A machine on which everything takes 9% longer than the table says, and its noise."""
    table, rng, blocks = some_table(), np.random.default_rng(0), SPACE.blocks()

    def clock(archs):
        choices = [[blocks.index(block) for stage in arch.stages for block in stage.blocks] for arch in archs]
        return [1.09 * table.of_choice(choice) * (1 + rng.normal(0, 0.003)) for choice in choices]

    for target in (0.3, 0.45, 0.6):
        row = {"target_ms": target, "weights": rng.dirichlet(np.ones(len(blocks)), 6).tolist()}
        found = reproduce.by_clock(row, table, clock)
        assert found["clock_ms"] == pytest.approx(target, rel=0.03) and found["networks_measured"] >= 2
        assert found["table_ms"] == pytest.approx(target / 1.09, rel=0.03)


def test_an_annealed_expectation_becomes_the_decided_time():
    table, multiplier = some_table(), Multiplier(0.5, rate=0.0, damping=0.0, start=1.0)
    penalty = reproduce.annealed(multiplier, table, steps=10)
    alphas = [4 * torch.randn(6, generator=torch.Generator().manual_seed(s)) for s in range(6)]
    decided = table.of_choice([int(alpha.argmax()) for alpha in alphas])
    terms = [float(penalty(alphas)) for _ in range(11)]
    assert terms[0] == pytest.approx(table.expected(alphas).item() / 0.5 - 1, rel=1e-5)
    assert terms[-1] + 1 == pytest.approx(decided / 0.5, rel=0.02) and abs(terms[0] + 1 - decided / 0.5) > 0.05


def test_the_level_of_the_machine_is_divided_out(monkeypatch):
    """The clock of the check: an hour later all takes a seventh longer, one network of the list twice as long."""
    archs = [SPACE.sample(random.Random(n)) for n in range(40)]
    archs = list(dict.fromkeys(map(SPACE.canonical, archs)))
    truth = {arch: 1.0 + n for n, arch in enumerate(archs)}
    level = {"now": 1.0}
    monkeypatch.setattr(reproduce, "timed", lambda some: [truth[arch] * level["now"] for arch in some])
    clock = reproduce.Clock(archs[5:], [truth[arch] for arch in archs[5:]])
    level["now"] = 8 / 7
    truth[next(iter(clock.then))] *= 2
    assert clock(archs[:5]) == pytest.approx([1.0, 2.0, 3.0, 4.0, 5.0])
    assert clock.levels == pytest.approx([8 / 7]) and 12 <= len(clock.then) <= 18

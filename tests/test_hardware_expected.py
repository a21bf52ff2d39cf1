"""The expected latency of a network that is not decided yet, against what a decided one would take."""

from __future__ import annotations

import random
from itertools import product

import numpy as np
import pytest
import torch

from speechnas_lab.errors import BadInput
from speechnas_lab.hardware import LatencyPredictor, LatencyTable, latency_penalty
from speechnas_lab.oneshot.mixture import CANDIDATES, filled, slots
from speechnas_lab.space import SKIP, Architecture, Block, MobileConformerSpace, Stage, counts

FEW = (SKIP, Block(3, 0, 2.0), Block(7, 4, 2.0))
STAGES = (Stage(48, "none", (SKIP, SKIP)), Stage(64, "pool", (SKIP,)))
SKELETON = Architecture(4, STAGES, "relu", "batch", macaron=False, output_reduction=8)
PRICE = {SKIP: 0.0, FEW[1]: 0.25, FEW[2]: 1.5}


def additive_ms(archs: list[Architecture]) -> list[float]:
    """A machine whose time is a sum over blocks: later stages are dearer, and 0.4 ms are there whatever is chosen."""
    return [0.4 + sum((s + 1) * PRICE[b] for s, stage in enumerate(a.stages) for b in stage.blocks) for a in archs]


def decided(choice: tuple[int, ...], count: int) -> list[torch.Tensor]:
    """Alphas so far apart that softmax leaves one candidate in each slot."""
    return [1000.0 * torch.nn.functional.one_hot(torch.tensor(i), count).double() for i in choice]


def test_the_table_of_an_additive_machine():
    table = LatencyTable.of(additive_ms, SKELETON, FEW)
    assert table.fixed == pytest.approx(0.4)
    assert np.allclose(table.slots, [[0, 0.25, 1.5], [0, 0.25, 1.5], [0, 0.5, 3.0]])


def test_one_hot_alphas_expect_what_the_architecture_takes():
    table = LatencyTable.of(additive_ms, SKELETON, FEW)
    for choice in product(range(3), repeat=3):
        (right,) = additive_ms([filled(SKELETON, [FEW[i] for i in choice])])
        assert table.expected(decided(choice, 3)).item() == pytest.approx(right, abs=1e-12)


def test_a_lookup_predictor_is_additive_too():
    space, rng = MobileConformerSpace("laptop"), random.Random(0)
    archs = [space.sample(rng) for _ in range(60)]
    predictor = LatencyPredictor("lookup", space).fit(archs, [0.1 + counts(a).macs / 5e7 for a in archs])
    skeleton = Architecture(4, tuple(Stage(w, r, (SKIP, SKIP)) for w, r in ((48, "none"), (64, "pool"), (64, "none"))),
                            "relu", "batch", macaron=False, output_reduction=8)  # fmt: skip
    table = LatencyTable.of(predictor.predict, skeleton, CANDIDATES)
    for _ in range(20):
        choice = tuple(rng.randrange(len(CANDIDATES)) for _ in range(slots(skeleton)))
        right = predictor.predict([filled(skeleton, [CANDIDATES[i] for i in choice])])[0]
        assert table.expected(decided(choice, len(CANDIDATES))).item() == pytest.approx(right, rel=1e-6)


def test_the_mean_over_architectures_drawn_slot_by_slot():
    """E[latency] = sum over all architectures of their probability times their latency."""
    table = LatencyTable.of(additive_ms, SKELETON, FEW)
    alphas = [torch.randn(3, dtype=torch.float64, generator=torch.Generator().manual_seed(s)) for s in range(3)]
    weights, mean = [alpha.softmax(0).tolist() for alpha in alphas], 0.0
    for choice in product(range(3), repeat=3):
        (ms,) = additive_ms([filled(SKELETON, [FEW[i] for i in choice])])
        mean += np.prod([w[i] for w, i in zip(weights, choice, strict=True)]) * ms
    assert table.expected(alphas).item() == pytest.approx(mean, abs=1e-12)


def test_gradient_against_finite_differences():
    table = LatencyTable.of(additive_ms, SKELETON, FEW)
    alphas = tuple(torch.randn(3, dtype=torch.float64, requires_grad=True) for _ in range(3))
    assert torch.autograd.gradcheck(lambda *given: table.expected(given), alphas)
    for one_sided in (False, True):
        penalty = lambda *given: latency_penalty(table.expected(given), 1.0, 0.7, one_sided)  # noqa: B023, E731
        assert torch.autograd.gradcheck(penalty, alphas)


def test_descent_moves_weight_to_the_faster_candidates():
    table = LatencyTable.of(additive_ms, SKELETON, FEW)
    alphas = [torch.zeros(3, requires_grad=True) for _ in range(3)]
    for slope in torch.autograd.grad(latency_penalty(table.expected(alphas), 0.5, 1.0), alphas):
        assert slope[0] < slope[1] < slope[2] and slope.sum().abs() < 1e-6


def test_slots_may_have_unlike_counts_and_keep_the_alphas_type():
    table = LatencyTable(1.0, ((0.0, 2.0), (0.0, 3.0, 6.0)))
    assert table.expected([torch.zeros(2), torch.zeros(3)]).item() == pytest.approx(1 + 1 + 3)
    assert table.expected([torch.zeros(2).double(), torch.zeros(3).double()]).dtype == torch.float64


@pytest.mark.parametrize(
    "alphas",
    [
        [],
        [torch.zeros(3)] * 2,  # a slot is missing
        [torch.zeros(3)] * 4,
        [torch.zeros(2)] * 3,  # a candidate is missing
        [torch.zeros(3, 3)] * 3,  # would sum over the wrong dimension
        [torch.zeros(3, 1)] * 3,
        [torch.tensor(0.0)] * 3,
        torch.zeros(3, 2),
    ],
)
def test_wrong_shapes_are_named(alphas):
    with pytest.raises(BadInput, match="slots"):
        LatencyTable.of(additive_ms, SKELETON, FEW).expected(alphas)


def test_alphas_in_one_matrix_are_welcome():
    table = LatencyTable.of(additive_ms, SKELETON, FEW)
    rows = torch.randn(3, 3)
    assert table.expected(rows) == table.expected(list(rows))

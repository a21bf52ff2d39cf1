"""From alpha to weights: Gumbel draws against softmax and against the soft sample, sigmoid gates, latency by both."""

from __future__ import annotations

import math
from itertools import product

import pytest
import torch
from network_data import examples
from torch import Tensor, nn

from speechnas_lab.errors import BadInput
from speechnas_lab.hardware import LatencyTable, latency_penalty
from speechnas_lab.oneshot import (
    DartsStep,
    GumbelSoftmax,
    MixedConformer,
    MixedOp,
    Sigmoid,
    Softmax,
    Zero,
    alpha_gradient,
)
from speechnas_lab.space import SKIP, Architecture, Block, Stage
from speechnas_lab.training import Recipe, train

torch.set_num_threads(1)
ALPHA = [0.3, -1.2, 0.8, 0.0]
ALL = (Softmax(), Sigmoid(), GumbelSoftmax(0.7), GumbelSoftmax(0.7, hard=False))
CANDIDATES = (SKIP, Block(3, 0, 2.0), Block(5, 4, 2.0))
SKELETON = Architecture(4, (Stage(16, "none", (SKIP, SKIP)),), "swish", "batch", False, 8)


def alpha() -> Tensor:
    return torch.tensor(ALPHA, dtype=torch.float64, requires_grad=True)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mixture(mixing, seed: int = 0) -> MixedConformer:
    torch.manual_seed(seed)
    return MixedConformer(SKELETON, CANDIDATES, vocab_size=5, mixing=mixing)


@pytest.mark.parametrize("temperature", [0.3, 1.0, 5.0])
def test_hard_draws_are_one_candidate_and_softmax_on_average(temperature: float) -> None:
    """At any temperature: the largest of alpha + Gumbel noise is candidate i with chance softmax(alpha)_i."""
    mixing, generator, count = GumbelSoftmax(temperature), seeded(1), 20_000
    a = alpha().detach()
    draws = torch.stack([mixing.weights(a, True, generator) for _ in range(count)])
    assert ((draws == 0) | (draws == 1)).all() and (draws.sum(1) == 1).all()
    total = sum(math.exp(x) for x in ALPHA)
    for i, x in enumerate(ALPHA):
        p = math.exp(x) / total
        assert abs(draws[:, i].mean() - p) < 4 * math.sqrt(p * (1 - p) / count)


def test_soft_draws_have_the_published_density() -> None:
    """Two candidates: y_1 = sigmoid((a_1 - a_2 + L) / T), L logistic: y_1 < y when L < T logit(y) - (a_1 - a_2)."""
    mixing, generator, a, count = GumbelSoftmax(0.5, hard=False), seeded(2), torch.tensor([0.4, -0.3]), 10_000
    first = torch.stack([mixing.weights(a, True, generator)[0] for _ in range(count)])
    for y in (0.05, 0.3, 0.5, 0.8, 0.95):
        chance = 1 / (1 + math.exp(-(0.5 * math.log(y / (1 - y)) - 0.7)))
        assert abs((first < y).float().mean() - chance) < 4 * math.sqrt(chance * (1 - chance) / count)


@pytest.mark.parametrize("seed", range(5))
def test_the_straight_through_gradient_is_the_soft_samples(seed: int) -> None:
    a, row = alpha(), torch.randn(4, generator=seeded(9), dtype=torch.float64)
    slopes = []
    for hard in (True, False):
        weights = GumbelSoftmax(0.7, hard).weights(a, True, seeded(seed))
        slopes.append(torch.autograd.grad(weights @ row, a)[0])
    torch.testing.assert_close(*slopes, rtol=0, atol=0)
    assert slopes[0].abs().max() > 1e-4
    noise = -torch.empty(4, dtype=torch.float64).exponential_(generator=seeded(seed)).log()
    y = ((a + noise) / 0.7).softmax(0).detach()  # by hand: dy_i/dalpha_j = y_i (1[i=j] - y_j) / T
    torch.testing.assert_close(slopes[0], (y * row - y * (y @ row)) / 0.7)


def test_seeds_decide_the_draws() -> None:
    mixing, a = GumbelSoftmax(1.0, hard=False), alpha()
    assert torch.equal(mixing.weights(a, True, seeded(3)), mixing.weights(a, True, seeded(3)))
    assert not torch.equal(mixing.weights(a, True, seeded(3)), mixing.weights(a, True, seeded(4)))
    torch.manual_seed(3)  # without a generator torch's own one is used
    assert torch.equal(mixing.weights(a, True), mixing.weights(a, True, seeded(3)))


def test_sigmoid_gates_do_not_compete() -> None:
    mixing, a = Sigmoid(), alpha()
    weights = mixing.weights(a, True)
    assert weights.tolist() == pytest.approx([1 / (1 + math.exp(-x)) for x in ALPHA])
    (slope,) = torch.autograd.grad(weights[0], a)
    assert slope[0] > 0 and not slope[1:].any()
    assert abs(float(weights.sum().detach()) - 1) > 0.5
    assert mixing.choice(a) == 2 and mixing.choice(a - 1) is None
    assert Sigmoid(0.68).choice(a) == 2 and Sigmoid(0.7).choice(a) is None  # sigmoid(0.8) = 0.68997


@pytest.mark.parametrize("mixing", ALL)
def test_evaluation_has_no_noise(mixing) -> None:
    mixed = MixedOp([nn.Identity(), nn.Tanh(), Zero()], mixing).eval()
    with torch.no_grad():
        mixed.alpha.copy_(torch.tensor([0.5, -0.5, 0.1]))
    x, state = torch.randn(2, 5, generator=seeded(0)), torch.get_rng_state()
    assert torch.equal(mixed(x), mixed(x)) and torch.equal(torch.get_rng_state(), state)
    w = mixed.expected()
    torch.testing.assert_close(mixed(x), w[0] * x + w[1] * x.tanh())
    assert torch.equal(mixed.weights(), w)
    torch.testing.assert_close(mixing.expected(mixed.alpha).sum() == 1, torch.tensor(not isinstance(mixing, Sigmoid)))


@pytest.mark.parametrize("mixing", ALL)
def test_every_mixing_searches(mixing) -> None:
    net = mixture(mixing)
    step = DartsStep(net, examples(seed=9), order=2, alpha_rate=0.05, warmup=0.25)
    train(net, examples(), Recipe(steps=4, batch=4), frame_labels=5, backward=step)
    assert step.history[-1].shape == (2, 3) and not torch.equal(step.history[-1], step.history[0])
    assert all(alpha.isfinite().all() for alpha in net.alphas)


def test_the_unrolled_step_draws_the_same_noise_at_each_point() -> None:
    """Else the difference of two draws, divided by a small eps, would drown the second-order term."""
    w, a = torch.tensor([0.5, -1.0], requires_grad=True), torch.tensor([0.2, 0.1], requires_grad=True)
    mixing = GumbelSoftmax(1.0, hard=False)
    train_loss = lambda: (mixing.weights(a, True) @ w - 1).square()  # noqa: E731
    valid_loss = lambda: (mixing.weights(a, True) @ w.square()).square()  # noqa: E731
    torch.manual_seed(5)
    found = alpha_gradient([w], [a], train_loss, valid_loss, xi=0.1, epsilon=1e-2)[0]
    w64, a64 = w.detach().double().requires_grad_(), a.detach().double().requires_grad_()
    torch.manual_seed(5)
    noise = -torch.empty(2).exponential_().log().double()
    mix = lambda: (a64 + noise).softmax(0)  # noqa: E731
    (inner,) = torch.autograd.grad((mix() @ w64 - 1).square(), w64, create_graph=True)
    (right,) = torch.autograd.grad((mix() @ (w64 - 0.1 * inner).square()).square(), a64)
    torch.testing.assert_close(found.double(), right, rtol=2e-3, atol=2e-4)
    (plain,) = torch.autograd.grad((mix() @ w64.square()).square(), a64)
    assert (plain - right).norm() > 0.05 * right.norm()  # this test can see the second-order term


def test_a_place_without_a_candidate_becomes_a_skip() -> None:
    net = mixture(Sigmoid())
    with torch.no_grad():
        net.mixed[0].alpha.copy_(torch.tensor([-1.0, -0.5, -2.0]))
        net.mixed[1].alpha.copy_(torch.tensor([0.5, 2.0, 1.0]))
    assert net.picks() == [SKIP, CANDIDATES[1]] and net.kept() == {"convolution": 0.5, "skip": 0.5}
    x, lengths = torch.randn(2, 64, 80), torch.tensor([64, 40])
    single = net.inherit().eval()
    assert single.arch == net.derive() and single(x, lengths)[0].isfinite().all()


TABLE = LatencyTable(1.0, ((0.0, 2.0, 5.0), (0.0, 3.0, 0.5)))


def test_a_gates_expected_latency_is_the_mean_over_open_and_shut() -> None:
    """Each gate open by itself with chance sigmoid(alpha): all 64 states counted."""
    alphas = [torch.randn(3, dtype=torch.float64, generator=seeded(s)) for s in range(2)]
    chances, ms, mean = torch.cat(alphas).sigmoid().tolist(), [x for row in TABLE.slots for x in row], 0.0
    for gates in product((0, 1), repeat=6):
        likely = math.prod(p if g else 1 - p for p, g in zip(chances, gates, strict=True))
        mean += likely * (1.0 + sum(t for t, g in zip(ms, gates, strict=True) if g))
    assert TABLE.expected(alphas, Sigmoid().expected).item() == pytest.approx(mean, abs=1e-12)


def test_gumbels_expected_latency_is_the_mean_of_its_draws() -> None:
    mixing, generator, alphas = GumbelSoftmax(2.0), seeded(0), [torch.tensor([0.2, 1.0, -0.5])] * 2
    drawn = [TABLE.fixed + sum(mixing.weights(a, True, generator) @ a.new_tensor(row)
                               for a, row in zip(alphas, TABLE.slots, strict=True)) for _ in range(4000)]  # fmt: skip
    rows, right = torch.stack(drawn), TABLE.expected(alphas, mixing.expected)
    assert abs(rows.mean() - right) < 4 * rows.std() / math.sqrt(len(rows))


@pytest.mark.parametrize("mixing", ALL)
def test_the_penaltys_gradient_is_that_of_the_expected_latency(mixing) -> None:
    """Weights that feel nothing of alpha: the step's gradient is lambda times the expected latency's alone."""
    net = mixture(mixing)
    with torch.no_grad():
        for s, slot in enumerate(net.mixed):
            slot.alpha.copy_(torch.randn(3, generator=seeded(s)))
    penalty = lambda alphas: latency_penalty(TABLE.expected(alphas, net.mixing.expected), 1.5, 0.7)  # noqa: E731
    zero = lambda: net.head[1].bias.sum() * 0  # noqa: E731
    found = alpha_gradient(net.operation_weights(), net.alphas, zero, lambda: zero() + penalty(net.alphas))
    for own, slot, ms in zip(found, net.mixed, TABLE.slots, strict=True):
        row, w = torch.tensor(ms), mixing.expected(slot.alpha.detach())
        slope = w * (1 - w) * row if isinstance(mixing, Sigmoid) else w * (row - w @ row)
        torch.testing.assert_close(own, 0.7 * slope)


def test_bad_numbers_are_named() -> None:
    with pytest.raises(BadInput, match="temperature"):
        GumbelSoftmax(0.0)
    with pytest.raises(BadInput, match="threshold"):
        Sigmoid(1.0)

"""Mixed operations and DARTS against formulas, finite differences and the exact hypergradient."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from network_data import examples
from torch import Tensor, nn

from speechnas_lab.errors import BadInput
from speechnas_lab.models import build
from speechnas_lab.oneshot import (
    DartsStep,
    MixedConformer,
    MixedOp,
    MomentumStep,
    PlainStep,
    Zero,
    alpha_gradient,
)
from speechnas_lab.space import SKIP, Architecture, Block, Stage
from speechnas_lab.training import Recipe, train

CANDIDATES = (SKIP, Block(3, 0, 2.0), Block(5, 4, 2.0))
SKELETON = Architecture(
    4, (Stage(16, "none", (SKIP, SKIP)), Stage(16, "conv", (SKIP,))), "swish", "batch", False, 8
)


class Conv(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 3, padding=1, dtype=torch.float64)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


@pytest.fixture
def mixed() -> MixedOp:
    torch.manual_seed(0)
    found = MixedOp([nn.Identity(), Conv(4), Zero()]).double()
    with torch.no_grad():
        found.alpha.copy_(torch.tensor([0.3, -1.2, 0.8]))
    return found


def test_output_is_the_formula(mixed: MixedOp) -> None:
    x = torch.randn(2, 4, 7, dtype=torch.float64)
    e = [torch.exp(a) for a in mixed.alpha]
    expected = (e[0] * x + e[1] * mixed.operations[1](x)) / sum(e)
    torch.testing.assert_close(mixed(x), expected, rtol=1e-9, atol=1e-12)
    assert len(mixed.weights()) == 3 and abs(float(mixed.weights().sum().detach()) - 1) < 1e-12


def test_gradient_of_alpha_is_the_finite_difference(mixed: MixedOp) -> None:
    x = torch.randn(2, 4, 7, dtype=torch.float64)
    output = lambda alpha: torch.func.functional_call(mixed, {"alpha": alpha}, (x,))  # noqa: E731
    assert torch.autograd.gradcheck(output, mixed.alpha)
    (gradient,) = torch.autograd.grad(mixed(x).square().sum(), mixed.alpha)
    step = 1e-5
    for i in range(3):
        sides = []
        for sign in (1, -1):
            alpha = mixed.alpha.detach().clone()
            alpha[i] += sign * step
            sides.append(torch.func.functional_call(mixed, {"alpha": alpha}, (x,)).square().sum())
        difference = (sides[0] - sides[1]) / (2 * step)
        assert abs(gradient[i] - difference) < 1e-8 * gradient.abs().max()


def test_equal_alphas_weigh_a_third_each_and_large_ones_decide(mixed: MixedOp) -> None:
    with torch.no_grad():
        mixed.alpha.zero_()
    assert torch.equal(mixed.weights(), torch.full((3,), 1 / 3, dtype=torch.float64))
    with torch.no_grad():
        mixed.alpha.copy_(torch.tensor([100.0, 0.0, -100.0]))
    x = torch.randn(1, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(mixed(x), x)
    assert mixed.choice() == 0
    mixed.eval()
    assert torch.equal(mixed(x), mixed(x))


def scalars() -> tuple[Tensor, Tensor, Callable[[], Tensor], Callable[[], Tensor]]:
    w, a = torch.tensor(-2.0, requires_grad=True), torch.tensor(2.0, requires_grad=True)
    return w, a, lambda: w * w - 2 * a * w + a * a, lambda: a * w - 2 * a + 1


def test_two_scalars_worked_by_hand() -> None:
    """First order: dL_val/da = w - 2 = -4. One step of 0.5 leads to w' = a = 2, where L_val = a^2 - 2a + 1: slope 2."""
    w, a, train_loss, valid_loss = scalars()
    (first,) = alpha_gradient([w], [a], train_loss, valid_loss, xi=0.0)
    (second,) = alpha_gradient([w], [a], train_loss, valid_loss, xi=0.5)
    assert float(first) == -4.0 and abs(float(second) - 2.0) < 1e-3
    assert w.item() == -2.0 and w.grad is None and a.grad is None


def problem(seed: int) -> tuple[list[Tensor], list[Tensor], Callable, Callable]:
    """A small mixed network in float64: (weights, alphas, L_train(w, alpha), L_valid(w, alpha))."""
    g = torch.Generator().manual_seed(seed)
    draw = lambda *shape: torch.randn(*shape, generator=g, dtype=torch.float64)  # noqa: E731
    x, y, data = draw(9, 3), draw(9, 2), draw(7, 3)
    weights = [draw(3, 4).requires_grad_(), draw(4, 2).requires_grad_()]
    alphas = [draw(3).requires_grad_(), draw(2).requires_grad_()]

    def output(sound: Tensor, w: list[Tensor], a: list[Tensor]) -> Tensor:
        hidden, mix = sound @ w[0], a[0].softmax(0)
        hidden = mix[0] * torch.tanh(hidden) + mix[1] * hidden.sin() + mix[2] * hidden
        other = a[1].softmax(0)
        return (other[0] * hidden + other[1] * hidden.tanh()) @ w[1]

    return (
        weights,
        alphas,
        lambda w, a: (output(x, w, a) - y).square().mean(),
        lambda w, a: (output(data, w, a) - 0.5).square().mean(),
    )


def exact(weights: list[Tensor], alphas: list[Tensor], train_loss: Callable, valid_loss: Callable, xi: float) -> list:
    inner = torch.autograd.grad(train_loss(weights, alphas), weights, create_graph=True)
    moved = [w - xi * g for w, g in zip(weights, inner, strict=True)]
    return list(torch.autograd.grad(valid_loss(moved, alphas), alphas))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("xi", [0.0, 0.05, 0.5])
def test_second_order_is_the_exact_hypergradient(seed: int, xi: float) -> None:
    weights, alphas, train_loss, valid_loss = problem(seed)
    closures = (lambda: train_loss(weights, alphas)), (lambda: valid_loss(weights, alphas))
    right = torch.cat(exact(weights, alphas, train_loss, valid_loss, xi))
    got = torch.cat(alpha_gradient(weights, alphas, *closures, xi=xi))
    assert (got - right).norm() <= 1e-3 * right.norm()
    if xi == 0.5:  # the known slips are far outside that tolerance: this test can see them
        direct = torch.cat(alpha_gradient(weights, alphas, *closures, xi=0.0))
        moved = torch.cat(_direct_at_moved_weights(weights, alphas, train_loss, valid_loss, xi))
        term = moved - right  # xi times the mixed second derivative times v
        for slip in (direct, moved, moved + term, moved - 1e-4 * term):  # first order, no term, its sign, times eps
            assert (slip - right).norm() > 1e-2 * right.norm()


def _direct_at_moved_weights(
    weights: list[Tensor], alphas: list[Tensor], train_loss: Callable, valid_loss: Callable, xi: float
) -> list[Tensor]:
    inner = torch.autograd.grad(train_loss(weights, alphas), weights)
    moved = [(w - xi * g).detach() for w, g in zip(weights, inner, strict=True)]
    return list(torch.autograd.grad(valid_loss(moved, alphas), alphas))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("momentum", "decay"), [(0.0, 0.0), (0.9, 0.0), (0.0, 0.3), (0.9, 0.3)])
def test_the_optimisers_momentum_and_decay_are_unrolled(seed: int, momentum: float, decay: float) -> None:
    """Against the gradient through w' = w - xi (momentum v + dL_train/dw + decay w), written out for autograd."""
    weights, alphas, train_loss, valid_loss = problem(seed)
    g, xi = torch.Generator().manual_seed(100 + seed), 0.2
    buffers = [torch.randn(w.shape, generator=g, dtype=w.dtype) for w in weights]

    def by_hand(momentum: float, decay: float, sign: float = 1.0) -> Tensor:
        descent = torch.autograd.grad(train_loss(weights, alphas), weights, create_graph=True)
        moved = [w - xi * (momentum * b + d + sign * decay * w)
                 for w, d, b in zip(weights, descent, buffers, strict=True)]  # fmt: skip
        return torch.cat(torch.autograd.grad(valid_loss(moved, alphas), alphas))

    right = by_hand(momentum, decay)
    closures = (lambda: train_loss(weights, alphas)), (lambda: valid_loss(weights, alphas))
    inner = MomentumStep(xi, momentum, decay, tuple(buffers))
    got = torch.cat(alpha_gradient(weights, alphas, *closures, inner=inner))
    assert (got - right).norm() <= 1e-3 * right.norm()
    slips = [by_hand(0.0, decay), by_hand(-momentum, decay)] if momentum else []
    slips += [by_hand(momentum, 0.0), by_hand(momentum, decay, -1.0)] if decay else []
    assert all((slip - right).norm() > 1e-2 * right.norm() for slip in slips)


def test_the_imagined_step_is_the_one_that_sgd_takes() -> None:
    weights, alphas, train_loss, _ = problem(1)
    optimizer = torch.optim.SGD(weights, lr=0.03, momentum=0.8, weight_decay=0.1)
    for _ in range(4):
        gradient = torch.autograd.grad(train_loss(weights, alphas), weights)
        inner = MomentumStep.of(optimizer, weights)
        imagined = [w.detach() - inner.xi * d
                    for w, d in zip(weights, inner.direction(weights, gradient), strict=True)]  # fmt: skip
        for w, own in zip(weights, gradient, strict=True):
            w.grad = own
        optimizer.step()
        for w, there in zip(weights, imagined, strict=True):
            torch.testing.assert_close(w.detach(), there.detach(), rtol=1e-12, atol=1e-14)
    assert inner.xi == 0.03 and all(b.abs().max() > 0.1 for b in inner.buffers)
    other = torch.optim.SGD(weights, lr=0.03, momentum=0.8, nesterov=True)
    with pytest.raises(BadInput, match="nesterov"):
        MomentumStep.of(other, weights)
    with pytest.raises(BadInput, match="are not the optimiser's"):
        MomentumStep.of(optimizer, [*weights, torch.zeros(2)])
    with pytest.raises(BadInput, match="buffers"):
        MomentumStep(0.1, 0.9, 0.0, inner.buffers[:1]).direction(weights, weights)


def test_darts_unrolls_the_step_that_it_is_handed() -> None:
    ends = {}
    for name, inner in {
        "as ever": None,
        "plain": lambda rate, weights: PlainStep(rate),
        "no momentum": lambda rate, weights: MomentumStep(rate),
        "decay": lambda rate, weights: MomentumStep(rate, 0.0, 3.0),
    }.items():
        net = network()
        step = DartsStep(net, examples(seed=9), order=2, alpha_rate=0.05, warmup=0.0, inner=inner)
        train(net, examples(), Recipe(steps=3, batch=4, rate=0.05), frame_labels=5, backward=step)
        ends[name] = step.history[-1]
    assert torch.equal(ends["as ever"], ends["plain"]) and torch.allclose(ends["plain"], ends["no momentum"])
    assert not torch.allclose(ends["plain"], ends["decay"], rtol=1e-3)


def network(seed: int = 0) -> MixedConformer:
    torch.manual_seed(seed)
    return MixedConformer(SKELETON, CANDIDATES, vocab_size=5)


def test_alpha_gradient_leaves_everything_bit_for_bit() -> None:
    net = network().train()
    optimizer = torch.optim.Adam(net.operation_weights(), 1e-3)
    x, lengths = torch.randn(2, 64, 80), torch.tensor([64, 50])
    loss = lambda: net(x, lengths)[0].square().mean()  # noqa: E731
    loss().backward()
    optimizer.step()
    before = {name: t.clone() for name, t in net.state_dict().items()}
    grads = [p.grad.clone() for p in net.parameters() if p.grad is not None]
    for xi in (0.0, 0.1):
        alpha_gradient(net.operation_weights(), net.alphas, loss, loss, xi=xi, buffers=net.buffers())
    assert all(torch.equal(t, before[name]) for name, t in net.state_dict().items())
    after = [p.grad for p in net.parameters() if p.grad is not None]
    assert all(torch.equal(a, b) for a, b in zip(grads, after, strict=True))


@pytest.mark.parametrize("choice", [(0, 1, 2), (2, 2, 2), (1, 0, 0)])
def test_a_decided_mixture_is_the_network_that_it_derives(choice: tuple[int, ...]) -> None:
    net = network().eval()
    with torch.no_grad():
        for slot, best in zip(net.mixed, choice, strict=True):
            slot.alpha.fill_(-200.0)
            slot.alpha[best] = 200.0
    arch = net.derive()
    assert [block for stage in arch.stages for block in stage.blocks] == [CANDIDATES[c] for c in choice]
    alone, own = build(arch, vocab_size=5).eval(), net.state_dict()
    places = [(s, b) for s, stage in enumerate(arch.stages) for b in range(len(stage.blocks))]
    for name, tensor in alone.state_dict().items():
        for (s, b), best in zip(places, choice, strict=True):
            name = name.replace(f"stages.{s}.blocks.{b}.", f"stages.{s}.blocks.{b}.operations.{best}.")
        tensor.copy_(own[name])
    x, lengths = torch.randn(2, 90, 80), torch.tensor([90, 61])
    mine, out = net(x, lengths)
    theirs, their_out = alone(x, lengths)
    assert torch.equal(out, their_out)
    for row, frames in enumerate(out.tolist()):
        torch.testing.assert_close(mine[row, :frames], theirs[row, :frames], rtol=1e-4, atol=1e-5)
    assert net.kept() == {k: pytest.approx(v) for k, v in _shares(arch).items()}


def _shares(arch: Architecture) -> dict[str, float]:
    kinds = [block.kind for stage in arch.stages for block in stage.blocks]
    return {kind: kinds.count(kind) / len(kinds) for kind in kinds}


@pytest.mark.parametrize("order", [1, 2])
def test_darts_moves_alphas_by_validation_and_weights_by_training(order: int) -> None:
    net, speech = network(), examples()
    step = DartsStep(net, examples(seed=9), order=order, alpha_rate=0.05, warmup=0.5)
    history = train(net, speech, Recipe(steps=8, batch=4), frame_labels=5, backward=step)
    assert len(history) == 8 and len(step.history) == 8
    assert all(torch.equal(weights, step.history[0]) for weights in step.history[:4])  # warm-up
    assert not torch.equal(step.history[4], step.history[3])
    assert step.history[-1].shape == (3, 3)


@pytest.mark.parametrize("order", [1, 2])
def test_without_a_change_of_alpha_darts_trains_the_weights_as_ever(order: int) -> None:
    """Validation speech must touch no weight and no running statistic: with a rate of 0 they end as without DARTS."""
    recipe = Recipe(steps=4, batch=4)
    plain, searched = network(), network()
    for alpha in plain.alphas:
        alpha.requires_grad_(False)
    train(plain, examples(), recipe, frame_labels=5)
    step = DartsStep(searched, examples(seed=9), order=order, alpha_rate=0.0, warmup=0.0)
    train(searched, examples(), recipe, frame_labels=5, backward=step)
    wanted, found = plain.state_dict(), searched.state_dict()
    assert any("mean" in name for name in wanted)
    assert all(torch.equal(wanted[name], tensor) for name, tensor in found.items())


def test_the_second_order_goes_elsewhere() -> None:
    """From the same start, the unrolled step moves alpha otherwise than the first order does."""
    ends = []
    for order in (1, 2):
        net = network()
        step = DartsStep(net, examples(seed=9), order=order, alpha_rate=0.05, warmup=0.0)
        train(net, examples(), Recipe(steps=4, batch=4, rate=0.05), frame_labels=5, backward=step)
        ends.append(step.history[-1])
    assert not torch.allclose(*ends, rtol=1e-3)


def test_a_penalty_pushes_its_candidate_out() -> None:
    net = network()
    step = DartsStep(net, examples(seed=9), alpha_rate=0.1, warmup=0.0,
                     penalty=lambda alphas: 100 * sum(alpha.softmax(0)[2] for alpha in alphas))  # fmt: skip
    train(net, examples(), Recipe(steps=6, batch=4), frame_labels=5, backward=step)
    assert (step.history[-1][:, 2] < 0.3).all() and (step.history[-1][:, 2] < step.history[0][:, 2]).all()


def test_bad_input_says_what_is_allowed() -> None:
    with pytest.raises(BadInput, match="two blocks or more"):
        MixedConformer(SKELETON, (SKIP,), vocab_size=5)
    with pytest.raises(BadInput, match="heads"):
        MixedConformer(SKELETON, (SKIP, Block(0, 5, 2.0)), vocab_size=5)
    with pytest.raises(BadInput, match="order"):
        DartsStep(network(), examples(), order=3)

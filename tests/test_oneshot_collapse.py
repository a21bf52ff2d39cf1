"""Collapse: the eigenvalue against the exact Hessian, each cure against its formula, the gap of discretisation."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from network_data import examples
from torch import Tensor

from speechnas_lab.errors import BadInput
from speechnas_lab.oneshot import (
    AuxiliarySkip,
    DartsStep,
    EarlyStopping,
    MixedConformer,
    Perturbation,
    Sharpness,
    Sigmoid,
    alpha_hessian_top,
    discretisation_gap,
)
from speechnas_lab.oneshot.collapse import Cure, grown, sharpness
from speechnas_lab.oneshot.mixing import SOFTMAX
from speechnas_lab.space import SKIP, Architecture, Block, Stage
from speechnas_lab.training import Batch, Recipe, collate, train
from speechnas_lab.training.curvature import twice_differentiable
from speechnas_lab.training.losses import ctc_loss

torch.set_num_threads(1)
CANDIDATES = (SKIP, Block(3, 0, 2.0), Block(0, 4, 2.0))
SKELETON = Architecture(4, (Stage(16, "none", (SKIP, SKIP)),), "swish", "layer", False, 8)


def network(seed: int = 0, mixing=SOFTMAX) -> MixedConformer:
    torch.manual_seed(seed)
    return MixedConformer(SKELETON, CANDIDATES, vocab_size=5, mixing=mixing)


def batches(count: int = 2) -> list[Batch]:
    speech = examples(seed=3)
    return [collate(speech, list(range(4 * n, 4 * n + 4))) for n in range(count)]


def search(net: MixedConformer, *cures: Cure, steps: int = 12, warmup: float = 0.25) -> DartsStep:
    step = DartsStep(net, examples(seed=9), alpha_rate=0.1, warmup=warmup, cures=cures)
    train(net, examples(), Recipe(steps=steps, batch=4), frame_labels=5, backward=step)
    return step


@pytest.mark.parametrize("seed", range(4))
def test_the_eigenvalue_is_that_of_the_exact_hessian(seed: int) -> None:
    """36 alphas, and a loss whose largest eigenvalue by size is negative in some of the cases."""
    g = torch.Generator().manual_seed(seed)
    alphas = [torch.randn(6, generator=g, dtype=torch.float64).requires_grad_() for _ in range(6)]
    maps = torch.randn(6, 6, 4, 4, generator=g, dtype=torch.float64) / 2
    x, y = torch.randn(2, 8, 4, generator=g, dtype=torch.float64)

    def of(*alphas: Tensor) -> Tensor:
        out = x
        for alpha, candidates in zip(alphas, maps, strict=True):
            out = out + torch.tanh(out @ (alpha.softmax(0)[:, None, None] * candidates).sum(0))
        return (1 if seed % 2 else -1) * (out - y).square().mean()

    rows = torch.autograd.functional.hessian(of, tuple(alphas))
    exact = torch.linalg.eigvalsh(torch.cat([torch.cat(row, 1) for row in rows]))
    right = exact[exact.abs().argmax()]
    assert alpha_hessian_top(alphas, lambda: of(*alphas)) == pytest.approx(right.item(), rel=1e-3)
    assert all(alpha.grad is None for alpha in alphas)


def test_the_eigenvalue_of_a_speech_network_is_that_of_its_hessian_by_differences() -> None:
    """CTC and attention: the Hessian column by column, from differences of the gradients that training uses."""
    net, speech = network().double().eval(), batches()
    with torch.no_grad():
        for slot in net.mixed:
            slot.alpha.copy_(torch.randn(3, generator=torch.Generator().manual_seed(1)))
    for batch in speech:
        batch.features = batch.features.double()

    def gradient() -> Tensor:
        losses = torch.cat([ctc_loss(*net(b.features, b.lengths), b) for b in speech])
        return torch.cat(torch.autograd.grad(losses.mean(), net.alphas))

    columns, step = [], 1e-4
    for i in range(6):
        sides = []
        for sign in (1, -2):
            with torch.no_grad():
                net.alphas[i // 3][i % 3] += sign * step
            sides.append(gradient())
        with torch.no_grad():
            net.alphas[i // 3][i % 3] += step
        columns.append((sides[0] - sides[1]) / (2 * step))
    exact = torch.linalg.eigvalsh(torch.stack(columns))
    net.train()
    assert sharpness(net, speech) == pytest.approx(exact[exact.abs().argmax()].item(), rel=1e-3)
    assert net.training


def test_watching_changes_nothing_and_begins_when_alphas_move() -> None:
    plain, watched, watch = network(), network(), Sharpness(batches(1), every=3)
    search(plain)
    search(watched, watch)
    assert all(torch.equal(t, watched.state_dict()[name]) for name, t in plain.state_dict().items())
    assert list(watch.values) == [5, 8, 11]  # of 12 steps the first 3 are warm-up
    assert len({round(v, 9) for v in watch.values.values()}) == 3


def test_growth_is_that_of_smoothed_values() -> None:
    assert not grown([1.0, 3.0] * 10) and not grown([]) and not grown([1.0] * 5 + [9.0] * 4)  # no second window yet
    values = [1.0] * 9 + [7.6]  # (4 + 7.6) / 5 = 2.32
    assert grown(values, 2.3) and not grown(values, 2.4) and not grown([*values, *[2.32] * 5], 1.3)
    assert grown([-1.0] * 5 + [-2.0] * 5) and not grown([-2.0] * 5 + [-1.0] * 5)
    assert grown([1, 1, 2], 1.4, window=1) and not grown([1, 2, 2], 1.4, window=1)
    assert grown([9.0] * 3 + [1, 1, 2, 2], 1.9, window=2)  # only the last two windows count


class Scripted(EarlyStopping):
    """Eigenvalues as given, in place of measured ones."""

    def __init__(self, values: list[float], window: int) -> None:
        super().__init__(batches(1), every=1, window=window)
        self.coming = iter(values)

    def moved(self, net: MixedConformer, step: int) -> None:
        self.before_moving = [alpha.detach().clone() for alpha in net.alphas]
        super().moved(net, step)


def test_stopping_keeps_the_alphas_from_before_the_growth(monkeypatch: pytest.MonkeyPatch) -> None:
    cure = Scripted([1.0, 1.1, 1.0, 1.1, 5.0, 9.0], window=2)
    monkeypatch.setattr("speechnas_lab.oneshot.collapse.sharpness", lambda *_: next(cure.coming))
    net = network()
    step = search(net, cure, steps=14)
    # alphas move from step 4 (0.25 of 14 is 3.5); the fifth look, at step 8, sees (1.1 + 5) / 2 after (1.1 + 1) / 2
    assert list(cure.values) == [4, 5, 6, 7, 8] and cure.stopped and cure.went_back_to == 6
    for row, now in zip(step.history[6], net.mixed, strict=True):
        assert torch.equal(row, now.expected().detach())
    assert all(torch.equal(later, step.history[6]) for later in step.history[8:])
    assert not torch.equal(step.history[7], step.history[6])


def test_without_growth_nothing_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("speechnas_lab.oneshot.collapse.sharpness", lambda *_: 1.0)
    plain, net, cure = network(), network(), EarlyStopping(batches(1), every=1, window=2)
    search(plain)
    search(net, cure)
    assert not cure.stopped and all(torch.equal(a, b) for a, b in zip(plain.alphas, net.alphas, strict=True))


def test_the_auxiliary_skip_adds_beta_x_and_fades_out() -> None:
    net, cure = network().eval(), AuxiliarySkip(0.8)
    slot, x, mask = net.mixed[0], torch.randn(2, 9, 16), torch.ones(2, 9, 1)
    plain = slot(x, mask)
    betas = []
    for step in range(5):
        cure.before(net, step, 5)
        betas.append(slot.beta)
        torch.testing.assert_close(slot(x, mask), plain + 0.8 * (1 - (step + 1) / 5) * x)
    assert all(a - b == pytest.approx(0.16) for a, b in pairwise(betas)) and betas[-1] == 0
    assert torch.equal(slot(x, mask), plain)
    search(net, cure)
    assert all(slot.beta == 0 for slot in net.mixed)


@pytest.mark.parametrize("mixing", [SOFTMAX, Sigmoid()])
def test_perturbed_weights_are_uniform_around_the_mixture_while_weights_learn(mixing) -> None:
    net, cure = network(mixing=mixing), Perturbation(0.3)
    slot, shifts = net.mixed[0], []
    total = float(slot.expected().detach().sum())
    for step in range(400):
        with cure.learning(net, step, 400):
            shifts.append(slot.shift)
            assert float((slot.expected() + slot.shift).detach().sum()) == pytest.approx(total, rel=1e-5)
        assert slot.shift is None
    early, late = torch.stack(shifts[:200]), torch.stack(shifts[200:])
    # before they are scaled back, noise of reach e has variance e^2/3; of three, scaling leaves about two thirds
    assert 0.5 < float(late.std() / (0.3 * 0.75 / 3**0.5 * (2 / 3) ** 0.5)) < 1.5 and early.std() < 0.5 * late.std()
    assert late.mean(0).abs().max() < 4 * float(late.std()) / 200**0.5
    with cure.learning(net, 7, 400):
        assert torch.equal(slot.shift, shifts[7]) and not torch.equal(slot.shift, net.mixed[1].shift)


def test_noise_is_off_while_alphas_move_and_gone_at_the_end() -> None:
    seen = []

    class Look(Cure):
        def moved(self, net: MixedConformer, step: int) -> None:
            seen.append(net.mixed[0].shift)

    plain, shaken = network(), network()
    search(plain)
    search(shaken, Perturbation(), Look())
    assert seen and all(shift is None for shift in seen) and all(slot.shift is None for slot in shaken.mixed)
    assert not torch.equal(plain.alphas[0], shaken.alphas[0])


def test_cures_go_together() -> None:
    watch = EarlyStopping(batches(1), every=4)
    net = network()
    search(net, AuxiliarySkip(), Perturbation(), watch)
    assert list(watch.values) == [3, 7, 11] and all(alpha.isfinite().all() for alpha in net.alphas)


def test_the_inherited_network_is_the_mixture_with_one_hot_weights() -> None:
    net = network()
    search(net, steps=6)
    one_hot = network()
    one_hot.load_state_dict(net.state_dict())
    with torch.no_grad():
        for slot in one_hot.mixed:
            best = int(slot.alpha.argmax())
            slot.alpha.fill_(-200.0)
            slot.alpha[best] = 200.0
    before = {name: t.clone() for name, t in net.state_dict().items()}
    gap, same = discretisation_gap(net, batches()), discretisation_gap(one_hot, batches())
    assert gap.discrete == pytest.approx(same.mixed, rel=1e-5) and same.gap == pytest.approx(0, abs=1e-5)
    with torch.no_grad():
        losses = torch.cat([ctc_loss(*net.eval()(b.features, b.lengths), b) for b in batches()])
    assert gap.mixed == pytest.approx(losses.mean().item()) and gap.gap == gap.discrete - gap.mixed
    assert abs(gap.gap) > 1e-3 and gap.retrained is None
    again = discretisation_gap(net, batches(), lambda single: train(single, examples(), Recipe(steps=30, batch=4)))
    assert again.discrete == gap.discrete and again.retrained < gap.discrete
    assert all(torch.equal(t, before[name]) for name, t in net.state_dict().items())


def test_bad_settings_are_named() -> None:
    with pytest.raises(BadInput, match="batches"):
        Sharpness([])
    with pytest.raises(BadInput, match="ratio"):
        EarlyStopping(batches(1), ratio=1.0)


def test_curvature_sees_the_same_loss_as_training() -> None:
    net, batch = network().eval(), batches(1)[0]
    plain = ctc_loss(*net(batch.features, batch.lengths), batch)
    with twice_differentiable():
        torch.testing.assert_close(ctc_loss(*net(batch.features, batch.lengths), batch), plain, rtol=1e-4, atol=1e-5)

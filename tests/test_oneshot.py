"""Shared weights: extracted networks, gradients, the sandwich rule, ranking."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from network_data import examples
from scipy.stats import kendalltau

from speechnas_lab.oneshot import Sandwich, Supernet, ceiling, distillation, fidelity, one_path, share
from speechnas_lab.space import PRESETS, Architecture, MobileConformerSpace
from speechnas_lab.training import Recipe, collate, train
from speechnas_lab.training.losses import recognition_loss

SPACE = MobileConformerSpace("laptop")
SMALL = MobileConformerSpace(
    choices=replace(PRESETS["laptop"], slots=(1, 1), widths=(16, 32), heads=(0, 4), kernels=(0, 3, 5), max_depth=2)
)


@pytest.fixture(scope="module")
def trained() -> Supernet:
    torch.manual_seed(0)
    supernet = Supernet(SPACE, vocab_size=5)
    train(supernet, examples(), Recipe(steps=5, batch=4), frame_labels=5, backward=Sandwich(largest_only=2))
    return supernet


def some_archs() -> list[Architecture]:
    rng = random.Random(1)
    return [SPACE.largest(), SPACE.smallest(), *(SPACE.sample(rng) for _ in range(20))]


def test_extracted_networks_answer_bit_for_bit(trained: Supernet) -> None:
    batches = [collate(examples(), [0, 1, 2, 3])]
    x, lengths = torch.randn(2, 100, 80), torch.tensor([100, 61])
    answers = {}
    for arch in some_archs():
        trained.activate(arch)
        trained.calibrate(batches)
        mine, out = trained(x, lengths)
        alone = trained.extract(arch)
        theirs, their_out = alone(x, lengths)
        assert torch.equal(mine, theirs) and torch.equal(out, their_out)
        answers[SPACE.canonical(arch)] = mine[0]
        names = dict(alone.named_parameters())
        assert sum(p.numel() for p in names.values()) < sum(p.numel() for p in trained.parameters())
        assert not any(".first." in name for name in names)  # nothing of a choice that was not made
    different = list(answers.values())
    assert not any(torch.equal(a, b) for i, a in enumerate(different) for b in different[:i])


def test_coming_back_gives_the_same_and_extracts_are_copies(trained: Supernet) -> None:
    first, second = [a for a in some_archs() if a.norm == "layer"][:2]
    x, lengths = torch.randn(1, 80, 80), torch.tensor([80])
    before = trained.activate(first)(x, lengths)[0]
    with torch.no_grad():
        for p in trained.extract(first).parameters():
            p.zero_()
    trained.activate(second)(x, lengths)
    assert torch.equal(trained.activate(first)(x, lengths)[0], before)


def test_activation_makes_no_tensor_the_second_time(trained: Supernet) -> None:
    archs = some_archs()
    for arch in archs:
        trained.activate(arch)
    lenders = [p.lender for p in trained.parameters() if hasattr(p, "lender")]
    views = [id(view) for lender in lenders for view in lender.lent.values()]
    for arch in archs:
        trained.activate(arch)
    assert views == [id(view) for lender in lenders for view in lender.lent.values()]
    for lender in lenders:
        home = lender.parameter.untyped_storage().data_ptr()
        assert all(view.untyped_storage().data_ptr() == home for view in lender.lent.values())


def test_gradients_reach_the_shared_weights_as_autograd_says() -> None:
    torch.manual_seed(0)
    supernet = Supernet(SMALL, vocab_size=5)
    batch, rng = collate(examples(), [0, 1, 2]), random.Random(4)
    for _ in range(6):
        arch = SMALL.sample(rng)
        supernet.activate(arch)
        alone = supernet.extract(arch)
        recognition_loss(supernet, None, batch, Recipe(), 0)[0].backward()
        found = supernet.gradients()
        forget(supernet)
        recognition_loss(alone, None, batch, Recipe(), 0)[0].backward()
        own = {f"net.{name}": p.grad for name, p in alone.named_parameters()}
        assert found.keys() == own.keys()
        for name, grad in own.items():
            torch.testing.assert_close(share(found[name], grad.shape), grad, atol=1e-6, rtol=1e-4)
            assert found[name].abs().sum().item() == pytest.approx(grad.abs().sum().item(), rel=1e-4, abs=1e-6)


def gradients(supernet: Supernet, backward) -> dict[str, torch.Tensor]:
    forget(supernet)
    backward()
    return supernet.gradients()


def forget(supernet: Supernet) -> None:
    for p in supernet.parameters():
        if hasattr(p, "lender"):
            p.lender.forget()


def test_sandwich_is_the_sum_of_its_passes_and_the_teacher_does_not_learn() -> None:
    torch.manual_seed(0)
    supernet = Supernet(SMALL, vocab_size=5).train()
    batch, recipe = collate(examples(), [0, 1, 2]), Recipe()
    rule = Sandwich(distil=1.0, randoms=2, largest_only=0, outer_every=1)
    got = gradients(supernet, lambda: rule(supernet, None, batch, recipe, 7))

    def by_hand() -> None:
        supernet.activate(SMALL.largest())
        loss, _, teacher, lengths = recognition_loss(supernet, None, batch, recipe, 7)
        loss.backward()
        for arch in rule.students(supernet, recipe.seed, 7):
            supernet.activate(arch)
            logits = recognition_loss(supernet, None, batch, recipe, 7)[2]
            distillation(logits, teacher.detach(), lengths).backward()

    wanted = gradients(supernet, by_hand)
    assert got.keys() == wanted.keys()
    for name in got:
        torch.testing.assert_close(got[name], wanted[name], atol=1e-6, rtol=1e-5)
    assert len(rule.students(supernet, 0, 7)) == 3 and rule.students(supernet, 0, 7)[0] == SMALL.smallest()
    untaught = Sandwich(distil=0.0, randoms=2, largest_only=0, outer_every=1)
    none = gradients(supernet, lambda: untaught(supernet, None, batch, recipe, 7))
    largest_only = [n for n, p in supernet.named_parameters() if p.dim() == 2 and n in got and p.shape[0] > 16]
    corners = [(got[n][-1, -1], none[n][-1, -1]) for n in largest_only if "expand" in n]
    used = {max(b.expansion for s in a.stages for b in s.blocks) for a in rule.students(supernet, 0, 7)}
    if max(used) < max(SMALL.choices.expansions):
        assert all(torch.equal(a, b) for a, b in corners)


def test_distillation_is_kl_on_real_frames() -> None:
    teacher, student = torch.randn(2, 4, 5), torch.randn(2, 4, 5)
    p, q = teacher.softmax(-1), student.softmax(-1)
    kl = (p * (p / q).log()).sum(-1)
    wanted = (kl[0, :4].sum() + kl[1, :2].sum()) / 6
    torch.testing.assert_close(distillation(student, teacher, torch.tensor([4, 2])), wanted)
    assert distillation(teacher, teacher, torch.tensor([4, 2])).abs() < 1e-6


def test_a_path_step_changes_only_the_path() -> None:
    torch.manual_seed(0)
    supernet = Supernet(SMALL, vocab_size=5)
    before = {n: p.clone() for n, p in supernet.named_parameters()}
    train(supernet, examples(), Recipe(steps=1, batch=4, seed=2), backward=one_path)
    arch = supernet.arch
    width = max(stage.width for stage in arch.stages)
    after = dict(supernet.named_parameters())
    if width == 16:
        assert all(torch.equal(after[n][48:], before[n][48:]) for n in after if "qkv.weight" in n)
    assert any(not torch.equal(after[n], before[n]) for n in after)


def test_calibration_measures_the_statistics_of_the_path(trained: Supernet) -> None:
    arch = next(a for a in some_archs() if a.norm == "batch" and any(b.kernel for s in a.stages for b in s.blocks))
    batch = collate(examples(), [0, 1, 2, 3])
    trained.activate(arch)
    trained.calibrate([batch])
    alone = trained.extract(arch).train()
    for module in alone.modules():
        if hasattr(module, "momentum"):
            module.momentum = 1.0
    calibrated = {n: b.clone() for n, b in alone.named_buffers()}
    alone(batch.features, batch.lengths)  # plain batch statistics, kept whole
    for name, buffer in alone.named_buffers():
        torch.testing.assert_close(calibrated[name], buffer, atol=1e-5, rtol=1e-4)


def test_fidelity_and_ceiling() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(20, 1)) + 0.3 * rng.normal(size=(20, 2))
    score = truth.mean(1) + 0.5 * rng.normal(size=20)
    found = fidelity(score, truth)
    assert found.tau == pytest.approx(kendalltau(score, truth.mean(1)).statistic)
    assert found.low < found.tau < found.high
    assert ceiling(truth) == pytest.approx(kendalltau(truth[:, 0], truth[:, 1]).statistic)

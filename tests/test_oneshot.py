"""Shared weights: extracted networks, gradients, the sandwich rule, ranking."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from network_data import examples
from scipy.stats import kendalltau

from speechnas_lab.oneshot import Sandwich, Supernet, ceiling, distillation, fidelity, one_path, seed_to_seed, share
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


def test_trains_whichever_path_was_in_use_before() -> None:
    supernet = Supernet(SMALL, vocab_size=5).activate(SMALL.smallest())
    history = train(supernet, examples(), Recipe(steps=3, batch=4), frame_labels=5, backward=Sandwich(largest_only=1))
    assert len(history) == 3 and all("frame" in parts for parts in history)


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


def test_the_teacher_does_not_learn_from_its_students() -> None:
    torch.manual_seed(0)
    supernet = Supernet(SMALL, vocab_size=5).train()
    batch, recipe = collate(examples(), [0, 1, 2]), Recipe()
    small = SMALL.canonical(SMALL.smallest())
    largest = supernet.activate(SMALL.largest())
    own = gradients(supernet, lambda: recognition_loss(largest, None, batch, recipe, 7)[0].backward())

    class OnlySmallest(Sandwich):
        def students(self, supernet: Supernet, seed: int, step: int) -> list[Architecture]:
            return [small]

    rule = OnlySmallest(distil=1.0, largest_only=0, outer_every=1)
    both = gradients(supernet, lambda: rule(supernet, None, batch, recipe, 7))
    supernet.activate(small)
    used = {id(view): view for m in supernet.modules() for view in m.__dict__.get("now", ())}
    reached = {n: [v.shape for v in p.lender.lent.values() if id(v) in used] for n, p in supernet.named_parameters()
               if hasattr(p, "lender")}
    compared = 0
    for name, grad in own.items():
        outside = torch.ones_like(grad, dtype=torch.bool)
        for shape in reached[name]:
            share(outside, shape).fill_(False)
        torch.testing.assert_close(both[name][outside], grad[outside], atol=1e-6, rtol=1e-5)
        compared += int(outside.sum())
    assert compared > 1000  # what only the largest uses learns as if it were alone


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
    before = {n: p.detach().clone() for n, p in supernet.named_parameters()}
    train(supernet, examples(), Recipe(steps=1, batch=4, seed=2), backward=one_path)
    supernet.activate(supernet.arch)
    now = {id(view) for m in supernet.modules() for view in m.__dict__.get("now", ())}
    changed = 0
    for name, p in supernet.named_parameters():
        outside = torch.ones_like(p, dtype=torch.bool)
        for view in p.lender.lent.values() if hasattr(p, "lender") else ():
            if id(view) in now:
                share(outside, view.shape).fill_(False)
        assert torch.equal(p[outside], before[name][outside])
        changed += int((p != before[name]).sum())
    assert changed > 1000


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
    assert seed_to_seed(truth) == pytest.approx(kendalltau(truth[:, 0], truth[:, 1]).statistic)


def test_ceiling_is_what_a_perfect_score_reaches() -> None:
    rng = np.random.default_rng(1)
    quality = rng.normal(size=(3000, 1))
    truth = quality + 0.5 * rng.normal(size=(3000, 2))
    reached = kendalltau(quality[:, 0], truth.mean(1)).statistic
    assert ceiling(truth) == pytest.approx(reached, abs=0.02) and seed_to_seed(truth) < reached - 0.05


def test_an_interrupted_supernet_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    some, recipe, rule = examples(), Recipe(steps=14, batch=4), Sandwich(largest_only=2)

    def fresh() -> Supernet:
        torch.manual_seed(0)
        return Supernet(SMALL, vocab_size=5)

    def stop(step: int, parts: dict) -> None:
        if step == 8:
            raise KeyboardInterrupt

    whole, place = fresh(), tmp_path / "c.pt"
    history = train(whole, some, recipe, frame_labels=5, backward=rule)
    with pytest.raises(KeyboardInterrupt):
        train(fresh(), some, recipe, frame_labels=5, backward=rule, checkpoint=place, tick=stop, save_every=0.0)
    again = fresh()
    assert train(again, some, recipe, frame_labels=5, backward=rule, checkpoint=place) == history
    for mine, theirs in zip(again.state_dict().values(), whole.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)


def test_only_members_of_the_space_are_activated() -> None:
    supernet = Supernet(SMALL, vocab_size=5)
    with pytest.raises(ValueError, match="kernel"):
        supernet.activate(replace_block(SMALL.largest(), kernel=31))
    with pytest.raises(ValueError, match="output"):
        Supernet(MobileConformerSpace("full"), vocab_size=5)


def replace_block(arch: Architecture, **change: int) -> Architecture:
    stage = arch.stages[0]
    return replace(arch, stages=(replace(stage, blocks=(replace(stage.blocks[0], **change),)), *arch.stages[1:]))

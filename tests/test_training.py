"""The loop against torch's own optimiser, brute-force CTC, interruption and bad numbers."""

from __future__ import annotations

import itertools
import math
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from network_data import examples
from torch import nn

from speechnas_lab.models import build
from speechnas_lab.space import Architecture, Block, MobileConformerSpace, Stage
from speechnas_lab.speech import CharTokenizer
from speechnas_lab.training import BatchPlan, Recipe, TrainingFailed, collate, evaluate, in_length_order, train
from speechnas_lab.training.losses import ctc_loss, frame_loss, mean_of_finite
from speechnas_lab.training.optimizer import AdamW

SMALL = Architecture(4, (Stage(16, "none", (Block(3, 0, 1.5),)), Stage(16, "pool", (Block(0, 4, 1.5),))),
                     "swish", "batch", False, 8)


def fresh(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build(SMALL, vocab_size=5)


def test_ctc_is_the_sum_over_all_alignments() -> None:
    torch.manual_seed(0)
    logits = torch.randn(1, 5, 3)
    batch = collate(examples(1, 3), [0])
    batch.tokens, batch.token_lengths = torch.tensor([[1, 1]]), torch.tensor([2])
    scores, total = logits.softmax(-1)[0], 0.0
    for path in itertools.product(range(3), repeat=5):  # all 243 ways to label five frames
        if [k for k, _ in itertools.groupby(path) if k] == [1, 1]:
            total += math.prod(scores[t, k].item() for t, k in enumerate(path))
    assert ctc_loss(logits, torch.tensor([5]), batch).item() == pytest.approx(-math.log(total) / 2, rel=1e-5)


@pytest.mark.parametrize(("frames", "finite"), [(5, True), (4, False), (3, False)])
def test_three_equal_letters_need_five_frames(frames: int, finite: bool) -> None:
    batch = collate(examples(1, 3), [0])
    batch.tokens, batch.token_lengths = torch.tensor([[1, 1, 1]]), torch.tensor([3])
    loss = ctc_loss(torch.zeros(1, frames, 3), torch.tensor([frames]), batch)
    assert loss.isfinite().item() is finite


def test_what_cannot_be_spelt_does_not_count_in_the_mean() -> None:
    assert mean_of_finite(torch.tensor([1.0, math.inf, 3.0])) == 2.0
    assert mean_of_finite(torch.tensor([math.inf])) == math.inf


def test_frame_loss_reads_the_middle_of_each_stretch() -> None:
    batch = collate(examples(2), [0, 1])
    batch.labels = torch.tensor([[0, 0, 1, 0, 2, 2, 3, 2], [4, 4, 4, 4, -1, -1, -1, -1]])
    sure = 50.0 * nn.functional.one_hot(torch.tensor([[1, 3], [4, 0]]), 5).float()  # frames 2 and 6 of the first
    assert frame_loss(sure, torch.tensor([2, 1]), batch).item() == pytest.approx(0.0, abs=1e-6)


def test_optimiser_is_torchs_adamw() -> None:
    torch.manual_seed(1)
    mine = nn.Linear(7, 3)
    theirs = nn.Linear(7, 3)
    theirs.load_state_dict(mine.state_dict())
    a = AdamW(mine.parameters(), 1e-2, (0.9, 0.98), 0.1)
    b = torch.optim.AdamW([{"params": [theirs.weight], "weight_decay": 0.1}, {"params": [theirs.bias],
                          "weight_decay": 0.0}], lr=1e-2, betas=(0.9, 0.98))
    for step in range(6):
        x = torch.randn(5, 7, generator=torch.Generator().manual_seed(step))
        for network, optimiser in ((mine, a), (theirs, b)):
            optimiser.zero_grad()
            network(x).square().sum().backward()
        before = nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
        assert a.clip(0.5) == pytest.approx(before.item(), rel=1e-5)
        a.step()
        b.step()
    torch.testing.assert_close(mine.weight, theirs.weight)
    torch.testing.assert_close(mine.bias, theirs.bias)


def test_training_learns_and_hears() -> None:
    some = examples(24)
    network = fresh()
    history = train(network, some, Recipe(steps=60, batch=6, rate=1e-2, warp=False), frame_labels=5)
    assert history[-1]["ctc"] < 0.2 * history[0]["ctc"]
    heard = evaluate(network, some, CharTokenizer(["a", "b", "c", "d"]))
    spoken = [text.replace(" ", "") for text in some.texts]
    assert sum(h.replace(" ", "") == s for h, s in zip(heard.hypotheses, spoken, strict=True)) >= 20


def test_an_interrupted_run_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    some, recipe = examples(), Recipe(steps=12, batch=4)
    whole = fresh()
    history = train(whole, some, recipe, frame_labels=5)
    place, cut = tmp_path / "c.pt", fresh()

    def stop(step: int, parts: dict) -> None:
        if step == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(cut, some, recipe, frame_labels=5, checkpoint=place, tick=stop, save_every=0.0)
    assert torch.load(place, weights_only=True)["recipe"]["steps"] == 12  # plain values and tensors only
    again = fresh(seed=9)
    assert train(again, some, recipe, frame_labels=5, checkpoint=place) == history
    for mine, theirs in zip(again.state_dict().values(), whole.state_dict().values(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_damaged_or_foreign_checkpoint_is_not_used(tmp_path: Path) -> None:
    some, place = examples(), tmp_path / "c.pt"
    train(fresh(), some, Recipe(steps=3, batch=4), checkpoint=place)
    place.write_bytes(place.read_bytes()[:100])
    assert len(train(fresh(), some, Recipe(steps=2, batch=4), checkpoint=place)) == 2


def test_not_a_number_stops_with_step_and_batch() -> None:
    some = examples()
    some.features[3][5] = float("nan")
    with pytest.raises(TrainingFailed, match=r"step \d+: the ctc is not finite on the batch of .*u0\d"):
        train(fresh(), some, Recipe(steps=20, batch=4, warp=False))


def test_batches_cover_the_corpus_and_repeat_by_seed() -> None:
    some = examples(50)
    plan = BatchPlan(some, 8, seed=3)
    epoch = [plan(step) for step in range(plan.per_epoch)]
    used = [row for rows in epoch for row in rows]
    assert len(used) == len(set(used)) == 48
    assert [BatchPlan(some, 8, seed=3)(step) for step in (5, 0, 7)] == [plan(step) for step in (5, 0, 7)]
    spread = [max(len(some.features[i]) for i in rows) - min(len(some.features[i]) for i in rows) for rows in epoch]
    assert sum(s == 0 for s in spread) >= len(spread) // 2
    assert sorted(row for rows in in_length_order(some, 7) for row in rows) == list(range(50))


def test_warp_leaves_the_examples_alone() -> None:
    some = examples()
    before = [f.clone() for f in some.features]
    train(fresh(), some, Recipe(steps=2, batch=4))
    assert all(torch.equal(a, b) for a, b in zip(before, some.features, strict=True))


def test_learning_rate_rises_then_falls() -> None:
    recipe = Recipe(steps=100, rate=1.0)
    rates = [recipe.rate_at(step) for step in range(100)]
    assert rates[0] == 0.1 and rates[9] == 1.0 and rates[10] == 1.0 and rates[-1] < 0.001
    assert recipe.flat_weight_at(0) == 1 and recipe.flat_weight_at(20) == 0.5 and recipe.flat_weight_at(40) == 0


def test_an_empty_text_does_not_break_a_batch() -> None:
    some = examples(4)
    some.tokens[0] = some.tokens[0][:0]
    assert math.isfinite(train(fresh(), some, Recipe(steps=1, batch=4))[0]["ctc"])


def test_a_sampled_network_trains(seed: int = 0) -> None:
    arch = replace(MobileConformerSpace().sample(random.Random(seed)))
    history = train(build(arch, vocab_size=5), examples(), Recipe(steps=4, batch=4), frame_labels=5)
    assert all(math.isfinite(parts["frame"]) for parts in history)

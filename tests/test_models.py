"""Networks against formulas, finite differences, and themselves with other padding and neighbours."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from torch import nn

from speechnas_lab.models import BASELINES, baseline, build
from speechnas_lab.models.layers import Attention, BatchNorm, Convolution, Depthwise, FeedForward, frame_mask
from speechnas_lab.models.network import StageLayers
from speechnas_lab.space import SKIP, Architecture, Block, MobileConformerSpace, Stage, conformer, counts

LAPTOP = MobileConformerSpace("laptop")


def sampled(preset: str, count: int, seed: int = 0) -> list[Architecture]:
    space, rng = MobileConformerSpace(preset), random.Random(seed)
    return [space.sample(rng) for _ in range(count)]


def multiplications(network: nn.Module, frames: int) -> int:
    """Multiply-accumulates of one pass, counted by watching each layer at work."""
    total = 0

    def watch(layer: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        nonlocal total
        if isinstance(layer, nn.Linear):
            total += output.numel() * layer.in_features
        elif isinstance(layer, Depthwise):
            total += output.numel() * layer.weight.shape[-1]
        elif isinstance(layer, Attention):
            total += 2 * output.shape[1] ** 2 * output.shape[2]

    hooks = [layer.register_forward_hook(watch) for layer in network.modules()]
    network(torch.randn(1, frames, 80), torch.tensor([frames]))
    for hook in hooks:
        hook.remove()
    return total


@pytest.mark.parametrize("arch", [*sampled("laptop", 12), *sampled("full", 2)], ids=lambda arch: arch.id)
def test_counts_equal_the_built_network(arch: Architecture) -> None:
    network = build(arch, vocab_size=37).eval()
    found = counts(arch, 80, 37, frames=83)
    assert found.parameters == sum(p.numel() for p in network.parameters())
    assert found.macs == multiplications(network, 83)


def test_a_published_conformer_is_built_as_counted() -> None:
    arch = conformer("S")
    assert counts(arch, 80, 100).parameters == sum(p.numel() for p in build(arch, vocab_size=100).parameters())


@pytest.mark.parametrize("arch", sampled("laptop", 6, seed=1), ids=lambda arch: arch.id)
def test_padding_and_neighbours_never_change_an_answer(arch: Architecture) -> None:
    torch.manual_seed(0)
    network = build(arch, vocab_size=30).eval()
    noise = torch.randn(3, 400, 80)  # what stands behind an utterance's end is noise on purpose
    for frames in (1, 7, 8, 9, 63, 64, 97, 288, 363):
        alone, length = network(noise[:1, :frames], torch.tensor([frames]))
        assert length.dtype == torch.int64 and length.item() == alone.shape[1] == -(-frames // 8)
        for dtype in (torch.int32, torch.int64):
            beside, lengths = network(noise, torch.tensor([frames, 400, 288], dtype=dtype))
            assert lengths.tolist() == [length.item(), 50, 36]
            torch.testing.assert_close(beside[0, : length.item()], alone[0], atol=2e-5, rtol=1e-4)


def test_every_length_is_its_own() -> None:
    network = build(LAPTOP.sample(random.Random(3)), vocab_size=30).eval()
    for frames in range(1, 65):
        logits, lengths = network(torch.zeros(2, 400, 80), torch.tensor([frames, 400]))
        assert lengths[0] == -(-frames // 8) and lengths.max() <= logits.shape[1]


@pytest.mark.parametrize("name", BASELINES)
def test_hand_designed_networks_ignore_padding_too(name: str) -> None:
    torch.manual_seed(0)
    network = baseline(name, vocab_size=30).eval()
    noise = torch.randn(2, 120, 80)
    for frames in (1, 33, 97):
        alone, length = network(noise[:1, :frames], torch.tensor([frames]))
        beside, lengths = network(noise, torch.tensor([frames, 120]))
        assert lengths[0] == length[0] == alone.shape[1] and lengths[1] == beside.shape[1]
        torch.testing.assert_close(beside[0, : length.item()], alone[0], atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("norm", ["layer", "batch"])
@pytest.mark.parametrize("activation", ["swish", "gelu", "relu"])
def test_gradients_of_every_part_against_finite_differences(norm: str, activation: str) -> None:
    torch.manual_seed(0)
    mask = frame_mask(torch.tensor([5, 3]), 5).double()
    x = torch.randn(2, 5, 6, dtype=torch.float64, requires_grad=True)
    arch = Architecture(4, (), activation, norm, True, 8)
    stage = StageLayers(4, Stage(6, "conv", (Block(3, 2, 1.5), SKIP)), arch, None).double()
    wide = torch.randn(2, 9, 4, dtype=torch.float64, requires_grad=True)
    parts = {
        "attention": (Attention(6, 2).double(), lambda part, x: part(x, mask) * mask),
        "convolution": (Convolution(6, 3, activation, norm).double(), lambda part, x: part(x, mask) * mask),
        "feed-forward": (FeedForward(6, 9, activation).double(), lambda part, x: part(x)),
    }
    for name, (part, call) in parts.items():
        assert torch.autograd.gradcheck(lambda x, part=part, call=call: call(part, x), x), name
        for weight in part.parameters():
            assert torch.autograd.gradcheck(lambda w, part=part, call=call: call(part, x.detach()), weight), name
    assert torch.autograd.gradcheck(lambda x: stage(x, torch.tensor([9, 6]))[0], wide)


def test_batch_norm_is_torchs_on_the_real_frames() -> None:
    torch.manual_seed(0)
    x, lengths = torch.randn(3, 7, 4), torch.tensor([7, 4, 1])
    mask, ours, theirs = frame_mask(lengths, 7), BatchNorm(4), nn.BatchNorm1d(4)
    real = mask.bool().squeeze(-1)
    torch.testing.assert_close(ours(x, mask)[real], theirs(x[real]))
    torch.testing.assert_close(ours.eval()(x, mask), theirs.eval()(x.flatten(0, 1)).view(3, 7, 4), atol=0.05, rtol=0.1)


@pytest.mark.parametrize("seed", range(8))
def test_canonical_form_computes_the_same_function(seed: int) -> None:
    rng = random.Random(seed)
    arch = LAPTOP.sample(rng)
    arch = replace(arch, stages=tuple(replace(s, width=64) for s in arch.stages))  # more boundaries that vanish
    same = LAPTOP.canonical(arch)
    one, other = build(arch, vocab_size=20).eval(), build(same, vocab_size=20).eval()
    with torch.no_grad():
        for mine, theirs in zip(other.parameters(), one.parameters(), strict=True):  # skips and boundaries hold none
            mine.copy_(theirs)
    x, lengths = torch.randn(2, 90, 80), torch.tensor([90, 61])
    torch.testing.assert_close(one(x, lengths)[0][:, :8], other(x, lengths)[0][:, :8])


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"stages": (Stage(64, "none", (Block(4, 0, 2.0),)),)}, "kernel"),
        ({"stages": (Stage(64, "none", (Block(3, 5, 2.0),)),)}, "heads"),
        ({"stages": (Stage(64, "half", (Block(3, 0, 2.0),)),)}, "reduction"),
        ({"stages": (Stage(64, "none", (Block(3, 0, -1.0),)),)}, "expansion"),
        ({"activation": "tanh"}, "activation"),
        ({"stages": ()}, "stages"),
        ({"output_reduction": 6}, "output_reduction"),
    ],
)
def test_impossible_architectures_name_the_field(change: dict, field: str) -> None:
    good = LAPTOP.sample(random.Random(0))
    with pytest.raises(ValueError, match=rf"{field}.*allowed"):
        build(replace(good, **change), vocab_size=10)

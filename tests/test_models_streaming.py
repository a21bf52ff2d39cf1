"""The streaming form against itself run whole, against the ordinary network, and against what it must not see."""

from __future__ import annotations

import io
import random
from dataclasses import replace

import pytest
import torch
from network_data import examples

from speechnas_lab.errors import BadInput
from speechnas_lab.models import Plan, StreamSettings, build, build_streaming
from speechnas_lab.models.streaming_layers import ValidDepthwise, distance_bias, slopes, visible
from speechnas_lab.space import Architecture, Block, MobileConformerSpace, Stage
from speechnas_lab.training import Recipe, train

T = 97
ALL = Architecture(
    4, (Stage(16, "none", (Block(5, 4, 2.0), Block(0, 2, 1.5))), Stage(24, "conv", (Block(3, 0, 2.0),)),
        Stage(32, "pool", (Block(7, 4, 2.0),))), "swish", "batch", macaron=True, output_reduction=32)  # fmt: skip


def sampled(count: int) -> list[Architecture]:
    space, rng = MobileConformerSpace("laptop"), random.Random(5)
    return [space.sample(rng) for _ in range(count)]


CASES = [*((arch, StreamSettings(4, 40)) for arch in sampled(2)), (ALL, StreamSettings(4, 64)),
         (ALL, StreamSettings(16, 32)), (ALL, StreamSettings(64, 0)), (ALL, StreamSettings(8, 200))]  # fmt: skip


def made(arch: Architecture, settings: StreamSettings) -> torch.nn.Module:
    """A network with fresh weights, its running statistics no longer those of a fresh one."""
    torch.manual_seed(1)
    network = build_streaming(arch, settings, input_dim=20, vocab_size=11)
    network.train()
    network(torch.randn(3, 130, 20), torch.tensor([130, 60, 90]))
    return network.eval()


def streamed(network, x: torch.Tensor, cuts: list[int], state=None) -> torch.Tensor:
    """All logits of x, cut before these frames."""
    found = []
    for first, last in zip([0, *cuts], [*cuts, x.shape[1]], strict=True):
        logits, state = network.step(x[:, first:last], state)
        found.append(logits)
    logits, state = network.finish(state)
    return torch.cat([*found, logits], 1)


@pytest.mark.parametrize(("arch", "settings"), CASES, ids=lambda case: getattr(case, "id", str(case)))
@torch.no_grad()
def test_steps_of_any_size_give_what_the_whole_gives(arch: Architecture, settings: StreamSettings) -> None:
    network, rng = made(arch, settings), random.Random(0)
    x = torch.randn(2, T, 20)
    whole, lengths = network(x, torch.tensor([T, T]))
    assert lengths.tolist() == [-(-T // arch.output_reduction)] * 2 and whole.shape[1] == lengths[0]
    every = [list(range(size, T, size)) for size in (1, 2, 3, 5, 7, 16, 97)]
    every += [sorted(rng.choices(range(T + 1), k=rng.randint(1, 30))) for _ in range(2)]  # with empty pieces
    for cuts in every:
        got = streamed(network, x, cuts)
        assert got.shape == whole.shape
        torch.testing.assert_close(got, whole, atol=1e-5, rtol=0)


@torch.no_grad()
def test_every_length_ends_alike() -> None:
    for settings in (StreamSettings(4, 64), StreamSettings(16, 32), StreamSettings(64, 64)):
        network = made(ALL, settings)
        for frames in (1, 3, 4, 31, 32, 33, 63, 64, 65):
            x = torch.randn(1, frames, 20)
            got = streamed(network, x, list(range(10, frames, 10)))
            torch.testing.assert_close(got, network(x, torch.tensor([frames]))[0], atol=1e-5, rtol=0)
        nothing, state = network.finish(network.start())
        assert nothing.shape == (1, 0, 11) and int(state["time"]) == 0


@torch.no_grad()
def test_two_streams_in_turn_do_not_hear_each_other() -> None:
    network = made(*CASES[0])
    sounds, states, heard = torch.randn(2, 1, T, 20), [None, None], [[], []]
    for first in range(0, T, 5):
        for n in (0, 1):
            logits, states[n] = network.step(sounds[n][:, first : first + 5], states[n])
            heard[n].append(logits)
    for n in (0, 1):
        got = torch.cat([*heard[n], network.finish(states[n])[0]], 1)
        assert torch.equal(got, streamed(network, sounds[n], list(range(5, T, 5))))


@torch.no_grad()
def test_a_state_is_left_as_it_was_and_starts_anew() -> None:
    network, x = made(*CASES[2]), torch.randn(1, T, 20)
    _, state = network.step(x[:, :50])
    before = {name: value.clone() for name, value in state.items()}
    first, _ = network.step(x[:, 50:], state)
    second, after = network.step(x[:, 50:], state)
    assert torch.equal(first, second) and all(torch.equal(state[name], before[name]) for name in state)
    _, fresh = network.finish(after)
    assert torch.equal(streamed(network, x, [9], fresh), streamed(network, x, [9]))


@torch.no_grad()
def test_a_state_survives_a_file_without_code() -> None:
    network, x, stream = made(*CASES[2]), torch.randn(1, T, 20), io.BytesIO()
    logits, state = network.step(x[:, :41])
    torch.save(state, stream)
    stream.seek(0)
    rest, state = network.step(x[:, 41:], torch.load(stream, weights_only=True))
    got = torch.cat([logits, rest, network.finish(state)[0]], 1)
    torch.testing.assert_close(got, network(x, torch.tensor([T]))[0], atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_state_never_grows_and_an_old_stream_hears_like_a_young_one() -> None:
    network = made(ALL, StreamSettings(4, 64))
    sizes = {name: value.shape for name, value in network.start().items()}
    x, state = torch.randn(1, 32 * 12, 20), None
    _, state = network.step(x, state)
    assert {name: value.shape for name, value in state.items()} == sizes
    assert int(state["time"]) <= 64 + 32
    reach = 32 * 11  # more than all layers together look back: 4 x 64 frames of attention, the filters, the last one
    old, _ = network.step(x[:, :reach], state)
    young, _ = network.step(x[:, :reach])
    torch.testing.assert_close(old[:, -1:], young[:, -1:], atol=1e-5, rtol=0)
    assert (old[:, :2] - young[:, :2]).abs().max() > 1e-3


@torch.no_grad()
def test_nothing_after_its_chunk_reaches_an_output() -> None:
    for settings in (StreamSettings(4, 32), StreamSettings(16, 32)):
        arch = sampled(1)[0]
        network, wait = made(arch, settings), max(settings.chunk, arch.output_reduction)
        x = torch.randn(1, 160, 20)
        whole, _ = network(x, torch.tensor([160]))
        for frame in (40, 80):
            changed = x.clone()
            changed[:, frame:] = torch.randn(1, 160 - frame, 20)
            got, _ = network(changed, torch.tensor([160]))
            known = frame // wait * wait // arch.output_reduction
            torch.testing.assert_close(got[:, :known], whole[:, :known], atol=0, rtol=0)
            assert (got[:, known + 2 :] - whole[:, known + 2 :]).abs().max() > 1e-3


@torch.no_grad()
def test_padding_and_neighbours_never_change_an_answer() -> None:
    network = made(ALL, StreamSettings(16, 64))
    noise = torch.randn(3, 200, 20)
    for frames in (1, 16, 31, 97):
        alone, length = network(noise[:1, :frames], torch.tensor([frames]))
        beside, lengths = network(noise, torch.tensor([frames, 200, 150]))
        assert length.dtype == torch.int64 and lengths[0] == length
        torch.testing.assert_close(beside[0, : int(length)], alone[0], atol=2e-5, rtol=1e-4)


def test_weights_have_the_names_and_shapes_of_the_ordinary_network() -> None:
    for arch in (ALL, *sampled(3)):
        theirs = build(arch, input_dim=20, vocab_size=11).state_dict()
        ours = build_streaming(arch, StreamSettings(4, 8), input_dim=20, vocab_size=11).state_dict()
        assert {name: value.shape for name, value in ours.items()} == {n: v.shape for n, v in theirs.items()}


@torch.no_grad()
def test_without_a_limit_only_the_convolution_and_the_positions_differ() -> None:
    """With kernel 1, one chunk for all, and no slope, the streaming form is the ordinary network without positions."""
    block = Block(1, 4, 2.0)
    arch = Architecture(4, (Stage(16, "none", (block,)), Stage(16, "conv", (block,))), "gelu", "layer", False, 8)
    whole, stream = build(arch, input_dim=20, vocab_size=11).eval(), made(arch, StreamSettings(96, 96))
    stream.load_state_dict(whole.state_dict())
    x = torch.randn(1, 96, 20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("speechnas_lab.models.network.sinusoids", lambda frames, width: torch.zeros(frames, width))
        patch.setattr("speechnas_lab.models.streaming_layers.slopes", lambda heads: torch.zeros(heads))
        lengths = torch.tensor([96])
        torch.testing.assert_close(stream(x, lengths)[0], whole(x, lengths)[0], atol=1e-5, rtol=0)


def test_who_sees_whom_by_counting() -> None:
    for frames, chunk, left, held, seen in ((12, 3, 3, 0, 0), (8, 2, 5, 0, 0), (4, 4, 6, 6, 2), (1, 1, 3, 3, 3)):
        table = visible(frames, chunk, left, held, seen)
        for row in range(frames):
            start = row - row % chunk
            allowed = {c for c in range(-held, frames) if start - left <= c < start + chunk and c >= -seen}
            assert {int(c) - held for c in table[row].nonzero().flatten()} == allowed


def test_distances_are_those_of_the_paper() -> None:
    assert torch.allclose(slopes(8), torch.tensor([1 / 2**n for n in range(1, 9)]))  # Press et al., 2022, section 3
    bias = distance_bias(torch.tensor([[True, True, False], [False, True, True]]), 2)  # one frame held
    assert bias[0].tolist() == [[-1 / 16, 0.0, -1e4], [-1e4, -1 / 16, 0.0]]


def test_the_causal_filter_is_the_plain_one_moved_to_the_left() -> None:
    layer, x = ValidDepthwise(3, 5), torch.randn(2, 30, 3)
    joined = torch.cat([torch.zeros(2, 4, 3), x], 1)
    got = layer(joined)
    weight = layer.weight[:, 0, 0]  # (C, kernel)
    for t in (0, 3, 29):
        want = (joined[:, t : t + 5] * weight.T).sum(1) + layer.bias
        torch.testing.assert_close(got[:, t], want)


def test_one_loop_trains_it_and_it_learns() -> None:
    speech = examples(16)
    arch = Architecture(4, (Stage(32, "none", (Block(5, 4, 2.0),)),), "swish", "batch", False, 8)
    torch.manual_seed(0)
    network = build_streaming(arch, StreamSettings(4, 32), vocab_size=5)
    history = train(network, speech, Recipe(steps=30, batch=8, warp=False), 5)
    assert history[-1]["ctc"] < 0.5 * history[0]["ctc"]
    with torch.no_grad():
        x = speech.features[0][None].float()
        whole, _ = network(x, torch.tensor([x.shape[1]]))
        torch.testing.assert_close(streamed(network, x, [13, 13, 40]), whole, atol=1e-5, rtol=0)


def test_settings_that_fit_no_network_are_refused() -> None:
    arch = sampled(1)[0]
    with pytest.raises(BadInput, match="multiple of the stem, 4"):
        Plan(arch, StreamSettings(6))
    with pytest.raises(BadInput, match="must divide 8"):
        Plan(replace(arch, stages=arch.stages), StreamSettings(12))
    for bad in ({"chunk": 0}, {"left": -1}, {"chunk": 4.0}, {"left": True}):
        with pytest.raises(BadInput, match="10 ms frames"):
            StreamSettings(**bad)
    network = made(arch, StreamSettings(4))
    with pytest.raises(BadInput, match=r"needs \(1, n, 20\)"):
        network.step(torch.zeros(1, 4, 19), network.start())
    with pytest.raises(BadInput, match=r"call .eval\(\) first"):
        network.train().step(torch.zeros(1, 4, 20))

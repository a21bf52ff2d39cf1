"""Fake quantisation against torch's, against ONNX's operator, against brute force; tuning for it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from network_data import examples
from onnx import TensorProto, helper
from test_training import SMALL, fresh
from torch import nn

from speechnas_lab.errors import BadInput
from speechnas_lab.hardware import session
from speechnas_lab.models import baseline, build
from speechnas_lab.speech import CharTokenizer
from speechnas_lab.training import (
    QuantisedLinear,
    Recipe,
    Scheme,
    evaluate,
    fake_quantise,
    fake_quantised,
    in_float,
    observe,
    train,
    tune_quantised,
)
from speechnas_lab.training.quantised import grid, levels

BITS = (2, 3, 4, 6, 8, 12)


def numbers(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# The grid -------------------------------------------------------------------------------------------------------------
def test_three_bits_by_hand() -> None:
    x = torch.tensor([-1.0, 0.1, 0.3, 0.6])
    assert fake_quantise(x, 3).tolist() == pytest.approx([-1, 0, 1 / 3, 2 / 3])  # a third a step, from -3 to 3
    x = torch.tensor([-1.0, 0.0, 0.6, 2.5])
    assert fake_quantise(x, 3, symmetric=False).tolist() == pytest.approx([-1, 0, 0.5, 2.5])  # half a step, z = 2


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("bits", BITS)
def test_every_number_goes_to_the_nearest_level(bits: int, symmetric: bool) -> None:
    x = 3 * numbers(200, seed=bits) + 1
    first, last = levels(bits, symmetric)
    scale, zero = grid(x.min(), x.max(), bits, symmetric)
    every = (torch.arange(first, last + 1) - zero) * scale
    got = fake_quantise(x, bits, symmetric=symmetric)
    near = (x[:, None] - every).abs().min(1).values
    assert torch.allclose((got - x).abs(), near, atol=1e-5)
    assert near.max() <= scale / 2 * 1.001 + 1e-6 and len(got.unique()) <= last - first + 1


@pytest.mark.parametrize("case", ["both", "positive", "negative", "one", "zero"])
def test_the_dynamic_grid_is_that_of_the_onnx_operator(case: str) -> None:
    x = 5 * numbers(7, 11)
    x = {"both": x, "positive": x.abs() + 1, "negative": -x.abs() - 2, "one": torch.full((3, 2), 4.0),
         "zero": torch.zeros(3, 2)}[case]  # fmt: skip
    nodes = [helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
             helper.make_node("DequantizeLinear", ["q", "s", "z"], ["y"])]  # fmt: skip
    x_, y_, s_ = (helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xys")
    z_ = helper.make_tensor_value_info("z", TensorProto.UINT8, None)
    graph = helper.make_graph(nodes, "g", [x_], [y_, s_, z_])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    y, scale, zero = session(model.SerializeToString()).run(None, {"x": x.numpy()})
    mine = grid(x.min(), x.max(), 8, symmetric=False)
    assert mine[0].item() == pytest.approx(float(scale), rel=1e-6) and mine[1].item() == float(zero)
    assert torch.allclose(fake_quantise(x, 8, symmetric=False), torch.from_numpy(y), atol=1e-5)


@pytest.mark.parametrize("limits", [None, (-1.0, 1.5)])
def test_values_and_gradients_are_torchs(limits: tuple[float, float] | None) -> None:
    x, pull = numbers(6, 9).requires_grad_(), numbers(6, 9, seed=1)
    scale, zero = grid(*(torch.as_tensor(v) for v in limits or x.aminmax()), 5, symmetric=False)
    theirs = torch.fake_quantize_per_tensor_affine(x, scale.item(), int(zero), 0, 31)
    mine = fake_quantise(x, 5, symmetric=False, limits=limits)
    assert torch.allclose(mine, theirs, atol=1e-6)
    slopes = [torch.autograd.grad((y * pull).sum(), x)[0] for y in (mine, theirs)]
    assert torch.allclose(*slopes) and (slopes[0] == 0).any().item() is (limits is not None)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_a_scale_for_each_slice_is_torchs(axis: int) -> None:
    x = (numbers(4, 3, 5) * torch.logspace(-2, 2, 5)).requires_grad_()
    scale = x.detach().abs().amax([d for d in range(3) if d != axis % 3]) / 7
    theirs = torch.fake_quantize_per_channel_affine(x, scale, torch.zeros_like(scale), axis % 3, -7, 7)
    mine = fake_quantise(x, 4, axis=axis)
    assert torch.allclose(mine, theirs, atol=1e-6)
    assert torch.allclose(torch.autograd.grad(mine.sum(), x)[0], torch.ones_like(x))


def test_the_slope_that_is_passed_on_is_the_mean_slope_of_the_stairs() -> None:
    x = (0.5 * numbers(50).double()).requires_grad_()
    stairs = lambda v: fake_quantise(v, 4, limits=(-1.0, 1.0))  # noqa: E731
    (slope,) = torch.autograd.grad(stairs(x).sum(), x)
    with torch.no_grad():
        assert torch.equal(stairs(x + 1e-9), stairs(x))  # almost everywhere the true slope is 0
        step = 1 / 7
        mean = (stairs(x + step / 2) - stairs(x - step / 2)) / step
        clear = (x.abs() - 1).abs() > step
        assert torch.allclose(mean[clear], slope[clear]) and {0.0, 1.0} == set(slope[clear].round(decimals=9).tolist())


def test_quiet_rows_survive_beside_loud_ones_with_a_scale_each() -> None:
    x = torch.cat([numbers(1, 64), 200 * numbers(1, 64, seed=1), torch.zeros(1, 64)])
    for axis, lost in ((0, False), (None, True)):
        got = fake_quantise(x, 8, axis=axis)
        assert got.isfinite().all() and (got[2] == 0).all()
        assert ((got[0] - x[0]).norm() / x[0].norm() > 0.05).item() is lost


def test_one_bit_more_halves_the_error() -> None:
    x = numbers(10_000)
    errors = [(fake_quantise(x, bits) - x).square().mean().sqrt().item() for bits in range(5, 10)]
    for coarse, fine in zip(errors, errors[1:], strict=False):
        assert coarse / fine == pytest.approx(2, rel=0.1)
    step = x.abs().max().item() / 127
    assert errors[3] == pytest.approx(step / math.sqrt(12), rel=0.05)  # of a number even within its step


@pytest.mark.parametrize("bits", [1, 0, 17, -8, 7.5, "8"])
def test_bits_that_make_no_grid_are_refused(bits: object) -> None:
    with pytest.raises(BadInput, match="from 2 to 16"):
        fake_quantise(torch.ones(3), bits)
    if bits:
        with pytest.raises(BadInput, match="from 2 to 16"):
            Scheme(bits, 8)


# Networks -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("make", [fresh, lambda: baseline("conformer-small", vocab_size=5)])
def test_a_fake_quantised_network_is_the_same_network_rounded(make) -> None:
    network = make().eval()
    x, lengths = numbers(1, 60, 80), torch.tensor([60])
    before = {name: value.clone() for name, value in network.state_dict().items()}
    rounded = fake_quantised(network)
    linear = [m for m in rounded.modules() if isinstance(m, nn.Linear)]
    assert linear and all(type(m) is QuantisedLinear for m in linear)
    right = network(x, lengths)[0]
    gap = (rounded(x, lengths)[0] - right).abs().max().item()
    assert 1e-4 < gap < 0.3 * right.abs().max().item()
    assert torch.equal(in_float(rounded)(x, lengths)[0], right)
    assert torch.allclose(fake_quantised(network, Scheme(None, None))(x, lengths)[0], right, atol=1e-6)
    gaps = [(fake_quantised(network, Scheme(b, b))(x, lengths)[0] - right).abs().mean().item() for b in (4, 6, 8, 12)]
    assert gaps == sorted(gaps, reverse=True)
    for name, value in rounded.state_dict().items():
        assert torch.equal(value, before[name]) and torch.equal(network.state_dict()[name], before[name])


def test_a_linear_layer_is_whole_numbers_times_two_scales() -> None:
    layer = nn.Linear(6, 4)
    x = numbers(5, 6)
    s, z = grid(x.min(), x.max(), 8, symmetric=False)
    t = layer.weight.detach().abs().amax(1) / 127
    q, w = ((x / s).round() + z).to(torch.int64), (layer.weight.detach() / t[:, None]).round().to(torch.int64)
    right = ((q - int(z)) @ w.T).double() * s * t + layer.bias.detach()
    got = fake_quantised(nn.Sequential(layer))(x)
    assert torch.allclose(got.double(), right, rtol=1e-6, atol=1e-7)


def test_neighbours_change_an_answer_on_a_dynamic_grid_and_not_on_a_static_one() -> None:
    network, clip, loud = fresh().eval(), numbers(1, 40, 80), 9 * numbers(1, 40, 80, seed=1)
    both, one = (torch.cat([clip, loud]), torch.tensor([40, 40])), (clip, torch.tensor([40]))
    moves = {}
    for name, limits in (("dynamic", None), ("static", observe(network, [clip[0], loud[0]]))):
        rounded = fake_quantised(network, limits=limits)
        moves[name] = (rounded(*both)[0][0] - rounded(*one)[0][0]).abs().max().item()
    assert moves["dynamic"] > 1e-3 and moves["static"] < 1e-5


def test_observed_limits_are_what_the_layers_met() -> None:
    network = fresh().eval()
    clips = [numbers(40, 80), 3 * numbers(30, 80, seed=1)]
    found = observe(network, clips)
    assert set(found) == {n for n, m in network.named_modules() if isinstance(m, nn.Linear)}
    assert found["stem.4"] == pytest.approx((min(c.min() for c in clips).item(), max(c.max() for c in clips).item()))
    with pytest.raises(BadInput, match="one utterance at least"):
        observe(network, [])
    del found["head.1"]
    with pytest.raises(BadInput, match="head.1"):
        fake_quantised(network, limits=found)


def test_tuning_lowers_what_rounding_costs() -> None:
    speech = examples(32)
    network = fresh()
    train(network, speech, Recipe(steps=30, batch=8))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    scheme, recipe = Scheme(3, 8), Recipe(steps=20, batch=8, rate=2e-3, flat_start=0.0, frame_weight=0.0)
    loss = lambda n: evaluate(fake_quantised(n, scheme), speech, CharTokenizer("abcd")).loss  # noqa: E731
    tuned, longer = (tune_quantised(network, speech, recipe, s) for s in (scheme, Scheme(None, None)))
    assert loss(tuned) < 0.9 * loss(network) and loss(tuned) < loss(longer)
    assert not tuned.training and not any(isinstance(m, QuantisedLinear) for m in tuned.modules())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    again = tune_quantised(network, speech, replace(recipe, steps=3), scheme)
    twice = tune_quantised(network, speech, replace(recipe, steps=3), scheme)
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), twice.state_dict().values(), strict=True))
    assert build(SMALL, vocab_size=5).load_state_dict(tuned.state_dict())

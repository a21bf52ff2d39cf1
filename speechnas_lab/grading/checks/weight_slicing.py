"""07-weight-slicing: the part of a shared weight that a smaller layer uses, as a view."""

from __future__ import annotations

from random import Random
from typing import Any

import torch
from torch import Tensor

from ...oneshot.elastic import share
from ..exercise import Exercise, Wrong, check, same
from ..slopes import slopes_of

LINEAR = ((2, 2, 1, 2), (2, 3, 1, 1), (4, 3, 3, 2), (5, 5, 2, 4), (6, 8, 6, 8))  # outputs, inputs, those in use
FILTERS = ((2, 3, 1), (3, 5, 2), (4, 7, 4))  # channels, taps, channels in use
SHORT = "the end of a slice is not included: one tap is missing"
CUT = "the value left the graph on the way (detach, .data, no_grad, numpy, a new tensor of the same numbers)"
KERNELS = ((1, 11, 5), (1, 3, 1), (2, 5, 3), (3, 7, 3), (2, 5, 5))  # channels, taps, taps in use; first: slips differ


def _weight(rng: Random, *shape: int) -> Tensor:
    """Numbers without pattern; no two are equal."""
    count = torch.Size(shape).numel()
    return torch.tensor([rng.gauss(0, 1) for _ in range(count)], dtype=torch.float64).reshape(shape)


@check("takes the leading outputs and inputs of a linear weight")
def linear(work: Any, rng: Random) -> None:
    for rows, columns, outputs, inputs in LINEAR:
        weight = _weight(rng, rows, columns)
        masked = torch.zeros_like(weight)
        masked[:outputs, :inputs] = weight[:outputs, :inputs]
        strongest = weight.norm(dim=1).topk(outputs).indices
        slips = {
            "outputs and inputs have changed places; rows are outputs": weight[:inputs, :outputs],
            "only the outputs are cut, the inputs are still all there": weight[:outputs],
            "only the inputs are cut, the outputs are still all there": weight[:, :inputs],
            "these are the last channels, not the leading ones": weight[rows - outputs :, columns - inputs :],
            "the slice is turned on its side": weight[:outputs, :inputs].T,
            "a mask is no slice: the zeros outside are multiplied too": masked,
            "the largest rows are another choice for each weight; then networks do not nest": weight[strongest][
                :, :inputs
            ],
        }
        case = f"weight of shape ({rows}, {columns}), outputs {outputs}, inputs {inputs}"
        got = work.slice_linear(weight.clone(), outputs, inputs)
        same(got, share(weight, (outputs, inputs)), case, "slice_linear(...)", slips, 0.0)


@check("takes the leading filters of a depthwise weight")
def filters(work: Any, rng: Random) -> None:
    for channels, taps, used in FILTERS:
        weight = _weight(rng, channels, 1, 1, taps)
        slips = {
            "all filters are there; only the leading ones are wanted": weight,
            "these are the last filters, not the leading ones": weight[channels - used :],
            "where nothing is cut off, a cut of [0:-0] leaves nothing": weight[:used, :, :, 0:-0],
            SHORT: weight[:used, :, :, : taps - 1],
            "the two axes of size 1 are gone, which a convolution needs": weight[:used, 0, 0],
        }
        case = f"weight of shape ({channels}, 1, 1, {taps}), channels {used}, kernel {taps}"
        got = work.slice_depthwise(weight.clone(), used, taps)
        same(got, share(weight, (used, 1, 1, taps)), case, "slice_depthwise(...)", slips, 0.0)


@check("keeps the middle of each kernel", 2)
def middle(work: Any, rng: Random) -> None:
    for channels, taps, kernel in KERNELS:
        weight = _weight(rng, channels, 1, 1, taps)
        edge, mid, half = (taps - kernel) // 2, taps // 2, kernel // 2
        slips = {
            "these are the leading taps; their middle is not the middle of the whole": weight[..., :kernel],
            "these are the last taps; their middle is not the middle of the whole": weight[..., taps - kernel :],
            "the slice begins at the middle instead of lying around it": weight[..., mid : mid + kernel],
            SHORT: weight[..., mid - half : mid + half],
            "it lies one tap too late": weight[..., edge + 1 : edge + 1 + kernel],
            "it lies one tap too early": weight[..., max(0, edge - 1) : max(0, edge - 1) + kernel],
            "where nothing is cut off, a cut of [0:-0] leaves nothing": weight[..., edge:-edge],
            "every second tap is left out; neighbours in time must stay neighbours": weight[..., ::2][..., :kernel],
            "all taps are there; only the middle ones are wanted": weight,
        }
        case = f"weight of shape ({channels}, 1, 1, {taps}), channels {channels}, kernel {kernel}"
        got = work.slice_depthwise(weight.clone(), channels, kernel)
        same(got, share(weight, (channels, 1, 1, kernel)), case, "slice_depthwise(...)", slips, 0.0)


def _both(work: Any, rng: Random, learns: bool = False) -> list[tuple[str, Tensor, Any, tuple[int, ...], str]]:
    """Each function on a weight: (its name, the weight, what it gave, the right shape, the case)."""
    dense, deep = _weight(rng, 8, 6).requires_grad_(learns), _weight(rng, 8, 1, 1, 9).requires_grad_(learns)
    return [
        ("slice_linear", dense, work.slice_linear(dense, 4, 3), (4, 3),
         "weight of shape (8, 6), outputs 4, inputs 3"),
        ("slice_depthwise", deep, work.slice_depthwise(deep, 4, 5), (4, 1, 1, 5),
         "weight of shape (8, 1, 1, 9), channels 4, kernel 5"),
    ]  # fmt: skip


@check("copies not a single byte", needs=(linear, filters, middle))
def views(work: Any, rng: Random) -> None:
    for name, weight, got, shape, case in _both(work, rng):
        if not isinstance(got, Tensor):
            raise Wrong(f"{name}(...) is a {type(got).__name__}, not a tensor", case)
        if got.shape != shape:
            raise Wrong(f"{name}(...) has shape {tuple(got.shape)}, expected {shape}", case)
        if got.layout != weight.layout or got.device != weight.device:
            raise Wrong(f"{name}(...) is no window onto the weight's memory", case)
        if got.untyped_storage().data_ptr() != weight.untyped_storage().data_ptr():
            copied = got.numel() * got.element_size()
            slip = "clone, contiguous, torch.tensor and lists of places make a copy, which then learns for itself alone"
            raise Wrong(f"{name}(...) is a copy of {copied} bytes; a view copies 0", case, slip)


@check("lets the shared weight learn", needs=(linear, filters, middle))
def learns(work: Any, rng: Random) -> None:
    for name, weight, got, shape, case in _both(work, rng, learns=True):
        (gradient,) = slopes_of(got, [weight], case, f"{name}(...)", "the weight", CUT)
        (expected,) = torch.autograd.grad(share(weight, shape).sum(), weight)
        same(gradient, expected, case, f"the gradient of sum({name}(...)) by the weight", tolerance=1e-7)


EXERCISE = Exercise(
    id="07-weight-slicing",
    title="Slices of a shared weight",
    lesson="07_shared_weights",
    defines=("slice_linear", "slice_depthwise"),
    minutes=15,
    difficulty=1,
    why="A supernet becomes a smaller network by taking slices. If they were copies, it would learn nothing from it.",
    hints=(
        "Which way of picking entries of a tensor gives a window onto the same memory, and which a new tensor?",
        "Linear: the first rows, of these the first columns. Depthwise: the first filters; then work out how many taps "
        "fall away on each side, and take as many taps as are wanted from there.",
        "edge = (weight.shape[-1] - kernel) // 2, and the taps are edge : edge + kernel. Why not edge : -edge?",
    ),
    checks=(linear, filters, middle, views, learns),
)

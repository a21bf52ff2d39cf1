"""15-fake-quantise: numbers of few bits, imitated in float32, with a gradient that goes straight through."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import torch
from torch import Tensor

from ...training.quantised import StraightThrough, levels
from ..exercise import Exercise, Wrong, check, overflows, same
from ..slopes import slopes_of

BITS = (3, 8, 4, 2)
CALL, WHOLE = "fake_quantise(x, scale, bits)", "per_channel(weight, bits)"


def _units(rng: Random, count: int, most: int) -> list[float]:
    """Numbers in units of the scale, from -most to most, none near the middle between two levels or on the edge."""
    edge = most - 0.1
    return [max(-edge, min(edge, rng.randint(-most, most) + rng.uniform(-0.4, 0.4))) for _ in range(count)]


def _case(rng: Random, bits: int, beyond: bool) -> tuple[Tensor, float, str]:
    """x float64 (6,), its scale, and both in words; every other number beyond the last level if wanted."""
    top, scale = levels(bits)[1], round(rng.uniform(0.27, 0.35) if beyond else rng.uniform(0.05, 0.35), 2)
    units = _units(rng, 6, top)
    if beyond:
        far = [top + rng.uniform(0.7, 0.9), -2 * top - rng.uniform(1.6, 1.9), 4 * top + rng.uniform(0.6, 0.9)]
        units = [far[n // 2] if n % 2 else u for n, u in enumerate(units)]
    else:
        units[:2] = [0.6 if top > 1 else 0.3, -0.7 if top > 1 else -0.6]  # no way of rounding is like another on these
    x = scale * torch.tensor(units, dtype=torch.float64)
    shown = ", ".join(f"{value:.3f}" for value in x.tolist())
    return x.requires_grad_(), scale, f"x [{shown}], scale {scale}, bits {bits}"


def _right(x: Tensor, scale: float | Tensor, bits: int) -> Tensor:
    scale = torch.as_tensor(scale, dtype=x.dtype)
    return StraightThrough.apply(x, scale, torch.zeros_like(scale), *levels(bits)) * scale


def _roundings(x: Tensor, scale: float, bits: int) -> Mapping[str, Tensor]:
    """Misconception -> what it gives, where nothing is clipped."""
    u = x.detach() / scale
    return {
        "this is q, a whole number: multiply by the scale to come back": u.round(),
        "the scale is the width of a step: x is divided by it, q is multiplied by it": (u * scale**2).round() / scale,
        "floor always goes down; the nearest level may lie above": u.floor() * scale,
        "ceil always goes up; the nearest level may lie below": u.ceil() * scale,
        "cutting off goes towards zero (int, trunc); the nearest level may lie further out": u.trunc() * scale,
        "nothing is rounded": x.detach(),
        "x itself is rounded, not x in steps": x.detach().round(),
    }


def _clippings(x: Tensor, scale: float, bits: int) -> Mapping[str, Tensor]:
    """Misconception -> what it gives, where some numbers lie beyond."""
    (low, top), half, q = levels(bits), 2 ** (bits - 1), (x.detach() / scale).round()
    return {
        "nothing is clipped": q * scale,
        f"the levels end at {top} for {bits} bits: {half} is one too many": q.clamp(-half, half) * scale,
        f"{-half} can be stored, but here it is left out so that the grid is symmetric": q.clamp(-half, top) * scale,
        "these levels start at 0, for numbers that are never negative": q.clamp(0, 2**bits - 1) * scale,
        "these are the levels of one bit more: the sign takes a bit": q.clamp(1 - 2**bits, 2**bits - 1) * scale,
        "q wraps round as integers do when they overflow: clip first": ((q + half) % (2 * half) - half) * scale,
        "the levels are whole numbers: clip q, not x": (x.detach().clamp(low, top) / scale).round() * scale,
    }


@check("moves each number to the nearest level", 2)
def rounds(work: Any, rng: Random) -> None:
    for bits in BITS:
        x, scale, case = _case(rng, bits, False)
        slips, right = _roundings(x, scale, bits) | _clippings(x, scale, bits), _right(x, scale, bits)
        same(work.fake_quantise(x, scale, bits), right, case, CALL, slips)
    x, steps = torch.tensor([[0.3, 1.1], [0.3, 1.1]], dtype=torch.float64), torch.tensor([[0.25], [1.0]])
    case = "x of shape (2, 2), scale of shape (2, 1), bits 4"
    right = _right(x, steps, 4)
    same(work.fake_quantise(x, steps.double(), 4), right, case, CALL)


@check("clips what lies beyond the last level", 2, needs=(rounds,))
def clips(work: Any, rng: Random) -> None:
    for bits in BITS:
        x, scale, case = _case(rng, bits, True)
        right, slips = _right(x, scale, bits), _clippings(x, scale, bits)
        same(work.fake_quantise(x, scale, bits), right, case, CALL, slips)


@check("passes the gradient straight through the rounding", 2, needs=(rounds,))
def straight(work: Any, rng: Random) -> None:
    for bits in BITS:
        x, scale, case = _case(rng, bits, False)
        (got,) = slopes_of(work.fake_quantise(x, scale, bits), [x], case, CALL, "x")
        one, q = torch.ones_like(x), (x.detach() / scale).round()
        slips = {
            "no slope is left: round has none almost everywhere, and that is what is to be gone around": 0 * one,
            "the gradient is divided by the scale, and nothing multiplies it again": one / scale,
            "the gradient is multiplied by the scale, and nothing divides it": one * scale,
            "x is in the graph twice": 2 * one,
            "the gradient has its sign turned": -one,
            "what lands on the last level is not clipped yet; clamp has no slope on its own limits in some versions of "
            "torch, so clip first and round then": one * (q.abs() < levels(bits)[1]),
        }
        same(got, one, case, f"the gradient of sum({CALL}) by x", slips)


@check("stops the gradient of what was clipped", needs=(clips, straight))
def stops(work: Any, rng: Random) -> None:
    for bits in BITS:
        x, scale, case = _case(rng, bits, True)
        (right,) = torch.autograd.grad(_right(x, scale, bits).sum(), x)
        (got,) = slopes_of(work.fake_quantise(x, scale, bits), [x], case, CALL, "x")
        slips = {
            "what was clipped still pulls, though moving it moves nothing": torch.ones_like(right),
            "it is the wrong way round: what was not clipped is stopped": 1 - right,
            "no gradient is left at all": torch.zeros_like(right),
        }
        same(got, right, case, f"the gradient of sum({CALL}) by x", slips)


def _weight(rng: Random, rows: int, columns: int, bits: int) -> tuple[Tensor, Tensor, str]:
    """A matrix whose rows differ in size, the scale of each row (rows, 1), and the matrix in words."""
    top, found, scales = levels(bits)[1], [], []
    for row in range(rows):
        units = _units(rng, columns, top - 1)
        units[rng.randrange(columns)] = float(-top if row % 2 == 0 else top)
        scales.append(round(rng.uniform(0.2, 0.9), 2) * 4.0 ** (row % 3 - 1))
        found.append([scales[-1] * unit for unit in units])
    shown = "; ".join(", ".join(f"{value:.3f}" for value in row) for row in found)
    weight = torch.tensor(found, dtype=torch.float64, requires_grad=True)
    what = f"[{shown}]" if rows * columns < 9 else f"of shape ({rows}, {columns})"
    return weight, torch.tensor(scales, dtype=torch.float64)[:, None], f"weight {what}, bits {bits}"


def _scales(weight: Tensor, bits: int) -> Mapping[str, Tensor]:
    """Misconception -> the scale that it takes."""
    w, top = weight.detach(), levels(bits)[1]
    row = w.abs().amax(1, keepdim=True)
    slips = {
        "one scale serves the whole matrix": w.abs().max() / top,
        "each input (column) has a scale; it is the outputs (rows) that have one": w.abs().amax(0, keepdim=True) / top,
        "the largest number decides, though a negative one may be larger in size": w.amax(1, keepdim=True) / top,
        "the largest is to land on the last level, 2^(bits-1) - 1: divide by that": row / 2 ** (bits - 1),
        "the mean size decides, and what is larger is clipped": w.abs().mean(1, keepdim=True) / top,
        "the whole range has 2^bits - 1 steps only if the grid is not symmetric": (w.amax(1, keepdim=True)
        - w.amin(1, keepdim=True)) / (2**bits - 1),
        "the scale is a step, so the largest is to be divided by how many steps there are": row,
        "these are the levels of one bit more: the sign takes a bit": row / (2**bits - 1),
    }
    return {slip: scale.clamp(min=1e-9) for slip, scale in slips.items()}


def _whole(work: Any, weight: Tensor, bits: int, case: str) -> Any:
    """The learner's per_channel; Wrong where only the shape of the scale stops it."""
    try:
        return work.per_channel(weight, bits)
    except NotImplementedError:  # still to be written
        raise
    except RuntimeError as error:
        if "size of tensor" not in str(error):
            raise
        told = f"per_channel ends in RuntimeError: {str(error).splitlines()[0][:100]}"
        slip = "a scale of shape (outputs,) lies along the columns; keepdim keeps it beside its row"
        raise Wrong(told, case, slip) from None


@check("gives each output a scale of its own", 2, needs=(rounds, clips))
def by_row(work: Any, rng: Random) -> None:
    for rows, columns, bits in ((2, 3, 3), (3, 3, 4), (5, 8, 8), (4, 6, 2)):
        weight, scale, case = _weight(rng, rows, columns, bits)
        slips = {slip: _right(weight, other, bits) for slip, other in _scales(weight, bits).items()}
        right = _right(weight, scale, bits)
        same(_whole(work, weight, bits, case), right, case, WHOLE, slips)


@check("leaves a row of zeros at zero", needs=(by_row,))
def zeros(work: Any, rng: Random) -> None:
    weight, scale, _ = _weight(rng, 3, 4, 8)
    weight, case = weight.detach(), "weight of shape (3, 4), row 1 all zeros, bits 8"
    weight[1] = 0.0
    right = _right(weight, scale, 8)
    got = work.per_channel(weight.requires_grad_(), 8)
    if overflows(got):
        raise Wrong(f"{WHOLE} is not finite", case, "the scale of such a row is 0, and 0 divided by 0 is no number")
    same(got, right, case, WHOLE)


@check("counts the scale as a constant on the way back", needs=(by_row, straight))
def constant(work: Any, rng: Random) -> None:
    for rows, columns, bits in ((2, 3, 3), (3, 4, 4)):
        weight, _, case = _weight(rng, rows, columns, bits)
        (got,) = slopes_of(_whole(work, weight, bits, case), [weight], case, WHOLE, "weight")
        size = weight.detach().abs()
        last = (size == size.amax(1, keepdim=True)) & (got == 0)  # on the edge, the last digit decides
        live = weight.abs().amax(1, keepdim=True) / levels(bits)[1]
        q = weight / live
        moved = (live * (q + (q.round() - q).detach())).sum()
        slips = {"the scale is made of the weights, and pulls at the largest of each row: detach it":
                 torch.autograd.grad(moved, weight)[0]}  # fmt: skip
        same(got, torch.where(last, 0.0, torch.ones_like(size)), case, f"the gradient of sum({WHOLE}) by weight", slips)


@check("leaves what it is given as it was", needs=(rounds, by_row), effects=True)
def untouched(work: Any, rng: Random) -> None:
    x, scale, case = _case(rng, 4, True)
    weight, _, _ = _weight(rng, 2, 3, 4)
    step = torch.tensor(scale, dtype=torch.float64)
    given = {"x": x.detach(), "scale": step, "weight": weight.detach()}
    before = {name: value.clone() for name, value in given.items()}
    work.fake_quantise(given["x"], step, 4)
    work.per_channel(given["weight"], 4)
    for name, value in before.items():
        if not torch.equal(given[name], value):
            slip = "a method that ends in _ (round_, clamp_) writes where it reads; the float weights are still needed"
            raise Wrong(f"{name} was changed", case if name != "weight" else "weight of shape (2, 3), bits 4", slip)


EXERCISE = Exercise(
    id="15-fake-quantise",
    title="Numbers of few bits",
    lesson="15_quantisation",
    defines=("fake_quantise", "per_channel"),
    minutes=20,
    difficulty=3,
    why="So a network learns to live with int8 before anything is stored, and so one tries what fewer bits cost.",
    hints=(
        "How many whole numbers do 3 bits have if there are as many below zero as above? And where would a gradient "
        "come from, if rounding is flat between its steps?",
        "Divide by the scale, round, clip, multiply by the scale. Then give autograd something with the slope 1: x "
        "itself, plus a difference that it does not look into. Numbers that were clipped keep the value and lose the "
        "slope. For the rows: the largest size in each, over the last level, shaped so that it stays beside its row.",
        "q = (x / scale).round(); value = q.clamp(-top, top) * scale; inside = q.abs() <= top; "
        "x * inside + (value - x * inside).detach(). A row's scale: weight.detach().abs().amax(1, keepdim=True) / top, "
        "and any positive number where that is 0.",
    ),
    checks=(rounds, clips, straight, stops, by_row, zeros, constant, untouched),
)

"""16-causal: a causal depthwise convolution with a past that is carried, so that pieces give what the whole gives."""

from __future__ import annotations

from random import Random
from typing import Any

import torch
from torch import Tensor

from ..exercise import Exercise, Wrong, check, same
from ..slopes import slopes_of
from ..words import short

SIZES = ((2, 1, 2), (5, 1, 3), (9, 3, 4), (12, 2, 5))  # (frames, channels, kernel), the smallest first


def oracle(x: Tensor, weight: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
    """Output (T, C) and the next past (K - 1, C), number by number."""
    joined = past.tolist() + x.tolist()
    channels, kernel = weight.shape
    rows = [[sum(float(weight[c, j]) * joined[t + j][c] for j in range(kernel)) for c in range(channels)]
            for t in range(len(x))]  # fmt: skip
    return x.new_tensor(rows).reshape(len(x), channels), x.new_tensor(joined[len(x):]).reshape(kernel - 1, channels)


def _draw(rng: Random, *shape: int) -> Tensor:
    count = 1
    for size in shape:
        count *= size
    return torch.tensor([round(rng.gauss(0, 1), 2) for _ in range(count)]).reshape(shape)


def _words(frames: int, channels: int, kernel: int, more: str = "") -> str:
    return f"x of shape ({frames}, {channels}), weight of shape ({channels}, {kernel}){more}"


def _run(work: Any, x: Tensor, weight: Tensor, past: Tensor, case: str) -> tuple[Tensor, Tensor]:
    """The learner's two results, both tensors; Wrong where what was handed in is changed."""
    before = [t.detach().clone() for t in (x, weight, past)]
    try:
        got = work.causal(x, weight, past)
    except NotImplementedError:  # still to be written
        raise
    except (RuntimeError, ValueError, IndexError) as error:
        slip = ""
        if len(x) == 0:
            slip = "a piece without frames is no mistake: it gives no output, and the past stays"
        elif len(past) == 0:
            slip = "with a kernel of 1 there is nothing to remember: the past has 0 frames"
        told = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:100]}"
        raise Wrong(f"causal(...) ends in {told}", case, slip) from None
    if type(got) not in (tuple, list) or len(got) != 2:
        raise Wrong(f"causal(...) gives {short(got)}, not two things", case, "return the output and the next past")
    for name, found in zip(("the output", "the next past"), got, strict=True):
        if not isinstance(found, Tensor):
            raise Wrong(f"{name} is {short(found)}, not a tensor", case)
    for name, given, kept in zip(("piece", "weight", "past"), (x, weight, past), before, strict=True):
        if not torch.equal(given, kept):
            slip = "make a new tensor; the old one may still be needed"
            raise Wrong(f"the {name} that was handed in is changed", case, slip)
    return got[0], got[1]


def _start(work: Any, weight: Tensor) -> Tensor:
    """The learner's past before the first frame."""
    past = work.fresh_past(weight.clone())
    right = torch.zeros(weight.shape[1] - 1, weight.shape[0])
    same(past, right, f"weight of shape {tuple(weight.shape)}", "fresh_past(weight)")
    return past


def _slips(x: Tensor, weight: Tensor, past: Tensor) -> dict[str, Tensor]:
    """Misconception -> the output that it gives."""
    kernel, nothing = weight.shape[1], torch.zeros_like(past)
    far = x.new_zeros(kernel, x.shape[1])
    line = torch.cat([far, past, x, far])
    at = lambda first: sum(weight[:, j] * line[first + j :][: len(x)] for j in range(kernel))  # noqa: E731
    now = 2 * kernel - 1  # where x begins
    return {
        "the filter is turned round: the last weight belongs to the frame of now": oracle(x, weight.flip(1), past)[0],
        "the past is not looked at": oracle(x, weight, nothing)[0],
        "the past stands in the wrong order: its last frame is the latest": oracle(x, weight, past.flip(0))[0],
        "the window is centred, so that half of it lies in the future": at(now - (kernel - 1) // 2),
        "the window begins now, so that all of it lies in the future": at(now),
        "all channels are added up; depthwise means that each channel has a filter of its own":
            oracle(x, weight, past)[0].sum(1, keepdim=True).expand_as(x),
        "the window ends one frame too early: now is part of it": at(now - kernel),
        "the mean is taken, not the sum": oracle(x, weight, past)[0] / kernel,
    }  # fmt: skip


@check("begins with a past of silence")
def begins(work: Any, rng: Random) -> None:
    for channels, kernel in ((2, 3), (3, 1), (1, 5)):
        weight = _draw(rng, channels, kernel)
        slips = {"the past has kernel - 1 frames: the newest frame of the window is the one of now":
                     torch.zeros(kernel, channels),
                 "frames stand first, channels second": torch.zeros(channels, kernel - 1)}  # fmt: skip
        got = work.fresh_past(weight)
        case = f"weight of shape ({channels}, {kernel})"
        fits = [slip for slip, value in slips.items() if isinstance(got, Tensor) and got.shape == value.shape]
        if isinstance(got, Tensor) and got.shape != (kernel - 1, channels):
            raise Wrong(f"fresh_past(weight) has the shape {tuple(got.shape)}", case, (fits or [""])[0])
        same(got, torch.zeros(kernel - 1, channels), case, "fresh_past(weight)")


@check("hears now and before, and nothing of the future", 2, effects=True)
def whole(work: Any, rng: Random) -> None:
    for frames, channels, kernel in SIZES:
        x, weight = _draw(rng, frames, channels), _draw(rng, channels, kernel)
        past, case = torch.zeros(kernel - 1, channels), _words(frames, channels, kernel, ", a past of zeros")
        got, _ = _run(work, x, weight, past, case)
        same(got, oracle(x, weight, past)[0], case, "the output", _slips(x, weight, past), 1e-5)


@check("goes on from the past that it is given", needs=(whole,), effects=True)
def continues(work: Any, rng: Random) -> None:
    for frames, channels, kernel in SIZES:
        x, weight, past = _draw(rng, frames, channels), _draw(rng, channels, kernel), _draw(rng, kernel - 1, channels)
        case = _words(frames, channels, kernel, ", a past of other numbers than 0")
        got, _ = _run(work, x, weight, past, case)
        same(got, oracle(x, weight, past)[0], case, "the output", _slips(x, weight, past), 1e-5)


@check("keeps the last kernel - 1 frames, however short the piece", 2, effects=True)
def keeps(work: Any, rng: Random) -> None:
    for frames, kernel in ((6, 3), (2, 3), (1, 4), (2, 5), (0, 3), (3, 1), (0, 1)):
        x, weight, past = _draw(rng, frames, 2), _draw(rng, 2, kernel), _draw(rng, kernel - 1, 2)
        case = _words(frames, 2, kernel, f", a past of {kernel - 1} frames")
        y, got = _run(work, x, weight, past, case)
        joined = torch.cat([past, x])
        if got.shape != past.shape:
            slip = "nothing older than kernel - 1 frames is ever needed again; what is kept must not grow (and minus 0 "
            slip += "counts from the front)"
            if got.dim() and len(got) < len(past):
                slip = "the last kernel - 1 frames may lie partly in the old past: the piece alone is too short"
            raise Wrong(f"the next past has the shape {tuple(got.shape)}, expected {tuple(past.shape)}", case, slip)
        slips = {
            "the past is handed on as it came": past,
            "the past begins anew with zeros": torch.zeros_like(past),
            "outputs are kept; the window needs inputs": torch.cat([past, oracle(x, weight, past)[0]])[frames:],
            "the first frames are kept, not the last": joined[: kernel - 1],
            "the newest frame stands first; it belongs at the end": joined[frames:].flip(0),
            "a short piece is filled up with zeros; the rest must come from the old past":
                torch.cat([torch.zeros_like(past), x])[frames:],
        }  # fmt: skip
        same(got, joined[frames:], case, "the next past", slips)
        same(y, oracle(x, weight, past)[0], case, "the output", tolerance=1e-5)


@check("gives in pieces what the whole gives", 2, needs=(whole, continues, keeps), effects=True)
def pieces(work: Any, rng: Random) -> None:
    for kernel in (1, 2, 5):
        x, weight = _draw(rng, 23, 2), _draw(rng, 2, kernel)
        right = oracle(x, weight, torch.zeros(kernel - 1, 2))[0]
        cuts = [list(range(size, 23, size)) for size in (1, 2, 3, 7)]
        cuts += [sorted(rng.randint(0, 23) for _ in range(6)) for _ in range(3)]
        for places in cuts:
            case, past, found = _words(23, 2, kernel, f", cut before the frames {places}"), _start(work, weight), []
            for first, last in zip([0, *places], [*places, 23], strict=True):
                y, past = _run(work, x[first:last], weight, past, case)
                found.append(y)
            same(torch.cat(found), right, case, "the output of all pieces together", tolerance=1e-5)


@check("leaves what it was given as it was, and hears two streams in turn",
       needs=(whole, continues, keeps), effects=True)  # fmt: skip
def apart(work: Any, rng: Random) -> None:
    weight = _draw(rng, 2, 4)
    sounds, pasts = [_draw(rng, 12, 2) for _ in range(2)], [_start(work, weight) for _ in range(2)]
    found: list[list[Tensor]] = [[], []]
    case = "two streams of shape (12, 2), a piece of 3 frames from each in turn, all read into one buffer"
    buffer = torch.zeros(3, 2)
    for first in range(0, 12, 3):
        for n in (0, 1):
            buffer.copy_(sounds[n][first : first + 3])
            y, pasts[n] = _run(work, buffer, weight, pasts[n], case)
            found[n].append(y.clone())
    for n in (0, 1):
        right = oracle(sounds[n], weight, torch.zeros(3, 2))[0]
        slip = ("the past is a view of a buffer that somebody writes to again, or lies in a variable that both streams "
                "share")  # fmt: skip
        try:
            same(torch.cat(found[n]), right, case, f"the output of stream {n + 1}", tolerance=1e-5)
        except Wrong as wrong:
            raise Wrong(wrong.what, wrong.case, slip) from None


@check("lets gradients reach the weight and the sound", needs=(whole,), effects=True)
def learns(work: Any, rng: Random) -> None:
    x, weight = _draw(rng, 6, 2).requires_grad_(), _draw(rng, 2, 3).requires_grad_()
    case, past = _words(6, 2, 3), torch.zeros(2, 2)
    got, _ = _run(work, x, weight, past, case)
    joined = torch.cat([past, x])
    right = sum(weight[:, j] * joined[j : j + 6] for j in range(3))
    expected = torch.autograd.grad(right.sum(), [x, weight])
    for name, mine, true in zip(("sound", "weight"), slopes_of(got, [x, weight], case, "the output", "the weight"),
                                expected, strict=True):  # fmt: skip
        same(mine, true, case, f"the gradient of the output's sum by the {name}", tolerance=1e-5)


EXERCISE = Exercise(
    id="16-causal",
    title="A convolution that does not wait",
    lesson="16_streaming_and_drift",
    defines=("fresh_past", "causal"),
    minutes=20,
    difficulty=2,
    why="A stream never ends: what a layer may know of the past has to fit into a few frames, and the rest is silence.",
    hints=(
        "Frame t needs itself and the kernel - 1 frames before it. Where are those for the first frame of a piece? "
        "And which frames will the first frame of the next piece ask for?",
        "Lay the past before the piece, so that each frame has its whole window in one tensor. Every output is then a "
        "sum of kernel products. What the next call needs is the end of that same tensor; mind pieces shorter than it.",
        "joined = torch.cat([past, x]). For j from 0 to kernel - 1 add weight[:, j] * joined[j : j + len(x)]. "
        "The next past is joined[len(x) :], which is right even for an empty piece.",
    ),
    checks=(begins, whole, continues, keeps, pieces, apart, learns),
)

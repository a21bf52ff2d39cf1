"""What the network stacked from a cell holds: parameters and MACs by formula, and from them numbers for `encode`.

`models.cells` builds exactly this: only what reaches the output, so equal canonical forms cost the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log
from typing import TYPE_CHECKING, NamedTuple

from .cell_symmetry import OPERATIONS, form
from .counting import Layer, counts, linear

if TYPE_CHECKING:
    from .cells import Cell


class Kernel(NamedTuple):
    """A convolution along time, of `GROUP` channels a group. It looks `AHEAD` frames ahead, the rest is behind."""

    taps: int
    dilation: int

    @property
    def behind(self) -> int:
        return (self.taps - 1) * self.dilation - AHEAD


class Skeleton(NamedTuple):
    """What all cells are stacked into. steps: frame length of each cell, in units of 10 ms; a longer one is pooled.

    The benchmark stacks 18 cells of 600 to 1,200 channels; this one trains in minutes on a laptop.
    """

    width: int = 64
    steps: tuple[int, ...] = (4, 8, 8)


SKELETON = Skeleton()
KERNELS = {"conv5": Kernel(5, 1), "conv5d2": Kernel(5, 2), "conv7": Kernel(7, 1), "conv7d2": Kernel(7, 2)}
AHEAD = 4  # frames, as in the benchmark, which looks as far ahead with every kernel
CEILING = 20.0  # where the activation ends, as in the benchmark
GROUP = 8  # channels a group; the benchmark has 6 to 12 (100 groups)
_COUNTED = (*OPERATIONS[:-1], "constant")


def layers(cell: Cell, input_dim: int, vocab_size: int, frames: int) -> Iterator[Layer]:
    """All layers of the network of `cell`, in order; see `counting.Layer`."""
    width, step = SKELETON.width, SKELETON.steps[0]
    time, stacked = -(-frames // step), step * input_dim
    weights = stacked * width
    yield Layer("stem", step, linear(stacked, width) + 2 * width, time * weights, 0, weights, width)
    for longer in SKELETON.steps:
        step, time = longer, -(-time // (longer // step))
        for term in form(cell).terms:
            yield _term(term.operation, width, time, step)
        yield Layer("transition", step, 2 * width, 0, 0)  # the norm behind each cell
    weights = width * vocab_size
    yield Layer("head", step, 2 * width + linear(width, vocab_size), time * weights, 0, weights, vocab_size)


def _term(operation: str, width: int, time: int, step: int) -> Layer:
    if operation == "constant":
        return Layer("transition", step, width, 0, width)
    if operation == "linear":
        weights = width * width
        return Layer("feed-forward", step, linear(width, width), time * weights, time * width, weights, width)
    weights = KERNELS[operation].taps * GROUP * width
    return Layer("convolution", step, weights + width, time * weights, time * width)


def feature_names() -> list[str]:
    """One name for each number of `features`."""
    names = ["input in the output", *[f"{operation} terms" for operation in _COUNTED]]
    return [*names, "feed-forward MMACs", "convolution MMACs", "log parameters", "log MACs"]


def features(cell: Cell) -> list[float]:
    """What really runs, for 2 s of speech of 80 mel bands and 200 outputs: it drives latency."""
    simple, total = form(cell), counts(cell)
    terms = [sum(term.operation == operation for term in simple.terms) for operation in _COUNTED]
    macs = [total.by_part[part][1] / 1e6 for part in ("feed-forward", "convolution")]
    return [simple.output[0], *terms, *macs, log(total.parameters), log(total.macs)]

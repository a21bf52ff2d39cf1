"""Parameters and multiply-accumulates (MACs) by formula. They equal those of the built network exactly.

MACs count Linear and convolution layers and the two attention products, for one utterance without padding.
Normalisation, activations, softmax and pooling are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import singledispatch
from typing import NamedTuple

from ..errors import BadInput
from .architecture import Architecture, Block
from .cells import Cell
from .symmetry import segments

PARTS = ("stem", "transition", "feed-forward", "attention", "products", "convolution", "depthwise", "head")


class Layer(NamedTuple):
    """One piece of the network. `step` is the length of its frames in units of 10 ms.

    part: "attention" is its projections, "products" are queries x keys and weights x values; "convolution" is
    the two pointwise layers around "depthwise". A norm counts to the layer that it feeds or follows.
    nonlinear: values that pass through an activation or a softmax; they cost time and no MACs.
    matrix_weights: those of the parameters that are weights of matrix products; columns: outputs of those products.
    """

    part: str
    step: int
    parameters: int
    macs: int
    nonlinear: int
    matrix_weights: int = 0
    columns: int = 0


@dataclass(frozen=True)
class Counts:
    """Totals, and `by_part`: part -> (parameters, MACs)."""

    parameters: int
    macs: int
    by_part: dict[str, tuple[int, int]]


def counts(arch: Architecture | Cell, input_dim: int = 80, vocab_size: int = 200, frames: int = 200) -> Counts:
    """Count `arch` for `input_dim` mel bands, `vocab_size` outputs and `frames` of 10 ms (200 are 2 s)."""
    if min(input_dim, vocab_size, frames) < 1:
        raise BadInput("input_dim, vocab_size and frames must be 1 or more")
    by_part = dict.fromkeys(PARTS, (0, 0))
    for layer in layers(arch, input_dim, vocab_size, frames):
        parameters, macs = by_part[layer.part]
        by_part[layer.part] = (parameters + layer.parameters, macs + layer.macs)
    return Counts(sum(p for p, _ in by_part.values()), sum(m for _, m in by_part.values()), by_part)


def int8_bytes(arch: Architecture | Cell, input_dim: int = 80, vocab_size: int = 200) -> int:
    """Bytes of the weights once the matrices are int8, as `hardware.quantize_dynamic` stores them.

    A matrix takes 1 byte a weight and 5 an output column (float32 scale, int8 zero point); all else 4 a parameter.
    """
    if min(input_dim, vocab_size) < 1:
        raise BadInput("input_dim and vocab_size must be 1 or more")
    found = list(layers(arch, input_dim, vocab_size, 1))
    return sum(4 * (x.parameters - x.matrix_weights) + x.matrix_weights + 5 * x.columns for x in found)


@singledispatch
def layers(arch: Architecture, input_dim: int, vocab_size: int, frames: int) -> Iterator[Layer]:
    """All layers of `arch`, in order. A `Cell` has its own, see `cell_layers`."""
    parts = segments(arch)
    step, width = arch.stem, parts[0].width
    time = -(-frames // step)  # rounded up
    stacked = step * input_dim
    weights = stacked * width
    yield Layer("stem", step, linear(stacked, width) + 2 * width, time * weights, 0, weights, width)
    for number, segment in enumerate(parts):
        if number:
            parameters = linear(width, segment.width) + 2 * segment.width
            weights = macs = width * segment.width
            if segment.reduction != "none":
                step, time = 2 * step, -(-time // 2)
            if segment.reduction == "conv":
                parameters, macs = parameters + 4 * width, macs + 3 * width  # depthwise, kernel 3, bias
            width = segment.width
            yield Layer("transition", step, parameters, time * macs, 0, weights, width)
        for block in segment.blocks:
            yield from _block(block, width, time, step, arch.macaron)
    step = arch.output_reduction
    time, weights = -(-frames // step), width * vocab_size
    yield Layer("head", step, 2 * width + linear(width, vocab_size), time * weights, 0, weights, vocab_size)


@layers.register
def _(arch: Cell, input_dim: int, vocab_size: int, frames: int) -> Iterator[Layer]:
    from . import cell_layers  # made of this file's layers

    return cell_layers.layers(arch, input_dim, vocab_size, frames)


def _block(block: Block, w: int, time: int, step: int, macaron: bool) -> Iterator[Layer]:
    hidden = int(round(block.expansion * w))
    halves = 2 if macaron else 1
    forward = halves * (2 * w + linear(w, hidden) + linear(hidden, w)) + (2 * w if macaron else 0)
    weights, columns = halves * 2 * w * hidden, halves * (hidden + w)
    yield Layer("feed-forward", step, forward, time * weights, halves * time * hidden, weights, columns)
    if block.heads:
        parameters, weights = 2 * w + linear(w, 3 * w) + linear(w, w), 4 * w * w
        yield Layer("attention", step, parameters, time * weights, 0, weights, 4 * w)
        yield Layer("products", step, 0, 2 * time * time * w, block.heads * time * time)
    if block.kernel:
        parameters, weights = 2 * w + linear(w, 2 * w) + linear(w, w), 3 * w * w
        yield Layer("convolution", step, parameters, time * weights, time * w, weights, 3 * w)
        yield Layer("depthwise", step, block.kernel * w + w + 2 * w, time * block.kernel * w, time * w)


def linear(inputs: int, outputs: int) -> int:
    """Parameters of a linear layer with biases."""
    return inputs * outputs + outputs

"""Parameters and multiply-accumulates (MACs) by formula. They equal those of the built network exactly.

MACs count Linear and convolution layers and the two attention products, for one utterance without padding.
Normalisation, activations, softmax and pooling are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import BadInput
from .architecture import Architecture, Block
from .symmetry import segments

PARTS = ("stem", "transition", "feed-forward", "attention", "products", "convolution", "depthwise", "head")


class Layer(NamedTuple):
    """One piece of the network. `step` is the length of its frames in units of 10 ms.

    part: "attention" is its projections, "products" are queries x keys and weights x values; "convolution" is
    the two pointwise layers around "depthwise". A norm counts to the layer that it feeds or follows.
    nonlinear: values that pass through an activation or a softmax; they cost time and no MACs.
    """

    part: str
    step: int
    parameters: int
    macs: int
    nonlinear: int


@dataclass(frozen=True)
class Counts:
    """Totals, and `by_part`: part -> (parameters, MACs)."""

    parameters: int
    macs: int
    by_part: dict[str, tuple[int, int]]


def counts(arch: Architecture, input_dim: int = 80, vocab_size: int = 200, frames: int = 200) -> Counts:
    """Count `arch` for `input_dim` mel bands, `vocab_size` outputs and `frames` of 10 ms (200 are 2 s)."""
    if min(input_dim, vocab_size, frames) < 1:
        raise BadInput("input_dim, vocab_size and frames must be 1 or more")
    by_part = dict.fromkeys(PARTS, (0, 0))
    for layer in layers(arch, input_dim, vocab_size, frames):
        parameters, macs = by_part[layer.part]
        by_part[layer.part] = (parameters + layer.parameters, macs + layer.macs)
    return Counts(sum(p for p, _ in by_part.values()), sum(m for _, m in by_part.values()), by_part)


def layers(arch: Architecture, input_dim: int, vocab_size: int, frames: int) -> Iterator[Layer]:
    """All layers of `arch`, in order."""
    parts = segments(arch)
    step, width = arch.stem, parts[0].width
    time = -(-frames // step)  # rounded up
    stacked = step * input_dim
    yield Layer("stem", step, _linear(stacked, width) + 2 * width, time * stacked * width, 0)
    for number, segment in enumerate(parts):
        if number:
            parameters = _linear(width, segment.width) + 2 * segment.width
            macs = width * segment.width
            if segment.reduction != "none":
                step, time = 2 * step, -(-time // 2)
            if segment.reduction == "conv":
                parameters, macs = parameters + 4 * width, macs + 3 * width  # depthwise, kernel 3, bias
            width = segment.width
            yield Layer("transition", step, parameters, time * macs, 0)
        for block in segment.blocks:
            yield from _block(block, width, time, step, arch.macaron)
    step = arch.output_reduction
    yield Layer(
        "head", step, 2 * width + _linear(width, vocab_size), -(-frames // step) * width * vocab_size, 0
    )


def _block(block: Block, w: int, time: int, step: int, macaron: bool) -> Iterator[Layer]:
    hidden = int(round(block.expansion * w))
    halves = 2 if macaron else 1
    forward = halves * (2 * w + _linear(w, hidden) + _linear(hidden, w)) + (2 * w if macaron else 0)
    yield Layer("feed-forward", step, forward, halves * time * 2 * w * hidden, halves * time * hidden)
    if block.heads:
        yield Layer("attention", step, 2 * w + _linear(w, 3 * w) + _linear(w, w), time * 4 * w * w, 0)
        yield Layer("products", step, 0, 2 * time * time * w, block.heads * time * time)
    if block.kernel:
        yield Layer(
            "convolution", step, 2 * w + _linear(w, 2 * w) + _linear(w, w), time * 3 * w * w, time * w
        )
        yield Layer("depthwise", step, block.kernel * w + w + 2 * w, time * block.kernel * w, time * w)


def _linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs

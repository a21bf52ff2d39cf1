"""When do two architectures compute the same family of functions? When they are equal without what does
nothing: skipped blocks, and stage boundaries where neither the width nor the frame rate changes.

Any other boundary is a transition: it holds a Linear and a LayerNorm, so two of them never merge into one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from ..errors import BadInput
from .architecture import SKIP, Architecture, Block, Stage


class Segment(NamedTuple):
    """The blocks between two transitions. `reduction` and `width` are those of the transition before it."""

    reduction: str
    width: int
    blocks: tuple[Block, ...]


def segments(arch: Architecture) -> list[Segment]:
    """What `arch` really computes, in order. No transition stands before the first segment, only the stem."""
    found: list[tuple[str, int, list[Block]]] = [("none", arch.stages[0].width, [])]
    for stage in arch.stages:
        if stage.reduction != "none" or stage.width != found[-1][1]:
            found.append((stage.reduction, stage.width, []))
        found[-1][2].extend(block for block in stage.blocks if not block.is_skip)
    return [Segment(reduction, width, tuple(blocks)) for reduction, width, blocks in found]


def canonical(
    arch: Architecture, slots: Sequence[int], activation: str, norm: str, macaron: bool
) -> Architecture:
    """The one representative of all architectures with the segments of `arch`.

    Each segment takes the earliest and the fewest stages that hold its blocks, blocks first, skips after; the
    last segment takes all stages that remain. Genes that nothing reads (activation and macaron without any
    block, norm without any convolution) become the ones given here. `slots`: how many blocks a stage holds.
    """
    parts = segments(arch)
    if len(parts) > 1 and not parts[0].blocks and parts[0].width == parts[1].width:
        parts = parts[1:]  # a first transition that keeps the width fits into the entry of the first stage
    stages: list[Stage] = []
    for number, (reduction, width, blocks) in enumerate(parts, start=1):
        end = len(slots) if number == len(parts) else len(stages) + 1
        while len(stages) < end or blocks:
            if len(stages) == len(slots):
                raise BadInput(
                    f"this architecture does not fit into stages of {tuple(slots)} blocks; use its own space"
                )
            room = slots[len(stages)]
            stages.append(Stage(width, reduction, blocks[:room] + (SKIP,) * (room - len(blocks))))
            reduction, blocks = "none", blocks[room:]
    blocks = [block for part in parts for block in part.blocks]
    return replace(
        arch,
        stages=tuple(stages),
        activation=arch.activation if blocks else activation,
        macaron=arch.macaron if blocks else macaron,
        norm=arch.norm if any(block.kernel for block in blocks) else norm,
    )

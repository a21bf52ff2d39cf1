"""Machines whose times are known by formula."""

from __future__ import annotations

from speechnas_lab.space import counts, segments
from speechnas_lab.space.counting import layers


def made_up_ms(arch) -> float:
    """A machine with a price for each operation, and caches that make wide networks dearer than their sum."""
    time, total = 50, 0.05
    for segment in segments(arch):
        time = time if segment.reduction == "none" else (time + 1) // 2
        for block in segment.blocks:
            width = segment.width
            total += 0.02 + time * 2 * width * round(block.expansion * width) / 60e6
            if block.heads:
                total += 0.03 + time * 4 * width**2 / 60e6 + block.heads * time**2 / 1e6
            if block.kernel:
                total += 0.02 + time * width * (3 * width / 60e6 + block.kernel / 8e6)
        total *= 1 + segment.width / 4000
    return total


def eager_ms(arch) -> float:
    """Another machine: each layer is dear to start, depthwise filters and heads are slow."""
    dear = {"depthwise": 12.0, "products": 2.0}
    found = list(layers(arch, 80, 200, 200))
    heads = sum(block.heads for stage in arch.stages for block in stage.blocks)
    return 0.2 + sum(0.05 + x.macs * dear.get(x.part, 1.0) / 60e6 + x.nonlinear / 1e6 for x in found) + 0.01 * heads


def scaled_ms(arch) -> float:
    """`made_up_ms` on a slower processor in a runtime that takes its time for each million of operations."""
    return 1.7 * made_up_ms(arch) + counts(arch).macs / 40e6 + 0.3

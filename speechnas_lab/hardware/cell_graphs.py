"""A cell's network written down as ONNX, operator by operator, as `graphs` does for a Mobile Conformer."""

from __future__ import annotations

import numpy as np

from ..space import KERNELS, SKELETON, Cell, form
from ..space.cell_layers import AHEAD, CEILING, GROUP
from .graphs import Maker


def write_cell(cell: Cell, maker: Maker, bands: int, labels: int) -> None:
    """Stem, cells, head, in the order of `models.CellNetwork`."""
    width, step = SKELETON.width, SKELETON.steps[0]
    x, frames, lengths = maker.stacked(step, bands)
    x = maker.norm(maker.linear(x, "stem", step * bands, width), "stem_norm", width)
    for number, longer in enumerate(SKELETON.steps):
        if longer > step:
            x, frames, lengths = maker.average(x, frames, lengths, longer // step, width)
            step = longer
        x = _cell(cell, maker, x, maker.mask(frames, lengths), f"cells.{number}.operations")
        x = maker.norm(x, f"norms.{number}", width)
    maker.head(x, lengths, width, labels)


def _cell(cell: Cell, maker: Maker, x: str, mask: str, name: str) -> str:
    simple, values = form(cell), [x]
    floor, ceiling = maker.constant(0.0, np.float32), maker.constant(CEILING, np.float32)
    for place, (operation, reads) in enumerate(simple.terms):
        write = _WRITE.get(operation, _convolution)
        y = write(maker, _sum(maker, values, reads), mask, f"{name}.{place}", operation)
        values.append(maker.op("Clip", y, floor, ceiling))
    return _sum(maker, values, simple.output)


def _sum(maker: Maker, values: list[str], counts: tuple[int, ...]) -> str:
    parts = [v if n == 1 else maker.op("Mul", v, maker.constant(float(n), np.float32))
             for v, n in zip(values, counts, strict=True) if n]  # fmt: skip
    total = parts[0] if parts else maker.op("Mul", values[0], maker.constant(0.0, np.float32))
    for part in parts[1:]:
        total = maker.op("Add", total, part)
    return total


def _linear(maker: Maker, x: str, mask: str, name: str, operation: str) -> str:
    return maker.linear(x, name, SKELETON.width, SKELETON.width)


def _constant(maker: Maker, x: str, mask: str, name: str, operation: str) -> str:
    return maker.op("Expand", maker.weight(f"{name}.bias", SKELETON.width), maker.op("Shape", x))


def _convolution(maker: Maker, x: str, mask: str, name: str, operation: str) -> str:
    kernel, width = KERNELS[operation], SKELETON.width
    image = maker.op("Transpose", maker.op("Mul", x, mask), perm=[0, 2, 1])
    image = maker.op("Unsqueeze", image, maker.constant([2]))
    weights = maker.weight(f"{name}.filters.weight", width, GROUP, 1, kernel.taps)
    image = maker.op("Conv", image, weights, maker.weight(f"{name}.filters.bias", width), group=width // GROUP,
                     kernel_shape=[1, kernel.taps], dilations=[1, kernel.dilation],
                     pads=[0, kernel.behind, 0, AHEAD])  # fmt: skip
    return maker.op("Transpose", maker.op("Squeeze", image, maker.constant([2])), perm=[0, 2, 1])


_WRITE = {"linear": _linear, "constant": _constant}

"""A cell of NAS-Bench-ASR's space made into a network: stem, the same cell again and again, head.

As in the benchmark (Mehrotra et al., ICLR 2021): operations with biases, each ended by min(max(z, 0), 20);
grouped convolutions that look 4 frames ahead; a LayerNorm behind each cell. What differs, and why:

- 3 cells of width 64 in place of 18 of 600 to 1,200, so that one trains in minutes on a laptop; 8 channels a
  group, as there (6 to 12), so that a linear operation costs more than a convolution, as there.
- Time is reduced by stacking 4 frames and one average, not by 4 convolutions of 8 frames with a stride of 1 or 2.
- The last cell's output goes straight to the CTC outputs, without an LSTM: the encoder alone decides.
- Padding is masked, so that neighbours in a batch never change an answer.
- Only what reaches the output is built (`space.form`): equal canonical forms are equal networks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..space import KERNELS, SKELETON, Cell, check_cell, form
from ..space.cell_layers import AHEAD, CEILING, GROUP
from .layers import LayerNorm, frame_mask
from .network import Recogniser, average_pool, stack_frames


class CellNetwork(Recogniser):
    """The network that a `Cell` means."""

    tap = 1

    def __init__(self, cell: Cell, input_dim: int, vocab_size: int) -> None:
        super().__init__()
        self.arch, self.input_dim = check_cell(cell), input_dim
        width, steps = SKELETON.width, SKELETON.steps
        self.stem, self.stem_norm = nn.Linear(steps[0] * input_dim, width), LayerNorm(width)
        self.cells = nn.ModuleList(CellLayers(cell, width) for _ in steps)
        self.norms = nn.ModuleList(LayerNorm(width) for _ in steps)
        self.head = nn.Sequential(LayerNorm(width), nn.Linear(width, vocab_size))

    def states(self, features: Tensor, lengths: Tensor) -> list[tuple[Tensor, Tensor]]:
        step, found = SKELETON.steps[0], []
        x, lengths = stack_frames(features, lengths.to(torch.int64), step)
        x = self.stem_norm(self.stem(x))
        for cell, norm, longer in zip(self.cells, self.norms, SKELETON.steps, strict=True):
            x, lengths = average_pool(x, lengths, longer // step)
            step = longer
            x = norm(cell(x, frame_mask(lengths, x.shape[1]).to(x)))
            found.append((x, lengths))
        return found


class CellLayers(nn.Module):
    """The terms of a cell's form, each a(operation(sum)), and their sum: (B, T, C) -> (B, T, C)."""

    def __init__(self, cell: Cell, width: int) -> None:
        super().__init__()
        self.form = form(cell)
        self.operations = nn.ModuleList(MAKE[term.operation](width) for term in self.form.terms)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        values = [x]
        for term, operation in zip(self.form.terms, self.operations, strict=True):
            values.append(operation(weighted_sum(values, term.reads), mask).clamp(0.0, CEILING))
        return weighted_sum(values, self.form.output)


def weighted_sum(values: list[Tensor], counts: tuple[int, ...]) -> Tensor:
    """Each of `values` as often as `counts` says; zeros if that is never."""
    found = [value if count == 1 else count * value for value, count in zip(values, counts, strict=True) if count]
    return sum(found[1:], found[0]) if found else torch.zeros_like(values[0])


class FrameLinear(nn.Linear):
    """A linear map of each frame."""

    def __init__(self, width: int) -> None:
        super().__init__(width, width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return super().forward(x)


class Constant(nn.Module):
    """What an operation is of nothing but zeros: its bias."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.empty(width).uniform_(-1, 1) / width**0.5)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.bias.expand_as(x)


class GroupedConvolution(nn.Module):
    """Filters along time over groups of channels, `AHEAD` frames ahead, the rest behind. Padding counts as zeros.

    `conv2d` of height 1 on (B, T, C) memory seen as channels-last: 1.3 to 1.7 times faster than `conv1d` on a CPU.
    """

    def __init__(self, width: int, name: str) -> None:
        super().__init__()
        kernel = KERNELS[name]
        self.behind, self.groups = kernel.behind, width // GROUP
        self.filters = nn.Conv2d(width, width, (1, kernel.taps), dilation=(1, kernel.dilation), groups=self.groups)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        x = F.pad(x * mask, (0, 0, self.behind, AHEAD))  # (B, behind + T + AHEAD, C)
        return self.filters(x.transpose(1, 2).unsqueeze(2)).squeeze(2).transpose(1, 2)


MAKE = {"linear": FrameLinear, "constant": Constant}
MAKE |= {name: lambda width, name=name: GroupedConvolution(width, name) for name in KERNELS}

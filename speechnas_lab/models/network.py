"""An architecture made into a network: stem, stages of blocks, head. `space/counting.py` counts exactly this."""

from __future__ import annotations

import math
from functools import singledispatch

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..space import Architecture, Block, Cell, Stage, check
from .layers import PLAIN, Attention, Convolution, FeedForward, frame_mask


class Recogniser(nn.Module):
    """What every network here is: features (B, T, F) and lengths (B,) in, CTC logits (B, T', V) and lengths out.

    A subclass gives `states`, the encoder's output after each stage, last the one that `head` reads.
    """

    tap: int = 0  # index into `states`: where the auxiliary frame loss listens
    head: nn.Module

    def states(self, features: Tensor, lengths: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Encoder states [(B, T_i, C_i), (B,)] after each stage."""
        raise NotImplementedError

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        x, lengths = self.states(features, lengths)[-1]
        return self.head(x), lengths


class MobileConformer(Recogniser):
    """The network that an `Architecture` means."""

    def __init__(self, arch: Architecture, input_dim: int, vocab_size: int, make: dict | None = None) -> None:
        super().__init__()
        make = make or PLAIN
        self.arch, self.input_dim = arch, input_dim
        self.stem = nn.ModuleDict({str(arch.stem): make["Linear"](arch.stem * input_dim, arch.stages[0].width)})
        self.stem_norm = make["LayerNorm"](arch.stages[0].width)
        widths = [arch.stages[0].width, *(stage.width for stage in arch.stages)]
        self.stages = nn.ModuleList(
            StageLayers(before, stage, arch, make) for before, stage in zip(widths, arch.stages, strict=False)
        )
        self.pool = arch.output_reduction // (arch.stem * 2 ** sum(s.reduction != "none" for s in arch.stages))
        self.head = nn.Sequential(make["LayerNorm"](widths[-1]), make["Linear"](widths[-1], vocab_size))

    def states(self, features: Tensor, lengths: Tensor) -> list[tuple[Tensor, Tensor]]:
        lengths = lengths.to(torch.int64)
        x, lengths = stack_frames(features, lengths, self.arch.stem)
        x = self.stem_norm(self.stem[str(self.arch.stem)](x))
        x = x + sinusoids(x.shape[1], x.shape[2]).to(x)
        found = []
        for stage in self.stages:
            x, lengths = stage(x, lengths)
            found.append((x, lengths))
        found[-1] = average_pool(x, lengths, self.pool)
        return found


class StageLayers(nn.Module):
    """A stage: halve time or change width if it must, then its blocks in order."""

    def __init__(self, before: int, stage: Stage, arch: Architecture, make: dict | None = None) -> None:
        super().__init__()
        make = make or PLAIN
        self.reduction = stage.reduction
        if stage.reduction == "conv":
            self.halve = make["Depthwise"](before, 3, 2)
        self.enters = stage.reduction != "none" or before != stage.width
        if self.enters:
            self.enter, self.enter_norm = make["Linear"](before, stage.width), make["LayerNorm"](stage.width)
        self.blocks = nn.ModuleList(BlockLayers(stage.width, block, arch, make) for block in stage.blocks)

    def forward(self, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        if self.reduction == "pool":
            x, lengths = average_pool(x, lengths, 2)
        elif self.reduction == "conv":
            x = self.halve(x * frame_mask(lengths, x.shape[1]))
            lengths = (lengths + 1) // 2
        if self.enters:
            x = self.enter_norm(self.enter(x))
        mask = frame_mask(lengths, x.shape[1])
        for block in self.blocks:
            x = block(x, mask)
        return x, lengths


class BlockLayers(nn.Module):
    """One block, pre-norm and residual: [half feed-forward], attention, convolution, feed-forward. A skip is empty."""

    def __init__(self, width: int, block: Block, arch: Architecture, make: dict) -> None:
        super().__init__()
        self.macaron, self.attends, self.convolves = arch.macaron, block.heads > 0, block.kernel > 0
        if self.skips:
            return
        hidden = round(block.expansion * width)
        if self.macaron:
            self.first = FeedForward(width, hidden, arch.activation, make)
            self.last_norm = make["LayerNorm"](width)
        if self.attends:
            self.attention = Attention(width, block.heads, make)
        if self.convolves:
            self.convolution = Convolution(width, block.kernel, arch.activation, arch.norm, make)
        self.second = FeedForward(width, hidden, arch.activation, make)

    @property
    def skips(self) -> bool:
        """Whether the block does nothing."""
        return not (self.attends or self.convolves)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        if self.skips:
            return x
        if self.macaron:
            x = x + 0.5 * self.first(x)
        if self.attends:
            x = x + self.attention(x, mask)
        if self.convolves:
            x = x + self.convolution(x, mask)
        x = x + (0.5 if self.macaron else 1.0) * self.second(x)
        return self.last_norm(x) if self.macaron else x


def stack_frames(features: Tensor, lengths: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Lay `count` neighbouring frames side by side: (B, T, F) -> (B, ceil(T / count), count * F). Padding becomes 0."""
    batch, frames, bands = features.shape
    features = F.pad(features * frame_mask(lengths, frames), (0, 0, 0, -frames % count))
    return features.reshape(batch, -1, count * bands), (lengths + count - 1) // count


def average_pool(x: Tensor, lengths: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Mean of each `count` neighbouring real frames: (B, T, C) -> (B, ceil(T / count), C)."""
    if count == 1:
        return x, lengths
    batch, frames, width = x.shape
    mask = F.pad(frame_mask(lengths, frames), (0, 0, 0, -frames % count))
    x = F.pad(x, (0, 0, 0, -frames % count)) * mask
    total = x.reshape(batch, -1, count, width).sum(2)
    return total / mask.reshape(batch, -1, count, 1).sum(2).clamp(min=1), (lengths + count - 1) // count


def sinusoids(frames: int, width: int) -> Tensor:
    """Absolute positions (frames, width), sine and cosine halves (Vaswani et al., 2017, section 3.5)."""
    time = torch.arange(frames)[:, None].float()
    half = (width + 1) // 2
    rate = torch.exp(torch.arange(half)[None, :].float() * (-math.log(10_000.0) / half))
    return torch.cat([torch.sin(time * rate), torch.cos(time * rate)], dim=1)[:, :width]


@singledispatch
def build(arch: Architecture | Cell, *, input_dim: int = 80, vocab_size: int) -> Recogniser:
    """Make the network that `arch` means, with fresh weights.

    `forward(features (B, T, input_dim), lengths (B,))` gives `(logits (B, T', vocab_size), out_lengths (B,))` with
    T' = ceil(T / output_reduction), label 0 the CTC blank. An architecture that no space could hold (a kernel of 4,
    heads that do not divide the width) raises BadInput, a ValueError, which names the field and what is allowed.
    """
    return MobileConformer(check(arch), input_dim, vocab_size)


@build.register
def _(arch: Cell, *, input_dim: int = 80, vocab_size: int) -> Recogniser:
    from .cells import CellNetwork  # made of this file's parts

    return CellNetwork(arch, input_dim, vocab_size)

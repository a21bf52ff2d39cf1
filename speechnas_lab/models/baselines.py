"""Hand-designed networks under the same face, scaled to a laptop's corpus; each keeps its family's design.

The two Conformers are plain architectures (so the space's counts hold for them); the others are built here.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import BadInput
from ..space import Architecture, Block, Stage
from .layers import BatchNorm, Depthwise, LayerNorm, frame_mask
from .network import Recogniser, build, stack_frames


def conformer(width: int, blocks: int, heads: int = 4, kernel: int = 31, reduction: int = 4) -> Architecture:
    """A Conformer (Gulati et al., 2020): macaron blocks of one width, Swish, BatchNorm, expansion 4."""
    tap = 2 if blocks > 2 else 1  # a first stage of its own, so that the frame loss can listen after block two
    block = Block(kernel, heads, 4.0)
    stages = (Stage(width, "none", (block,) * tap), Stage(width, "none", (block,) * (blocks - tap)))
    return Architecture(4, stages, "swish", "batch", True, reduction)


LARGE = conformer(144, 8)  # the one that the others are compared with


class ConvNet(Recogniser):
    """QuartzNet (Kriman et al., 2019) when `separable`, Jasper (Li et al., 2019) when not: blocks of R convolutions.

    Time is halved twice on entry. Each block adds a 1x1 convolution of its input to its last convolution's output.
    """

    tap = 1

    def __init__(self, input_dim: int, vocab_size: int, width: int, kernels: list[int], repeat: int, separable: bool):
        super().__init__()
        unit = Separable if separable else Dense
        self.enter = nn.ModuleList([unit(input_dim, width, kernels[0], 2), unit(width, width, kernels[0], 2)])
        self.blocks = nn.ModuleList(
            nn.ModuleList(unit(width, width, kernel) for _ in range(repeat)) for kernel in kernels[1:]
        )
        self.shortcuts = nn.ModuleList(nn.Linear(width, width) for _ in kernels[1:])
        self.norms = nn.ModuleList(BatchNorm(width) for _ in kernels[1:])
        self.head = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, vocab_size))

    def states(self, features: Tensor, lengths: Tensor) -> list[tuple[Tensor, Tensor]]:
        x, lengths = features, lengths.to(torch.int64)
        for layer in self.enter:
            x = F.relu(layer(x, frame_mask(lengths, x.shape[1])))
            lengths = (lengths + 1) // 2
        mask, found = frame_mask(lengths, x.shape[1]), []
        for block, shortcut, norm in zip(self.blocks, self.shortcuts, self.norms, strict=False):
            y = x
            for number, layer in enumerate(block):
                y = layer(y if number == 0 else F.relu(y), mask)
            x = F.relu(y + norm(shortcut(x), mask))
            found.append((x, lengths))
        return found


class Separable(nn.Module):
    """Depthwise filter along time, 1x1 convolution, batch normalisation."""

    def __init__(self, before: int, width: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.depthwise, self.point = Depthwise(before, kernel, stride), nn.Linear(before, width)
        self.norm = BatchNorm(width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.norm(self.point(self.depthwise(x * mask)), mask[:, :: self.depthwise.stride])


class Dense(nn.Module):
    """Full convolution along time, batch normalisation."""

    def __init__(self, before: int, width: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.filters, self.stride = nn.Conv1d(before, width, kernel, stride, kernel // 2), stride
        self.norm = BatchNorm(width)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return self.norm(self.filters((x * mask).transpose(1, 2)).transpose(1, 2), mask[:, :: self.stride])


class BiLSTM(Recogniser):
    """Stacked frames, then layers of two LSTMs, one for each direction of time (Graves et al., 2013)."""

    def __init__(self, input_dim: int, vocab_size: int, width: int, layers: int) -> None:
        super().__init__()
        sizes = [4 * input_dim] + [2 * width] * (layers - 1)
        self.forwards = nn.ModuleList(nn.LSTM(size, width, batch_first=True) for size in sizes)
        self.backwards = nn.ModuleList(nn.LSTM(size, width, batch_first=True) for size in sizes)
        self.head = nn.Sequential(LayerNorm(2 * width), nn.Linear(2 * width, vocab_size))

    def states(self, features: Tensor, lengths: Tensor) -> list[tuple[Tensor, Tensor]]:
        x, lengths = stack_frames(features, lengths.to(torch.int64), 4)
        time = torch.arange(x.shape[1], device=x.device)[None, :]
        mirror = torch.where(time < lengths[:, None], lengths[:, None] - 1 - time, time).unsqueeze(-1)  # (B, T, 1)
        found = []
        for ahead, back in zip(self.forwards, self.backwards, strict=False):
            turned = back(x.gather(1, mirror.expand(-1, -1, x.shape[2])))[0]
            ahead_out = ahead(x)[0]
            x = torch.cat([ahead_out, turned.gather(1, mirror.expand(-1, -1, turned.shape[2]))], dim=2)
            found.append((x, lengths))
        return found


BASELINES: dict[str, Callable[[int, int], Recogniser]] = {
    "conformer-large": lambda f, v: build(LARGE, input_dim=f, vocab_size=v),
    "conformer-small": lambda f, v: build(conformer(64, 4, kernel=15), input_dim=f, vocab_size=v),
    "quartznet": lambda f, v: ConvNet(f, v, 128, [11, 11, 13, 15, 17, 19], 3, separable=True),
    "jasper": lambda f, v: ConvNet(f, v, 96, [7, 7, 7, 9, 9], 2, separable=False),
    "lstm": lambda f, v: BiLSTM(f, v, 128, 2),
}


def baseline(name: str, *, input_dim: int = 80, vocab_size: int) -> Recogniser:
    """A hand-designed network by name (see `BASELINES`), with fresh weights and the face of `build`."""
    if name not in BASELINES:
        raise BadInput(f"no hand-designed network is called {name!r}; there are {', '.join(BASELINES)}")
    return BASELINES[name](input_dim, vocab_size)

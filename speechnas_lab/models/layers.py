"""The parts of a Mobile-Conformer block. Sound is (B, T, C); `mask` is (B, T, 1), 1 on real frames and 0 on padding.

Every part gives the same answer for an utterance whatever its padding and its batch neighbours.
`elastic` swaps the four parts with weights (Linear, LayerNorm, BatchNorm, Depthwise) for sliceable ones.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ACTIVATIONS = {"swish": F.silu, "gelu": F.gelu, "relu": F.relu}
NORMS = {"layer": "LayerNorm", "batch": "BatchNorm"}


def frame_mask(lengths: Tensor, frames: int) -> Tensor:
    """(B,) lengths -> (B, frames, 1) float mask of the real frames."""
    return (torch.arange(frames, device=lengths.device)[None, :] < lengths[:, None]).unsqueeze(-1).float()


class Linear(nn.Linear):
    """A plain linear map on the last axis."""


class LayerNorm(nn.LayerNorm):
    """Normalises each frame by itself. Takes a mask so that it can stand where BatchNorm stands; ignores it."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return super().forward(x)


class BatchNorm(nn.Module):
    """Batch normalisation over the real frames of a batch only (Ioffe and Szegedy, 2015, with a mask)."""

    def __init__(self, channels: int, momentum: float = 0.1, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("variance", torch.ones(channels))
        self.momentum, self.eps = momentum, eps

    def vectors(self, channels: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Gain, bias, running mean and running variance in use, each (channels,)."""
        return self.weight, self.bias, self.mean, self.variance

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        weight, bias, mean, variance = self.vectors(x.shape[-1])
        if self.training:
            running_mean, running_variance = mean, variance
            mean, variance = masked_moments(x, mask)
            if self.momentum:
                with torch.no_grad():
                    running_mean.lerp_(mean, self.momentum)
                    running_variance.lerp_(variance, self.momentum)
        scale = weight * torch.rsqrt(variance + self.eps)
        return x * scale + (bias - mean * scale)


def masked_moments(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of each channel over the real frames: (B, T, C), (B, T, 1) -> (C,), (C,)."""
    count = mask.sum().clamp(min=1)
    mean = (x * mask).sum((0, 1)) / count
    return mean, ((x - mean).square() * mask).sum((0, 1)) / count


class Depthwise(nn.Module):
    """One filter a channel along time, output frame i centred on input frame i * stride.

    `conv2d` of height 1 on (B, T, C) memory seen as channels-last: about 3 times faster than `conv1d` on a CPU.
    """

    def __init__(self, channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels, 1, 1, kernel).uniform_(-1, 1) / math.sqrt(kernel))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.stride = stride

    def weights(self) -> tuple[Tensor, Tensor]:
        """Filters (C, 1, 1, kernel) and biases (C,) in use."""
        return self.weight, self.bias

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weights()
        image = x.transpose(1, 2).unsqueeze(2)  # (B, C, 1, T), channels-last memory, no copy
        pad = weight.shape[-1] // 2
        image = F.conv2d(image, weight, bias, stride=(1, self.stride), padding=(0, pad), groups=x.shape[-1])
        return image.squeeze(2).transpose(1, 2)


class FeedForward(nn.Module):
    """Two linear maps with an activation between, from width w to h and back."""

    def __init__(self, width: int, hidden: int, activation: str, make=None) -> None:
        super().__init__()
        make = make or PLAIN
        self.norm = make["LayerNorm"](width)
        self.expand, self.contract = make["Linear"](width, hidden), make["Linear"](hidden, width)
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Tensor) -> Tensor:
        return self.contract(self.activation(self.expand(self.norm(x))))


class Attention(nn.Module):
    """Multi-head self-attention over the real frames (Vaswani et al., 2017).

    Query, key and value of one channel are neighbours in `qkv`, so that the leading 3w rows serve width w.
    """

    def __init__(self, width: int, heads: int, make=None) -> None:
        super().__init__()
        make = make or PLAIN
        self.norm = make["LayerNorm"](width)
        self.qkv, self.out = make["Linear"](width, 3 * width), make["Linear"](width, width)
        self.heads = heads

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        batch, frames, width = x.shape
        qkv = self.qkv(self.norm(x)).view(batch, frames, self.heads, width // self.heads, 3)
        q, k, v = qkv.permute(4, 0, 2, 1, 3).contiguous().unbind(0)  # each (B, H, T, w / H)
        bias = ((mask.transpose(1, 2).unsqueeze(1) - 1) * 1e4).to(q)  # (B, 1, 1, T): 0 on real keys, -1e4 on padding
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.expand(batch, 1, frames, frames))
        return self.out(mixed.transpose(1, 2).reshape(batch, frames, width))


class Convolution(nn.Module):
    """The Conformer's convolution module (Gulati et al., 2020, section 2.2): gate, filter, norm, activation."""

    def __init__(self, width: int, kernel: int, activation: str, norm: str, make=None) -> None:
        super().__init__()
        make = make or PLAIN
        self.norm = make["LayerNorm"](width)
        self.gate, self.out = make["Linear"](width, 2 * width), make["Linear"](width, width)
        self.depthwise = make["Depthwise"](width, kernel)
        self.inner = nn.ModuleDict({norm: make[NORMS[norm]](width)})
        self.choice = norm
        self.activation = ACTIVATIONS[activation]

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        batch, frames, width = x.shape
        value, gate = self.gate(self.norm(x)).view(batch, frames, width, 2).unbind(-1)
        x = self.depthwise(value * torch.sigmoid(gate) * mask)
        return self.out(self.activation(self.inner[self.choice](x, mask)))


PLAIN = {"Linear": Linear, "LayerNorm": LayerNorm, "BatchNorm": BatchNorm, "Depthwise": Depthwise}

"""Layers of which a slice is in use: leading channels, centred kernels. A slice is a view; nothing is copied.

The slice follows the input: its channels say how many are in use. Only what the input cannot tell (output channels,
kernel) is set from outside, as a plain number.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ..models.layers import BatchNorm, Depthwise, LayerNorm, Linear


def share(weights: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The part of `weights` that a smaller layer of this `shape` uses: leading channels, the middle of a kernel."""
    if weights.dim() == 4:  # (C, 1, 1, kernel)
        edge = (weights.shape[3] - shape[3]) // 2
        return weights[: shape[0], :, :, edge : edge + shape[3]]
    if weights.dim() == 2:
        return weights[: shape[0], : shape[1]]
    return weights[: shape[0]]


class ElasticLinear(Linear):
    """The first `out` outputs of a linear map, on as many inputs as there are."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.out = outputs

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, share(self.weight, (self.out, x.shape[-1])), self.bias[: self.out])


class ElasticLayerNorm(LayerNorm):
    """Layer normalisation of as many channels as there are."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        width = x.shape[-1]
        return F.layer_norm(x, (width,), self.weight[:width], self.bias[:width], self.eps)


class ElasticBatchNorm(BatchNorm):
    """Batch normalisation of as many channels as there are.

    Paths differ in their statistics, so training keeps none (`momentum` 0); `Supernet.calibrate` measures them for the
    path in use (BigNAS, Yu et al., 2020, section 3.4).
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, momentum=0.0)

    def vectors(self, channels: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return self.weight[:channels], self.bias[:channels], self.mean[:channels], self.variance[:channels]


class ElasticDepthwise(Depthwise):
    """The middle `kernel` taps of as many filters as there are channels."""

    def __init__(self, channels: int, kernel: int, stride: int = 1) -> None:
        super().__init__(channels, kernel, stride)
        self.kernel = kernel

    def weights(self, channels: int) -> tuple[Tensor, Tensor]:
        return share(self.weight, (channels, 1, 1, self.kernel)), self.bias[:channels]


ELASTIC = {
    "Linear": ElasticLinear,
    "LayerNorm": ElasticLayerNorm,
    "BatchNorm": ElasticBatchNorm,
    "Depthwise": ElasticDepthwise,
}

"""Layers of which a slice is in use: leading channels, centred kernels. A slice is a view; nothing is copied.

A view in training is a leaf of autograd's graph. Its gradient is added to the same slice of the shared weight's gradient
as soon as it is known, so that an optimiser sees ordinary parameters, and a path costs what its own size costs.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..models.layers import BatchNorm, Depthwise, LayerNorm, Linear


def share(weights: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The part of `weights` that a smaller layer of this `shape` uses: leading channels, the middle of a kernel."""
    if weights.dim() == 4:  # (C, 1, 1, kernel)
        edge = (weights.shape[3] - shape[3]) // 2
        return weights[: shape[0], :, :, edge : edge + shape[3]]
    if weights.dim() == 2:
        return weights[: shape[0], : shape[1]]
    return weights[: shape[0]]


class Shared:
    """Mixed into a layer with `weight` and `bias`: `use` says which slices of them serve from now on."""

    weight: nn.Parameter
    bias: nn.Parameter

    def use(self, *shape: int) -> None:
        """Serve with the leading slice of `weight` of this shape, and as much of `bias` as it has rows."""
        views = self.__dict__.setdefault("views", {})  # shape -> (weight, bias); views, made once
        if shape not in views:
            views[shape] = _leaf(self.weight, shape), _leaf(self.bias, shape[:1])
        self.__dict__["now"] = views[shape]


def _leaf(weights: nn.Parameter, shape: tuple[int, ...]) -> Tensor:
    """A view that collects its own gradient and passes it on to `weights.grad`; `weights.rows` rows are in use."""
    leaf = share(weights.detach(), shape).requires_grad_()
    weights.rows = 0

    def pass_on(leaf: Tensor) -> None:
        if weights.grad is None:
            weights.grad = torch.zeros_like(weights)
        share(weights.grad, shape).add_(leaf.grad)
        weights.rows = max(weights.rows, shape[0])
        leaf.grad = None

    leaf.register_post_accumulate_grad_hook(pass_on)
    return leaf


class ElasticLinear(Shared, Linear):
    """Leading outputs of leading inputs of a linear map."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, *self.now)


class ElasticLayerNorm(Shared, LayerNorm):
    """Layer normalisation of the leading channels."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], *self.now, self.eps)


class ElasticBatchNorm(Shared, BatchNorm):
    """Batch normalisation of the leading channels.

    Paths differ in their statistics, so training keeps none (`momentum` 0); `Supernet.calibrate` measures them for the
    path in use (BigNAS, Yu et al., 2020, section 3.4).
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, momentum=0.0)

    def vectors(self, channels: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return *self.now, self.mean[:channels], self.variance[:channels]


class ElasticDepthwise(Shared, Depthwise):
    """The middle taps of the leading filters."""

    def weights(self) -> tuple[Tensor, Tensor]:
        return self.now


ELASTIC = {
    "Linear": ElasticLinear,
    "LayerNorm": ElasticLayerNorm,
    "BatchNorm": ElasticBatchNorm,
    "Depthwise": ElasticDepthwise,
}

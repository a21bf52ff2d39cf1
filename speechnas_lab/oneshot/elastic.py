"""Layers of which a slice is in use: leading channels, centred kernels. A slice is a view; nothing is copied.

A view in training is a leaf of autograd's graph with a gradient of its own size, and the optimiser updates just that
slice. So a path costs what its own size costs.
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


class Lender:
    """Lends slices of one parameter, as leaves of autograd's graph, and gathers their gradients."""

    def __init__(self, parameter: nn.Parameter) -> None:
        self.parameter = parameter
        self.lent: dict[tuple[int, ...], Tensor] = {}  # shape -> view, made once

    def lend(self, shape: tuple[int, ...]) -> Tensor:
        """The slice of this shape."""
        if shape not in self.lent:
            self.lent[shape] = share(self.parameter.detach(), shape).requires_grad_()
        return self.lent[shape]

    def same(self, tensor: Tensor, leaf: Tensor) -> Tensor:
        """The slice of `tensor`, shaped like the parameter, that `leaf` is of the parameter."""
        return share(tensor, leaf.shape)

    def gather(self) -> Tensor | None:
        """The one slice that covers all that were used, with the sum of their gradients; None if none was used."""
        used = [self.lent[shape] for shape in sorted(self.lent) if self.lent[shape].grad is not None]  # one fixed order
        if len(used) < 2:
            return used[0] if used else None
        whole = self.lend(tuple(map(max, *(leaf.shape for leaf in used))))
        if whole.grad is None:
            whole.grad = torch.zeros(whole.shape)
        for leaf in used:
            if leaf is not whole:
                share(whole.grad, leaf.shape).add_(leaf.grad)
                leaf.grad = None
        return whole

    def forget(self) -> None:
        """Drop all gradients."""
        for leaf in self.lent.values():
            leaf.grad = None


class Shared:
    """Mixed into a layer with `weight` and `bias`: `use` says which slices of them serve from now on."""

    weight: nn.Parameter
    bias: nn.Parameter

    def use(self, *shape: int) -> None:
        """Serve with the slice of `weight` of this shape, and as much of `bias` as it has rows."""
        pairs = self.__dict__.setdefault("pairs", {})
        if shape not in pairs:
            for p in (self.weight, self.bias):
                if not hasattr(p, "lender"):
                    p.lender = Lender(p)
            pairs[shape] = self.weight.lender.lend(shape), self.bias.lender.lend(shape[:1])
        self.__dict__["now"] = pairs[shape]


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

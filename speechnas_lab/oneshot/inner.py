"""The imagined step of second-order DARTS: where the weights would go, w' = w - xi d(w), d the optimiser's direction.

What an optimiser carries along (its momentum, its decay) moves w', where L_valid is asked. It does not depend on
alpha, so the second-order term of `alpha_gradient` stays  xi d2L_train/(dalpha dw) v.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from ..errors import BadInput


class InnerStep(Protocol):
    """A step of length `xi` along `direction`."""

    xi: float

    def direction(self, weights: Sequence[Tensor], gradient: Sequence[Tensor]) -> list[Tensor]:
        """One tensor for each weight. Its derivative by `gradient` is 1."""


@dataclass(frozen=True)
class PlainStep:
    """w' = w - xi dL_train/dw (Liu et al., 2019, below eq. 6). xi = 0 is the first order, which takes w' = w."""

    xi: float

    def direction(self, weights: Sequence[Tensor], gradient: Sequence[Tensor]) -> list[Tensor]:
        return list(gradient)


@dataclass(frozen=True)
class MomentumStep:
    """w' = w - xi (momentum * buffer + dL_train/dw + weight_decay * w): what SGD with momentum would do next.

    buffers: the optimiser's running sums, one for each weight, in the order of `alpha_gradient`'s weights; a tensor of
    zeros, or none at all for any, before its first step.
    """

    xi: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    buffers: tuple[Tensor, ...] = ()

    @classmethod
    def of(cls, optimizer: torch.optim.SGD, weights: Sequence[Tensor]) -> MomentumStep:
        """The next step of this optimiser. All weights must lie in parameter groups of the same settings."""
        held = {id(p): group for group in optimizer.param_groups for p in group["params"]}
        missing = sum(id(w) not in held for w in weights)
        if missing:
            raise BadInput(f"{missing} of the weights are not the optimiser's; give the weights that it moves")
        names = ("lr", "momentum", "weight_decay", "dampening", "nesterov", "maximize")
        settings = {tuple(held[id(w)].get(name, 0) for name in names) for w in weights}
        if len(settings) != 1:
            raise BadInput("the weights have unlike settings; give an optimiser with one lr, momentum and decay")
        rate, momentum, decay, *others = settings.pop()
        if any(others):
            raise BadInput("dampening, nesterov and maximize are not unrolled; give an SGD without them")
        sums = [optimizer.state[w].get("momentum_buffer") if w in optimizer.state else None for w in weights]
        zeros = (torch.zeros_like(w) if s is None else s.clone() for w, s in zip(weights, sums, strict=True))
        return cls(rate, momentum, decay, tuple(zeros) if momentum else ())

    def direction(self, weights: Sequence[Tensor], gradient: Sequence[Tensor]) -> list[Tensor]:
        buffers = self.buffers or [torch.zeros_like(w) for w in weights]
        if [b.shape for b in buffers] != [w.shape for w in weights]:
            raise BadInput(f"{len(buffers)} buffers do not fit {len(list(weights))} weights; give one for each weight")
        return [
            self.momentum * buffer + g + self.weight_decay * w
            for w, g, buffer in zip(weights, gradient, buffers, strict=True)
        ]

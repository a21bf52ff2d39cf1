"""The mixed operation: all candidates at once, weighted by how promising each is. The choice becomes differentiable."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from .mixing import SOFTMAX, Mixing


class MixedOp(nn.Module):
    """A weighted sum of candidate operations (DARTS, Liu et al., 2019, eq. 2).

    operations: modules that take the same inputs and give outputs of one shape. `alpha` (n_ops,) starts at 0: no
    candidate is preferred. `mixing` makes it into weights.

    Two things may be laid over the mixture during a search, see `collapse`: `beta` times the input beside it, and
    `shift` (n_ops,) on its weights. Both are off at first.

    >>> mixed = MixedOp([nn.Identity(), Zero()])
    >>> mixed(torch.ones(2)).tolist()
    [0.5, 0.5]
    """

    def __init__(self, operations: Iterable[nn.Module], mixing: Mixing = SOFTMAX) -> None:
        super().__init__()
        self.operations = nn.ModuleList(operations)
        self.alpha = nn.Parameter(torch.zeros(len(self.operations)))
        self.mixing = mixing
        self.beta, self.shift = 0.0, None

    def weights(self) -> Tensor:
        """(n_ops,) of one pass; with softmax positive, of sum 1. Noise, if the mixing has any, in training only."""
        return self.mixing.weights(self.alpha, self.training)

    def expected(self) -> Tensor:
        """(n_ops,) the weights without noise."""
        return self.mixing.expected(self.alpha)

    def forward(self, *inputs: Tensor) -> Tensor:
        weights = self.weights() if self.shift is None else self.weights() + self.shift
        # o(x) = sum_i w_i o_i(x)
        mixed = sum(w * operation(*inputs) for w, operation in zip(weights, self.operations, strict=True))
        return mixed + self.beta * inputs[0] if self.beta else mixed

    def choice(self) -> int | None:
        """Index of the candidate that discretisation keeps: of the largest alpha, the first of equals. None if the
        mixing finds none good enough (`Sigmoid`)."""
        return self.mixing.choice(self.alpha)


class Zero(nn.Module):
    """The operation that lets nothing through."""

    def forward(self, x: Tensor, *rest: Tensor) -> Tensor:
        return torch.zeros_like(x)

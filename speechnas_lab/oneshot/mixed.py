"""The mixed operation: all candidates at once, weighted by how promising each is. The choice becomes differentiable."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class MixedOp(nn.Module):
    """A weighted sum of candidate operations (DARTS, Liu et al., 2019, eq. 2).

    operations: modules that take the same inputs and give outputs of one shape. `alpha` (n_ops,) starts at 0: no
    candidate is preferred.

    >>> mixed = MixedOp([nn.Identity(), Zero()])
    >>> mixed(torch.ones(2)).tolist()
    [0.5, 0.5]
    """

    def __init__(self, operations: Iterable[nn.Module]) -> None:
        super().__init__()
        self.operations = nn.ModuleList(operations)
        self.alpha = nn.Parameter(torch.zeros(len(self.operations)))

    def weights(self) -> Tensor:
        """(n_ops,) positive, of sum 1."""
        # w_i = exp(alpha_i) / sum_j exp(alpha_j)
        return self.alpha.softmax(0)

    def forward(self, *inputs: Tensor) -> Tensor:
        # o(x) = sum_i w_i o_i(x)
        return sum(w * operation(*inputs) for w, operation in zip(self.weights(), self.operations, strict=True))

    def choice(self) -> int:
        """Index of the candidate with the largest alpha, the first of equals: what discretisation keeps."""
        return int(self.alpha.argmax())


class Zero(nn.Module):
    """The operation that lets nothing through."""

    def forward(self, x: Tensor, *rest: Tensor) -> Tensor:
        return torch.zeros_like(x)

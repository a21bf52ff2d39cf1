"""How an alpha becomes the weights of a mixture: softmax, sigmoid, or one candidate drawn by Gumbel noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from ..errors import BadInput


class Mixing(Protocol):
    """From `alpha` (n_ops,) to weights, to what they are on average, and to a choice."""

    def weights(self, alpha: Tensor, training: bool = False, generator: Generator | None = None) -> Tensor:
        """(n_ops,) of one pass, differentiable by alpha. Noise, if there is any, is drawn in training only."""

    def expected(self, alpha: Tensor) -> Tensor:
        """(n_ops,) without noise, differentiable: how much each candidate counts on average."""

    def choice(self, alpha: Tensor) -> int | None:
        """Index of the candidate that discretisation keeps, None if it keeps none."""


@dataclass(frozen=True)
class Softmax:
    """w_i = exp(alpha_i) / sum_j exp(alpha_j): candidates compete (DARTS, Liu et al., 2019, eq. 2).

    >>> Softmax().weights(torch.zeros(2)).tolist()
    [0.5, 0.5]
    """

    def weights(self, alpha: Tensor, training: bool = False, generator: Generator | None = None) -> Tensor:
        return alpha.softmax(0)

    def expected(self, alpha: Tensor) -> Tensor:
        return alpha.softmax(0)

    def choice(self, alpha: Tensor) -> int:
        return int(alpha.argmax())


@dataclass(frozen=True)
class Sigmoid:
    """w_i = 1 / (1 + exp(-alpha_i)): each candidate has a gate of its own (FairDARTS, Chu et al., 2020).

    The weights need not sum to 1, so a skip wins nothing by pushing the others out. The largest weight is chosen, if
    it is above `threshold`; else the place keeps no candidate. 0.5: a gate more open than shut. FairDARTS keeps up to
    two on an edge, above 0.85; a place in a chain of blocks holds one.

    >>> Sigmoid().weights(torch.zeros(2)).tolist(), Sigmoid().choice(torch.zeros(2))
    ([0.5, 0.5], None)
    """

    threshold: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.threshold < 1:
            raise BadInput(f"threshold is {self.threshold}; give a weight from 0 to below 1")

    def weights(self, alpha: Tensor, training: bool = False, generator: Generator | None = None) -> Tensor:
        return alpha.sigmoid()

    def expected(self, alpha: Tensor) -> Tensor:
        return alpha.sigmoid()

    def choice(self, alpha: Tensor) -> int | None:
        best = int(alpha.argmax())
        return best if alpha[best].sigmoid() > self.threshold else None


@dataclass(frozen=True)
class GumbelSoftmax:
    """One candidate drawn in each training pass, with chance softmax(alpha) (Jang et al., 2017; Maddison et al., 2017).

    temperature: above 0. The lower, the nearer the soft sample to one candidate, and the wilder its gradient.
    hard: the forward pass uses the drawn candidate alone, the backward pass the gradient of the soft sample
    (straight-through). Without `hard`, the soft sample is used in both.

    `expected` is softmax(alpha): the mean of hard samples at any temperature, and the weights in evaluation. Without a
    generator, torch's own is drawn from.
    """

    temperature: float = 1.0
    hard: bool = True

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise BadInput(f"temperature is {self.temperature}; give a number above 0")

    def weights(self, alpha: Tensor, training: bool = False, generator: Generator | None = None) -> Tensor:
        if not training:
            return self.expected(alpha)
        waits = torch.empty_like(alpha, requires_grad=False).exponential_(generator=generator)
        gumbel = -waits.clamp(min=torch.finfo(alpha.dtype).tiny).log()
        # y_i = exp((alpha_i + g_i) / T) / sum_j exp((alpha_j + g_j) / T)
        soft = ((alpha + gumbel) / self.temperature).softmax(0)
        if not self.hard:
            return soft
        drawn = F.one_hot(soft.argmax(), len(alpha)).to(alpha)
        return drawn + (soft - soft.detach())  # exactly one-hot, with soft's gradient

    def expected(self, alpha: Tensor) -> Tensor:
        return alpha.softmax(0)

    def choice(self, alpha: Tensor) -> int:
        return int(alpha.argmax())


SOFTMAX = Softmax()

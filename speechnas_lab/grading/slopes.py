"""Gradients of what a learner's function gave, told as the learner's mistake where there are none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .exercise import Wrong

LEFT = "the value left the graph on the way (item, float, detach, argmax, numpy, a new tensor of the same numbers)"


def slopes_of(got: Any, by: Sequence[Tensor], case: str, what: str, to: str, slip: str = LEFT) -> list[Tensor]:
    """Gradient of the sum of `got`, which is called `what`, by each of the tensors `by`, which are called `to`.

    slip: what is likely where none of them is reached.
    """
    flows = isinstance(got, Tensor) and got.requires_grad
    try:
        found = torch.autograd.grad(got.sum(), list(by), allow_unused=True) if flows else [None]
    except RuntimeError as error:
        raise Wrong(f"the gradient of {what} cannot be computed", case, str(error).splitlines()[0][:120]) from None
    if all(slope is None for slope in found):
        raise Wrong(f"no gradient can flow from {what} to {to}", case, slip)
    return [torch.zeros_like(t) if slope is None else slope for t, slope in zip(by, found, strict=True)]

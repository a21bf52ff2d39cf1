"""A network's activations, seen or straightened in passing, whether they are modules or plain function calls.

A rectifier is ReLU, swish, GELU, or a clamp whose floor is 0.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

RECTIFIERS = {F.relu, F.silu, F.gelu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_}
CLAMPS = {F.hardtanh, torch.clamp, Tensor.clamp}


class ActivationSides(TorchFunctionMode):
    """`found` holds for each rectifier that was called which of its inputs were positive (booleans of their shape)."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Tensor] = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in RECTIFIERS or _clamps_at_zero(function, args, kwargs):
            self.found.append(args[0] > 0)
        return function(*args, **(kwargs or {}))


class LinearPaths(TorchFunctionMode):
    """Clamps lose their ceiling, and attention averages the values of all frames evenly."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function is F.scaled_dot_product_attention:
            return args[2].mean(-2, keepdim=True).expand_as(args[0])  # (B, H, T, w / H) of the values
        if _clamps_at_zero(function, args, kwargs):
            return args[0].clamp(min=0)
        return function(*args, **(kwargs or {}))


def _clamps_at_zero(function, args: tuple, kwargs: dict | None) -> bool:
    named = kwargs or {}
    floor = args[1] if len(args) > 1 else named.get("min", named.get("min_val"))
    return function in CLAMPS and isinstance(floor, (int, float)) and floor == 0

"""Latency inside a loss: how far an architecture is from the time it may take."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeVar

from ..errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor

Number = TypeVar("Number", float, "Tensor")


def latency_penalty(latency: Number, target: float, weight: float, one_sided: bool = False) -> Number:
    """weight * |latency - target|; with `one_sided`, 0 for whatever is faster than the target (TuNAS, Bender 2020).

    latency and target are in the same unit, milliseconds everywhere in this library. A tensor stays differentiable:
    the slope is +weight above the target and -weight below it (0 if one-sided). Raises BadInput for a target or a
    latency that is not above 0 and finite, and for a negative weight.
    """
    target, weight = _number(target, "target"), _number(weight, "weight")
    if target <= 0:
        raise BadInput(f"target is {target}; give a latency in milliseconds above 0")
    if weight < 0:
        raise BadInput(f"weight is {weight}; give 0 or more, a slower network must not be rewarded")
    if not hasattr(latency, "detach"):
        latency = _number(latency, "latency")
        if latency <= 0:
            raise BadInput(f"latency is {latency}; a measured time is above 0")
        excess = latency - target
        return weight * (max(excess, 0.0) if one_sided else abs(excess))
    known = latency.detach()
    if not bool((known.isfinite() & (known > 0)).all()):
        raise BadInput("latency holds a value that is not above 0 and finite; check the predictor's input")
    excess = latency - target
    return weight * (excess.clamp(min=0) if one_sided else excess.abs())


def _number(value: object, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise BadInput(f"{name} is {value!r}; give a number") from None
    if not math.isfinite(number):
        raise BadInput(f"{name} is {number}; give a finite number")
    return number

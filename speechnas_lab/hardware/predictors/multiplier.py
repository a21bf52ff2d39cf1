"""A lambda that finds its own size: multiplier ascent towards a target latency.

    minimise loss  subject to  latency <= target        g = (latency - target) / target, the relative excess

    loss + lambda g + damping/2 max(g, -lambda/damping)^2     is descended by the architecture's parameters
    lambda <- max(0, lambda + rate g)                         is ascended after each of their steps

The basic differential multiplier method with a damping term (Platt and Barr, "Constrained Differential Optimization",
NIPS 1987, sections 3 and 4; the form for inequalities is Rockafellar's, 1973). Without damping the two chase each
other in circles. At rest lambda is what one per cent of latency is worth, times a hundred.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import BadInput
from .penalty import LatencyTable, softmax

if TYPE_CHECKING:
    from torch import Tensor

_SETTINGS = ("target_ms", "rate", "damping", "two_sided")


class Multiplier:
    """lambda for a target latency in milliseconds: `penalty` goes into the loss, `ascend` moves lambda.

    rate: how far lambda moves for a latency of twice the target. damping: 0 or more, in the loss's unit. two_sided:
    lambda may fall below 0, so that a network faster than the target is pulled up to it.

    >>> multiplier = Multiplier(target_ms=2.0, rate=0.1)
    >>> multiplier.ascend(3.0), multiplier.ascend(1.0)
    (0.05, 0.0)
    """

    def __init__(
        self, target_ms: float, rate: float = 0.05, damping: float = 1.0, start: float = 0.0, two_sided: bool = False
    ) -> None:
        for name, value, least in (("target_ms", target_ms, 0), ("rate", rate, 0), ("damping", damping, 0)):
            if not (isinstance(value, (int, float)) and math.isfinite(value) and value >= least):
                raise BadInput(f"{name} is {value!r}; give a finite number of {least} or more")
        if target_ms <= 0:
            raise BadInput(f"target_ms is {target_ms}; give a latency in milliseconds above 0")
        if not math.isfinite(start) or (start < 0 and not two_sided):
            raise BadInput(f"start is {start}; a one-sided lambda is 0 or more and finite")
        self.target_ms, self.rate, self.damping, self.two_sided = float(target_ms), rate, damping, bool(two_sided)
        self.value, self.steps = float(start), 0

    def excess(self, latency_ms: Any) -> Any:
        """g, of a number or a tensor."""
        return latency_ms / self.target_ms - 1.0

    def penalty(self, latency_ms: Tensor) -> Tensor:
        """What the loss gets for this latency, in the loss's unit; its slope by g is lambda + damping g.

        One-sided, that slope is never below 0: far below the target there is neither pull nor push.
        """
        g = self.excess(latency_ms)
        if not self.two_sided:
            g = g.clamp(min=-self.value / self.damping) if self.damping else g
        return self.value * g + self.damping / 2 * g**2

    def ascend(self, latency_ms: float) -> float:
        """Move lambda by what the latency is now, of the expectation or of a decided network; return it."""
        g = self.excess(float(latency_ms))
        if not math.isfinite(g):
            raise BadInput(f"latency is {latency_ms}; lambda cannot follow a time that is not finite")
        moved = self.value + self.rate * g
        self.value, self.steps = moved if self.two_sided else max(0.0, moved), self.steps + 1
        return self.value

    def follow(
        self, table: LatencyTable, weigh: Callable[[Tensor], Tensor] = softmax
    ) -> Callable[[Sequence[Tensor]], Tensor]:
        """A function of the alphas for `DartsStep(penalty=...)`: the penalty of their expected latency. Each call is
        one step: lambda moves once the penalty is computed."""

        def penalty(alphas: Sequence[Tensor]) -> Tensor:
            expected = table.expected(alphas, weigh)
            term = self.penalty(expected)
            self.ascend(float(expected.detach()))
            return term

        return penalty

    def state_dict(self) -> dict[str, Any]:
        """Plain numbers: lambda, the steps taken, and the settings."""
        return {"lambda": self.value, "steps": self.steps} | {name: getattr(self, name) for name in _SETTINGS}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken. Raises BadInput for anything that is not one, and changes nothing."""
        if not isinstance(state, dict) or set(state) != {"lambda", "steps", *_SETTINGS}:
            raise BadInput(f"a multiplier's state has lambda, steps, {', '.join(_SETTINGS)}; give what state_dict gave")
        fresh = Multiplier(start=state["lambda"], **{name: state[name] for name in _SETTINGS})
        self.__dict__.update(fresh.__dict__, steps=int(state["steps"]))

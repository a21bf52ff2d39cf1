"""From values, which are minimised, to rewards, which are maximised, to what a controller learns from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

from ..errors import BadInput


def absolute_reward(values: Sequence[float], target: float, beta: float = -0.07) -> float:
    """TuNAS' reward for quality and time: r = Q + beta |T / T0 - 1|, beta < 0 (Bender et al. 2020, section 3.2).

    values: (error, latency): Q is minus the error, T the latency, T0 = `target` in its unit. beta: how much error
    a latency that is twice the target is worth. Too fast costs as much as too slow: within the time there is,
    a larger network is more accurate.

    >>> absolute_reward((0.10, 5.0), target=5.0)
    -0.1
    >>> round(absolute_reward((0.10, 6.0), target=5.0, beta=-0.5), 9)
    -0.2
    """
    if not target > 0 or not beta <= 0:
        raise BadInput(f"target must be above 0 and beta at most 0, not {target} and {beta}")
    error, latency, *_ = values
    return -error + beta * abs(latency / target - 1)


def minus_first(values: Sequence[float]) -> float:
    """The reward by default: values are minimised, rewards are maximised."""
    return -values[0]


class Scale:
    """Reward -> advantage: how far it is above a moving average, in moving standard deviations.

    b <- decay b + (1 - decay) r, and likewise for (r - b)^2. A reward that never changes has the advantage 0, and
    rewards of a million teach as much as rewards of one.
    """

    def __init__(self, decay: float) -> None:
        self.decay, self.baseline, self.variance = decay, None, 0.0

    def advantage(self, reward: float) -> float:
        if self.baseline is None:
            self.baseline = reward
        above = reward - self.baseline
        self.baseline += (1 - self.decay) * above
        self.variance = self.decay * self.variance + (1 - self.decay) * above**2
        deviation = math.sqrt(self.variance)
        return max(-3.0, min(3.0, above / deviation)) if deviation > 1e-9 * abs(self.baseline) else 0.0


def reward_name(function: Callable[..., float]) -> str:
    """What the journal calls a reward: its name, with the arguments of a `functools.partial`."""
    if isinstance(function, partial):
        words = [*map(repr, function.args), *(f"{k}={v!r}" for k, v in sorted(function.keywords.items()))]
        return f"{reward_name(function.func)}({', '.join(words)})"
    return getattr(function, "__qualname__", type(function).__name__)

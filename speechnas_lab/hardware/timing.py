"""One way of timing for everything here: interleaved, warm, and hard to upset.

On a shared machine three things go wrong. The first call is slow (memory, caches). Slow drifts favour whatever was
measured in a good minute. Other processes add spikes, never the opposite. So all candidates take turns; each turn
starts with a call that is not timed and then keeps the best of a few; the median over the turns is the answer.

Measured on two cores under a load of five, 60 networks of half a millisecond, five repetitions, relative to the
mean network: this estimator varies by 0.8% from one repetition to the next, the plain median by 1.6%, the minimum
by 1.5%; the common level moves by 1.8% and 3.8%.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from ..errors import BadInput
from .kit.script import brief, take_turns

ENOUGH = 10  # turns below which a median and its spread say little


@dataclass(frozen=True)
class Timing:
    """How long one candidate takes.

    median_ms: median over the turns of the best call of each turn. p95_ms: 95th percentile of all timed calls.
    spread: interquartile range of the turns' best calls divided by their median. warning: why not to trust it, or "".
    """

    median_ms: float
    p95_ms: float
    spread: float
    repeats: int
    burst: int
    warmup: int
    warning: str


def measure(
    callables: dict[str, Callable[[], object]],
    repeats: int = 30,
    warmup: int = 3,
    burst: int = 5,
    watch: Callable[[Iterable[int]], Iterable[int]] = iter,
) -> dict[str, Timing]:
    """Time each of `callables` in `repeats` turns of `burst` calls, all of them taking turns.

    warmup: calls of each before the first turn, not timed. watch: wraps the rounds, for example a progress bar.
    The clock is `time.perf_counter_ns`, which never runs backwards.
    """
    if min(repeats, burst) < 1 or warmup < 0 or not callables:
        raise BadInput("measure needs something to call, repeats and burst from 1, and warmup from 0")
    taken = take_turns(callables, repeats, warmup, burst, watch)
    return {name: summary(calls, warmup) for name, calls in taken.items()}


def summary(calls_ms: np.ndarray, warmup: int = 0) -> Timing:
    """What calls of shape (turns, burst), in milliseconds, say."""
    repeats, burst = calls_ms.shape
    return Timing(*brief(calls_ms), repeats, burst, warmup, few(repeats))


def few(repeats: int) -> str:
    """A warning where there were too few turns, else ""."""
    return f"only {repeats} repeats; take {ENOUGH} or more for a median to rely on" if repeats < ENOUGH else ""

"""Many small measurements brought together: one level for all, and an honest spread.

Networks are measured in groups, and the groups in several passes, with everything opened anew. A few networks, the
anchors, are measured with every group. What moves the anchors moves everything, and is taken out; what is left, and
the level's own movement, is how far apart two profiles of the same network lie.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .timing import Timing, few

# The range of three normal values, in standard deviations, that 95 of 100 such triples stay within.
THREE = 3.31
TURN = 1.2533 / 1.349  # standard deviation of a median of n turns = TURN * interquartile range / sqrt(n)


def together(groups: Sequence[dict[str, Timing]], anchors: Sequence[str]) -> dict[str, Timing]:
    """One timing for each network, from all groups of all passes, each of which holds all `anchors`, by id.

    The spread is relative: three profiles of a network, taken one after the other, lie within it 19 times of 20. It is
    never below the interquartile range of the turns.
    """
    level = {a: float(np.median([group[a].median_ms for group in groups])) for a in anchors}
    shift = [float(np.mean([math.log(group[a].median_ms / level[a]) for a in anchors])) for group in groups]
    seen: dict[str, list[tuple[Timing, float]]] = {}
    for group, log in zip(groups, shift, strict=True):
        for name, timing in group.items():
            seen.setdefault(name, []).append((timing, math.exp(-log)))
    whole = np.var(shift, ddof=1) if len(shift) > 1 else 0.0
    rest = _left(seen)
    return {name: _one(measured, whole, rest) for name, measured in seen.items()}


def _left(seen: dict[str, list[tuple[Timing, float]]]) -> float:
    """Variance of one corrected log measurement around its network's mean, over all networks measured repeatedly."""
    squares, free = 0.0, 0
    for measured in seen.values():
        logs = [math.log(timing.median_ms * factor) for timing, factor in measured]
        squares, free = squares + len(logs) * float(np.var(logs)), free + len(logs) - 1
    return squares / free if free else 0.0


def _one(measured: list[tuple[Timing, float]], whole: float, rest: float) -> Timing:
    median = float(np.median([timing.median_ms * factor for timing, factor in measured]))
    p95 = float(np.mean([timing.p95_ms * factor for timing, factor in measured]))
    turns = sum(timing.repeats for timing, _ in measured)
    middle = float(np.mean([timing.spread for timing, _ in measured]))  # interquartile range of the turns
    deviation = math.sqrt(whole + max(rest / len(measured), (TURN * middle) ** 2 / turns))
    first = measured[0][0]
    return Timing(median, p95, max(middle, THREE * deviation), turns, first.burst, first.warmup, few(turns))

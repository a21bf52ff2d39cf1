"""Branch and bound: the exact optimum of a score that adds up over the parts of an architecture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from math import inf
from typing import Any, NamedTuple

import numpy as np

from ..errors import BadInput
from ..space import Architecture, Block, MobileConformerSpace
from .pruning import ArchitectureTree, Bound, Tree, Visits, exceeds


class Additive(NamedTuple):
    """A cost or score that adds up: frame(architecture without blocks) + sum over slots of block(frame, slot, block).

    Either may be negative. Slots count from 0 through all stages; a skip is asked for, too.
    """

    frame: Callable[[Architecture], float]
    block: Callable[[Architecture, int, Block], float]


class Rest(NamedTuple):
    """One sum of one frame: its frame term, what each block adds in each slot, the least that slots n, ... add."""

    start: float
    added: np.ndarray  # (slots, blocks)
    least: list[float]  # (slots + 1,)


class AdditiveTree(ArchitectureTree):
    """A Mobile Conformer space with additive costs; the first is the score that `branch_and_bound` makes low.

    An open slot is bounded by the lowest that any block adds there. Under a limit L on a cost c that bound is
    blind: the best blocks do not fit together. With `limits` (of costs[1:], as given to `branch_and_bound`) the
    score is bounded by Lagrange's relaxation as well: score + lambda (c - L), which is no more than the score where
    the limit is kept, for any lambda >= 0 (Fisher 1981). Each frame takes the lambda with the highest bound.
    """

    def __init__(
        self, space: MobileConformerSpace, costs: Sequence[Additive], limits: Sequence[float] = ()
    ) -> None:
        super().__init__(space, lambda arch: 0.0)
        if limits and len(limits) != len(costs) - 1:
            raise BadInput(f"{len(limits)} limits for {len(costs) - 1} costs beside the score; give one for each")
        self.costs, self.limits = tuple(costs), tuple(limits)
        self._place = {block: place for place, block in enumerate(self.blocks)}
        self._sums = lru_cache(maxsize=None)(self._sums)  # asked for at every node of a frame

    def _sums(self, frame: Architecture) -> tuple[list[Rest], list[Rest]]:
        """What is summed for this frame: the costs, and for each limit the score relaxed by it."""
        slots = range(sum(self.slots))
        sums = []
        for cost in self.costs:
            added = np.array([[cost.block(frame, slot, block) for block in self.blocks] for slot in slots])
            sums.append(_rest(cost.frame(frame), added))
        score, *others = sums
        relaxed = [_relaxed(score, cost, limit) for cost, limit in zip(others, self.limits, strict=False)]
        return sums, relaxed

    def bound(self, partial: tuple) -> Bound:
        if self.hopeless(partial):
            return inf
        frame, *chosen = partial
        places = [self._place[block] for block in chosen]
        (score, *costs), relaxed = ([_sum(rest, places) for rest in rests] for rests in self._sums(frame))
        # A whole solution has its score; rounding in the relaxation must not cut the best one.
        slack = 1e-9 * (1 + abs(score))
        bounds = [bound - slack for bound in relaxed] if len(partial) < self.depth() else []
        return (max([score, *bounds]), *costs)


def _rest(start: float, added: np.ndarray) -> Rest:
    lowest = added.min(axis=1)[::-1].cumsum()[::-1]
    return Rest(float(start), added, [*map(float, lowest), 0.0])


def _sum(rest: Rest, places: list[int]) -> float:
    chosen = sum(float(rest.added[slot, place]) for slot, place in enumerate(places))
    return rest.start + chosen + rest.least[len(places)]


def _relaxed(score: Rest, cost: Rest, limit: float) -> Rest:
    """score + lambda (cost - limit) for the lambda, of forty, that bounds the empty frame best."""
    unit = (np.ptp(score.added) or 1.0) / (np.ptp(cost.added) or 1.0)
    if not np.isfinite(limit):
        return score
    choices = [0.0, *(unit * 2.0 ** (step / 3) for step in range(-20, 20))]
    rests = (
        _rest(score.start + x * (cost.start - limit), score.added + x * cost.added) for x in choices
    )
    return max(rests, key=lambda rest: rest.start + rest.least[0])


def branch_and_bound(
    tree: Tree, limits: tuple[float, ...] = (), visits: Visits | None = None
) -> tuple[float, Any] | None:
    """The exact optimum: (value, solution) of the lowest bound of a whole solution, or None if there is none.

    Depth first, the most promising option first; a branch is left when it cannot beat the best that is known (Land
    and Doig 1960). With `limits`, bounds are tuples (value, cost, ...), and each cost must stay within its limit.

    >>> from speechnas_lab.search import Queens, branch_and_bound
    >>> value, board = branch_and_bound(Queens(6))
    >>> value, len(board)
    (0, 6)
    """
    visits = visits if visits is not None else Visits()
    depth = tree.depth()
    best: tuple[float, tuple] | None = None

    def descend(partial: tuple) -> None:
        nonlocal best
        children = []
        for place, option in enumerate(tree.options(len(partial))):
            child = (*partial, option)
            visits.nodes += 1
            bound = tree.bound(child)
            value, *costs = bound if isinstance(bound, tuple) else (bound,)
            if value == inf or exceeds(tuple(costs), limits):
                visits.cut += 1
            else:
                children.append((value, place, child))
        for value, _, child in sorted(children, key=lambda row: row[:2]):
            if best is not None and value >= best[0]:
                visits.cut += 1
            elif len(child) < depth:
                descend(child)
            else:
                visits.found += 1
                best = value, child

    descend(())
    return best and (best[0], tree.solution(best[1]))

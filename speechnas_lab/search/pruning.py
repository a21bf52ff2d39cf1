"""Pruning as in the N-Queens puzzle: build an architecture piece by piece, and leave a branch as soon as no way of
finishing it can stay under the limit.

A queen that is attacked need not wait for the rest of the board. A half-built architecture that is too slow already
need not wait for its last block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, combinations, product
from math import inf
from typing import Any, Protocol

from ..space import SKIP, Architecture, MobileConformerSpace, Stage

Bound = float | tuple[float, ...]
Cost = Callable[[Architecture], Bound]


class Tree(Protocol):
    """Partial solutions as tuples of choices, one for each level."""

    def options(self, level: int) -> Sequence[Any]: ...

    def depth(self) -> int: ...

    def bound(self, partial: tuple) -> Bound:
        """No completion of `partial` costs less than this (inf if it has none); of a whole solution, its cost.

        A tuple for several costs, each bounded by itself; inf alone for no completion.
        """

    def solution(self, partial: tuple) -> Any:
        """What a whole partial stands for."""


@dataclass
class Visits:
    """nodes: partial solutions that were looked at; cut: those of them that were left; found: solutions."""

    nodes: int = 0
    cut: int = 0
    found: int = 0


def exceeds(bound: Bound, limit: Bound) -> bool:
    """Is `bound` inf or above `limit`? With several costs (tuples): is any of them?"""
    if isinstance(bound, tuple) and isinstance(limit, tuple):
        return any(cost > most or cost == inf for cost, most in zip(bound, limit, strict=True))
    return bound == inf or bound > limit


def within(tree: Tree, limit: Bound, visits: Visits | None = None) -> Iterator[Any]:
    """Every solution of `tree` that costs at most `limit`, depth first, in the order of the options.

    Several costs at once: a tree whose bounds are tuples, and a tuple with the limit of each.
    """
    visits = visits if visits is not None else Visits()
    depth = tree.depth()

    def descend(partial: tuple) -> Iterator[Any]:
        for option in tree.options(len(partial)):
            child = (*partial, option)
            visits.nodes += 1
            bound = tree.bound(child)
            if exceeds(bound, limit):
                visits.cut += 1  # whatever comes below costs at least this much
            elif len(child) < depth:
                yield from descend(child)
            else:
                visits.found += 1
                yield tree.solution(child)

    return descend(())


class ArchitectureTree:
    """A Mobile Conformer space as a tree: the frame first (rates, widths, reductions, words), then block by block.

    cost: of an architecture, by a rule under which another block never makes it cheaper: parameters, MACs, or a sum of
    latencies of the parts; or a tuple of several such. Then the architecture with skips in all open slots bounds its
    completions from below.

    >>> from speechnas_lab.space import MobileConformerSpace, counts
    >>> space = MobileConformerSpace("laptop")
    >>> tree, visits = ArchitectureTree(space, lambda arch: counts(arch).macs), Visits()
    >>> list(within(tree, counts(space.smallest()).macs / 2, visits))
    []
    >>> visits.nodes == len(tree.frames)  # of 6.6 million billion nodes: no frame leaves room for a block
    True
    """

    def __init__(self, space: MobileConformerSpace, cost: Cost) -> None:
        self.space, self.cost = space, cost
        self.slots = space.choices.slots
        self.frames = list(frames(space))
        self.blocks = space.blocks()

    def options(self, level: int) -> Sequence[Any]:
        return self.blocks if level else self.frames

    def depth(self) -> int:
        return 1 + sum(self.slots)

    def hopeless(self, partial: tuple) -> bool:
        """Are there too many blocks, or too few slots left for enough of them?"""
        filled = sum(not block.is_skip for block in partial[1:])
        return filled > self.space.max_depth or filled + self.depth() - len(partial) < self.space.min_depth

    def bound(self, partial: tuple) -> Bound:
        return inf if self.hopeless(partial) else self.cost(self.architecture(partial))

    def solution(self, partial: tuple) -> Architecture:
        return self.architecture(partial)

    def architecture(self, partial: tuple) -> Architecture:
        """The frame with the chosen blocks, and skips for the rest."""
        frame, *chosen = partial
        if not chosen:
            return frame
        rest = (*chosen, *[SKIP] * (sum(self.slots) - len(chosen)))
        stages, start = [], 0
        for stage, end in zip(frame.stages, accumulate(self.slots), strict=True):
            stages.append(Stage(stage.width, stage.reduction, rest[start:end]))
            start = end
        return replace(frame, stages=tuple(stages))

    def nodes(self) -> int:
        """How many nodes the whole tree has, without its root."""
        return sum(len(self.frames) * len(self.blocks) ** level for level in range(self.depth()))


def frames(space: MobileConformerSpace) -> Iterator[Architecture]:
    """Every way to choose all but the blocks, which are skips."""
    choices = space.choices
    for (stem, out), most in choices.rates().items():
        for reductions in product(choices.reductions, repeat=len(choices.slots)):
            if sum(r != "none" for r in reductions) > most:
                continue
            for widths in product(choices.widths, repeat=len(choices.slots)):
                stages = tuple(
                    Stage(width, reduction, (SKIP,) * n)
                    for width, reduction, n in zip(widths, reductions, choices.slots, strict=True)
                )
                for words in product(choices.activations, choices.norms, choices.macarons):
                    yield Architecture(stem, stages, *words, out)


class Queens:
    """The N-Queens puzzle as a tree: one queen a row, none on the column or the diagonal of another.

    >>> sum(1 for board in within(Queens(8), 0))
    92
    """

    def __init__(self, size: int) -> None:
        self.size = size

    def options(self, level: int) -> Sequence[int]:
        return range(self.size)

    def depth(self) -> int:
        return self.size

    def bound(self, partial: tuple) -> float:
        """How many pairs of queens attack each other; more queens never make it fewer."""
        pairs = combinations(enumerate(partial), 2)
        return sum(c == column or abs(c - column) == row - r for (r, c), (row, column) in pairs)

    def solution(self, partial: tuple) -> tuple:
        return partial

    def nodes(self) -> int:
        """How many nodes the whole tree has, without its root."""
        return sum(self.size**level for level in range(1, self.size + 1))

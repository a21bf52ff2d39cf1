"""Grid search: the product of all genes' options, walked in even strides. No chance at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import gcd, isqrt, prod
from typing import Any

from ..errors import BadInput
from .decode import decoded
from .strategy import NothingLeft, Strategy


def spread(options: int, levels: int | None) -> list[int]:
    """At most `levels` of the places 0..options-1, evenly apart, the first and the last among them.

    >>> spread(6, 3), spread(2, 3), spread(5, 1)
    ([0, 2, 5], [0, 1], [0])
    """
    if levels is None or levels >= options:
        return list(range(options))
    return [place * (options - 1) // max(1, levels - 1) for place in range(levels)]


def golden_walk(points: int) -> Iterator[int]:
    """Every number 0..points-1 once, in strides of about points / 1.618, round and round.

    A stride without a common divisor visits all; the golden ratio keeps every beginning of the walk evenly
    spread (three-distance theorem, Sós 1958).

    >>> list(golden_walk(8))
    [0, 5, 2, 7, 4, 1, 6, 3]
    """
    step = max(1, (isqrt(5 * points * points) - points + 1) // 2)
    while gcd(step, points) > 1:
        step += 1
    return (number * step % points for number in range(points))


class GridSearch(Strategy):
    """Every combination of the genes' options, each gene thinned to `levels` evenly spaced ones (None: all).

    A plain lexicographic walk would change only the last genes before the budget ends. This one takes the
    same combinations, numbered in that order, in golden strides: any beginning of it is spread over the
    whole grid, and in the end it has visited all. `seed` changes nothing.

    >>> from speechnas_lab import search, space
    >>> strategy = search.GridSearch(space.MobileConformerSpace(), levels=2)
    >>> first, second = strategy.ask(), strategy.ask()
    >>> first.arch.stages[0].width, second.arch.stages[0].width
    (128, 48)
    """

    def __init__(
        self,
        space: Any = None,
        seed: int = 0,
        constraint: Callable[[Any], bool] | None = None,
        levels: int | None = None,
    ) -> None:
        super().__init__(space, seed, constraint)
        if levels is not None and levels < 1:
            raise BadInput(f"levels must be 1 or more, or None for all options, not {levels}")
        self.levels = levels
        self._walk: Iterator[Any] | None = None

    def settings(self) -> dict[str, object]:
        return super().settings() | {"levels": self.levels}

    def batch(self) -> int:
        return 50  # results are not needed at all; 50 keeps several workers busy

    def points(self) -> Iterator[Any]:
        """The architectures of the grid in their order, without those that break a limit of the space."""
        grid = [spread(len(gene.options), self.levels) for gene in self.space.genes()]
        for number in golden_walk(prod(map(len, grid))):
            indices = []
            for places in reversed(grid):  # the last gene changes fastest
                number, place = divmod(number, len(places))
                indices.append(places[place])
            arch = decoded(self.space, tuple(reversed(indices)))
            if arch is not None:
                yield arch

    def propose(self, attempt: int) -> Any:
        self._walk = self._walk or self.points()
        for arch in self._walk:
            return arch
        raise NothingLeft("every point of the grid has been tried; use more levels or a smaller budget")

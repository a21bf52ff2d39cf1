"""Local search: walk downhill, one gene at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .decode import decoded
from .strategy import Strategy
from .trial import Trial


def better(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    """Is `a` lower than `b` somewhere and higher nowhere? With one objective: a < b."""
    return a != b and all(x <= y for x, y in zip(a, b, strict=True))


class LocalSearch(Strategy):
    """Hill climbing (White et al. 2021, "Local search is state of the art for NAS benchmarks", algorithm 1).

    It starts at random and asks for the neighbours, those with one other gene, in random order. At the first
    that is better it moves there. Where no neighbour is better is a local optimum: it starts anew. The paper
    looks at all neighbours and takes the best; the laptop space has several hundred, more than a search of
    minutes can pay, so here the first one does. With several objectives, better means that it dominates.

    A neighbour that was evaluated before is not asked again: the walk has gone on from there already.

    >>> from speechnas_lab import search, space
    >>> strategy = search.LocalSearch(space.MobileConformerSpace(), seed=0)
    >>> for value in (5.0, 7.0, 3.0, 4.0):
    ...     strategy.tell(strategy.ask(), (value,))
    >>> strategy.current.values
    (3.0,)
    """

    def __init__(
        self, space: Any = None, seed: int = 0, constraint: Callable[[Any], bool] | None = None
    ) -> None:
        super().__init__(space, seed, constraint)
        self.current: Trial | None = None  # where the walk stands
        self._untried: list[tuple[int, ...]] | None = None  # neighbours of it

    def neighbours(self, arch: Any) -> list[tuple[int, ...]]:
        """The genes of all neighbours of `arch`, in random order. Some may break a limit of the space."""
        home = self.space.to_genes(arch)
        found = [
            (*home[:place], option, *home[place + 1 :])
            for place, gene in enumerate(self.space.genes())
            for option in range(len(gene.options))
            if option != home[place]
        ]
        self.rng.shuffle(found)
        return found

    def propose(self, attempt: int) -> Any:
        if self.current is not None and self._untried is None:
            self._untried = self.neighbours(self.current.arch)
        while self._untried:
            arch = decoded(self.space, self._untried.pop())
            if arch is not None:
                return arch
        self.current, self._untried = None, None
        return self.space.sample(self.rng)

    def learn(self, trial: Trial) -> None:
        if trial.state == "done" and (self.current is None or better(trial.values, self.current.values)):
            self.current, self._untried = trial, None

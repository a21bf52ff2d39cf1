"""Evolution: good architectures have children, old ones die."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import BadInput
from .pareto import crowding_distance, nondominated_ranks
from .strategy import Strategy
from .trial import Trial


def best_first(trials: list[Trial]) -> list[Trial]:
    """Sort by value; several objectives by front, then crowding (NSGA-II, Deb et al. 2002). Older first."""
    if len(trials[0].values) == 1:
        return sorted(trials, key=lambda trial: (trial.values[0], trial.number))
    ranks = nondominated_ranks([trial.values for trial in trials])
    ordered: list[Trial] = []
    for rank in range(max(ranks) + 1):
        front = [trial for trial, r in zip(trials, ranks, strict=True) if r == rank]
        lonely = crowding_distance([trial.values for trial in front])
        pairs = zip(front, lonely, strict=True)
        ordered += [trial for trial, _ in sorted(pairs, key=lambda pair: (-pair[1], pair[0].number))]
    return ordered


class RegularizedEvolution(Strategy):
    """Ageing evolution (Real et al. 2019, algorithm 1), in generations so that children run in parallel.

    The first `population` trials are random. From then on each generation brings `children` new ones:
    1. ageing: only the newest `lifetime` trials live, however good an older one was;
    2. selection: of those alive, the best `population` may be parents;
    3. tournament: `tournament` of them are drawn, the best is the parent;
    4. with probability `crossover` a second parent lends genes; then one or two genes mutate, and more
       after ten failures to find an allowed architecture that is new, at last all.

    `lifetime=population, children=1` is the published algorithm; `lifetime=None` (nobody dies of age) with
    several objectives is NSGA-II's selection. Children of a generation come from the results that were known
    when its first child was asked for: the order of tells within a generation changes nothing.

    >>> from speechnas_lab import search, space
    >>> strategy = search.RegularizedEvolution(space.MobileConformerSpace(), seed=0, population=4, children=4)
    >>> for value in range(8):
    ...     strategy.tell(strategy.ask(), (float(value),))
    >>> [trial.number for trial in strategy.parents]
    [0, 1, 2, 3]
    """

    def __init__(
        self,
        space: Any = None,
        seed: int = 0,
        constraint: Callable[[Any], bool] | None = None,
        population: int = 50,
        children: int = 50,
        tournament: int = 10,  # a fifth of the population; Real et al. draw a quarter
        crossover: float = 0.5,
        lifetime: int | None = 250,
    ) -> None:
        super().__init__(space, seed, constraint)
        for name, value in {"population": population, "children": children, "tournament": tournament}.items():
            if value < 1:
                raise BadInput(f"{name} must be 1 or more, not {value}")
        if not 0 <= crossover <= 1:
            raise BadInput(f"crossover is a probability, 0 to 1, not {crossover}")
        if lifetime is not None and lifetime < population:
            raise BadInput(
                f"lifetime counts trials and must be at least the population, {population}, not {lifetime}"
            )
        self.population, self.children, self.tournament = population, children, tournament
        self.crossover, self.lifetime = crossover, lifetime
        self.parents: list[Trial] = []  # of the generation that is being asked for, best first

    def settings(self) -> dict[str, object]:
        names = ("population", "children", "tournament", "crossover", "lifetime")
        return super().settings() | {name: getattr(self, name) for name in names}

    def batch(self) -> int:
        asked = len(self.trials)
        return self.population - asked if asked < self.population else self.children - self._child(asked)

    def _child(self, number: int) -> int:
        """Place of a trial within its generation of children, from 0."""
        return (number - self.population) % self.children

    def ask(self) -> Trial:
        number = len(self.trials)
        if number >= self.population and self._child(number) == 0:
            self.parents = self._select()
        return super().ask()

    def _select(self) -> list[Trial]:
        done = [trial for trial in self.trials if trial.state == "done"]
        alive = done if self.lifetime is None else done[-self.lifetime :]  # ageing
        return best_first(alive)[: self.population] if alive else []

    def propose(self, attempt: int) -> Any:
        # A neighbourhood that has been searched bare is left by more mutations, at last by chance.
        if not self.parents or attempt >= self.tries // 2:
            return self.space.sample(self.rng)
        child = self._winner().arch
        if self.rng.random() < self.crossover:
            child = self.space.crossover(child, self._winner().arch, self.rng)
        for _ in range(min(1 + attempt // 10, 8)):
            child = self.space.mutate(child, self.rng)  # one or two genes each time
        return child

    def _winner(self) -> Trial:
        """Tournament: parents stand best first, so that the lowest place drawn wins."""
        return self.parents[min(self.rng.randrange(len(self.parents)) for _ in range(self.tournament))]


class AgeingEvolution(RegularizedEvolution):
    """Ageing evolution as published (Real et al. 2019): population 100, tournaments of 25, mutation only."""

    def __init__(
        self, space: Any = None, seed: int = 0, constraint: Callable[[Any], bool] | None = None
    ) -> None:
        sizes = {"population": 100, "children": 1, "tournament": 25, "lifetime": 100}
        super().__init__(space, seed, constraint, crossover=0.0, **sizes)


class NSGA2(RegularizedEvolution):
    """NSGA-II (Deb et al. 2002): nobody dies of age, binary tournaments by front and crowding, crossover 0.9."""

    def __init__(
        self,
        space: Any = None,
        seed: int = 0,
        constraint: Callable[[Any], bool] | None = None,
        population: int = 50,
    ) -> None:
        sizes = {"population": population, "children": population, "tournament": 2, "lifetime": None}
        super().__init__(space, seed, constraint, crossover=0.9, **sizes)

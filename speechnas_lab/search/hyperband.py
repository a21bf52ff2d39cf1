"""Successive halving: many architectures for a little, the best of them for more. Hyperband and ASHA.

Both hand out the same architecture again at a higher fidelity: `trial.budget` is the fidelity it reaches, and
`trial.cost` what is paid for it: only the difference, when the evaluation goes on from a checkpoint. With
`resumes=False` every trial starts from scratch and pays in full. No architecture is asked twice at the same
fidelity. The schedules are written out here: Optuna's pruners stop a trial that runs, and never take up again one
that was stopped, so neither table of the papers comes out of them.
"""

from __future__ import annotations

from collections.abc import Callable
from math import floor, log
from typing import Any

from ..errors import BadInput
from .evolution import best_first
from .strategy import NothingLeft, Strategy
from .trial import Trial


def rungs(least: float, eta: int) -> list[float]:
    """The fidelities eta^-s, ..., eta^-1, 1: as many as are at least `least`.

    >>> [round(1 / budget) for budget in rungs(1 / 27, 3)]
    [27, 9, 3, 1]
    """
    if eta < 2:
        raise BadInput(f"eta is how many compete for one place, 2 or more, not {eta}")
    if not 0 < least <= 1:
        raise BadInput(f"least is the lowest fidelity, above 0 and at most 1, not {least}")
    top = floor(log(1 / least, eta) + 1e-9)
    return [eta**-rung for rung in range(top, -1, -1)]


def brackets(least: float, eta: int) -> list[list[tuple[int, float]]]:
    """Hyperband's brackets from the boldest on: (how many architectures, fidelity) of each rung.

    n = floor((s_max + 1) / (s + 1)) eta^s, then n_i = n eta^-i: table 1 of Li et al. 2018 for R = 81, eta = 3.
    (Their algorithm 1 rounds up after the product: 34, 15, 8 where the table has 27, 9, 6. Those of the table
    divide by eta, so that no place is lost.)

    >>> [[n for n, _ in bracket] for bracket in brackets(1 / 9, 3)]
    [[9, 3, 1], [3, 1], [3]]
    """
    budgets = rungs(least, eta)
    top = len(budgets) - 1
    return [
        [((top + 1) // (s + 1) * eta ** (s - i), budgets[top - s + i]) for i in range(s + 1)]
        for s in range(top, -1, -1)
    ]


class Halving(Strategy):
    """What Hyperband and ASHA share: rungs of trials, and what a trial of the next rung costs."""

    def __init__(
        self,
        space: Any = None,
        seed: int = 0,
        constraint: Callable[[Any], bool] | None = None,
        least: float = 1 / 27,
        eta: int = 3,
        resumes: bool = True,
    ) -> None:
        super().__init__(space, seed, constraint)
        self.least, self.eta, self.resumes = least, eta, resumes
        self.budgets = rungs(least, eta)

    def settings(self) -> dict[str, object]:
        return super().settings() | {"least": self.least, "eta": self.eta, "resumes": self.resumes}

    def propose(self, attempt: int) -> Any:
        return self.space.sample(self.rng)

    def promote(self, trial: Trial, budget: float) -> Trial:
        """The same architecture at the next fidelity."""
        higher = super().hand_out(trial.arch, budget)
        if self.resumes:
            higher.cost = budget - trial.budget
        return higher


class Hyperband(Halving):
    """Hyperband (Li et al. 2018, algorithm 1): brackets of successive halving, from bold to cautious, again and again.

    A bracket starts with random architectures at its lowest fidelity; of each rung the best 1 / `eta` go on to the
    next. Failed trials never do. The rung is decided when all its trials are told; whoever asks earlier gets the
    best of those that are known. Several objectives: by front and crowding, as in NSGA-II.

    >>> from speechnas_lab import search, space
    >>> strategy = search.Hyperband(space.MobileConformerSpace(), seed=0, least=1 / 9)
    >>> for value in range(13):
    ...     strategy.tell(strategy.ask(), (float(value),))
    >>> [round(trial.budget * 9) for trial in strategy.trials]
    [1, 1, 1, 1, 1, 1, 1, 1, 1, 3, 3, 3, 9]
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._rest: list[list[tuple[int, float]]] = []  # brackets of this round that are still to come
        self._bracket: list[tuple[int, float]] = []  # rungs of this bracket that are still to come
        self._places, self._budget = 0, 0.0  # of the rung that is being asked for
        self._rung: list[Trial] = []  # its trials
        self._winners: list[Trial] | None = None  # of the rung before, still to be asked; None: new ones

    def batch(self) -> int:
        return max(1, self._places)

    def ask(self) -> Trial:
        while not self._places:
            self._next_rung()
        if self._winners is not None:
            trial = self.promote(self._winners.pop(0), self._budget)
        else:
            try:
                trial = super().ask()
            except NothingLeft:
                self._places = 0  # the bracket goes on with those it has
                raise
        self._places -= 1
        self._rung.append(trial)
        return trial

    def hand_out(self, arch: Any, budget: float = 1.0) -> Trial:
        return super().hand_out(arch, self._budget)

    def _next_rung(self) -> None:
        done = [trial for trial in self._rung if trial.state == "done"]
        if self._bracket and done:
            places, self._budget = self._bracket.pop(0)
            self._winners = best_first(done)[:places]
            self._places = len(self._winners)
        else:
            self._rest = self._rest or brackets(self.least, self.eta)
            (self._places, self._budget), *self._bracket = self._rest.pop(0)
            self._winners = None
        self._rung = []

"""ASHA: successive halving that never waits."""

from __future__ import annotations

from typing import Any

from ..errors import BadInput
from .evolution import best_first
from .hyperband import Halving
from .trial import Trial


class ASHA(Halving):
    """Asynchronous successive halving (Li et al. 2020, "A system for massively parallel hyperparameter tuning").

    Algorithm 2: whoever asks gets the highest promotion there is, an architecture among the best 1 / `eta` of
    its rung that has not gone on yet; if there is none, a new architecture at the lowest fidelity. No rung has
    to be full, so that slow trials hold up nobody. Failed trials do not count and are never promoted.

    workers: trials that are evaluated at the same time; `search()` asks for so many before it tells.

    >>> from speechnas_lab import search, space
    >>> strategy = search.ASHA(space.MobileConformerSpace(), seed=0, least=1 / 9)
    >>> for value in range(8):
    ...     strategy.tell(strategy.ask(), (float(value),))
    >>> [round(trial.budget * 9) for trial in strategy.trials]
    [1, 1, 1, 3, 1, 1, 1, 3]
    """

    def __init__(self, *args: Any, workers: int = 1, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if workers < 1:
            raise BadInput(f"workers must be 1 or more, not {workers}")
        self.workers = workers
        self._promoted: set[int] = set()  # numbers of trials that have gone on

    def settings(self) -> dict[str, object]:
        return super().settings() | {"workers": self.workers}

    def batch(self) -> int:
        return self.workers

    def ask(self) -> Trial:
        for rung in range(len(self.budgets) - 2, -1, -1):  # the highest first; nothing leaves the top
            for trial in self.promotable(self.budgets[rung]):
                self._promoted.add(trial.number)
                return self.promote(trial, self.budgets[rung + 1])
        return super().ask()

    def promotable(self, budget: float) -> list[Trial]:
        """The best 1 / eta of the rung that have not gone on, best first."""
        rung = [trial for trial in self.trials if trial.state == "done" and trial.budget == budget]
        places = len(rung) // self.eta
        best = best_first(rung)[:places] if places else []
        return [trial for trial in best if trial.number not in self._promoted]

    def hand_out(self, arch: Any, budget: float = 1.0) -> Trial:
        return super().hand_out(arch, self.budgets[0])

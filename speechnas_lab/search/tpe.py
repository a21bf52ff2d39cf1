"""TPE: two densities over the genes, of good and of other architectures. Optuna's, behind our face."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from ..errors import BadInput
from .decode import repaired
from .strategy import Strategy


class TPE(Strategy):
    """Tree-structured Parzen estimator (Bergstra et al. 2011, section 4) over the genes, by Optuna's TPESampler.

    The first `startup` results are of random architectures. Then Optuna is told all results so far and asked
    for the genes where good architectures are dense and others are not, all genes together (`multivariate`, as
    in BOHB, Falkner et al. 2018): on our table that finds the best after 50 trainings in the median, where genes
    taken one by one need 150. A suggestion outside the space is repaired, and told for what was built. After
    `suggestions` that were known or not allowed, mutations of the last one are tried. Several objectives:
    Optuna's multi-objective TPE. Needs the extra `optuna`.

    >>> from speechnas_lab import search, space
    >>> strategy = search.TPE(space.MobileConformerSpace(), seed=0, startup=3)
    >>> for _ in range(5):
    ...     trial = strategy.ask()
    ...     strategy.tell(trial, (trial.arch.depth,))
    """

    suggestions = 3  # in one ask; each takes some 4 ms, and known ones come again and again

    def __init__(
        self,
        space: Any = None,
        seed: int = 0,
        constraint: Callable[[Any], bool] | None = None,
        startup: int = 10,  # Optuna's own default
    ) -> None:
        super().__init__(space, seed, constraint)
        if startup < 1:
            raise BadInput(f"startup must be 1 or more, not {startup}")
        self.startup = startup
        self._study: Any = None
        self._told: set[int] = set()  # numbers of trials that Optuna knows
        self._last: Any = None  # suggested
        self._starting = True  # by chance

    def settings(self) -> dict[str, object]:
        return super().settings() | {"startup": self.startup}

    def propose(self, attempt: int) -> Any:
        if attempt == 0:
            self._starting = sum(trial.state == "done" for trial in self.trials) < self.startup
        if self._starting:
            return self.space.sample(self.rng)
        if attempt >= self.suggestions:
            return self.near(self._last, attempt // 5)  # for long one change at a time: here TPE is a local search
        self._last = self._suggestion()
        return self._last

    def _suggestion(self) -> Any:
        from optuna.trial import TrialState

        from .optuna_bridge import distributions

        self._tell_optuna()
        asked = self._study.ask()
        suggested = asked.relative_params  # all genes together; a suggestion for each would cost as much again
        # Failed trials are those that TPE leaves out: the real result comes in with `add_trial`.
        self._study.tell(asked, state=TrialState.FAIL)
        return repaired(self.space, [suggested[name] for name in distributions(self.space)], self.rng)

    def _tell_optuna(self) -> None:
        """Hand over new results in the order of asking, so that the order of tells changes nothing."""
        from optuna.trial import create_trial

        from .optuna_bridge import distributions, params

        self._study = self._study or _study(self.rng.getrandbits(32), self.objectives or 1)
        genes = distributions(self.space)
        for trial in self.trials:
            if trial.state == "done" and trial.number not in self._told:
                self._told.add(trial.number)
                row = params(self.space, trial.arch)
                values = list(trial.values)
                self._study.add_trial(create_trial(values=values, params=row, distributions=genes))


def _study(seed: int, objectives: int) -> Any:
    """A study in memory, made without a word on the screen."""
    try:
        import optuna
    except ImportError:
        raise BadInput('TPE needs Optuna; install it with pip install "speechnas-lab[optuna]"') from None
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # of `multivariate`, since 2020
            sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=0, multivariate=True)
        return optuna.create_study(directions=["minimize"] * objectives, sampler=sampler)
    finally:
        optuna.logging.set_verbosity(level)

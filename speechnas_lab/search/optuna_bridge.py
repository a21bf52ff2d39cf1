"""Optuna both ways: its samplers on our spaces, and our evolution in its studies. Needs the extra `optuna`.

Each gene is a categorical parameter of Optuna, named as the gene; its value is the place of the option, since
Optuna stores numbers and words, not blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState

from ..errors import BadInput
from .evolution import RegularizedEvolution
from .trial import Trial


def distributions(space: Any) -> dict[str, BaseDistribution]:
    """Name and distribution of every gene."""
    return {gene.name: CategoricalDistribution(range(len(gene.options))) for gene in space.genes()}


def params(space: Any, arch: Any) -> dict[str, int]:
    """The architecture as Optuna's parameters."""
    return dict(zip((gene.name for gene in space.genes()), space.to_genes(arch), strict=True))


def suggest(trial: optuna.Trial, space: Any) -> Any:
    """The architecture that Optuna suggests for this trial. One that breaks a limit of the space is pruned.

    >>> import optuna
    >>> from speechnas_lab import search, space
    >>> laptop = space.MobileConformerSpace("laptop")
    >>> study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    >>> study.optimize(lambda trial: space.counts(search.suggest(trial, laptop)).parameters, n_trials=20)
    >>> laptop.from_genes([study.best_params[gene.name] for gene in laptop.genes()]) in laptop
    True
    """
    indices = [trial.suggest_categorical(gene.name, range(len(gene.options))) for gene in space.genes()]
    try:
        return space.from_genes(indices)
    except BadInput as error:
        raise optuna.TrialPruned(str(error)) from error


class EvolutionSampler(BaseSampler):
    """`RegularizedEvolution` as a sampler of an Optuna study whose objective calls `suggest(trial, space)`.

    settings: those of `RegularizedEvolution`. Directions are the study's. A trial that was pruned or failed, or
    whose parameters were fixed by someone else (`enqueue_trial`), has no children. One process, one thread: a
    study with `n_jobs` above 1 needs another sampler.

    >>> import optuna
    >>> from speechnas_lab import search, space
    >>> laptop = space.MobileConformerSpace("laptop")
    >>> sampler = search.EvolutionSampler(laptop, seed=0, population=5, children=5)
    >>> study = optuna.create_study(sampler=sampler)
    >>> study.optimize(lambda trial: space.counts(search.suggest(trial, laptop)).parameters, n_trials=20)
    >>> len({tuple(trial.params.items()) for trial in study.trials})
    20
    """

    def __init__(self, space: Any, seed: int = 0, **settings: Any) -> None:
        self.evolution = RegularizedEvolution(space, seed, **settings)
        self._asked: dict[int, Trial] = {}  # Optuna's number of a trial -> ours
        self._others = RandomSampler(seed)  # parameters that are no genes

    def infer_relative_search_space(self, study: Any, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        return distributions(self.evolution.space)

    def sample_relative(
        self, study: Any, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        asked = self._asked[trial.number] = self.evolution.ask()
        return params(self.evolution.space, asked.arch)

    def sample_independent(
        self, study: Any, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        return self._others.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self, study: Any, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        asked = self._asked.pop(trial.number, None)
        if asked is None:
            return
        own = params(self.evolution.space, asked.arch)
        if state != TrialState.COMPLETE or any(trial.params.get(name) != own[name] for name in own):
            self.evolution.tell(asked, None, f"{state.name.lower()}, or other parameters than were asked for")
            return
        signs = [-1 if d == optuna.study.StudyDirection.MAXIMIZE else 1 for d in study.directions]
        self.evolution.tell(asked, [sign * value for sign, value in zip(signs, values, strict=True)])

"""Optuna both ways: TPE behind our face, our evolution in a study of Optuna's."""

from __future__ import annotations

import random
import warnings
from typing import Any

import optuna
import pytest
from gene_space import GeneSpace

from speechnas_lab.errors import BadInput
from speechnas_lab.search import TPE, EvolutionSampler, RegularizedEvolution, pareto_front, search, suggest
from speechnas_lab.search.decode import repaired
from speechnas_lab.space import MobileConformerSpace, counts

optuna.logging.set_verbosity(optuna.logging.WARNING)
SPACE = GeneSpace(8, 6, most=24)
TABLE = random.Random(7)
PRICE = [[TABLE.random() for _ in range(6)] for _ in range(8)]


def value(arch: Any) -> float:
    return sum(price[gene] for price, gene in zip(PRICE, arch.genes, strict=True))


def test_tpe_finds_better_ones_than_random_search() -> None:
    wins = 0
    for seed in range(5):
        tpe, chance = (
            search(SPACE, name, lambda trial: (value(trial.arch),), 50, seed=seed).best.values[0]
            for name in ("tpe", "random")
        )
        wins += tpe < chance
    assert wins >= 4


@pytest.mark.parametrize("seed", range(20, 24))
def test_tpe_suggests_what_a_study_of_optuna_would(seed: int) -> None:
    space = GeneSpace(5, 4)  # no limit: nothing is repaired
    strategy = TPE(space, seed=seed, startup=5)
    for _ in range(5):
        strategy.tell(strategy.ask(), (random.Random(strategy.trials[-1].arch.id).random(),))
    state = strategy.rng.getstate()
    asked = strategy.ask().arch
    chance = random.Random()
    chance.setstate(state)
    with warnings.catch_warnings(action="ignore"):
        sampler = optuna.samplers.TPESampler(seed=chance.getrandbits(32), n_startup_trials=0, multivariate=True)
    study = optuna.create_study(sampler=sampler)
    genes = {f"gene{n}": optuna.distributions.CategoricalDistribution(range(4)) for n in range(5)}
    for trial in strategy.trials[:5]:
        row = {f"gene{n}": gene for n, gene in enumerate(trial.arch.genes)}
        study.add_trial(optuna.trial.create_trial(value=trial.values[0], params=row, distributions=genes))
    for _ in range(TPE.suggestions):  # those that are known are passed over
        suggested = study.ask(genes).params
        arch = space.canonical(space.from_genes([suggested[name] for name in genes]))
        if arch not in {trial.arch for trial in strategy.trials[:5]}:
            break
    else:
        pytest.skip("all suggestions were known")
    assert asked == arch


def test_a_result_told_late_changes_nothing() -> None:
    def course(order: int) -> list[Any]:
        strategy = TPE(SPACE, seed=0, startup=4)
        for _ in range(6):
            batch = [strategy.ask() for _ in range(3)]
            for trial in batch[::order]:
                strategy.tell(trial, (value(trial.arch),))
        return [trial.arch for trial in strategy.trials]

    assert course(1) == course(-1)


@pytest.mark.parametrize("seed", range(5))
def test_repair_keeps_as_many_genes_as_the_limit_lets_through(seed: int) -> None:
    rng = random.Random(seed)
    space = GeneSpace(6, 5, most=10)
    for _ in range(100):
        wanted = [rng.randrange(5) for _ in range(6)]
        arch = repaired(space, wanted, rng)
        assert arch in space
        if sum(wanted) <= 10:
            assert list(arch.genes) == wanted
        else:
            other = [place for place in range(6) if arch.genes[place] != wanted[place]]
            free = 10 - sum(arch.genes)
            smaller = sum(wanted[place] < arch.genes[place] for place in other)
            assert other and smaller == 0  # what would make room was taken
            assert all(wanted[p] - arch.genes[p] > 0 for p in other) and free >= 0


def test_studies_of_optuna_search_our_spaces() -> None:
    space = MobileConformerSpace("laptop")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: counts(suggest(trial, space)).parameters, n_trials=60)
    states = {trial.state.name for trial in study.trials}
    assert states == {"COMPLETE", "PRUNED"}  # pruned: too many reductions
    for trial in study.trials:
        if trial.state.name == "COMPLETE":
            arch = space.from_genes([trial.params[gene.name] for gene in space.genes()])
            assert counts(arch).parameters == trial.value


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_our_evolution_runs_in_a_study_as_it_does_alone(direction: str) -> None:
    sign = -1 if direction == "maximize" else 1
    sampler = EvolutionSampler(SPACE, seed=5, population=10, children=5)
    study = optuna.create_study(sampler=sampler, direction=direction)

    def objective(trial: optuna.Trial) -> float:
        trial.suggest_float("other", 0.0, 1.0)  # no gene
        if trial.number % 9 == 4:
            raise optuna.TrialPruned
        return sign * value(suggest(trial, SPACE))

    study.optimize(objective, n_trials=40)
    alone = RegularizedEvolution(SPACE, seed=5, population=10, children=5)
    for number in range(40):
        trial = alone.ask()
        alone.tell(trial, None if number % 9 == 4 else (value(trial.arch),))
        if number % 9 != 4:
            assert [study.trials[number].params[f"gene{n}"] for n in range(8)] == list(trial.arch.genes)
    assert study.best_value == sign * min(t.values[0] for t in alone.trials if t.values)


def test_two_objectives_and_parameters_of_someone_else() -> None:
    sampler = EvolutionSampler(SPACE, seed=0, population=8, children=8, lifetime=None)
    study = optuna.create_study(sampler=sampler, directions=["minimize", "maximize"])
    study.enqueue_trial({f"gene{n}": 0 for n in range(8)})
    study.enqueue_trial({"gene0": 5, "gene1": 0})
    study.optimize(lambda trial: (value(arch := suggest(trial, SPACE)), sum(arch.genes)), n_trials=80)
    own = sampler.evolution.trials
    rows = {tuple(trial.params[f"gene{n}"] for n in range(8)): trial for trial in study.trials}
    assert set(study.trials[0].params.values()) == {0} and study.trials[1].params["gene0"] == 5
    done = [trial for trial in own if trial.state == "done"]
    assert len(done) >= 78 and all(t.state == "done" or "other parameters" in t.reason for t in own)
    for trial in done:
        first, second = rows[trial.arch.genes].values
        assert trial.values == (first, -second)
    front = pareto_front([(a, -b) for a, b in (trial.values for trial in study.trials)])
    assert {study.trials[n].number for n in front} <= {trial.number for trial in study.best_trials}


def test_bad_settings_are_refused() -> None:
    with pytest.raises(BadInput, match="startup"):
        TPE(SPACE, startup=0)


def test_tpe_heeds_every_result_not_only_the_first() -> None:
    """The first ten results praise option 0 of a gene, all later ones option 5: then 5 is what TPE suggests."""
    strategy = TPE(GeneSpace(4, 6), seed=0)
    for number in range(60):
        trial = strategy.ask()
        first = trial.arch.genes[0]
        strategy.tell(trial, (float(first if number < 10 else -first),))
    suggested = [strategy._suggestion().genes[0] for _ in range(20)]
    assert sum(suggested) / len(suggested) > 3.5

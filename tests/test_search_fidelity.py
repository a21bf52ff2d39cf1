"""Hyperband and ASHA: the published schedules, who goes on, and what is paid."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from gene_space import GeneSpace

from speechnas_lab.errors import BadInput
from speechnas_lab.search import ASHA, Hyperband, Trial, search
from speechnas_lab.search.hyperband import brackets, rungs

TABLE = [  # Li et al. 2018, table 1: (n_i, r_i) for R = 81, eta = 3
    [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)],
    [(27, 3), (9, 9), (3, 27), (1, 81)],
    [(9, 9), (3, 27), (1, 81)],
    [(6, 27), (2, 81)],
    [(5, 81)],
]
SPACE = GeneSpace(8, 6)


def value(trial: Trial) -> float:
    return random.Random(trial.arch.id).random() + 0.01 / trial.budget


def told(strategy: Any, number: int) -> list[Trial]:
    for _ in range(number):
        trial = strategy.ask()
        strategy.tell(trial, (value(trial),))
    return strategy.trials


def test_the_brackets_of_the_paper() -> None:
    assert [[(n, round(81 * r)) for n, r in bracket] for bracket in brackets(1 / 81, 3)] == TABLE


def test_hyperband_follows_the_table_and_keeps_the_best_of_each_rung() -> None:
    trials = told(Hyperband(SPACE, seed=0, least=1 / 81), sum(n for bracket in TABLE for n, _ in bracket) + 1)
    start = 0
    for bracket in TABLE:
        before: list[Trial] = []
        for n, r in bracket:
            rung = trials[start : start + n]
            start += n
            assert [round(81 * trial.budget) for trial in rung] == [r] * n
            best = sorted(before, key=lambda trial: trial.values)[:n]
            assert not before or [trial.arch for trial in rung] == [trial.arch for trial in best]
            before = rung
    assert round(81 * trials[start].budget) == 1  # and anew


def test_asha_promotes_the_highest_that_it_can() -> None:
    """Algorithm 2 of the paper, written a second time from the whole history."""
    trials = told(ASHA(SPACE, seed=0, least=1 / 27), 120)
    levels = [27, 9, 3, 1]
    for number, trial in enumerate(trials):
        wanted = None
        for low, high in ((3, 1), (9, 3), (27, 9)):
            rung = [t for t in trials[:number] if round(1 / t.budget) == low]
            gone = {t.arch for t in trials[:number] if round(1 / t.budget) == high}
            best = sorted(rung, key=lambda t: t.values)[: len(rung) // 3]
            ready = [t for t in best if t.arch not in gone]
            if ready:
                wanted = (ready[0].arch, high)
                break
        if wanted:
            assert (trial.arch, round(1 / trial.budget)) == wanted
        else:
            assert round(1 / trial.budget) == 27 and trial.arch not in {t.arch for t in trials[:number]}
    sizes = Counter(round(1 / trial.budget) for trial in trials)
    assert all(sizes[high] >= (sizes[low] // 3) * 0.7 for low, high in zip(levels, levels[1:], strict=False))


@pytest.mark.parametrize("kind", [Hyperband, ASHA])
def test_an_architecture_pays_for_its_highest_fidelity_once(kind: type[Hyperband] | type[ASHA]) -> None:
    result = search(SPACE, kind(), lambda trial: (value(trial),), budget=6, seed=1)
    reached: dict[Any, float] = {}
    for trial in result.trials:
        assert trial.budget > reached.get(trial.arch, 0.0)
        reached[trial.arch] = trial.budget
    assert sum(trial.cost for trial in result.trials) == pytest.approx(sum(reached.values()))
    assert 6 - 1 < sum(reached.values()) <= 6 + 1e-9
    assert result.best.budget == 1 and result.best.arch in reached
    scratch = search(SPACE, kind(resumes=False), lambda trial: (value(trial),), budget=6, seed=1)
    assert all(trial.cost == trial.budget for trial in scratch.trials)
    assert len(scratch.trials) < len(result.trials)


@pytest.mark.parametrize("kind", [Hyperband, ASHA])
def test_failures_are_never_promoted_and_two_objectives_go_by_fronts(kind: type[Hyperband] | type[ASHA]) -> None:
    strategy = kind(SPACE, seed=0, least=1 / 9)
    for number in range(60):
        trial = strategy.ask()
        bad = number % 2 == 0 and trial.budget < 0.2
        strategy.tell(trial, None if bad else (value(trial), -value(trial)))
    failed = {trial.arch for trial in strategy.trials if trial.state == "failed"}
    assert not failed & {trial.arch for trial in strategy.trials if trial.budget > 0.2}


def test_asks_may_run_ahead_of_tells() -> None:
    for strategy in (Hyperband(SPACE, least=1 / 9), ASHA(SPACE, least=1 / 9, workers=7)):
        ahead = [strategy.ask() for _ in range(30)]
        for trial in ahead:
            strategy.tell(trial, (value(trial),))
        told(strategy, 20)
        assert len({(t.arch, t.budget) for t in strategy.trials}) == 50


def test_a_small_space_ends_with_its_best_at_full_fidelity() -> None:
    result = search(GeneSpace(3, 3), "hyperband", lambda trial: (value(trial),), budget=50, seed=0)
    assert "tried" in result.note and result.best.budget == 1


def test_cheap_fidelities_find_more_than_random_search_for_the_same_price() -> None:
    wins = 0
    for seed in range(10):
        found = [
            search(SPACE, name, lambda trial: (value(trial),), budget=12, seed=seed).best.values[0]
            for name in ("asha", "random")
        ]
        wins += found[0] < found[1]
    assert wins >= 8


def test_bad_settings_are_refused() -> None:
    for words, bad in {"eta": dict(eta=1), "least": dict(least=0.0), "workers": dict(workers=0)}.items():
        with pytest.raises(BadInput, match=words):
            ASHA(SPACE, **bad)
    assert rungs(1.0, 3) == [1.0] and len(rungs(1 / 80, 3)) == 4

"""What every strategy promises, on four spaces: new architectures inside the space, cases 28, 30 and 33."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from gene_space import GeneSpace
from toy_space import Toy

from speechnas_lab.errors import BadInput
from speechnas_lab.grading.small_space import small_space
from speechnas_lab.search import SearchResult, Strategy, Trial, read_journal, search
from speechnas_lab.search.run import NAMED
from speechnas_lab.space import CellSpace, MobileConformerSpace, counts

torch.set_num_threads(1)
NAN, INF = float("nan"), float("inf")
EVERY = sorted(NAMED)
SPACES: dict[str, Callable[[], Any]] = {
    "toy": lambda: GeneSpace(6, 4, most=12),
    "small": small_space,
    "cells": CellSpace,
    "laptop": lambda: MobileConformerSpace("laptop"),
}
QUICK = ["toy", pytest.param("small", marks=pytest.mark.slow), "cells", pytest.param("laptop", marks=pytest.mark.slow)]


def value(trial: Trial) -> tuple[float, ...]:
    """Deterministic, another for each architecture, with some structure."""
    noise = random.Random(trial.arch.id).random()
    size = sum(trial.arch.genes) if isinstance(trial.arch, Toy) else counts(trial.arch).parameters / 1e5
    return (size + noise,)


def course(result: SearchResult) -> list[tuple[Any, ...]]:
    return [(t.number, t.arch, t.budget, t.values, t.state, t.reason) for t in result.trials]


@pytest.mark.parametrize("space", QUICK)
@pytest.mark.parametrize("name", EVERY)
def test_case_28_new_allowed_and_inside_and_the_same_for_the_same_seed(name: str, space: str) -> None:
    place = SPACES[space]()

    def allowed(arch: Any) -> bool:
        return int(arch.id, 16) % 4 > 0

    results = [search(place, name, value, 24, constraint=allowed, seed=seed) for seed in (1, 1, 2)]
    trials = results[0].trials
    asked = [(trial.arch, trial.budget) for trial in trials]
    assert len(set(asked)) == len(asked) >= 24
    assert all(arch in place and place.canonical(arch) == arch and allowed(arch) for arch, _ in asked)
    assert sum(trial.cost for trial in trials) <= 24 + 1e-9
    assert course(results[0]) == course(results[1])
    assert (course(results[0]) == course(results[2])) == (name == "grid")


@pytest.mark.parametrize("name", EVERY)
def test_case_30_failed_trials_are_never_a_best(name: str, tmp_path: Path) -> None:
    answers: list[Callable[[Trial], Any]] = [
        lambda trial: 0.9,
        lambda trial: NAN,
        lambda trial: INF,
        lambda trial: 1 / 0,
        lambda trial: None,
        lambda trial: torch.tensor(0.7),
        lambda trial: -INF,
        lambda trial: "low",
        lambda trial: (0.1, 0.2),
        lambda trial: 0.5 + 0.3 * value(trial)[0] / 20,
    ]

    def evaluate(trial: Trial) -> Any:
        return answers[trial.number % 10](trial)

    result = search(SPACES["toy"](), name, evaluate, 20, journal=tmp_path / "j", seed=0)
    _, records = read_journal(tmp_path / "j")
    assert len(records) == len(result.trials) >= 20
    for trial, record in zip(result.trials, records, strict=True):
        good = trial.number % 10 in (0, 5, 9)
        assert (trial.state == "done") == good == bool(trial.values) == (not record["reason"])
    assert [record["reason"] for record in records[:10]] == [
        "",
        "not a finite number: nan",
        "not a finite number: inf",
        "ZeroDivisionError: division by zero",
        "no value",
        "",
        "not a finite number: -inf",
        "not a number: 'low'",
        "2 values where other trials have 1",
        "",
    ]
    assert result.best.values == min(trial.values for trial in result.finished)
    assert all(trial.state == "done" for trial in result.front)


@pytest.mark.parametrize("name", EVERY)
def test_case_30_two_objectives_and_odd_tells(name: str) -> None:
    def evaluate(trial: Trial) -> tuple[float, float]:
        first = value(trial)[0]
        return (first, NAN) if trial.number % 3 == 1 else (first, -first)

    result = search(SPACES["toy"](), name, evaluate, 15, seed=0)
    assert {trial.number % 3 for trial in result.front} <= {0, 2} and result.front
    strategy, other = (NAMED[name](SPACES["toy"](), 0) for _ in range(2))
    trial = strategy.ask()
    strategy.tell(trial, None)
    with pytest.raises(ValueError, match="already"):
        strategy.tell(trial, (1.0,))
    with pytest.raises(ValueError, match="not asked for"):
        strategy.tell(other.ask(), (1.0,))
    strategy.tell(strategy.ask(), (1.0,))


@pytest.mark.parametrize("name", EVERY)
def test_failing_every_trial_ends_with_a_message(name: str) -> None:
    with pytest.raises(BadInput, match="no trial of .* has a result .the first: ZeroDivisionError"):
        search(SPACES["toy"](), name, lambda trial: 1 / 0, 8, seed=0)


@pytest.mark.parametrize("space", QUICK)
@pytest.mark.parametrize("name", EVERY)
def test_case_33_killed_anywhere_it_goes_on_to_the_same_trials(name: str, space: str, tmp_path: Path) -> None:
    place = SPACES[space]()
    calls: list[int] = []

    def run(stop: int, journal: Path | None) -> SearchResult:
        def evaluate(trial: Trial) -> tuple[float, ...]:
            if trial.number == stop:
                raise KeyboardInterrupt
            calls.append(trial.number)
            return value(trial) if trial.number % 7 != 3 else (NAN,)

        return search(place, name, evaluate, 15, journal=journal, seed=3)

    straight = run(-1, None)
    for stop in (1, 5, 13):
        journal = tmp_path / f"{stop}"
        calls.clear()
        with pytest.raises(KeyboardInterrupt):
            run(stop, journal)
        assert course(run(-1, journal)) == course(straight)
        assert sorted(calls) == [trial.number for trial in straight.trials]  # each was evaluated once
    with pytest.raises(BadInput, match="seed: 3 there, 4 now"):
        search(place, name, value, 15, journal=journal, seed=4)


@pytest.mark.parametrize("name", EVERY)
def test_a_small_space_is_used_up_with_a_note(name: str) -> None:
    result = search(GeneSpace(2, 2), name, value, 100, seed=0)
    assert len({trial.arch for trial in result.trials}) == 3 and result.note  # (1, 1) is spelt (1, 0)


def test_settings_tell_strategies_apart() -> None:
    every = [NAMED[name]().settings() for name in EVERY]
    assert all(one != other for i, one in enumerate(every) for other in every[:i])
    assert all(isinstance(NAMED[name](), Strategy) for name in EVERY)

"""Strategies that are handed a cheap score: a ranked pool (zero-shot, one-shot) and a controller on shared weights."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from gene_space import GeneSpace

from speechnas_lab.errors import BadInput
from speechnas_lab.search import ENAS, RankedPool, read_journal, search

SPACE = GeneSpace(6, 4)
PRICE = [[random.Random(f"{place}/{gene}").random() for gene in range(4)] for place in range(6)]


def price(arch: Any) -> float:
    return sum(row[gene] for row, gene in zip(PRICE, arch.genes, strict=True))


def make(kind: type, **more: Any) -> Any:
    return kind(price, **{"name": "price"} | ({"draws": 60} if kind is ENAS else {"pool": 60}) | more)


@pytest.mark.parametrize("kind", [RankedPool, ENAS])
def test_the_best_scored_is_asked_first_and_nothing_twice(kind: type) -> None:
    result = search(SPACE, make(kind), lambda trial: 0.5, 20, seed=0)
    scores = [price(trial.arch) for trial in result.trials]
    assert scores == sorted(scores) and len({trial.arch for trial in result.trials}) == 20
    longer = search(SPACE, make(kind), lambda trial: 0.5, 150, seed=0)  # a new pool, new draws
    assert len({trial.arch for trial in longer.trials}) == 150 and longer.trials[:20][-1].arch == result.trials[-1].arch


@pytest.mark.parametrize("kind", [RankedPool, ENAS])
@pytest.mark.parametrize("killed", [1, 7, 12])
def test_a_killed_search_goes_on_to_the_same_end(kind: type, killed: int, tmp_path: Path) -> None:
    def stops(trial: Any) -> float:
        if trial.number == killed:
            raise KeyboardInterrupt
        return price(trial.arch)

    whole = search(SPACE, make(kind), lambda trial: price(trial.arch), 15, seed=2)
    with pytest.raises(KeyboardInterrupt):
        search(SPACE, make(kind), stops, 15, journal=tmp_path / "j", seed=2)
    assert len(read_journal(tmp_path / "j")[1]) == killed
    again = search(SPACE, make(kind), lambda trial: price(trial.arch), 15, journal=tmp_path / "j", seed=2)
    assert [trial.arch for trial in again.trials] == [trial.arch for trial in whole.trials]
    with pytest.raises(BadInput, match="other settings"):
        search(SPACE, make(kind, name="another"), stops, 15, journal=tmp_path / "j", seed=2)


@pytest.mark.parametrize("kind", [RankedPool, ENAS])
def test_what_cannot_be_scored_or_fails_stops_nothing(kind: type) -> None:
    strategy = make(kind)
    strategy.score = lambda arch: float("nan") if arch.genes[0] == 0 else price(arch)
    result = search(SPACE, strategy, lambda trial: None if trial.number % 2 else price(trial.arch), 12, seed=0)
    assert [trial.state for trial in result.trials] == ["done", "failed"] * 6
    assert result.best.values == min(trial.values for trial in result.finished)
    with pytest.raises(BadInput, match="needs a score"):
        kind()


def test_a_controller_draws_better_than_chance() -> None:
    def seen(draws: int, seed: int) -> float:
        asked: list[float] = []
        strategy = ENAS(lambda arch: asked.append(price(arch)) or asked[-1], draws=draws)
        search(SPACE, strategy, lambda trial: 0.5, 1, seed=seed)
        return sum(asked[-50:]) / 50

    assert sum(seen(300, seed) < seen(50, seed) for seed in range(3)) == 3

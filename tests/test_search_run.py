"""The loop: failures, budget, constraint, journal, kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_space import Toy, ToySpace

from speechnas_lab.errors import BadInput
from speechnas_lab.search import (
    Journal,
    RandomSearch,
    RegularizedEvolution,
    SearchResult,
    Strategy,
    Trial,
    read_journal,
    search,
)
from speechnas_lab.search.run import describe_space
from speechnas_lab.space import PRESETS, MobileConformerSpace

BOTH = [RandomSearch, RegularizedEvolution]
NAN, INF = float("nan"), float("inf")


def cost(trial: Trial) -> tuple[float, ...]:
    return (float(sum(trial.arch.genes)),)


def raising() -> float:
    raise ValueError("no luck\nsecond line")


@pytest.mark.parametrize("kind", BOTH)
def test_case_30_failed_trials_are_never_a_best(kind: type[Strategy], tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    answers: list[Callable[[], Any]] = [
        lambda: 0.9,
        lambda: NAN,
        lambda: INF,
        raising,
        lambda: None,
        lambda: torch.tensor(0.7),
        lambda: -INF,
        lambda: "low",
        lambda: (0.1, 0.2),
        lambda: np.float32(0.5),
    ]
    result = search(
        ToySpace(), kind, lambda trial: answers[trial.number](), 10, journal=tmp_path / "j", seed=0
    )
    assert result.best.values == (0.5,) and [trial.number for trial in result.front] == [9]
    states = [trial.state for trial in result.trials]
    assert states == ["done", *["failed"] * 4, "done", *["failed"] * 3, "done"]
    _, records = read_journal(tmp_path / "j")
    assert [record["reason"] for record in records] == [
        "",
        "not a finite number: nan",
        "not a finite number: inf",
        "ValueError: no luck",
        "no value",
        "",
        "not a finite number: -inf",
        "not a number: 'low'",
        "2 values where other trials have 1",
        "",
    ]


@pytest.mark.parametrize("kind", BOTH)
def test_case_30_two_objectives(kind: type[Strategy]) -> None:
    answers = [(0.9, 0.1), (0.0, NAN), (NAN, 0.0), (0.5, 0.5), (0.6, 0.6)]
    result = search(ToySpace(), kind, lambda trial: answers[trial.number], 5, seed=0)
    assert result.best.number == 3
    assert [trial.number for trial in result.front] == [3, 0]
    assert [trial.state for trial in result.trials].count("failed") == 2


@pytest.mark.parametrize("kind", BOTH)
def test_case_30_telling_twice_or_an_unknown_trial(kind: type[Strategy]) -> None:
    strategy, other = kind(ToySpace(), seed=0), kind(ToySpace(), seed=0)
    trial = strategy.ask()
    strategy.tell(trial, None)
    assert trial.state == "failed" and trial.values == ()
    with pytest.raises(ValueError, match="already"):
        strategy.tell(trial, (1.0,))
    for unknown in (other.ask(), Trial(trial.arch, number=7)):
        with pytest.raises(ValueError, match="not asked for"):
            strategy.tell(unknown, (1.0,))
    assert strategy.ask().number == 1


def test_all_failed_ends_with_a_message() -> None:
    with pytest.raises(BadInput, match="no trial of 4 has a result .the first: ValueError: no luck"):
        search(ToySpace(), "evolution", lambda trial: raising(), 4, seed=0)
    with pytest.raises(BadInput, match="none was evaluated"):
        _ = SearchResult().best


def test_evolution_goes_on_after_a_generation_of_failures() -> None:
    strategy = RegularizedEvolution(population=5, children=5)
    result = search(ToySpace(), strategy, lambda t: cost(t) if t.number > 11 else None, 30, seed=0)
    assert len(result.finished) == 18 and len({trial.arch for trial in result.trials}) == 30


def test_keyboard_interrupt_passes_and_the_search_goes_on_later(tmp_path: Path) -> None:
    def stop(trial: Trial) -> tuple[float, ...]:
        if trial.number == 3:
            raise KeyboardInterrupt
        return cost(trial)

    with pytest.raises(KeyboardInterrupt):
        search(ToySpace(), "evolution", stop, 6, journal=tmp_path / "j", seed=0)
    assert not (tmp_path / "j.lock").exists()
    new = []
    search(
        ToySpace(), "evolution", lambda t: new.append(t.number) or cost(t), 6, journal=tmp_path / "j", seed=0
    )
    assert new == [3, 4, 5]


def test_constraint_that_nothing_meets_ends_soon() -> None:
    asked = []
    with pytest.raises(BadInput, match="loosen the limit"):
        search(ToySpace(), "random", cost, 5, constraint=lambda arch: asked.append(arch), seed=0)
    assert len(asked) <= Strategy.tries


def test_a_small_space_ends_early_with_a_note() -> None:
    result = search(ToySpace(2, 2), "evolution", cost, 100, seed=0)
    assert len(result.trials) == 3 and "larger space" in result.note  # (1, 1) is (1, 0) in canonical form


def test_budget_counts_full_evaluations() -> None:
    class Halves(RandomSearch):
        def hand_out(self, arch: Any, budget: float = 1.0) -> Trial:
            return super().hand_out(arch, 0.5 if len(self.trials) % 3 else 1.0)

    result = search(ToySpace(), Halves, cost, 5, seed=0)  # 1 .5 .5 1 .5 .5 1
    assert sum(trial.budget for trial in result.trials) == 5 and len(result.trials) == 7
    assert all(trial.budget == 1 for trial in [result.best, *result.front])
    for bad in (0, -1, NAN):
        with pytest.raises(BadInput, match="budget"):
            search(ToySpace(), "random", cost, bad)


def test_evaluate_many_gives_the_same_course(tmp_path: Path) -> None:
    sizes = []

    def many(trials: list[Trial]) -> Iterator[Any]:
        sizes.append(len(trials))
        for trial in trials:
            yield ArithmeticError("odd") if trial.number % 7 == 3 else cost(trial)

    def one(trial: Trial) -> tuple[float, ...]:
        if trial.number % 7 == 3:
            raise ArithmeticError("odd")
        return cost(trial)

    batch = search(ToySpace(), "evolution", None, 160, seed=4, evaluate_many=many, journal=tmp_path / "j")
    single = search(ToySpace(), "evolution", one, 160, seed=4)
    assert sizes == [50, 50, 50, 10]
    assert course(batch) == course(single)
    with pytest.raises(BadInput, match="no result for trial 0"):
        search(ToySpace(), "random", None, 3, evaluate_many=lambda trials: [])
    with pytest.raises(BadInput, match="either"):
        search(ToySpace(), "random", None, 3)


def course(result: SearchResult) -> list[tuple[Any, ...]]:
    return [(t.number, t.arch, t.values, t.state, t.reason, t.parts, t.budget) for t in result.trials]


def test_strategies_by_name_class_or_object() -> None:
    wanted = course(search(ToySpace(), "random", cost, 5, seed=3))
    assert wanted == course(search(ToySpace(), RandomSearch, cost, 5, seed=3))
    assert wanted == course(search(ToySpace(), RandomSearch(seed=3), cost, 5))
    used = RandomSearch(ToySpace(), seed=3)
    used.ask()
    for bad, words in ((used, "used already"), ("annealing", "evolution"), (3, "search.Strategy")):
        with pytest.raises(BadInput, match=words):
            search(ToySpace(), bad, cost, 5)


# The journal

CHILD = """
    import os, signal, sys, time
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    from toy_space import ToySpace
    from speechnas_lab import search

    def evaluate(trial):
        with open("evaluated", "a") as file:
            file.write(f"{{trial.number}} {{trial.arch.id}}\\n")
        if trial.number == {stop}:
            os.kill(os.getpid(), signal.SIGKILL)
        trial.parts["twice"] = (trial.number, 2 * trial.number)
        return (float(sum(trial.arch.genes)),)

    search.search(ToySpace(), "evolution", evaluate, 6, journal="journal.jsonl", seed={seed})
"""


def child(folder: Path, stop: int = -1, seed: int = 0) -> subprocess.CompletedProcess[str]:
    code = textwrap.dedent(CHILD).format(tests=str(Path(__file__).parent), stop=stop, seed=seed)
    root = str(Path(__file__).resolve().parents[1])
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
@pytest.mark.parametrize("cut", [0, 20])
def test_case_33_killed_and_resumed(tmp_path: Path, cut: int) -> None:
    def parts(trial: Trial) -> tuple[float, ...]:
        trial.parts["twice"] = (trial.number, 2 * trial.number)
        return cost(trial)

    journal = tmp_path / "journal.jsonl"
    assert child(tmp_path, stop=3).returncode == -signal.SIGKILL
    assert (tmp_path / "journal.jsonl.lock").exists()  # the dead process left it
    journal.write_bytes(journal.read_bytes()[: -cut or None])
    start = time.perf_counter()
    assert child(tmp_path).returncode == 0
    assert time.perf_counter() - start < 10
    assert not (tmp_path / "journal.jsonl.lock").exists()
    evaluated = [line.split() for line in (tmp_path / "evaluated").read_text().splitlines()]
    again = [2, 3] if cut else [3]
    assert [int(number) for number, _ in evaluated] == [0, 1, 2, 3, *again, *range(again[-1] + 1, 6)]
    _, records = read_journal(journal)
    assert len(records) == 6 == len({record["id"] for record in records})

    def never(trial: Trial) -> None:
        raise AssertionError("evaluated again")

    third = search(ToySpace(), "evolution", never, 6, journal=journal, seed=0)
    plain = search(ToySpace(), "evolution", parts, 6, journal=tmp_path / "uninterrupted", seed=0)
    assert course(third) == course(plain)
    more = search(ToySpace(), "evolution", parts, 9, journal=journal, seed=0)  # a larger budget goes on
    assert course(more)[:6] == course(third) and len(more.trials) == 9


def test_case_33_other_settings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "j"
    here = {"corpus": "abc", "max_latency_ms": 5.0}
    search(ToySpace(), "evolution", cost, 3, journal=path, seed=0, settings=here)
    before = path.read_bytes()
    for changed, words in (
        (dict(seed=1), "seed: 0 there, 1 now"),
        (dict(settings=here | {"corpus": "abd"}), "corpus: 'abc' there, 'abd' now"),
        (dict(settings={"corpus": "abc"}), "max_latency_ms: 5.0 there, None now"),
        (dict(space=ToySpace(8, 5)), "space"),
        (dict(strategy="random"), "strategy: 'RegularizedEvolution' there, 'RandomSearch' now"),
        (dict(strategy=RegularizedEvolution(population=10)), "population: 50 there, 10 now"),
    ):
        arguments = dict(space=ToySpace(), strategy="evolution", seed=0, settings=here) | changed
        with pytest.raises(BadInput, match=words):
            search(evaluate=cost, budget=3, journal=path, **arguments)
    with pytest.raises(
        BadInput, match="trial 0 is another architecture"
    ):  # a limit that the settings do not name
        search(
            ToySpace(),
            "evolution",
            cost,
            3,
            journal=path,
            seed=0,
            settings=here,
            constraint=lambda a: a.genes[0] == 5,
        )
    assert path.read_bytes() == before


def test_every_cut_of_a_journal_is_read_as_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "j"
    search(ToySpace(), "random", cost, 3, journal=path, seed=0)
    whole = path.read_bytes()
    settings, _ = read_journal(path)
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        with Journal(path, settings) as journal:
            assert len(journal.records) == max(0, whole[:cut].count(b"\n") - 1)
        assert whole.startswith(path.read_bytes())


def test_damage_in_the_middle_and_foreign_files_are_refused_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "j"
    search(ToySpace(), "random", cost, 3, journal=path, seed=0)
    damaged = path.read_bytes().replace(b'"values":', b'"val', 1)
    for content, words in (
        (damaged, "line 2, is damaged"),
        (b"my notes", "not a journal"),
        (b"[1]\n[2]\n", "damaged"),
    ):
        path.write_bytes(content)
        with pytest.raises(BadInput, match=words):
            search(ToySpace(), "random", cost, 3, journal=path, seed=0)
        assert path.read_bytes() == content and not (tmp_path / "j.lock").exists()


def test_a_living_holder_is_respected_and_a_dead_one_is_not(tmp_path: Path) -> None:
    path, lock = tmp_path / "j", tmp_path / "j.lock"
    with Journal(path, {}):
        owner = json.loads(lock.read_text())
        start = time.perf_counter()
        with pytest.raises(BadInput, match=f"held by process {os.getpid()}"):
            Journal(path, {})
        assert time.perf_counter() - start < 1
    for left in (
        owner | {"started": owner["started"] - 100.0},  # the number was given to another process since
        owner | {"pid": 2**22 + 1},  # more than Linux gives
        "junk",
    ):
        lock.write_text(json.dumps(left))
        start = time.perf_counter()
        Journal(path, {}).close()
        assert time.perf_counter() - start < 4
    lock.write_text(json.dumps(owner | {"host": "elsewhere"}))
    with pytest.raises(BadInput, match="on elsewhere"):
        Journal(path, {})


def test_unwritable_places_and_a_full_disk_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadInput, match="cannot write"):
        search(ToySpace(), "random", cost, 3, journal=tmp_path / "file" / "j", seed=0)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(BadInput, match="No space left on device; make room"):
        search(ToySpace(), "random", cost, 3, journal=tmp_path / "j", seed=0)


def test_parts_that_json_cannot_hold_are_named(tmp_path: Path) -> None:
    def keeps(trial: Trial) -> tuple[float, ...]:
        trial.parts["array"] = np.arange(3)
        trial.parts["odd"] = object() if trial.number == 1 else 1
        return cost(trial)

    with pytest.raises(BadInput, match="not a object"):
        search(ToySpace(), "random", keeps, 3, journal=tmp_path / "j", seed=0)
    assert read_journal(tmp_path / "j")[1][0]["parts"] == {"array": [0, 1, 2], "odd": 1}


def test_a_space_is_described_by_its_choices() -> None:
    assert describe_space(ToySpace()) == describe_space(ToySpace())
    assert describe_space(ToySpace()).startswith("ToySpace toy ")
    assert describe_space(ToySpace(8, 5)) != describe_space(ToySpace(8, 6))
    assert len({Toy((1,)), Toy((1,))}) == 1
    laptop = PRESETS["laptop"]
    rare = replace(laptop, max_depth=laptop.max_depth - 1)  # eight samples need not show the difference
    named = [describe_space(MobileConformerSpace(choices=choices)) for choices in (laptop, rare)]
    assert named[0] != named[1] and named[0] == repr(MobileConformerSpace())


def test_seconds_are_shared_and_hold_the_evaluation() -> None:
    def at_once(trials: list[Trial]) -> list[tuple[float, ...]]:
        time.sleep(0.05)
        return [cost(trial) for trial in trials]

    def own(trials: list[Trial]) -> Iterator[tuple[float, ...]]:
        for trial in trials:
            trial.seconds = 7.0
            yield cost(trial)

    shared = search(ToySpace(), "random", None, 5, seed=0, evaluate_many=at_once).trials
    strategy = RandomSearch(seed=0)
    assert sum(trial.seconds for trial in shared) >= 0.05 * (1 if strategy.batch() > 1 else 5) * 0.9
    given = search(ToySpace(), "random", None, 5, seed=0, evaluate_many=own).trials
    assert [trial.seconds for trial in given] == [7.0] * 5

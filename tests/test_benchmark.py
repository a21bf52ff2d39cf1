"""Our own table: what is written is read, what is asked is what was trained, and strategies pay for what they use."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np
import pytest

from speechnas_lab import benchmark
from speechnas_lab.benchmark import Table, build, compare, members, overfitting
from speechnas_lab.benchmark.table import FIDELITIES, HERE
from speechnas_lab.errors import BadInput
from speechnas_lab.search import RandomSearch, Strategy, search
from speechnas_lab.space import counts


@pytest.fixture(scope="module")
def table() -> Table:
    return Table.open("macro")


def test_the_whole_macro_space_is_in_it(table: Table) -> None:
    assert {row.id for row in table.rows} == {arch.id for arch in members("macro")}
    assert len(table) == 615 >= 600
    space = benchmark.macro_space()
    for seed in range(50):
        assert space.canonical(space.sample(random.Random(seed))) in table


@pytest.mark.parametrize("kind", ["macro", "cell"])
def test_rows_hold_what_can_be_counted_again(kind: str) -> None:
    table = Table.open(kind)
    vocabulary = table.made["vocabulary"]
    for row in random.Random(0).sample(table.rows, 20):
        total = counts(row.arch, vocab_size=vocabulary)
        assert (row.parameters, row.macs, row.arch.id) == (total.parameters, total.macs, row.id)
        for run in row.runs:
            assert len(run.valid_wer) == len(run.valid_loss) == len(FIDELITIES) and len(run.train_loss) == build.CURVE
            assert 0 < run.test_wer < 1.5 and run.train_loss[-1] < run.train_loss[0]
        assert row.facts["latency_ms"] > 0 and row.facts["energy_uj_estimated"] > 0
    size = sum((HERE / f"{kind}{part}.parquet").stat().st_size for part in ("", "-runs"))
    assert size < 2.5e6  # both spaces together stay under 5 MB


def test_bad_questions_are_answered_in_a_line(table: Table, tmp_path: Path) -> None:
    arch = benchmark.macro_space().sample(random.Random(1))
    wrong = type(arch)(arch.stem, arch.stages, "relu", arch.norm, arch.macaron, arch.output_reduction)
    with pytest.raises(BadInput, match="not in the table"):
        table[wrong]
    with pytest.raises(BadInput, match="1/9, 1/3 and 1"):
        table.rows[0].wer(0.5)
    with pytest.raises(BadInput, match="no column 'speed'"):
        table.column("speed")
    with pytest.raises(BadInput, match="no table 'macro'"):
        Table.open("macro", tmp_path)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    archs = members("macro")[:3]
    facts = {arch.id: {"latency_ms": 0.5 + n, "zero_snip": float("nan")} for n, arch in enumerate(archs)}
    (tmp_path / "runs").mkdir()
    for n, arch in enumerate(archs):
        for seed in range(1 + (n == 1)):
            run = {"seed": seed, "valid_wer": [0.9, 0.5, 0.25 + n / 100], "valid_loss": [5.0, 3.0, 1.0],
                   "test_wer": 0.3 + n / 100 + seed, "train_loss": list(range(build.CURVE))}  # fmt: skip
            (tmp_path / "runs" / f"macro-{arch.id}-{seed}.json").write_text(json.dumps(run), encoding="utf-8")
    build.write("macro", archs, tmp_path, {"facts": facts, "device": {}, "warnings": []}, tmp_path / "table")
    read = Table.open("macro", tmp_path / "table")
    assert [row.arch for row in read.rows] == archs
    assert [round(row.wer(), 6) for row in read.rows] == [0.25, 0.26, 0.27] and read.best.arch == archs[0]
    assert read[archs[1]].truth == pytest.approx(0.81) and len(read[archs[1]].runs) == 2
    assert read[archs[2]].wer(1 / 3) == 0.5 and np.isnan(read.column("zero_snip")).all()


def test_every_training_is_planned_once_and_the_first_are_a_fair_sample() -> None:
    wanted = build.trainings({"macro": 615, "cell": 300})
    assert len(set(wanted)) == len(wanted) == 615 + 300 + 2 * 2 * build.REPEATED
    kernels = [sum(block.kernel for stage in arch.stages for block in stage.blocks) for arch in members("macro")]
    assert abs(np.mean(kernels[:200]) - np.mean(kernels)) < 3 * np.std(kernels) / 200**0.5


def test_regret_is_that_of_the_best_trained_in_full(table: Table) -> None:
    """Against the trials themselves, walked through again."""
    space, cost = benchmark.macro_space(), 30
    for make in (lambda: RandomSearch(), lambda: compare.ENTRANTS["hyperband"].make(table, 0)):
        found = compare.course(table, make(), seed=3, cost=cost)
        result = search(space, make(), lambda trial: (table[trial.arch].wer(trial.budget),), cost, seed=3)
        for place, paid in enumerate(compare.GRID):
            total, best = 0.0, float("inf")
            for trial in result.trials:
                total += trial.cost
                if total <= paid + 1e-9 and trial.budget == 1.0:
                    best = min(best, table[trial.arch].wer())
            expected = best - table.best.wer() if np.isfinite(best) else np.nan
            np.testing.assert_allclose(found.valid[place], expected, atol=1e-9)
        assert sum(trial.cost for trial in result.trials) <= cost + 1e-9


def test_every_entrant_runs_and_pays_its_head_start(table: Table) -> None:
    for name, entrant in compare.ENTRANTS.items():
        strategy = entrant.make(table, 1)
        assert isinstance(strategy, Strategy)
        found = compare.course(table, strategy, 1, cost=14, head_start=entrant.head_start)
        known = found.valid[~np.isnan(found.valid)]
        assert len(known) and (np.diff(known) <= 1e-12).all() and known.min() >= 0, name
        if entrant.head_start:
            assert np.isnan(found.valid[[cost < entrant.head_start for cost in compare.GRID]]).all()


def test_who_looks_at_one_is_not_fooled_and_who_looks_at_many_is(table: Table) -> None:
    found = overfitting.gap(table, (1, 10, 100), draws=400)
    off = found.tested - found.reported
    assert abs(off[0]) < 4 * found.error[0]
    assert off[2] > off[1] > off[0] and off[2] > 4 * found.error[2]
    assert abs(found.tested - found.corrected)[2] < 0.4 * off[2]


def test_luck_is_what_simulated_searches_had() -> None:
    """Where the truth is known: the lowest of 100 errors on 240 words, again and again."""
    rng = np.random.default_rng(0)
    had, expected = [], []
    for _ in range(200):
        truth = rng.normal(0.3, 0.03, size=100)
        seen = rng.binomial(240, truth) / 240
        kept = seen.argmin()
        had.append(truth[kept] - seen[kept])
        expected.append(overfitting.luck(seen, 240, rng))
    assert np.mean(had) > 0.04 and np.mean(expected) == pytest.approx(np.mean(had), rel=0.2)
    assert overfitting.luck(np.array([0.3, 0.2]), 240, rng) == 0.0


def test_what_is_drawn_in_is_nearer_the_truth() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(0.3, 0.03, size=300)
    seen = rng.binomial(240, truth) / 240
    likely = overfitting.drawn_in(seen, 240)
    assert ((likely - truth) ** 2).mean() < 0.7 * ((seen - truth) ** 2).mean()

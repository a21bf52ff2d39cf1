"""Single steps of the search, without training anything."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from random import Random

import numpy as np
import pytest
from cli_runs import MICRO, Inline, search, stop
from speech_base import base

from speechnas_lab import jobs, pipeline, results, steps, work
from speechnas_lab.hardware import Profile, Row, this_machine
from speechnas_lab.space import MobileConformerSpace, counts

SPACE = MobileConformerSpace()


def archs(count, seed=0):
    rng = Random(seed)
    return [SPACE.sample(rng) for _ in range(count)]


@pytest.fixture
def here(tmp_path):
    return steps.Run(tmp_path, work.Source("none", None, "smoke"), MICRO, 0, Inline(), device="my board")


def test_losses_come_in_chunks_with_the_next_one_under_way():
    asked = []

    def negated(rows):
        asked.append(len(rows))
        return [-row for row in rows]

    found = jobs.in_chunks(Inline(), negated, range(1, 24), 10)
    assert next(found)[0] == -1 and asked == [5, 5, 5, 5]
    rest = list(found)
    assert [value for value, _ in rest] == [-n for n in range(2, 24)] and asked == [5, 5, 5, 5, 2, 1]
    assert all(seconds > 0 for _, seconds in rest)
    assert list(jobs.in_chunks(Inline(), negated, [], 10)) == []


def test_another_tuning_refuses_the_folder(refused, tmp_path, monkeypatch):
    manifest = base(tmp_path / "speech")
    monkeypatch.setattr(pipeline, "ten_steps", stop)
    assert "stop here" in refused_by(refused, manifest, tmp_path)
    monkeypatch.setattr(steps, "PRIOR", 0.25)
    assert "prior 1.0 there, 0.25 now" in refused_by(refused, manifest, tmp_path)
    monkeypatch.undo()


def refused_by(refused, manifest, folder):
    return refused(*search(manifest, folder / "out"))


def test_tuning_names_only_what_differs(tmp_path):
    pipeline.open_folder(tmp_path / "out", steps.tuning(MICRO))
    with pytest.raises(steps.BadInput, match=r"\(work.finalists 1 there, 2 now\)"):
        pipeline.open_folder(tmp_path / "out", steps.tuning(replace(MICRO, finalists=2)))
    assert json.loads(json.dumps(steps.tuning(MICRO)))["work"] == json.loads(json.dumps(asdict(MICRO)))


def test_the_random_peer_is_no_finalist(here):
    class Size:
        def predict(self, some):
            return np.array([float(counts(arch).parameters) for arch in some])

    first = steps.random_peer(here, 4e5, lambda arch: True, Size())
    second = steps.random_peer(here, 4e5, lambda arch: True, Size(), [first])
    assert first != second
    assert abs(counts(first).parameters - 4e5) <= abs(counts(second).parameters - 4e5)


def test_rank_agreement_is_a_number_or_none():
    def finalists(*pairs):
        return [{"score": score, "wer": wer} for score, wer in pairs]

    assert results.rank_agreement(finalists((1, 2), (2, 3), (3, 9))) == 1.0
    assert results.rank_agreement(finalists((1, 2), (2, 2), (3, 2))) is None
    assert results.rank_agreement(finalists((1, 2), (2, 3))) is None


def made_profile(device, count=40):
    rows = [Row(arch, counts(arch).macs / 1e7 + 0.1, counts(arch).macs / 1e7 + 0.2, 0.01) for arch in archs(count)]
    return Profile(device, 80, 30, 200, 20, 5, warmup=3, rows=rows, warnings=[])


def test_guesses_are_of_predictors_that_did_not_see_the_row(here):
    measured = made_profile(this_machine())
    predictor = steps.fit_predictor(here, measured)
    odd = [replace(row, latency_ms=row.latency_ms * (3 if n == 7 else 1)) for n, row in enumerate(measured.rows)]
    honest = results.out_of_sample(predictor, odd)
    assert honest[7] < 0.6 * odd[7].latency_ms  # whoever saw it would follow it further
    assert np.corrcoef(honest, measured.latencies)[0, 1] > 0.9
    assert results.out_of_sample(predictor, odd[:1]) == [] and len(results.out_of_sample(predictor, odd[:3])) == 3


def test_the_machine_is_this_one_and_the_profiles_is_told_apart(here, monkeypatch):
    board = this_machine("my board")
    facts = results.machine_facts(here, this_machine())
    assert (facts["name"], facts["processor"]) == ("my board", board.processor) and "profile measured on" not in facts
    facts = results.machine_facts(here, replace(board, name="phone", processor="Other CPU"))
    assert facts["processor"] == board.processor and facts["profile measured on"].startswith("phone, Other CPU, ")
    seen = {}

    def measure(some, **how):
        seen.update(how)
        return made_profile(how["device"], 2)

    monkeypatch.setattr(steps, "profile", measure)
    monkeypatch.setattr(steps.Run, "sizes", lambda self: {"input_dim": 80, "vocab_size": 30})
    assert steps.measure_device(here).device == board == seen["device"]


def test_speech_opened_with_a_bar_is_not_opened_again_without(small, tmp_path):
    source = work.Source(str(base(tmp_path)), None, "smoke")
    assert work.open_speech(source, progress=True) is work.open_speech(source)
    assert work.Shown(True) == work.Shown(False) and hash(work.Shown(True)) == hash(work.Shown(False))

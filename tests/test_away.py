"""A search for a device that is not here: its profile, its models' estimates, what the report is told."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from speechnas_lab import steps
from speechnas_lab.away import device_facts, estimate_speed, machine_words
from speechnas_lab.hardware import ESTIMATED, latency_estimated_ms, quick_graph, this_machine
from speechnas_lab.hardware.estimates.roofline import estimated_device
from speechnas_lab.models.baselines import conformer


def test_models_are_estimated_from_their_own_files(tmp_path):
    archs = {"a": conformer(32, 1, kernel=7), "b": conformer(64, 1, kernel=7)}
    for name, arch in archs.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.onnx").write_bytes(quick_graph(arch, vocab_size=50))
    found = estimate_speed(tmp_path, archs, "raspberry-pi-4")
    for name, arch in archs.items():
        latency = latency_estimated_ms(arch, "raspberry-pi-4", vocab_size=50)
        assert found[name]["latency_estimated_ms"] == pytest.approx(latency)
        watts = ESTIMATED["raspberry-pi-4"].power_w.value  # joules a second; the latency is of two seconds of speech
        assert found[name]["energy_away_estimated_mj"] == pytest.approx(1000 * watts * latency / 1000 / 2)
    assert all("estimated" in key for facts in found.values() for key in facts)


def test_the_profile_of_such_a_device_is_estimated_and_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(steps.Run, "sizes", lambda run: {"input_dim": 80, "vocab_size": 30})
    budget = replace(steps.BUDGETS["smoke"], profile=1)
    run = steps.Run(tmp_path, SimpleNamespace(output_reduction=8), budget, 0, None, "jetson-nano")
    found = steps.measure_device(run)
    assert found.device.estimated and found.device.name == "jetson-nano" and len(found.rows) == 4
    monkeypatch.setattr(steps, "estimated_profile", lambda *_, **__: pytest.fail("it was there already"))
    assert steps.measure_device(run).to_json() == found.to_json()


def test_the_report_is_told_what_was_estimated():
    away, here = device_facts(estimated_device("iphone-15")), device_facts(this_machine("mine"))
    assert away["estimated"] and "iphone-15 are estimated, not measured" in away["note"]
    assert not here["estimated"] and here["note"] == "" and "ONNX Runtime" in here["words"]
    words = machine_words(estimated_device("iphone-15"))
    assert "A16" in words and "GFLOP/s" in words and "not checked" in words

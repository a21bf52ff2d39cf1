"""The clock, the machine, the penalty, the profile file."""

from __future__ import annotations

import dataclasses
import json
import math
import random
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from speechnas_lab.errors import BadInput
from speechnas_lab.hardware import Device, Profile, latency_penalty, measure, profile, this_machine
from speechnas_lab.hardware import profiling as profiling_module
from speechnas_lab.hardware.timing import summary
from speechnas_lab.space import MobileConformerSpace


def test_importing_the_room_loads_neither_torch_nor_onnx_runtime():
    code = "import sys, speechnas_lab.hardware; print(sorted({'torch', 'onnxruntime', 'sklearn'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_slow_first_call_and_spikes_do_not_move_the_answer():
    calls = 0

    def work() -> None:
        nonlocal calls
        calls += 1
        time.sleep(0.5 if calls == 1 else 0.05 if calls % 20 == 0 else 0.005)

    timing = measure({"work": work}, repeats=14, warmup=2, burst=3)["work"]
    assert calls == 2 + 14 * (1 + 3)
    assert 5 <= timing.median_ms < 6.5
    assert timing.p95_ms >= timing.median_ms and timing.spread < 0.3
    assert (timing.repeats, timing.warmup, timing.burst, timing.warning) == (14, 2, 3, "")


def test_too_few_repeats_are_said_and_the_candidates_take_turns():
    order: list[str] = []
    found = measure({name: lambda name=name: order.append(name) for name in "ab"}, repeats=2, warmup=0, burst=1)
    assert order == list("aabbaabb")
    assert "only 2 repeats" in found["a"].warning
    for wrong in ({"repeats": 0}, {"burst": 0}, {"warmup": -1}):
        with pytest.raises(BadInput):
            measure({"a": lambda: None}, **wrong)
    with pytest.raises(BadInput):
        measure({})


def test_summary_by_hand():
    timing = summary(np.array([[4.0, 2.0], [9.0, 1.0], [3.0, 30.0], [5.0, 4.0], [6.0, 5.0]]))  # best: 2 1 3 4 5
    assert timing.median_ms == 3 and timing.spread == pytest.approx((4 - 2) / 3)


def test_penalty_values_and_slopes():
    assert latency_penalty(30.0, 25.0, 1.0, True) == 5 and latency_penalty(25.0, 25.0, 1.0) == 0
    assert latency_penalty(20.0, 25.0, 1.0, True) == 0 and latency_penalty(20.0, 25.0, 2.0) == 10
    assert latency_penalty(30.0, 25.0, 0.0) == 0
    assert latency_penalty(0.030, 0.025, 1.0) == pytest.approx(0.005)
    latency = torch.tensor([30.0, 25.0, 20.0], requires_grad=True)
    for one_sided, slopes in ((False, [2.0, 0.0, -2.0]), (True, [2.0, None, 0.0])):
        (slope,) = torch.autograd.grad(latency_penalty(latency, 25.0, 2.0, one_sided).sum(), latency)
        assert all(right is None or got == right for got, right in zip(slope.tolist(), slopes, strict=True))
        assert slope.isfinite().all() and (slope[1] >= 0 or not one_sided)


@pytest.mark.parametrize("target", [0.0, -1.0, math.nan, math.inf, "x", None])
def test_penalty_refuses_a_bad_target(target):
    with pytest.raises(BadInput):
        latency_penalty(30.0, target, 1.0)


@pytest.mark.parametrize("latency", [math.nan, math.inf, -1.0, torch.tensor(math.nan), torch.tensor([1.0, -2.0])])
def test_penalty_refuses_a_bad_latency(latency):
    with pytest.raises(BadInput):
        latency_penalty(latency, 25.0, 1.0)


def test_penalty_refuses_to_reward_slowness():
    with pytest.raises(BadInput):
        latency_penalty(30.0, 25.0, -1.0)


def test_this_machine_survives_a_file():
    device = this_machine("mine")
    assert device.name == "mine" and device.threads == 1 and device.logical_cores >= 1 and device.processor
    assert Device.from_dict(json.loads(json.dumps(device.to_dict()))) == device
    with pytest.raises(BadInput):
        Device.from_dict({"name": "mine"})


@pytest.mark.slow  # a truth about time: it needs a machine that does nothing else
def test_three_profiles_of_one_architecture_agree():
    arch = MobileConformerSpace("laptop").sample(random.Random(4))
    found = [profile([arch], progress=False) for _ in range(3)]
    values = [item.rows[0].latency_ms for item in found]
    assert max(values) / min(values) - 1 <= max(item.rows[0].spread for item in found), values


def test_a_profile_survives_a_file():
    arch = MobileConformerSpace("laptop").sample(random.Random(4))
    found = profile([arch, arch], repeats=3, progress=False)
    again = Profile.from_json(found.to_json())
    assert again == found and len(again.rows) == 1 and again.archs == [arch]
    keys = json.loads(found.to_json())["rows"][0]
    assert {"latency_ms", "p95_ms", "spread_relative"} <= set(keys)
    with pytest.raises(BadInput):
        profile([])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rows": [{"arch": 3}]}', "null"])
def test_a_file_that_is_no_profile_is_refused(text):
    with pytest.raises(BadInput):
        Profile.from_json(text)


def test_a_profile_with_an_impossible_latency_is_refused():
    arch = MobileConformerSpace("laptop").sample(random.Random(4))
    data = json.loads(profile([arch], repeats=1, burst=1, progress=False).to_json())
    assert "only 1 repeats" in data["warnings"][0]
    for wrong in (0.0, -1.0, math.nan, "fast"):
        data["rows"][0]["latency_ms"] = wrong
        with pytest.raises(BadInput):
            Profile.from_json(json.dumps(data))


def test_groups_are_brought_to_one_level_and_an_interrupted_profile_goes_on(tmp_path, monkeypatch):
    space, rng = MobileConformerSpace("laptop"), random.Random(0)
    archs = [space.sample(rng) for _ in range(8)]
    true = {arch.id: 1.0 + number for number, arch in enumerate(archs)}
    measured: list[tuple[int, list[str]]] = []

    def pretend(group, sizes, device, turns, *_):
        measured.append((turns, [arch.id for arch in group]))
        if len(measured) == 2:
            raise KeyboardInterrupt
        slow = {1: 1.0, 3: 2.0, 4: 1.5}.get(len(measured), 1.5)  # the machine gets slower, then recovers a little
        timing = summary(np.ones((turns, 1)))
        return {arch.id: dataclasses.replace(timing, median_ms=true[arch.id] * slow) for arch in group}

    monkeypatch.setattr(profiling_module, "GROUP", 2)
    monkeypatch.setattr(profiling_module, "FEW", 0)
    monkeypatch.setattr(profiling_module, "_measure_group", pretend)
    partial = tmp_path / "profile.partial"
    with pytest.raises(KeyboardInterrupt):
        profile(archs, progress=False, partial=partial, repeats=21)
    found = profile(archs, progress=False, partial=partial, repeats=21)
    assert len(measured) == 7 and measured[1] == measured[2]  # the first group was not measured again
    assert measured[0][1] == measured[4][1] and [turns for turns, _ in measured[1:]] == [11, 11, 11, 10, 10, 10]
    assert np.allclose(found.latencies, 1.5 * np.array([true[arch.id] for arch in archs]))
    partial.write_text("junk")
    with pytest.raises(BadInput):
        profile(archs, progress=False, partial=partial)

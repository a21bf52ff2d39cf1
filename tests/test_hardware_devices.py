"""Devices: what runs a network, under which conditions, how far apart profiles lie, and which network wins where."""

from __future__ import annotations

import collections
import math
import random
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from speechnas_lab import cli
from speechnas_lab.errors import BadInput
from speechnas_lab.hardware import (
    Device,
    LatencyPredictor,
    Sizes,
    at_hand,
    find_device,
    open_on,
    profile,
    quantize_dynamic,
    quick_graph,
    session,
    this_machine,
    threads_kept,
)
from speechnas_lab.hardware.conditions import Conditions, Watch
from speechnas_lab.hardware.device import NAMES
from speechnas_lab.hardware.kit import script as kit_script
from speechnas_lab.hardware.levels import together
from speechnas_lab.hardware.quick_int8 import quick_int8
from speechnas_lab.hardware.timing import Timing
from speechnas_lab.models import build
from speechnas_lab.reproduce import devices, devices_table
from speechnas_lab.space import Architecture, Block, MobileConformerSpace, Stage, counts

SPACE = MobileConformerSpace("laptop")
SMALL = Architecture(4, (Stage(24, "none", (Block(7, 0, 1.0), Block(0, 2, 1.0))),), "gelu", "batch", True, 8)


def archs(count, seed=0):
    rng = random.Random(seed)
    return [SPACE.sample(rng) for _ in range(count)]


def test_devices_at_hand_have_their_own_names_and_survive_a_file():
    here = at_hand()
    names = [device.name for device in here]
    assert len(set(names)) == len(names) and {"ort", "ort-int8", "torch"} <= set(names)
    assert len({device.words for device in here}) == len(here)
    assert all(Device.from_dict(device.to_dict()) == device for device in here)
    assert find_device("ort-int8") == next(device for device in here if device.name == "ort-int8")
    assert find_device("my board") == this_machine("my board") and find_device(None) == this_machine()


def test_a_device_that_is_not_at_hand_is_not_measured_as_another(monkeypatch):
    assert {device.name for device in at_hand()} <= set(NAMES)
    monkeypatch.setattr("speechnas_lab.hardware.device.at_hand", lambda: (this_machine("ort"),))
    for name in ("cuda", "ort-2"):
        with pytest.raises(BadInput, match=f"{name} is not at hand"):
            find_device(name)
    for name, meant in (("raspbery-pi4", "raspberry-pi-4"), ("iphone-14", "iphone-15"), ("ort-int4", "ort-int8")):
        with pytest.raises(BadInput, match=f"is {meant} meant"):
            find_device(name)


def test_a_device_of_an_earlier_version_is_read_and_an_impossible_one_is_not():
    old = this_machine("old").to_dict()
    del old["runtime"], old["estimated"]
    assert Device.from_dict(old) == this_machine("old")
    for wrong in ({"runtime": "abacus"}, {"estimated": "yes"}, {"colour": "red"}):
        with pytest.raises(BadInput, match=next(iter(wrong))):
            Device.from_dict(old | wrong)
    with pytest.raises(BadInput):
        this_machine(threads=0)


def test_every_runtime_runs_the_same_network():
    torch.manual_seed(0)
    network = build(SMALL, input_dim=80, vocab_size=30).eval()
    sizes = Sizes(80, 30, 60)
    with torch.no_grad():
        right = network(*map(torch.from_numpy, sizes.sound()))[0].numpy()
    for device in at_hand():
        with threads_kept(device):
            got = open_on(device, network, sizes)()[0]
        got = np.asarray(got.cpu() if hasattr(got, "cpu") else got)
        assert next(network.parameters()).device.type == "cpu"  # the caller's own stays where it is
        allowed = 0.1 if "int8" in device.runtime else 1e-4
        assert got.shape == right.shape and np.abs(got - right).max() <= allowed * max(1, np.abs(right).max()), device


def test_int8_in_milliseconds_is_what_onnx_runtime_s_own_tool_writes(tmp_path):
    sizes = Sizes(80, 30, 60)
    feed = dict(zip(("features", "lengths"), sizes.sound(), strict=True))
    for number, arch in enumerate([SMALL, *archs(2, 5)]):
        whole = quick_graph(arch, vocab_size=30, seed=number)
        (tmp_path / "whole.onnx").write_bytes(whole)
        theirs, ours = quantize_dynamic(tmp_path / "whole.onnx", tmp_path / "int8.onnx"), quick_int8(whole)
        graphs = [model.graph for model in (onnx.load(theirs), onnx.load_from_string(ours))]
        kinds = [collections.Counter(node.op_type for node in graph.node) for graph in graphs]
        assert kinds[0] == kinds[1] and kinds[0]["MatMulInteger"] > 5
        stored = [{t.name: onnx.numpy_helper.to_array(t) for t in graph.initializer} for graph in graphs]
        assert all(np.array_equal(stored[1][name], value) for name, value in stored[0].items())
        assert np.abs(session(theirs).run(None, feed)[0] - session(ours).run(None, feed)[0]).max() < 1e-5


def test_a_weight_of_two_products_is_stored_once():
    maker = onnx.helper
    weight = onnx.numpy_helper.from_array(np.diag([1, 2, 3, 0]).astype(np.float32), "w")
    nodes = [maker.make_node("MatMul", ["x", "w"], ["y"]), maker.make_node("MatMul", ["y", "w"], ["z"])]
    value = [maker.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 4]) for name in "xz"]
    graph = maker.make_graph(nodes, "twice", value[:1], value[1:], [weight])
    model = maker.make_model(graph, opset_imports=[maker.make_opsetid("", 20)], ir_version=10)
    x = np.array([[1.0, -2.0, 3.0, 4.0]], np.float32)
    got = session(quick_int8(model.SerializeToString())).run(None, {"x": x})[0]
    assert np.allclose(got, x * [1, 4, 9, 0], atol=0.3)


def test_what_cannot_be_run_is_refused_and_torch_gets_its_threads_back():
    pretended = replace(this_machine("moon"), estimated=True)
    with pytest.raises(BadInput, match="moon is estimated"):
        open_on(pretended, SMALL)
    threaded = this_machine("torch", 2, "torch")
    with pytest.raises(BadInput, match="ONNX file"):
        open_on(threaded, b"")
    before, learning = torch.get_num_threads(), build(SMALL, input_dim=80, vocab_size=5).train()
    open_on(threaded, learning, Sizes(80, 5, 20))
    assert learning.training  # the caller's own stays as it is
    with threads_kept(threaded):
        open_on(threaded, SMALL, Sizes(frames=20))()
        assert torch.get_num_threads() == 2
    assert torch.get_num_threads() == before


@pytest.mark.parametrize("runtime", ["onnxruntime-int8", "torch"])
def test_a_profile_says_which_device_it_is_of(runtime):
    device = this_machine("mine", 1, runtime)
    found = profile([SMALL], device=device, frames=20, repeats=2, burst=1, progress=False)
    assert found.device == device and found.rows[0].latency_ms > 0 and isinstance(found.conditions, Conditions)


QUIET = Conditions(2000.0, 800.0, 3000.0, "powersave", (0, 1), 0.1, 0.9, 0.02, 1.0, 1.01, 0.01)


def test_a_quiet_machine_and_what_disturbs_one():
    assert QUIET.disturbances() == [] and QUIET.warning(2) == ""
    assert "free to move between 2 cores" in QUIET.words and "powersave" in QUIET.words
    assert "pinned to core 1" in replace(QUIET, cores=(1,)).words
    for change, threads, word in (
        ({"loop_spread_relative": 0.2}, 1, "varied by 20%"),
        ({"loop_after_ms": 1.5}, 1, "+50% time"),
        ({"others_cores": 1.5}, 1, "1.5 cores busy"),
        ({"others_cores": 0.8}, 2, "0.8 cores busy"),
    ):
        assert word in replace(QUIET, **change).warning(threads), change
    assert replace(QUIET, others_cores=0.8).warning(1) == ""  # one core was left free
    assert replace(QUIET, others_cores=None, cores=None, clock_now_mhz=None, load_before=None).warning() == ""


def test_conditions_survive_a_file_and_are_checked():
    assert Conditions.from_dict(QUIET.to_dict()) == QUIET
    seen = Watch().stop()
    assert Conditions.from_dict(seen.to_dict()) == seen and seen.loop_before_ms > 0
    for wrong in ({"loop_before_ms": math.nan}, {"cores": [0.5]}, {"governor": 3}, {"load_before": "low"},
                  {"loop_after_ms": None}):  # fmt: skip
        with pytest.raises(BadInput):
            Conditions.from_dict(QUIET.to_dict() | wrong)


def test_a_clock_that_is_set_while_it_is_measured_changes_nothing(monkeypatch):
    monkeypatch.setattr(kit_script, "busy_seconds", iter([0.0, 100.0]).__next__)
    monkeypatch.setattr(kit_script.time, "monotonic", iter([0.0, 200.0]).__next__)
    monkeypatch.setattr(kit_script.time, "time", iter([1e9, 0.0]).__next__)
    assert Watch().stop().others_cores == pytest.approx(0.5, abs=0.1)


def test_the_clock_is_read_where_the_system_tells(monkeypatch):
    files = {"scaling_cur_freq": "1500000", "scaling_min_freq": "600000", "scaling_max_freq": "1800000",
             "scaling_governor": "ondemand"}  # fmt: skip
    monkeypatch.setattr(kit_script, "_text", lambda path: files.get(path.rsplit("/", 1)[-1], ""))
    assert kit_script.clock() == {"clock_now_mhz": 1500.0, "clock_min_mhz": 600.0, "clock_max_mhz": 1800.0,
                                  "governor": "ondemand"}  # fmt: skip
    monkeypatch.setattr(kit_script, "_text", lambda path: "CPU MHz\t: 2100.5" if "cpuinfo" in path else "")
    assert kit_script.clock()["clock_now_mhz"] == 2100.5 and kit_script.clock()["governor"] is None
    stat = "cpu  9 9 9 9\ncpu0 100 0 50 900 7 1 2 3 0 0\ncpu1 999 0 0 0 0 0 0 0 0 0"
    monkeypatch.setattr(kit_script, "_text", lambda path: stat)
    monkeypatch.setattr(kit_script, "cores", lambda: [0])
    monkeypatch.setattr(kit_script.os, "sysconf", lambda name: 100)
    assert kit_script.busy_seconds() == pytest.approx(1.56)  # user, system, interrupts, stolen; neither idle nor disk


def simulated(rng, true, start_at=0.0, passes=2, turns=10, level=0.02, own=0.01, noise=0.02):
    """A profile of a machine that drifts from group to group (level), places memory anew (own) and is noisy (noise).

    Also where it has drifted to.
    """
    names, groups, shift = list(true), [], start_at
    for _ in range(passes):
        for start in range(3, len(names), 10):
            shift, group = 0.8 * shift + rng.normal(0, level), {}
            for name in names[:3] + names[start : start + 10]:
                taken = true[name] * np.exp(shift + rng.normal(0, own) + rng.normal(0, noise, turns))
                low, median, high = np.percentile(taken, [25, 50, 75])
                group[name] = Timing(median, high, (high - low) / median, turns, 5, 3, "")
            groups.append(group)
    return together(groups, names[:3]), shift


def test_three_profiles_agree_within_the_reported_spread_and_it_is_no_excuse():
    rng, true = np.random.default_rng(0), {f"{n}": 1.0 + n / 10 for n in range(33)}
    inside, ratios = [], []
    for _ in range(25):
        three, shift = [], 0.0
        for _ in range(3):
            run, shift = simulated(rng, true, shift)
            three.append(run)
        for name in true:
            values, spread = [run[name].median_ms for run in three], max(run[name].spread for run in three)
            inside.append(max(values) / min(values) - 1 <= spread)
            ratios.append(spread / (max(values) / min(values) - 1))
    assert np.mean(inside) >= 0.95 and np.median(ratios) < 4
    calm, _ = simulated(rng, true, level=0.0, own=0.0, noise=0.001)
    assert max(timing.spread for timing in calm.values()) < 0.01
    assert all(abs(timing.median_ms / true[name] - 1) < 0.005 for name, timing in calm.items())
    assert calm["5"].repeats == 20 and calm["0"].repeats == 60


def test_the_devices_are_listed_and_an_unknown_one_is_refused(capsys):
    assert cli.main(["profile", "--list"]) == 0
    said = capsys.readouterr().out
    assert all(f"{device.name} " in said for device in at_hand()) and "raspberry-pi-4" in said
    assert all(("at hand" in line) != ("estimated" in line) for line in said.splitlines())
    assert cli.main(["profile", "--device", "moon"]) == 1
    assert "no device is 'moon'" in capsys.readouterr().err


# Hardware decides ----------------------------------------------------------------------------------------------------
class Pretended:
    """Shared weights that like parameters."""

    sizes = {"input_dim": 80, "vocab_size": 30}

    def ask(self, some):
        return [1e4 / counts(arch).parameters for arch in some]


def test_the_search_finds_the_fastest_that_is_good_enough(monkeypatch, tmp_path):
    monkeypatch.setattr(devices, "GENERATIONS", 8)
    heard, drawn = Pretended(), archs(60, 9)
    points = [devices.score(loss, arch, heard.sizes) for loss, arch in zip(heard.ask(drawn), drawn, strict=True)]
    bound = float(np.quantile(points, 0.1))
    predictor = LatencyPredictor("lookup", space=SPACE).fit(drawn, [counts(arch).macs / 1e7 for arch in drawn])
    found = devices.fastest(SPACE, predictor, heard, bound, tmp_path / "journal.jsonl")
    best = devices.good_enough(SPACE, found, bound)
    assert all(trial.parts["score"] <= bound for trial in best) and len({trial.arch for trial in best}) == len(best)
    good = [ms for arch, ms, point in zip(drawn, predictor.predict(drawn), points, strict=True) if point <= bound]
    assert best[0].parts["predicted_ms"] < min(good)  # evolution beats the draws that set the bound
    with pytest.raises(BadInput):
        devices.good_enough(SPACE, found, -100.0)


def test_ratios_are_compared_pass_by_pass():
    drift = np.array([1.0, 2.0, 4.0, 3.0])
    told = devices_table.against(1.1 * drift, drift)
    assert told["ratio"] == pytest.approx(1.1) and told["low"] == pytest.approx(1.1) == told["high"]
    mine, theirs = np.array([1.0, 1.2, 0.9]), np.array([1.0, 1.0, 1.0])
    logs, told = np.log(mine), devices_table.against(mine, theirs)
    half = 4.302652729911275 * logs.std(ddof=1) / math.sqrt(3)  # Student's t, two degrees of freedom
    assert told["low"] == pytest.approx(math.exp(logs.mean() - half))
    assert told["high"] == pytest.approx(math.exp(logs.mean() + half))


def test_the_square_table_and_what_it_says(monkeypatch):
    other = replace(SMALL, macaron=False, stages=(replace(SMALL.stages[0], blocks=(Block(7, 0, 1.0),)),))
    here = [this_machine("a"), this_machine("b", 1, "onnxruntime-int8")]
    monkeypatch.setattr(devices_table, "REPEATS", 2)
    found = devices_table.square_table({"a": SMALL, "b": other}, here, {"input_dim": 80, "vocab_size": 30}, passes=2)
    assert set(found["table_ms"]) == set(found["ratio"]) == {"a", "b"} and set(found["ratio"]["a"]) == {"b"}
    assert all(cell["latency_ms"] > 0 for row in found["table_ms"].values() for cell in row.values())
    found |= {"devices": {"a": "", "b": ""}, "winners": {"a": {"id": SMALL.id}, "b": {"id": other.id}}}
    found["ratio"] = {"a": {"b": {"ratio": 0.5, "low": 0.4, "high": 0.6}},
                      "b": {"a": {"ratio": 1.5, "low": 1.4, "high": 1.6}}}  # fmt: skip
    lines = devices_table.beside(found)
    assert "On a its own winner: loses to the winner for b (0.50 times its time)." in lines
    assert "On b its own winner: beats the winner for a (1.50 times its time)." in lines
    found["ratio"]["b"]["a"] |= {"low": 0.9}
    assert "is, within the spread, as fast as the winner for a" in devices_table.beside(found)[-1]
    found["winners"]["b"]["id"] = SMALL.id
    assert devices_table.beside(found)[-1] == "On b its own winner: the winner for a is the same network."


def test_what_winners_have_that_others_lack():
    other = replace(SMALL, macaron=False, stages=(replace(SMALL.stages[0], blocks=(Block(9, 0, 1.0),)),))
    third = replace(other, activation="relu")
    one, two, three = devices_table.contrasts({"one": SMALL, "two": other, "three": third})
    assert "it alone has attention with 2 heads, kernels of 7, two half-step feed-forward layers in a block" in one
    assert "it alone lacks kernels of 9, one feed-forward layer in a block" in one
    assert "the most blocks (2 against 1)" in one and "the most blocks with attention (1 against 0)" in one
    assert two == "two: nothing that no other winner has." and "it alone has relu activations" in three
    assert devices_table.contrasts({"a": SMALL, "b": SMALL}) == ["a, b: the same network as every other winner."]

"""The roofline: what a graph costs, by formula; time from it; devices that are not here."""

import json
import random

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from speechnas_lab import cli
from speechnas_lab.errors import BadInput
from speechnas_lab.hardware import ESTIMATED, Profile, Roof, calibrate, estimated_profile, export_onnx, quick_graph
from speechnas_lab.hardware import latency_estimated_ms as latency
from speechnas_lab.hardware.estimates.operations import KINDS, Operation, operations
from speechnas_lab.hardware.estimates.public_devices import VALUE_BYTES
from speechnas_lab.hardware.estimates.roofline import by_kind, figure_words, roof_of, trust, trust_words
from speechnas_lab.hardware.quick_int8 import quick_int8
from speechnas_lab.models.baselines import baseline, conformer
from speechnas_lab.space import CellSpace, MobileConformerSpace, counts


def some_archs() -> list:
    rng, laptop, cells = random.Random(5), MobileConformerSpace("laptop"), CellSpace()
    return [*(laptop.sample(rng) for _ in "ab"), conformer(64, 2, kernel=15), cells.sample(rng)]


@pytest.mark.parametrize("frames", [200, 37])
def test_macs_equal_the_space_s_count_exactly(frames):
    for arch in some_archs():
        listed, counted = operations(arch, frames=frames), counts(arch, frames=frames)
        assert sum(operation.macs for operation in listed) == counted.macs
        products = sum(operation.macs for operation in listed if operation.kind == "attention")
        assert products == counted.by_part["products"][1]


def graph(nodes, shape_out, stored, bands=3) -> bytes:
    """A model with our inputs, whose output `y` the nodes make."""
    inputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, [1, None, bands]),
              helper.make_tensor_value_info("lengths", TensorProto.INT64, [1])]  # fmt: skip
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape_out),
               helper.make_tensor_value_info("n", TensorProto.INT64, [1])]  # fmt: skip
    weights = [numpy_helper.from_array(value, name) for name, value in stored.items()]
    nodes = [*nodes, helper.make_node("Identity", ["lengths"], ["n"])]
    made = helper.make_graph(nodes, "g", inputs, outputs, weights)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()


def test_a_matrix_product_by_hand():
    product = graph([helper.make_node("MatMul", ["features", "w"], ["y"])], [1, None, 5],
                    {"w": np.ones((3, 5), np.float32)})  # fmt: skip
    found = [operation for operation in operations(product, frames=7) if operation.kind != "free"]
    assert found == [Operation("matrix", "MatMul", 7 * 3 * 5, 2 * 7 * 3 * 5, 7 * 3 + 3 * 5 + 7 * 5)]
    # 210 FLOP at 100 GFLOP/s are 2.1 ns; 71 values of 4 bytes at 10 GB/s are 28.4 ns; half a microsecond to start
    assert latency(found, Roof(100, 10, 0.5)) == pytest.approx(0.5284e-3)
    assert latency(found, Roof(1, 10, 0.5)) == pytest.approx(0.710e-3)  # now counting bounds it, 210 ns
    assert latency(found, Roof(1, 10, 0.5, slack=2)) == pytest.approx(1.42e-3)
    assert latency(found, Roof(100, 10, 0.5, value_bytes=2)) == pytest.approx(0.5142e-3)


def test_convolutions_and_an_lstm_by_hand():
    flip = helper.make_node("Transpose", ["features"], ["x"], perm=[0, 2, 1])  # (1, 3, 11)
    depth = graph([flip, helper.make_node("Conv", ["x", "w"], ["y"], group=3, kernel_shape=[5], pads=[2, 2])],
                  [1, 3, None], {"w": np.ones((3, 1, 5), np.float32)})  # fmt: skip
    full = graph([flip, helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[5], pads=[2, 2], strides=[2])],
                 [1, 4, None], {"w": np.ones((4, 3, 5), np.float32)})  # fmt: skip
    steps = helper.make_node("Transpose", ["features"], ["x"], perm=[1, 0, 2])
    lstm = graph([steps, helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=2)], [None, 1, 1, 2],
                 {"w": np.ones((1, 8, 3), np.float32), "r": np.ones((1, 8, 2), np.float32)})  # fmt: skip
    assert [o.launches for o in operations(lstm, frames=11) if o.kind == "recurrent"] == [11]  # each step waits
    assert all(o.launches == (o.kind != "free") for o in operations(full, frames=11))
    macs = {name: {o.kind: o.macs for o in operations(model, frames=11) if o.macs}
            for name, model in {"depth": depth, "full": full, "lstm": lstm}.items()}  # fmt: skip
    assert macs == {"depth": {"depthwise": 11 * 3 * 5}, "full": {"convolution": 6 * 4 * 3 * 5},
                    "lstm": {"recurrent": 11 * 8 * (3 + 2)}}  # fmt: skip


def test_a_model_with_other_inputs_is_refused():
    model = onnx.load_from_string(quick_graph(some_archs()[0]))
    model.graph.input[0].name = "sound"
    for node in model.graph.node:
        node.input[:] = ["sound" if name == "features" else name for name in node.input]
    with pytest.raises(BadInput, match="sound.*takes features and lengths"):
        operations(model.SerializeToString())


def test_what_multiplies_and_is_not_counted_is_refused():
    with pytest.raises(BadInput, match="MatMul.*not counted"):
        operations(quick_int8(quick_graph(some_archs()[0])))
    steps = helper.make_node("Transpose", ["features"], ["x"], perm=[1, 0, 2])
    gru = graph([steps, helper.make_node("GRU", ["x", "w", "r"], ["y"], hidden_size=2)], [None, 1, 1, 2],
                {"w": np.ones((1, 6, 3), np.float32), "r": np.ones((1, 6, 2), np.float32)})  # fmt: skip
    with pytest.raises(BadInput, match="GRU.*not counted"):
        operations(gru)
    free = graph([helper.make_node("Neg", ["features"], ["y"])], [1, None, None], {}, bands=None)
    with pytest.raises(BadInput, match="fixed F"):
        operations(free)


def test_the_table_of_an_estimate_shows_no_spread_that_nobody_measured(capsys):
    assert cli.main(["profile", "--device", "raspberry-pi-4", "--count", "1"]) == 0
    said = capsys.readouterr().out
    rows = said[said.index("architecture  ") :].splitlines()
    assert rows[0].split() == ["architecture", "latency_estimated_ms"] and all(len(row.split()) == 2 for row in rows)


def test_kinds_add_up_and_longer_sound_takes_longer():
    arch, roof = some_archs()[0], Roof(100, 50, 0.3)
    parts = by_kind(arch, roof)
    assert tuple(parts) == KINDS and parts["free"] == 0
    assert sum(parts.values()) == pytest.approx(latency(arch, roof)) == pytest.approx(latency(quick_graph(arch), roof))
    assert latency(arch, roof, frames=800) > 3 * latency(arch, roof, frames=200) - 2 * parts["matrix"] > 0
    launches = sum(operation.kind != "free" for operation in operations(arch))
    assert latency(arch, Roof(1e9, 1e9, 1.0)) == pytest.approx(launches / 1e3, rel=1e-3)


def test_every_public_figure_has_a_source_and_a_size_that_can_be():
    names = {"v100", "snapdragon-8-gen-2", "iphone-15", "raspberry-pi-4", "jetson-nano", "tpu-v4"}
    assert names == set(ESTIMATED)
    for name, device in ESTIMATED.items():
        assert device.precision in VALUE_BYTES
        for key, quoted in device.figures.items():
            assert quoted.value > 0 and len(quoted.source) > 20, (name, key)
            assert ("not checked" in figure_words(name)) == (not all(q.checked for q in device.figures.values()))
    assert ESTIMATED["raspberry-pi-4"].peak_gflops.value == pytest.approx(12)  # 1.5 GHz, 4 values, multiply and add
    assert ESTIMATED["jetson-nano"].peak_gflops.value == pytest.approx(472 / 2, rel=0.01)  # NVIDIA's figure is of fp16
    assert ESTIMATED["v100"].peak_gflops.value == pytest.approx(5120 * 1.53 * 2, rel=0.01)
    for name, wide in (("iphone-15", 3.46), ("snapdragon-8-gen-2", 3.2)):  # four pipes of 128 bits, multiply and add
        assert ESTIMATED[name].peak_gflops.value == pytest.approx(wide * 4 * 128 / 32 * 2)
    rates = {"v100": (4096, 1.75), "snapdragon-8-gen-2": (64, 8.4), "iphone-15": (64, 6.4), "jetson-nano": (64, 3.2)}
    for name, (bits, gigatransfers) in rates.items():
        assert ESTIMATED[name].bandwidth_gb_s.value == pytest.approx(bits / 8 * gigatransfers, rel=0.01)
    arrays = 4 * 2 * 128**2 * 1.05  # a TPU v4: four matrix units on each of two cores, 1.05 GHz (Jouppi et al., 2023)
    assert ESTIMATED["tpu-v4"].peak_gflops.value == pytest.approx(arrays * 2, rel=0.01)
    for quoted in (quoted for device in ESTIMATED.values() for quoted in device.figures.values()):
        assert not (quoted.checked and ("assumed" in quoted.source or "from memory" in quoted.source))


def test_an_estimated_profile_says_so_and_survives_its_file():
    archs = some_archs()[:3]
    pi, gpu = (estimated_profile(archs, name) for name in ("raspberry-pi-4", "v100"))
    assert pi.device.estimated and pi.device.words == "estimated" and "estimated" in pi.warnings[0]
    assert pi.latencies.tolist() == [latency(arch, roof_of("raspberry-pi-4")) for arch in archs]
    assert (pi.latencies > gpu.latencies).all()
    again = Profile.from_json(pi.to_json())
    assert again.device == pi.device and again.latencies.tolist() == pi.latencies.tolist()
    with pytest.raises(BadInput, match="no device is called 'pi'.*raspberry-pi-4"):
        estimated_profile(archs, "pi")


def test_the_stated_error_is_the_one_in_the_file(monkeypatch):
    found = trust()
    if found is not None:  # from its own rows, by another way
        rows = np.array([found["measured_ms"], found["bound_ms"]])[:, -found["architectures"]:]
        error = sorted(abs(found["slack"] * rows[1] / rows[0] - 1))
        assert found["median_relative_error"] == pytest.approx((error[24] + error[25]) / 2)
        assert f"{found['median_relative_error']:.0%}" in trust_words()
        assert roof_of("v100").slack == found["slack"]
    monkeypatch.setattr("speechnas_lab.hardware.estimates.roofline.trust", lambda: None)
    assert "was not measured" in trust_words() and roof_of("v100").slack == 1


def test_this_machine_has_a_roof():
    roof = calibrate(tries=5)
    assert 1 < roof.peak_gflops < 1e5 and 0.1 < roof.bandwidth_gb_s < 1e4 and 0 < roof.launch_us < 1000
    assert json.dumps(roof.launch_us)


@pytest.mark.slow
def test_hand_designed_networks_by_hand(tmp_path):
    width, labels, steps = 128, 200, 50  # two layers, each of two LSTMs; 200 frames stacked by four
    lstm = steps * 4 * width * (4 * 80 + width) * 2 + steps * 4 * width * (2 * width + width) * 2
    model = export_onnx(baseline("lstm", vocab_size=labels), tmp_path / "lstm.onnx").path.read_bytes()
    found = {kind: sum(o.macs for o in operations(model) if o.kind == kind) for kind in ("recurrent", "matrix")}
    assert found == {"recurrent": lstm, "matrix": steps * 2 * width * labels}
    convolutions = 100 * 96 * 80 * 7 + steps * 96 * 96 * 7 + 2 * steps * 96 * 96 * (7 + 7 + 9 + 9)
    model = export_onnx(baseline("jasper", vocab_size=labels), tmp_path / "jasper.onnx").path.read_bytes()
    assert sum(o.macs for o in operations(model) if o.kind == "convolution") == convolutions

"""Files of fewer bits against torch that imitates them: int8 on a dynamic and a static grid, float16; useless clips."""

from __future__ import annotations

import copy
import statistics
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from test_hardware_export import SHAPES, architectures, trained

from speechnas_lab import reproduce
from speechnas_lab.errors import BadInput
from speechnas_lab.hardware import (
    export_onnx,
    quantize_dynamic,
    quantize_static,
    quick_graph,
    session,
    store_half,
    stored_bytes,
    verify,
)
from speechnas_lab.models import baseline, build
from speechnas_lab.reproduce import bits
from speechnas_lab.training import fake_quantised, observe


def clip(frames: int = 60, seed: int = 0) -> torch.Tensor:
    return torch.randn(frames, 80, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def model(tmp_path) -> Path:
    return export_onnx(trained(architectures()[0]), tmp_path / "m.onnx").path


def test_int8_files_compute_what_fake_quantised_torch_does(tmp_path, capfd):
    """For every kernel and number of heads. The one is exact in whole numbers, the other rounds in float32, so that now
    and then a number on an edge falls to the other side, and everything behind it moves by about a step.
    """
    x, lengths, clips = clip(120, 9)[None], torch.tensor([120]), [clip(50 + 10 * n, n) for n in range(2)]
    gaps = []
    for arch in architectures():
        network = trained(arch)
        whole = export_onnx(network, tmp_path / "m.onnx")
        dynamic = quantize_dynamic(whole.path, tmp_path / "d.onnx")
        static = quantize_static(whole.path, tmp_path / "s.onnx", [c.numpy() for c in clips])
        limits = observe(network, clips)
        for path, twin in ((dynamic, fake_quantised(network)), (static, fake_quantised(network, limits=limits))):
            assert stored_bytes(path) < 0.31 * whole.stored_bytes
            assert verify(path, network, shapes=SHAPES, tolerance=None) < 0.5  # finite, and near
            got, _ = session(path).run(None, {"features": x.numpy(), "lengths": lengths.numpy()})
            with torch.no_grad():
                full, like = (n(x, lengths)[0].numpy() for n in (network, twin))
            gaps.append(np.abs(got - like).mean())
            assert np.corrcoef((got - full).ravel(), (like - full).ravel())[0, 1] > 0.5
    assert statistics.median(gaps) < 1e-6, gaps
    assert not capfd.readouterr().err  # ONNX Runtime says nothing


def test_a_static_grid_is_that_of_the_clips(model, tmp_path):
    clips = [clip(60, n) * (n + 1) for n in range(3)]
    static = onnx.load(quantize_static(model, tmp_path / "s.onnx", [c.numpy() for c in clips]))
    values = {t.name: onnx.numpy_helper.to_array(t) for t in static.graph.initializer}
    low, high = observe(trained(architectures()[0]), clips)["stem.4"]
    feeds = {node.output[0]: node for node in static.graph.node}
    product = next(n for n in static.graph.node if n.op_type == "MatMul")  # the stem's
    scale, zero = (values[name] for name in feeds[product.input[0]].input[1:3])
    assert scale == pytest.approx((high - low) / 255, rel=1e-5) and zero == round(-low / float(scale))
    weights = values[feeds[product.input[1]].input[0]]
    assert weights.dtype == np.int8 and np.abs(weights.astype(int)).max(0).tolist() == [127] * weights.shape[1]


@pytest.mark.parametrize("count", [1, 12])
def test_few_clips_are_enough_to_make_a_file(count, model, tmp_path):
    made = quantize_static(model, tmp_path / "s.onnx", (clip(40, n).numpy() for n in range(count)))
    assert np.isfinite(session(made).run(None, {"features": clip()[None].numpy(), "lengths": np.array([60])})[0]).all()


@pytest.mark.parametrize("clips", [
    [], [np.zeros((0, 80))], [np.zeros((5, 40))], [np.zeros(80)], [np.full((5, 80), np.nan)], [np.ones((5, 80, 1))],
])  # fmt: skip
def test_clips_that_cannot_calibrate_are_refused(clips, model, tmp_path):
    with pytest.raises(BadInput, match="calibration") as error:
        quantize_static(model, tmp_path / "s.onnx", clips)
    assert "\n" not in str(error.value) and not (tmp_path / "s.onnx").exists()


def test_half_stores_two_bytes_a_weight_and_computes_in_float32(tmp_path):
    network = trained(architectures()[0])
    whole = export_onnx(network, tmp_path / "m.onnx")
    half = store_half(whole.path, tmp_path / "h.onnx")
    rounded = copy.deepcopy(network)
    wide = [weight for weight in rounded.parameters() if weight.dim() > 1]
    for weight in wide:
        weight.data = weight.data.half().float()
    assert verify(half, rounded, shapes=SHAPES) < 1e-5 < verify(half, network, tolerance=None)
    assert stored_bytes(half) == whole.stored_bytes - 2 * sum(weight.numel() for weight in wide)


def test_what_float16_cannot_hold_is_refused(tmp_path):
    weights = build(architectures()[0], vocab_size=30).state_dict()
    weights["head.1.weight"][0, 0] = 70_000.0
    (tmp_path / "m.onnx").write_bytes(quick_graph(architectures()[0], vocab_size=30, weights=weights))
    with pytest.raises(BadInput, match="head.1.weight.*7e.04"):
        store_half(tmp_path / "m.onnx", tmp_path / "h.onnx")
    assert not (tmp_path / "h.onnx").exists()


@pytest.mark.parametrize(("write", "more"), [(quantize_dynamic, []), (store_half, []), (quantize_static, [[clip()]])])
def test_a_file_that_is_no_model_is_refused(write, more, tmp_path):
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    for name in ("junk.onnx", "missing.onnx"):
        with pytest.raises(BadInput):
            write(tmp_path / name, tmp_path / "out.onnx", *more)
    assert not (tmp_path / "out.onnx").exists()


def test_what_an_int8_file_keeps_in_float32_is_told(model, tmp_path):
    small = quantize_dynamic(model, tmp_path / "d.onnx")
    parts = bits._left_in_float(small)
    assert sum(parts.values()) == stored_bytes(small)
    matrices = [m for m in trained(architectures()[0]).modules() if isinstance(m, torch.nn.Linear)]
    assert parts["int8 matrices"] == sum(m.weight.numel() for m in matrices)
    assert parts["scales and zero points"] == 5 * sum(m.out_features for m in matrices)


def test_a_figure_of_a_winner_wants_the_folder_of_a_search(tmp_path):
    with pytest.raises(BadInput, match="no winner.json"):
        reproduce.run("bits", tmp_path, 1, tmp_path / "nothing")
    with pytest.raises(BadInput, match="leave out --search"):
        reproduce.run("cells", tmp_path, 1, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["conformer-small", "lstm", "quartznet"])
def test_files_of_hand_designed_networks(name, tmp_path):
    network = baseline(name, vocab_size=30).eval()
    whole = export_onnx(network, tmp_path / "m.onnx")
    half = store_half(whole.path, tmp_path / "h.onnx")
    assert 0.5 < stored_bytes(half) / whole.stored_bytes < 0.55
    assert verify(half, network, tolerance=None) < 0.05
    assert verify(quantize_dynamic(whole.path, tmp_path / "d.onnx"), network, tolerance=None) < 0.5
    assert verify(quantize_static(whole.path, tmp_path / "s.onnx", [clip().numpy()]), network, tolerance=None) < 2

"""Graphs and exported files against torch; int8; speed and memory."""

from __future__ import annotations

import os
import random
import sys
import time

import numpy as np
import onnx
import pytest
import torch

from speechnas_lab.errors import BadInput
from speechnas_lab.hardware import (
    ExportFailed,
    export_onnx,
    measure,
    peak_memory,
    quantize_dynamic,
    quick_graph,
    real_time_factor,
    session,
    stored_bytes,
    verify,
)
from speechnas_lab.models import BASELINES, baseline, build
from speechnas_lab.models.baselines import ConvNet
from speechnas_lab.space import Architecture, Block, MobileConformerSpace, Stage

SHAPES = ((1, 50), (3, 50), (3, 97), (2, 400), (1, 8), (1, 1))
OPTIONS = [(kernel, heads) for kernel in (0, 3, 5, 7, 11, 15) for heads in (0, 4, 8, 16) if kernel or heads]


def architectures() -> list[Architecture]:
    """Every kernel and number of heads, every reduction, activation, norm; macaron; odd places."""
    rng, blocks = random.Random(0), [Block(k, h, 1.5 + 0.5 * (n % 4)) for n, (k, h) in enumerate(OPTIONS)]
    rng.shuffle(blocks)
    found = []
    for n in range(8):
        mine = (blocks[3 * n : 3 * n + 3] + [Block(0, 0, 0.0)] * 3)[:3]
        reduction = ("none", "conv", "pool")[n % 3]
        stages = (Stage(48, "none", (mine[0],)), Stage(64, reduction, (mine[1], mine[2])), Stage(64, "none", ()))
        norm, active = ("layer", "batch")[n % 2], ("swish", "gelu", "relu")[n // 2 % 3]
        found.append(Architecture(4, stages, active, norm, n == 5, 8 if n != 6 else 16))
    return found


def trained(arch: Architecture, vocab_size: int = 30) -> torch.nn.Module:
    """A network whose every weight and running statistic differs from its start."""
    torch.manual_seed(0)
    network = build(arch, vocab_size=vocab_size).eval()
    for name, value in network.state_dict().items():
        value += torch.rand_like(value) * (0.5 if "variance" in name else 0.1)
    return network


@pytest.mark.parametrize("arch", architectures(), ids=range(8))
def test_the_direct_graph_computes_the_network(arch, tmp_path):
    network = trained(arch)
    report = export_onnx(network, tmp_path / "m.onnx", metadata={"labels": ["a", "b"], "kind": "words"})
    assert report.exporter == "direct" and report.opset == 20 and report.largest_error <= 1e-4
    assert verify(report.path, network, shapes=SHAPES) <= 1e-4
    opened = session(report.path)
    assert opened.get_modelmeta().custom_metadata_map == {"labels": '["a", "b"]', "kind": "words"}
    assert report.file_bytes >= report.stored_bytes >= 4 * sum(p.numel() for p in network.parameters()) * 0.99
    small = quantize_dynamic(report.path, tmp_path / "m8.onnx")
    assert stored_bytes(small) < 0.4 * report.stored_bytes
    assert verify(small, network, shapes=SHAPES, tolerance=None) < 0.5  # finite, and near


def test_random_weights_give_finite_answers_quickly():
    space, rng = MobileConformerSpace("laptop"), random.Random(1)
    archs = [space.sample(rng) for _ in range(5)]
    made = [quick_graph(arch, vocab_size=40) for arch in archs]
    feed = {"features": np.ones((2, 77, 80), np.float32), "lengths": np.array([77, 30])}
    for model in made:
        logits, lengths = session(model).run(None, feed)
        assert logits.shape == (2, 10, 40) and np.isfinite(logits).all() and lengths.tolist() == [10, 4]
    assert measure({"graph": lambda: quick_graph(archs[0])}, repeats=3, burst=2)["graph"].median_ms < 100


def test_torchs_exporter_for_other_families(tmp_path):
    torch.manual_seed(0)
    network = ConvNet(80, 30, 32, [11, 13], 2, separable=True)
    with pytest.raises(BadInput):
        export_onnx(network, tmp_path / "m.onnx", exporter="direct")
    report = export_onnx(network, tmp_path / "m.onnx")
    assert report.exporter == "torch" and network.training
    assert verify(report.path, network.eval(), shapes=SHAPES) <= 1e-4
    assert stored_bytes(quantize_dynamic(report.path, tmp_path / "m8.onnx")) < report.stored_bytes


@pytest.mark.slow
@pytest.mark.parametrize("name", BASELINES)
def test_torchs_exporter_for_all_baselines(name, tmp_path, recwarn):
    network = baseline(name, vocab_size=30)
    report = export_onnx(network, tmp_path / "m.onnx", exporter="torch")
    assert report.exporter == "torch" and verify(report.path, network.eval(), shapes=SHAPES[:4]) <= 1e-4
    small = stored_bytes(quantize_dynamic(report.path, tmp_path / "m8.onnx"))
    assert small < (1.0 if name == "jasper" else 0.4) * report.stored_bytes  # Jasper's filters stay float32
    assert not [warning for warning in recwarn if "_check_is_size" in str(warning.message)]


def test_another_networks_file_is_caught(tmp_path):
    arch = architectures()[0]
    first, second = trained(arch), build(arch, vocab_size=30).eval()
    export_onnx(first, tmp_path / "m.onnx")
    with pytest.raises(ExportFailed, match="differs from torch"):
        verify(tmp_path / "m.onnx", second)
    with pytest.raises(ExportFailed, match="shapes"):
        verify(tmp_path / "m.onnx", build(arch, vocab_size=31).eval())


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    for path in ("junk.onnx", "missing.onnx"):
        with pytest.raises(BadInput) as error:
            session(tmp_path / path)
        assert "\n" not in str(error.value)
        with pytest.raises(BadInput):
            peak_memory(tmp_path / path)
        with pytest.raises(BadInput):
            quantize_dynamic(tmp_path / path, tmp_path / "out.onnx")


def test_stored_bytes_by_hand(tmp_path):
    values = [
        onnx.numpy_helper.from_array(np.zeros(shape, kind), f"{kind}")
        for shape, kind in (((3, 5), "float32"), ((7,), "int8"), ((2,), "int64"))
    ]
    graph = onnx.helper.make_graph([], "g", [], [], values)
    onnx.save(onnx.helper.make_model(graph), tmp_path / "m.onnx")
    assert stored_bytes(tmp_path / "m.onnx") == 4 * 15 + 7 + 16


def test_real_time_factor_counts_features_encoder_and_decoding():
    pytest.importorskip("torchaudio")
    arch = architectures()[0]
    waves = [np.random.default_rng(n).standard_normal(8000 * (n + 1)).astype(np.float32) for n in range(2)]
    sizes = {"small": session(quick_graph(arch)), "again": session(quick_graph(arch))}

    def mel(wave: np.ndarray) -> torch.Tensor:
        return torch.zeros(1 + len(wave) // 160, 80)

    found = real_time_factor(sizes, mel, waves, repeats=10)
    assert found["small"].audio_seconds == 1.5 and 0 < found["small"].features_rtf < found["small"].rtf < 1
    assert found["small"].rtf == pytest.approx(found["again"].rtf, rel=0.4)

    def slow(logits: torch.Tensor, lengths: torch.Tensor) -> None:
        end = time.perf_counter() + 0.02
        while time.perf_counter() < end:
            pass

    heavy = real_time_factor({"small": sizes["small"]}, mel, waves, slow, repeats=4)["small"]
    assert heavy.rtf > 2 * 0.02 / 1.5 and "only 4 repeats" in heavy.warning
    with pytest.raises(BadInput):
        real_time_factor({}, mel, waves)


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="no way to read a process's peak here")
def test_peak_memory_sees_the_weights(tmp_path):
    if sys.platform == "linux" and not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("this system hides the peak")
    sizes = {}
    for width in (48, 768):
        stage = Stage(width, "none", (Block(3, 4, 4.0), Block(3, 4, 4.0)))
        arch = Architecture(4, (stage,), "swish", "layer", False, 8)
        path = tmp_path / f"{width}.onnx"
        path.write_bytes(quick_graph(arch, vocab_size=30))
        sizes[width] = peak_memory(path), stored_bytes(path)
    grown, weights = sizes[768][0] - sizes[48][0], sizes[768][1] - sizes[48][1]
    assert 0.9 * weights < grown < 5 * weights, (grown, weights)

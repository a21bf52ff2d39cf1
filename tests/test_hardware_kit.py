"""The profile kit: written, run where nothing of ours is, and its result taken or refused."""

from __future__ import annotations

import ast
import json
import math
import random
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

import numpy as np
import onnx
import pytest

from speechnas_lab import cli
from speechnas_lab.errors import BadInput
from speechnas_lab.hardware import Profile, Sizes, quick_graph, read_result, session, write_kit
from speechnas_lab.hardware.kit import script as kit_script
from speechnas_lab.space import Architecture, Block, MobileConformerSpace, Stage

STAGES = (Stage(24, "conv", (Block(7, 0, 1.0), Block(0, 2, 1.0))), Stage(16, "none", (Block(3, 2, 2.0),)))
ARCHS = [Architecture(4, STAGES, activation, norm, activation == "gelu", 8)
         for activation in ("gelu", "swish", "relu") for norm in ("layer", "batch")]  # fmt: skip
SIZES = Sizes(80, 30, 40)


def run_kit(folder: Path, *options: str, python: str = sys.executable) -> subprocess.CompletedProcess:
    """Isolated: neither the place it runs in nor PYTHONPATH gives it modules."""
    return subprocess.run([python, "-I", "run_kit.py", *options], cwd=folder, capture_output=True, text=True)


@pytest.fixture(scope="module")
def kit(tmp_path_factory):
    """A kit that has been run."""
    folder = tmp_path_factory.mktemp("far") / "kit"
    write_kit(ARCHS, folder, SIZES)
    done = run_kit(folder, "--repeats", "2")
    assert done.returncode == 0, done.stderr
    return folder


def changed(kit: Path, change, sealed: bool = True) -> str:
    """The result after `change`, with a right checksum unless it is not `sealed`."""
    data = json.loads((kit / "result.json").read_text())
    change(data)
    return json.dumps(data | ({"checksum": kit_script.checksum(data)} if sealed else {}))


def test_the_script_needs_numpy_onnxruntime_and_what_python_brings():
    tree = ast.parse(Path(kit_script.__file__).read_text(), feature_version=(3, 6))
    found = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert not any(isinstance(node, ast.ImportFrom) for node in found)
    names = {alias.name.split(".")[0] for node in found for alias in node.names}
    assert names - sys.stdlib_module_names == {"numpy", "onnxruntime"}


def test_the_folder_says_what_to_do_and_is_small(kit):
    said = (kit / "README.txt").read_text()
    assert "run_kit.py" in said and f"measures {len(ARCHS)} small networks" in said and "result.json" in said
    told = json.loads((kit / "kit.json").read_text())
    weights = kit / "graphs" / "weights.bin"
    assert weights.stat().st_size == 4 * told["weights"]
    values = np.fromfile(weights, np.float32)
    assert np.abs(values).min() > 1e-5 and abs(values.std() - 0.05) < 0.002
    assert sum(file.stat().st_size for file in (kit / "graphs").glob("*.onnx")) < 40_000 * len(ARCHS)


def test_a_kit_s_graph_computes_what_the_profiled_graph_computes(kit):
    values = np.fromfile(kit / "graphs" / "weights.bin", np.float32)
    feed = dict(zip(("features", "lengths"), SIZES.sound(), strict=True))
    for number, arch in enumerate(ARCHS):
        path = kit / "graphs" / f"{number:03}.onnx"
        far = onnx.load(path, load_external_data=False)
        assert max(item.version for item in far.opset_import) <= 13 and far.ir_version <= 7
        places, ours = {}, onnx.load_from_string(quick_graph(arch, vocab_size=30))
        inside = {t.name: t for t in far.graph.initializer if t.data_location != onnx.TensorProto.EXTERNAL}
        for tensor in far.graph.initializer:
            if tensor.data_location == onnx.TensorProto.EXTERNAL:
                told = {item.key: item.value for item in tensor.external_data}
                places[tensor.name] = (int(told["offset"]) // 4, int(told["length"]) // 4, tuple(tensor.dims))
        spans = sorted((start, start + length) for start, length, _ in places.values())
        assert all(end <= after for (_, end), (after, _) in zip(spans, spans[1:], strict=False))  # none shares a place
        for tensor in ours.graph.initializer:
            if tensor.name in places:
                start, length, shape = places[tensor.name]
                tensor.CopyFrom(onnx.numpy_helper.from_array(values[start:start + length].reshape(shape), tensor.name))
            elif tensor.name in inside:
                tensor.CopyFrom(inside[tensor.name])
        right = session(ours.SerializeToString()).run(None, feed)
        got = session(path).run(None, feed)
        assert np.abs(right[0] - got[0]).max() < 1e-5 and np.isfinite(got[0]).all() and np.array_equal(right[1], got[1])


def test_a_result_becomes_a_device(kit, tmp_path, capsys):
    out = tmp_path / "pi4.json"
    assert cli.main(["profile", "--from", str(kit / "result.json"), "--out", str(out)]) == 0
    assert "6 latencies" in capsys.readouterr().out
    found = Profile.from_json(out.read_text())
    assert found.device.name == "pi4" and found.device.threads == 1 and not found.device.estimated
    assert found.archs == ARCHS and (found.latencies > 0).all() and found.conditions.loop_before_ms > 0
    assert (found.input_dim, found.vocab_size, found.frames, found.repeats) == (80, 30, 40, 4)
    assert any("only" in warning for warning in found.warnings)
    assert cli.main(["profile", "--from", str(kit / "kit.json"), "--out", str(tmp_path / "no.json")]) == 1
    assert "not the result of a profile kit" in capsys.readouterr().err and not (tmp_path / "no.json").exists()


def first_row(data):
    return data["groups"][0][0]


@pytest.mark.parametrize("why, change", [
    ("must be finite", lambda data: first_row(data).update(median_ms=math.nan)),
    ("must be finite", lambda data: first_row(data).update(median_ms=-1.0)),
    ("must be finite", lambda data: first_row(data).update(median_ms=0)),
    ("must be finite", lambda data: first_row(data).update(p95_ms="fast")),
    ("must be finite", lambda data: first_row(data).update(spread_relative=math.inf)),
    ("lacks rows", lambda data: data["groups"][1].pop()),
    ("lacks rows", lambda data: data["groups"].pop()),
    ("lacks rows", lambda data: first_row(data).update(id="0" * 12)),
    ("lacks rows", lambda data: data["kit"]["graphs"].pop()),
    ("lacks rows", lambda data: data["settings"].update(passes=10**12)),
    ("lacks rows", lambda data: data.update(groups=[]) or data["kit"].update(groups=[], graphs=[])),
    ("incomplete", lambda data: first_row(data).pop("p95_ms")),
    ("incomplete", lambda data: data["machine"].pop("processor")),
    ("another kit", lambda data: data["kit"]["graphs"][0].update(sha256="0" * 64)),
    ("another kit", lambda data: data["kit"].update(vocab_size=31)),
    ("another kit", lambda data: data["kit"]["graphs"][0]["arch"].update(activation="relu")),
    ("format 2", lambda data: data.update(format=2)),
    ("whole number", lambda data: data["settings"].update(threads=0)),
    ("whole number", lambda data: data["settings"].update(passes=10**9 + 0.5)),
    ("names no processor", lambda data: data["machine"].update(processor="")),
    ("loop_before_ms", lambda data: data["conditions"].update(loop_before_ms=math.nan)),
    ("not the result", lambda data: data.update(more=1)),
])  # fmt: skip
def test_a_result_that_cannot_be_is_refused(kit, why, change):
    with pytest.raises(BadInput, match=why) as refused:
        read_result(changed(kit, change), "far")
    assert "\n" not in str(refused.value)


def test_an_edited_a_cut_and_a_foreign_file_are_refused(kit):
    text = (kit / "result.json").read_text()
    assert len(read_result(text, "far").rows) == len(ARCHS)
    with pytest.raises(BadInput, match="checksum"):
        read_result(changed(kit, lambda data: first_row(data).update(median_ms=0.001), sealed=False), "far")
    for cut in (0, 1, len(text) // 2, len(text) - 3):
        with pytest.raises(BadInput, match="cut off"):
            read_result(text[:cut], "far")
    for foreign in ("[]", "null", "{}", '"x"', '{"rows": []}'):
        with pytest.raises(BadInput, match="not the result"):
            read_result(foreign, "far")


def test_an_interrupted_run_goes_on_and_a_damaged_graph_stops_it(kit, tmp_path):
    folder = shutil.copytree(kit, tmp_path / "kit")
    half = json.loads((folder / "result.json").read_text())
    del half["checksum"], half["conditions"]
    kept = half["groups"][0]
    half["groups"] = [kept]
    (folder / "result.json").unlink()
    (folder / "result.part.json").write_text(json.dumps(half))
    done = run_kit(folder, "--repeats", "2")
    again = json.loads((folder / "result.json").read_text())
    assert "group 2 of 2" in done.stdout and "group 1 of 2" not in done.stdout
    assert again["groups"][0] == kept and len(again["groups"]) == 2 and not (folder / "result.part.json").exists()
    half["settings"]["threads"] = 3
    (folder / "result.part.json").write_text(json.dumps(half))
    assert "group 1 of 2" in run_kit(folder, "--repeats", "2").stdout  # of other settings: begun anew
    (folder / "graphs" / "000.onnx").write_bytes(b"")
    done = run_kit(folder)
    assert done.returncode == 1 and "000.onnx is damaged" in done.stderr and "Traceback" not in done.stderr


def test_a_kit_is_written_into_an_empty_folder_only(tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(BadInput, match="other files"):
        write_kit(ARCHS, tmp_path)
    with pytest.raises(BadInput):
        write_kit([], tmp_path / "new")
    assert cli.main(["profile", "--kit", str(tmp_path / "kit"), "--count", "5"]) == 0
    assert "5 graphs in" in capsys.readouterr().out and (tmp_path / "kit" / "kit.json").is_file()
    assert (tmp_path / "kit" / "run_kit.py").read_text() == Path(kit_script.__file__).read_text()


@pytest.mark.slow  # installs two packages into an environment of its own, then measures a hundred graphs
def test_the_whole_kit_runs_with_numpy_and_onnxruntime_alone(tmp_path):
    space, rng = MobileConformerSpace("laptop"), random.Random(0)
    archs = [space.sample(rng) for _ in range(100)]
    write_kit(archs, tmp_path / "kit")
    venv.create(tmp_path / "bare", with_pip=True)
    python = str(tmp_path / "bare" / "bin" / "python")
    subprocess.run([python, "-m", "pip", "-q", "install", "numpy", "onnxruntime"], check=True)
    start = time.monotonic()
    done = run_kit(tmp_path / "kit", python=python)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - start < 600
    assert read_result((tmp_path / "kit" / "result.json").read_text(), "bare").archs == archs

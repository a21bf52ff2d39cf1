"""The commands as users meet them: one line for every mistake, never a traceback."""

from __future__ import annotations

import errno
import os
import pickle
import random
import re
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from cli_runs import cut, search
from speech_base import base

from speechnas_lab import cli, commands, files, jobs, pipeline, work
from speechnas_lab.errors import BadInput
from speechnas_lab.space import MobileConformerSpace
from speechnas_lab.speech.corpus import cache_folder


# Full disks -----------------------------------------------------------------------------------------------------------
def test_a_full_disk_is_one_line_and_nothing_counts_as_finished(run, refused, tmp_path, monkeypatch):
    manifest, out = base(tmp_path / "speech"), tmp_path / "out"
    train = ["train", "conformer-small", "--corpus", manifest, "--budget", "smoke", "--out", out]
    monkeypatch.setenv("SPEECHNAS_CACHE", str(tmp_path / "cache"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))  # no file may grow beyond
        assert "cannot keep features" in refused(*train)
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        work.open_speech(work.Source(str(manifest), None, "smoke"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
        assert "no room to write" in refused(*train)
        assert not (out / "result.json").exists() and not (out / "weights.pt").exists()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert run(*train)[0] == 0 and (out / "result.json").exists()

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "replace", full)
    assert "cannot write to" in refused(*search(manifest, tmp_path / "search"))


# Training one network -------------------------------------------------------------------------------------------------
def test_train_refuses_the_folder_of_another_network(run, refused, tmp_path):
    manifest = base(tmp_path / "speech")
    rest = ["--corpus", manifest, "--budget", "smoke", "--out", tmp_path / "out"]
    assert run("train", "conformer-small", *rest)[0] == 0
    assert "network 'conformer-small' there, 'quartznet' now" in refused("train", "quartznet", *rest)
    assert "recipe" in refused("train", "conformer-small", *rest, "--seed", 3)
    assert "there is no network or file 'conformer'" in refused("train", "conformer", *rest)


# Export, weights, corpus ----------------------------------------------------------------------------------------------
def test_export_writes_all_forms_and_says_what_it_tested(run, finished, tmp_path):
    status, out, _ = run("export", finished, "--out", tmp_path / "new/model.onnx")
    assert status == 0 and "opset" in out and "differs from torch by" in out
    assert re.search(r"fp16.onnx: [\d,]+ bytes, weights 5\d% of float32's", out) and "weights 2" in out
    for name in ("model.onnx", "model.fp16.onnx", "model.int8.onnx"):
        opened = onnxruntime.InferenceSession(tmp_path / "new" / name)
        feed = {"features": np.zeros((3, 97, 80), np.float32), "lengths": np.array([97, 50, 8])}
        assert all(np.isfinite(value).all() for value in opened.run(None, feed))


@pytest.mark.slow
def test_ten_architectures_trained_and_exported_answer_like_torch(run, tmp_path):
    space, rng, manifest = MobileConformerSpace(), random.Random(3), base(tmp_path / "speech")
    archs = [space.largest(), *(space.sample(rng) for _ in range(9))]
    blocks = [block for arch in archs for stage in arch.stages for block in stage.blocks]
    assert {b.kernel for b in blocks} == {0, 3, 5, 7, 11, 15} and {b.heads for b in blocks} == {0, 4, 8, 16}
    generator = torch.Generator().manual_seed(0)
    for arch in archs:
        folder = tmp_path / arch.id
        (tmp_path / "arch.json").write_text(arch.to_json(), encoding="utf-8")
        argv = ["--corpus", manifest, "--budget", "smoke", "--out", folder]
        assert run("train", tmp_path / "arch.json", *argv)[0] == 0
        assert run("export", folder, "--out", folder / "m.onnx")[0] == 0
        network = work.trained(work.Source(str(manifest), None, "smoke"), arch.to_json(), folder)
        whole, small = (onnxruntime.InferenceSession(folder / name) for name in ("m.onnx", "m.int8.onnx"))
        for batch, frames in ((1, 50), (3, 50), (3, 97), (2, 400), (1, 8)):
            features = torch.randn(batch, frames, 80, generator=generator)
            lengths = torch.tensor([frames, frames // 2, frames // 3][:batch])
            with torch.no_grad():
                right, out_lengths = network(features, lengths)
            feed = {"features": features.numpy(), "lengths": lengths.numpy()}
            got, got_lengths = whole.run(None, feed)
            assert got_lengths.dtype == np.int64 and got_lengths.tolist() == out_lengths.tolist()
            for row, valid in enumerate(out_lengths.tolist()):
                assert np.abs(got[row, :valid] - right[row, :valid].numpy()).max() <= 1e-4
            assert np.isfinite(small.run(None, feed)[0]).all()


def test_export_refuses_what_is_not_a_trained_network(refused, copied, tmp_path):
    assert "no trained network" in refused("export", tmp_path, "--out", tmp_path / "m.onnx")
    folder = copied / "models/conformer-small"
    cut(folder / "weights.pt")
    assert "missing or damaged" in refused("export", folder, "--out", tmp_path / "m.onnx")
    cut(folder / "result.json")
    assert "no trained network" in refused("export", folder, "--out", tmp_path / "m.onnx")
    assert not (tmp_path / "m.onnx").exists()


class Evil:
    """A pickle that would create a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_weights_are_loaded_without_running_code(refused, finished, copied, tmp_path):
    weights = list(finished.rglob("*.pt"))
    assert len(weights) >= 4
    for path in weights:
        torch.load(path, map_location="cpu", weights_only=True)
    folder, pwned = copied / "models/conformer-small", tmp_path / "pwned"
    for save in (torch.save, lambda value, path: path.write_bytes(pickle.dumps(value, 2))):
        save(Evil(pwned), folder / "weights.pt")
        assert "missing or damaged" in refused("export", folder, "--out", tmp_path / "m.onnx")
        assert not pwned.exists()
    product = Path(cli.__file__).parent
    for path in product.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"weights_only=False|pickle\.loads?\(|joblib\.load|allow_pickle=True", text), path
        assert text.count("torch.load(") == text.count("weights_only=True"), path


def test_corpus_writes_the_same_files_again_after_an_interruption(run, speech, tmp_path, monkeypatch):
    argv = ["corpus", "--corpus", speech, "--out"]
    assert run(*argv, tmp_path / "a")[0] == 0
    replace, left = Path.replace, [4]

    def interrupted(path: Path, target: Path) -> Path:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", interrupted)
        status, _, lines = run(*argv, tmp_path / "b")
    assert status == 1 and lines == ["speechnas: stopped; run the same command again to go on"]
    assert not (tmp_path / "b/manifest.csv").exists()
    assert run(*argv, tmp_path / "b")[0] == 0
    one, two = ({p.relative_to(d): p.read_bytes() for p in d.rglob("*") if p.is_file()}
                for d in (tmp_path / "a", tmp_path / "b"))
    assert one == two


# Usage, workers, interruption -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("argv", [
    [], ["serch"], ["search"], ["search", "--out", "x", "--colour", "red"], ["search", "--out", "x", "--seed", "-1"],
    ["search", "--out", "x", "--max-latency", "nan"], ["search", "--out", "x", "--budget", "huge"],
    ["search", "--out", "x", "--max-bytes", "-5"], ["profile", "--count", "0"], ["corpus", "--seed", "1.5"],
])  # fmt: skip
def test_wrong_usage_is_one_line_and_exit_2(refused, argv):
    assert "--help" in refused(*argv, status=2)


def fails() -> None:
    raise BadInput("the worker's own words")


def dies() -> None:
    os._exit(9)


def test_a_failing_and_a_dying_worker_are_one_line(refused, monkeypatch):
    with jobs.Workers(1) as workers:
        monkeypatch.setattr(commands, "corpus", lambda *_: workers.gather([workers.submit(fails)]))
        assert refused("corpus", "--out", "x") == "speechnas: the worker's own words"
        monkeypatch.setattr(commands, "corpus", lambda *_: workers.gather([workers.submit(dies)]))
        assert "a worker process was ended from outside" in refused("corpus", "--out", "x")
        assert "a worker process was ended from outside" in refused("corpus", "--out", "x")


def test_an_interrupt_is_one_line_and_frees_the_folder(refused, tmp_path, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline, "ten_steps", interrupt)
    assert "run the same command again" in refused(*search(base(tmp_path), tmp_path / "out"))
    assert not (tmp_path / "out/running.lock").exists()


def test_a_defect_is_one_line_that_tells_how_to_see_more(refused, monkeypatch):
    monkeypatch.setattr(commands, "corpus", lambda *_: {}["x"])
    assert "KeyError: 'x' (`python -X dev" in refused("corpus", "--out", "x")


def test_the_cache_stays_where_it_is_whatever_folder_a_child_works_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert cache_folder("cache") == tmp_path / "cache"


def test_a_reader_who_leaves_is_no_failure():
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run([sys.executable, "-m", "speechnas_lab", "reproduce", "list"], stdout=write,
                          stderr=subprocess.PIPE, text=True)  # fmt: skip
    os.close(write)
    assert done.returncode == 141 and done.stderr == ""

"""The commands as users meet them: results in files, one line for every mistake, never a traceback."""

from __future__ import annotations

import csv
import errno
import json
import os
import pickle
import re
import resource
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import soundfile
import torch
from cli_runs import MICRO, Inline
from speech_base import HEADER, base, base_rows, say, write_rows

from speechnas_lab import cli, commands, estimate, files, jobs, pipeline, steps, work
from speechnas_lab.errors import BadInput
from speechnas_lab.report_words import int8_words


@pytest.fixture(scope="module")
def patched(tmp_path_factory):
    """Micro budget, no processes, a cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPEECHNAS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setitem(steps.BUDGETS, "smoke", MICRO)
        patch.setattr(pipeline, "Workers", Inline)
        patch.setattr(pipeline, "estimate", lambda budget: 10.0)
        yield
    jobs.on_tick(lambda units: None)


@pytest.fixture
def run(patched, capsys):
    """Run a command; give its exit status, output and error lines."""

    def command(*argv: object) -> tuple[int, str, list[str]]:
        work.open_speech.cache_clear()
        work.open_supernet.cache_clear()
        capsys.readouterr()
        try:
            status = cli.main([str(word) for word in argv])
        except SystemExit as end:
            status = end.code
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return status, out, [line for line in re.split(r"[\r\n]", err) if line.startswith("speechnas")]

    return command


@pytest.fixture
def refused(run):
    """Run a command that must end in exactly one line; give the line."""

    def command(*argv: object, status: int = 1) -> str:
        ended, _, lines = run(*argv)
        assert ended == status and len(lines) == 1, (ended, lines)
        return lines[0]

    return command


def search(manifest: Path, out: Path, *more: object) -> list[object]:
    return ["search", "--corpus", manifest, "--budget", "smoke", "--out", out, *more]


@pytest.fixture(scope="module")
def speech(tmp_path_factory) -> Path:
    """BASE in a folder with a space and an accent, and rows of every kind that is read, left out or converted."""
    folder = tmp_path_factory.mktemp("some where é")
    base(folder)
    rows = base_rows()
    wave = say("go left")
    for number, (kind, subtype) in enumerate(KINDS):
        soundfile.write(folder / f"wavs/k{number}.{kind}", wave, 16_000, subtype=subtype)
        rows.append([f"wavs/k{number}.{kind}", "go left", "s1", "train"])
    soundfile.write(folder / "wavs/stereo.wav", np.stack([say("yes", 44_100)] * 2, 1), 44_100)
    soundfile.write(folder / "wavs/short.wav", wave[:1760], 16_000)  # 0.11 s
    rows += [["wavs/stereo.wav", "yes", "s2", "train"], ["wavs/short.wav", "hello " * 6, "s2", "train"]]
    for number, text in enumerate(("", " ")):
        soundfile.write(folder / f"wavs/empty{number}.wav", wave, 16_000)
        rows += [[f"wavs/empty{number}.wav", text, "s2", "train"]]
    soundfile.write(folder / "wavs/silent.wav", wave, 16_000)
    rows += [["wavs/silent.wav", "", "s4", "test"]]
    return write_rows(folder / "M.csv", rows)


KINDS = [("wav", "PCM_16"), ("wav", "PCM_24"), ("wav", "PCM_32"), ("wav", "FLOAT"), ("flac", "PCM_16"),
         ("flac", "PCM_24")]


@pytest.fixture(scope="module")
def finished(patched, speech, tmp_path_factory) -> Path:
    """The folder of one finished search of `speech`."""
    out = tmp_path_factory.mktemp("search") / "out"
    said: list[str] = []
    settings = pipeline.Settings(str(speech), None, "smoke", 0, steps.Limits())
    pipeline.run_search(settings, out, progress=False, say=said.append)
    (out.parent / "said.txt").write_text("\n".join(said), encoding="utf-8")
    return out


@pytest.fixture
def copied(finished, tmp_path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy"))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


# A whole search -------------------------------------------------------------------------------------------------------
def test_search_reads_every_encoding_converts_and_leaves_out_with_a_word(finished):
    said = (finished.parent / "said.txt").read_text(encoding="utf-8")
    assert "1 files at 44100 Hz are resampled" in said and "1 files with 2 channels are averaged" in said
    assert said.count("has no text to train on") == 2 and "21 of 23 used" in said
    assert "1 of 14 train utterances are too short" in said and "wavs/short.wav" in said
    assert "1 texts of test are empty" in said
    for name in ("report.html", "winner.json", "winner.onnx", "winner.int8.onnx", "baseline.json", "candidates.csv"):
        assert (finished / name).stat().st_size > 100, name
    assert not list(finished.rglob("*.part")) and not (finished / "running.lock").exists()


def test_every_latency_carries_its_unit(finished):
    def keys(value):
        if isinstance(value, dict):
            for key, inner in value.items():
                yield key
                yield from keys(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from keys(inner)

    found = set()
    for file in finished.rglob("*.json"):
        found |= set(keys(json.loads(file.read_text(encoding="utf-8"))))
    for line in (finished / "journal.jsonl").read_text(encoding="utf-8").splitlines():
        found |= set(keys(json.loads(line)))
    with (finished / "candidates.csv").open(newline="", encoding="utf-8") as file:
        found |= set(next(csv.reader(file)))
    times = {key for key in found if re.search("latency|p95|median", key)}
    assert {"latency_ms", "latency_int8_ms", "p95_ms", "latency_predicted_ms"} <= times
    assert all(key.endswith("_ms") for key in times)


def test_candidates_show_size_latency_and_error_of_both_forms(finished):
    with (finished / "candidates.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        assert float(row["bytes_int8"]) < float(row["bytes_fp32"])
        for key in ("latency_ms", "latency_int8_ms", "rtf", "rtf_int8", "wer", "wer_int8"):
            assert np.isfinite(float(row[key])), key


def test_int8_that_costs_more_than_a_point_is_flagged():
    row = {"bytes_int8": 100, "bytes_fp32": 400, "wer": 0.10, "rtf": 0.002, "rtf_int8": 0.003}
    assert "Mind" not in int8_words(row | {"wer_int8": 0.11}, None)
    flagged = int8_words(row | {"wer_int8": 0.111}, None)
    assert "Mind that this is more than the 1 point" in flagged and "faster" not in flagged


def test_a_limit_between_two_architectures_keeps_the_faster(finished, speech):
    source = work.Source(**json.loads(next(finished.glob("models/*/result.json")).read_text(encoding="utf-8"))["source"])
    here = steps.Run(finished, source, MICRO, 0, Inline())
    measured = steps.measure_device(here)
    predictor = steps.fit_predictor(here, measured)
    slow, fast = here.space.largest(), here.space.smallest()
    by_arch = dict(zip(measured.archs, measured.latencies, strict=True))
    limits = steps.Limits(latency_ms=(by_arch[slow] + by_arch[fast]) / 2)
    allowed = steps.within(here, limits, predictor)
    assert allowed(fast) and not allowed(slow)


def test_a_finished_search_is_shown_again_and_other_settings_are_refused(run, refused, speech, copied, monkeypatch):
    before = (copied / "winner.json").read_bytes()
    status, out, _ = run(*search(speech, copied))
    assert status == 0 and "holds a finished search" in out
    monkeypatch.chdir(speech.parent)
    assert run(*search(Path("M.csv"), copied))[0] == 0  # the same manifest, named from its own folder
    assert "seed 0 there, 1 now" in refused(*search(speech, copied, "--seed", 1))
    assert "limits" in refused(*search(speech, copied, "--max-latency", 5))
    assert (copied / "winner.json").read_bytes() == before


def test_a_changed_manifest_or_profile_is_refused(refused, tmp_path, monkeypatch, finished):
    manifest = base(tmp_path)
    monkeypatch.setattr(pipeline, "ten_steps", stop)
    assert "stop here" in refused(*search(manifest, tmp_path / "out"))
    write_rows(manifest, base_rows()[:-1])
    assert "has changed since" in refused(*search(manifest, tmp_path / "out"))
    base(tmp_path)
    profile = finished / "profile.json"
    assert "stop here" in refused(*search(manifest, tmp_path / "out", "--profile", profile))
    other = tmp_path / "other.json"
    other.write_text(profile.read_text(encoding="utf-8").replace('"burst": 5', '"burst": 6'), encoding="utf-8")
    assert "another profile" in refused(*search(manifest, tmp_path / "out", "--profile", other))


def stop(*_):
    raise BadInput("stop here")


# Damaged files --------------------------------------------------------------------------------------------------------
def test_what_is_damaged_is_made_again_and_gives_the_same_winner(run, speech, copied):
    before = (copied / "winner.json").read_bytes()
    models = sorted((copied / "models").iterdir())
    for path in (copied / "findings.json", copied / "supernet.pt", copied / "journal.jsonl", models[0] / "result.json",
                 models[1] / "weights.pt", models[2] / "export.json"):
        cut(path)
    (models[0] / "checkpoint.pt").write_bytes(b"PK\x03\x04 no checkpoint")
    status, _, lines = run(*search(speech, copied))
    assert (status, lines) == (0, [])
    assert (copied / "winner.json").read_bytes() == before
    assert files.read_json(copied / "findings.json") is not None


@pytest.mark.parametrize("name", ["settings.json", "profile.json"])
def test_what_cannot_be_made_again_is_named(refused, speech, copied, name):
    cut(copied / name)
    (copied / "findings.json").unlink()
    line = refused(*search(speech, copied))
    assert name in line and "damaged" in line and "delete" in line


def test_a_folder_with_other_files_and_a_place_below_a_file(refused, speech, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine", encoding="utf-8")
    assert "holds other files" in refused(*search(speech, tmp_path))
    below = tmp_path / "thesis.txt" / "out"
    for argv in (search(speech, below), ["train", "quartznet", "--corpus", speech, "--budget", "smoke", "--out", below],
                 ["corpus", "--corpus", speech, "--out", below], ["profile", "--out", below / "p.json"]):
        line = refused(*argv)
        assert "cannot write to" in line and "--out" in line


def test_two_runs_do_not_share_a_folder(refused, speech, copied):
    with pipeline.alone(copied):
        assert "is held by process" in refused(*search(speech, copied))


# Bad speech -----------------------------------------------------------------------------------------------------------
def bad_manifest(kind: str, folder: Path) -> Path:
    manifest, rows = base(folder), base_rows()
    lines = manifest.read_text(encoding="utf-8").splitlines()
    objects = [json.dumps(dict(zip(HEADER, row, strict=True))) for row in rows]
    if kind == "missing":
        manifest.unlink()
    elif kind == "empty":
        manifest.write_bytes(b"")
    elif kind == "header only":
        manifest.write_text(lines[0], encoding="utf-8")
    elif kind == "five fields":
        lines[1] = "wavs/u00.wav,yes, please,s1,train"
        manifest.write_text("\n".join(lines), encoding="utf-8")
    elif kind == "cut line":
        objects[4] = objects[4][:20]
        manifest.write_text("\n".join(objects), encoding="utf-8")
    elif kind == "UTF-16":
        manifest.write_text("\n".join(lines), encoding="utf-16")
    elif kind == "shared speaker":
        write_rows(manifest, [*rows[:-1], [rows[-1][0], "go left", "s1", "test"]])
    elif kind == "one speaker":
        write_rows(manifest, [[path, text, "s1", ""] for path, text, *_ in rows])
    elif kind == "no valid":
        write_rows(manifest, [row for row in rows if row[3] != "valid"])
    elif kind == "zero byte in a path":
        manifest.write_text("\n".join(objects).replace("wavs/u00.wav", "wavs/\\u0000.wav"), encoding="utf-8")
    elif kind == "text too long":
        write_rows(manifest, [[p, f"{t} {' '.join('abcdefghijklmnopqrstuvwxyz' * 3)}", s, x] for p, t, s, x in rows])
    return manifest


BAD = {
    "missing": "there is no corpus or manifest", "empty": "has no rows", "header only": "has no rows",
    "five fields": "M.csv line 2 has 5 fields", "cut line": "M.csv line 5 is not JSON", "UTF-16": "is not UTF-8",
    "shared speaker": "speaker s1 is in two splits, train", "one speaker": "no speaker is left for valid and test",
    "no valid": "the split valid cannot be made", "text too long": "are too short for CTC",
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD)
def test_bad_speech_is_refused_before_anything_is_trained(refused, tmp_path, kind):
    manifest = bad_manifest(kind, tmp_path / "speech")
    train = ["train", "conformer-small", "--corpus", manifest, "--budget", "smoke", "--out", tmp_path / "train"]
    for argv in (search(manifest, tmp_path / "out"), train):
        assert BAD[kind] in refused(*argv)
    assert not list(tmp_path.rglob("result.json")) and not list(tmp_path.rglob("findings.json"))


def test_bad_sound_is_left_out_and_named_by_every_command(run, refused, tmp_path, monkeypatch):
    manifest = base(tmp_path / "speech")
    whole = (tmp_path / "speech/wavs/u01.wav").read_bytes()
    wave = say("no stop")
    sounds = {"0 samples": wave[:0], "159": wave[:159], "368": wave[:368]}
    contents = {"0 bytes": b"", "cut": whole[:2000], "junk": b"this is no sound\n" * 40, "missing": None}
    monkeypatch.setattr(pipeline, "ten_steps", stop)
    monkeypatch.setattr(work, "train_alone", lambda *_: {"test": {"wer": 0, "low": 0, "high": 0, "unit": "speakers"}})
    for name in (*sounds, *contents):
        target = tmp_path / "speech/wavs/u01.wav"
        target.unlink(missing_ok=True)
        if name in sounds:
            soundfile.write(target, sounds[name], 16_000, subtype="PCM_16")
        elif contents[name] is not None:
            target.write_bytes(contents[name])
        status, out, _ = run(*search(manifest, tmp_path / f"search {name}"))
        assert "u01.wav is left out" in out and "11 of 12 used" in out, name
        train = ["train", "conformer-small", "--corpus", manifest, "--budget", "smoke", "--out", tmp_path / f"t {name}"]
        status, out, _ = run(*train)
        assert status == 0 and "u01.wav is left out" in out and "11 of 12 used" in out, name


def test_a_zero_byte_in_a_path_is_left_out_like_any_missing_file(run, tmp_path, monkeypatch):
    monkeypatch.setattr(pipeline, "ten_steps", stop)
    status, out, lines = run(*search(bad_manifest("zero byte in a path", tmp_path / "speech"), tmp_path / "out"))
    assert "11 of 12 used" in out and "stop here" in lines[0]


def test_sound_is_looked_for_beside_the_manifest_only(refused, tmp_path, monkeypatch):
    manifest = base(tmp_path / "a b é")
    (tmp_path / "other/wavs").mkdir(parents=True)
    soundfile.write(tmp_path / "other/wavs/u00.wav", np.random.default_rng(0).uniform(-1, 1, 48_000), 16_000)
    (tmp_path / "link").symlink_to(manifest.parent)
    monkeypatch.chdir(tmp_path / "other")
    monkeypatch.setattr(pipeline, "ten_steps", stop)
    seen = set()
    for number, path in enumerate((manifest, Path("../a b é/M.csv"), tmp_path / "link/M.csv")):
        refused(*search(path, tmp_path / f"out{number}"))
        settings = json.loads((tmp_path / f"out{number}/settings.json").read_text(encoding="utf-8"))
        seen.add(settings["fingerprint"])
        first = work.load_corpus(settings["corpus"]).utterances[0]
        assert first.seconds == pytest.approx(0.44)
    assert len(seen) == 1


def test_characters_that_training_never_had_count_as_errors(run, tmp_path, monkeypatch):
    manifest, rows = base(tmp_path), base_rows()
    rows[-1][1] = "żółw"
    write_rows(manifest, rows)
    monkeypatch.setattr(pipeline, "ten_steps", stop)
    _, out, lines = run(*search(manifest, tmp_path / "out"))
    assert "test wavs/u11.wav" in out and "it will count as an error" in out and "stop here" in lines[0]


def test_a_validation_split_without_any_words_still_ranks(patched, tmp_path):
    manifest = write_rows(base(tmp_path), [[p, "" if x == "valid" else t, s, x] for p, t, s, x in base_rows()])
    source = pipeline.open_source(pipeline.Settings(str(manifest), None, "smoke", 0, steps.Limits()), MICRO)
    supernet = work.train_supernet(source, "laptop", steps.Recipe(steps=1), steps.Sandwich(), str(tmp_path))
    space = steps.MobileConformerSpace("laptop", output_reduction=source.output_reduction)
    losses = work.score_paths(source, "laptop", supernet, [space.smallest().to_json(), space.largest().to_json()])
    assert all(np.isfinite(loss) for loss in losses)
    sizes = {"input_dim": 80, "vocab_size": 10}
    assert np.isfinite(steps.score(0.0, space.smallest(), sizes))  # nothing to say, and nothing said


# Limits and profiles --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("limit", [("--max-latency", 1e-6), ("--max-bytes", 10), ("--max-memory", 10)])
def test_a_limit_that_nothing_keeps_is_refused_with_what_is_possible(refused, speech, finished, tmp_path, limit):
    line = refused(*search(speech, tmp_path / "out", "--profile", finished / "profile.json", *limit))
    possible = re.search(r"fastest possible takes about ([\d.]+) ms, the smallest ([\d,]+) bytes and ([\d,]+) bytes", line)
    assert possible and float(possible[1]) > 0 and limit[0] in line
    assert not (tmp_path / "out/supernet.pt").exists()


def test_profiles_that_cannot_serve(refused, speech, finished, tmp_path):
    out = tmp_path / "out"
    assert "check --profile" in refused(*search(speech, out, "--profile", tmp_path / "none.json"))
    for text in ("", "[]", "{}", "\x00", (finished / "profile.json").read_text(encoding="utf-8")[:4000]):
        (tmp_path / "p.json").write_text(text, encoding="utf-8")
        assert "not a profile" in refused(*search(speech, out, "--profile", tmp_path / "p.json"))
    assert not out.exists()
    whole = json.loads((finished / "profile.json").read_text(encoding="utf-8"))
    (tmp_path / "p.json").write_text(json.dumps(whole | {"rows": whole["rows"][1:]}), encoding="utf-8")
    assert "give --max-latency" in refused(*search(speech, out, "--profile", tmp_path / "p.json"))


def test_profile_says_how_it_measured(run, finished, tmp_path):
    status, out, _ = run("profile", "--arch", finished / "winner.json")
    assert status == 0 and "20 rounds of 5 calls, after 3 calls to warm up" in out
    assert "latency_ms" in out and "p95_ms" in out and "spread" in out
    status, out, _ = run("profile", "--count", 2, "--out", tmp_path / "new" / "p.json")
    written = json.loads((tmp_path / "new/p.json").read_text(encoding="utf-8"))
    assert (written["repeats"], written["burst"], written["warmup"], len(written["rows"])) == (20, 5, 3, 5)


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
def test_export_writes_both_forms_and_says_what_it_tested(run, finished, tmp_path):
    status, out, _ = run("export", finished, "--out", tmp_path / "new/model.onnx")
    assert status == 0 and "opset" in out and "differs from torch by" in out
    for name in ("model.onnx", "model.int8.onnx"):
        opened = onnxruntime.InferenceSession(tmp_path / "new" / name)
        feed = {"features": np.zeros((3, 97, 80), np.float32), "lengths": np.array([97, 50, 8])}
        assert all(np.isfinite(value).all() for value in opened.run(None, feed))


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


def test_the_estimate_counts_the_micro_budget():
    assert estimate.units(MICRO) > 0

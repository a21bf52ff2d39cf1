"""A whole search: what it writes, what it does with damaged files, limits and profiles."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from cli_runs import MICRO, Inline, cut, search, stop
from speech_base import base, base_rows, write_rows

from speechnas_lab import files, pipeline, steps, work
from speechnas_lab.report.words import int8_words
from speechnas_lab.space import MobileConformerSpace, int8_bytes


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
    source = work.Source(**files.read_json(finished / "models/conformer-small/result.json")["source"])
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


# Damaged files --------------------------------------------------------------------------------------------------------
def test_what_is_damaged_is_made_again_and_gives_the_same_winner(run, speech, copied):
    before = (copied / "winner.json").read_bytes()
    winner = copied / "models" / json.loads((copied / "baseline.json").read_text(encoding="utf-8"))["model"]
    small = copied / "models/conformer-small"
    for path in (copied / "findings.json", copied / "supernet.pt", copied / "journal.jsonl", winner / "result.json",
                 small / "weights.pt", small / "export.json"):
        cut(path)
    (winner / "checkpoint.pt").write_bytes(b"PK\x03\x04 no checkpoint")
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


# Limits and profiles --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("limit", [("--max-latency", 1e-6), ("--max-bytes", 10), ("--max-memory", 10)])
def test_a_limit_that_nothing_keeps_is_refused_with_what_is_possible(refused, speech, finished, tmp_path, limit):
    line = refused(*search(speech, tmp_path / "out", "--profile", finished / "profile.json", *limit))
    possible = re.search(r"possible takes about ([\d.]+) ms, the smallest ([\d,]+) bytes and ([\d,]+) bytes", line)
    assert possible and float(possible[1]) > 0 and limit[0] in line
    assert not (tmp_path / "out/supernet.pt").exists()


def test_a_limit_that_only_the_smallest_keeps_is_refused_before_training(refused, speech, finished, tmp_path):
    source = work.Source(**files.read_json(finished / "models/conformer-small/result.json")["source"])
    sizes = {"input_dim": 80, "vocab_size": work.open_speech(source).tokenizer.vocab_size}
    limit = int8_bytes(MobileConformerSpace().smallest(), **sizes)
    line = refused(*search(speech, tmp_path / "out", "--profile", finished / "profile.json", "--max-bytes", limit))
    assert "next to no architecture keeps the limits" in line and f"the smallest {limit:,} bytes" in line


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

"""Manifests as people write them: encodings, columns, folders, splits."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
from collections import Counter

import numpy as np
import pytest
import soundfile
from speech_base import HEADER, base, base_rows, say, write_rows

from speechnas_lab.errors import BadInput
from speechnas_lab.speech import export_corpus, load_corpus


def told(corpus) -> list[list[str]]:
    return [[u.id, u.text, u.speaker, u.split] for u in corpus.utterances]


def refusal(manifest) -> str:
    with pytest.raises(BadInput) as caught:
        load_corpus(manifest)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_plain_manifest(tmp_path):
    corpus = load_corpus(base(tmp_path))
    assert told(corpus) == base_rows()
    assert {s: len(corpus.split(s)) for s in ("train", "valid_weights", "valid", "test")} == {
        "train": 6, "valid_weights": 0, "valid": 3, "test": 3,
    }  # fmt: skip
    assert corpus.frame_labels(corpus.utterances[0]) is None and corpus.label_names == []
    assert "3 of 3 different texts of test also occur in train" in corpus.notes
    assert corpus.utterances[0].seconds == 0.44


def test_byte_order_mark_line_ends_and_blank_lines(tmp_path):
    manifest = base(tmp_path)
    plain = manifest.read_text("utf-8").replace("\r\n", "\n")
    objects = [json.dumps(dict(zip(HEADER, row, strict=True))) for row in base_rows()]
    variants = [
        "\ufeff" + plain.replace("\n", "\r\n"),
        "\ufeff" + plain.replace("\n", "\r\n") + "\r\n\r\n",
        "\ufeff" + plain.replace("\n", "\r\n") + ",,,\r\n",
        plain.rstrip("\n"),
        "\n" + plain.replace(",", ";"),
        plain.replace(",", "\t"),
        "\ufeff" + "\r\n".join([f"{o}  " for o in objects[:6]] + ["", "  "] + objects[6:]),
    ]
    for k, variant in enumerate(variants):
        path = tmp_path / f"v{k}.{'jsonl' if '{' in variant else 'csv'}"
        path.write_bytes(variant.encode())
        assert told(load_corpus(path)) == base_rows(), k


def test_column_order_and_names(tmp_path):
    base(tmp_path)
    for k, header in enumerate(
        (["split", "speaker", "text", "path"], [" Split", "SPEAKER ", "Text", " Path "])
    ):
        rows = [row[::-1] for row in base_rows()]
        assert told(load_corpus(write_rows(tmp_path / f"h{k}.csv", rows, header))) == base_rows()
    common = ["audio_filepath", "sentence", "client_id", "split"]
    assert told(load_corpus(write_rows(tmp_path / "c.csv", base_rows(), common))) == base_rows()


def test_split_names(tmp_path):
    base(tmp_path)
    other = {"train": "Train", "valid": "dev", "test": "test"}
    rows = [[*row[:3], other[row[3]]] for row in base_rows()]
    rows[3][3] = rows[4][3] = rows[5][3] = "valid_weights"
    corpus = load_corpus(write_rows(tmp_path / "M.csv", rows))
    assert Counter(u.split for u in corpus.utterances) == dict.fromkeys(
        ("train", "valid_weights", "valid", "test"), 3
    )


def test_mistakes_name_their_line(tmp_path):
    manifest = base(tmp_path)
    lines = manifest.read_text("utf-8").splitlines()
    manifest.write_text("\n".join([lines[0], "wavs/u00.wav,yes, please,s1,train", *lines[2:]]), "utf-8")
    assert "line 2 has 5 fields" in refusal(manifest)
    manifest.write_text("\n".join([lines[0], 'wavs/u00.wav,"yes,s1,train', *lines[2:]]), "utf-8")
    assert "line 2" in refusal(manifest)
    manifest.write_bytes("\n".join(lines[:4]).encode() + b"\nwavs/u03.wav,caf\xe9,s2,train\n")
    assert "line 5 is not UTF-8" in refusal(manifest)
    manifest.write_text("\n".join(lines).replace("wavs/u03.wav,yes,s2,train", "wavs/u03.wav,yes,s2,practice"))
    assert (
        "line 5" in refusal(manifest)
        and "practice" in refusal(manifest)
        and "valid_weights" in refusal(manifest)
    )
    manifest.write_text("\n".join(["sound,text,speaker,split", *lines[1:]]), "utf-8")
    assert "column path is missing" in refusal(manifest)
    manifest.write_text("\n".join([*lines, lines[4]]), "utf-8")
    assert "line 14 repeats wavs/u03.wav of M.csv line 5" in refusal(manifest)
    manifest.write_text("\n".join([*lines[:5], lines[5].replace("train", ""), *lines[6:]]), "utf-8")
    assert "line 6 has no split" in refusal(manifest)
    manifest.write_text("", "utf-8")
    assert "no rows" in refusal(manifest)


def test_half_a_json_line_is_named(tmp_path):
    base(tmp_path)
    objects = [json.dumps(dict(zip(HEADER, row, strict=True))) for row in base_rows()]
    path = tmp_path / "M.jsonl"
    path.write_text("\n".join([*objects[:4], objects[4][:25], *objects[5:]]))
    assert "line 5 is not JSON" in refusal(path)
    path.write_text("[\n" + ",\n".join(objects) + "\n]")
    assert "line 1 is not JSON" in refusal(path)
    path.write_text("\n".join([*objects[:2], json.dumps({"path": ["a"], "text": "x"})]))
    assert "line 3: path must be text" in refusal(path)


def test_sounds_are_sought_beside_the_manifest_only(tmp_path, monkeypatch):
    home, elsewhere = tmp_path / "a b é", tmp_path / "other"
    manifest = base(home)
    (elsewhere / "wavs").mkdir(parents=True)
    soundfile.write(elsewhere / "wavs/u00.wav", np.random.default_rng(0).normal(0, 0.1, 48_000), 16_000)
    (tmp_path / "link").symlink_to(home)
    monkeypatch.chdir(elsewhere)
    ways = [manifest, os.path.relpath(manifest, elsewhere), tmp_path / "link" / "M.csv"]
    corpora = [load_corpus(way) for way in ways]
    assert {c.fingerprint for c in corpora} == {corpora[0].fingerprint}
    for corpus in corpora:
        assert corpus.utterances[0].seconds == 0.44 and told(corpus) == base_rows()
        monkeypatch.chdir(tmp_path)  # the corpus does not depend on the current folder later either
        assert len(corpus.audio(corpus.utterances[0])) == 7040
    moved = shutil.copytree(home, tmp_path / "moved")
    assert load_corpus(moved / "M.csv").fingerprint == corpora[0].fingerprint


def test_backslashes_are_read_and_said(tmp_path):
    base(tmp_path)
    rows = base_rows()
    rows[0][0] = rows[0][0].replace("/", "\\")
    corpus = load_corpus(write_rows(tmp_path / "M.csv", rows))
    assert told(corpus) == base_rows()
    assert any("backslashes" in note for note in corpus.notes)


def test_a_speaker_in_two_splits_is_refused(tmp_path):
    base(tmp_path)
    rows = base_rows()
    rows[9][2] = "s1"
    message = refusal(write_rows(tmp_path / "M.csv", rows))
    assert "speaker s1" in message and "train (M.csv line 2)" in message and "test (M.csv line 11)" in message


def test_splits_are_made_by_speaker_whatever_the_order(tmp_path):
    base(tmp_path)
    bare = [row[:3] for row in base_rows()]
    by_seed = {}
    for seed in range(8):
        made = load_corpus(write_rows(tmp_path / "A.csv", bare, HEADER[:3]), seed=seed)
        shuffled = random.Random(seed).sample(bare, len(bare))
        with_empty = [[*row, ""] for row in shuffled]
        again = load_corpus(write_rows(tmp_path / "B.csv", with_empty), seed=seed)
        assert told(made) == told(again) and made.fingerprint == again.fingerprint
        splits = {
            u.speaker: {v.split for v in made.utterances if v.speaker == u.speaker} for u in made.utterances
        }
        assert all(len(s) == 1 for s in splits.values())
        assert sorted(s for one in splits.values() for s in one) == ["test", "train", "train", "valid"]
        assert any(f"made by speaker with seed {seed}" in note for note in made.notes)
        by_seed[seed] = told(made)
    assert len({str(t) for t in by_seed.values()}) > 1


def test_ten_speakers_leave_some_to_judge_weights(tmp_path):
    rows = []
    for k in range(12):
        soundfile.write(tmp_path / f"{k}.wav", say("yes"), 16_000)
        rows.append([f"{k}.wav", "yes", f"s{max(k, 2)}"])  # s2 has three utterances and so it trains
    corpus = load_corpus(write_rows(tmp_path / "M.csv", rows, HEADER[:3]))
    assert Counter(u.split for u in corpus.utterances) == {
        "train": 7,
        "valid_weights": 1,
        "valid": 2,
        "test": 2,
    }
    assert {u.split for u in corpus.utterances if u.speaker == "s2"} == {"train"}


def test_splits_that_cannot_be_made_are_named(tmp_path):
    base(tmp_path)
    one = [[row[0], row[1], "s1", ""] for row in base_rows()]
    assert "no speaker is left for valid and test" in refusal(write_rows(tmp_path / "c.csv", one))
    two = [[row[0], row[1], f"s{k % 2}", ""] for k, row in enumerate(base_rows())]
    assert "no speaker is left for test" in refusal(write_rows(tmp_path / "c2.csv", two))
    for split in ("train", "valid", "test"):
        rows = [row for row in base_rows() if row[3] != split]
        assert f"the split {split} cannot be made" in refusal(write_rows(tmp_path / "d.csv", rows))
    nothing = [row[:2] for row in base_rows()]
    assert "neither splits nor speakers" in refusal(write_rows(tmp_path / "e.csv", nothing, HEADER[:2]))


def test_empty_texts_leave_training_and_stay_elsewhere(tmp_path):
    base(tmp_path)
    rows = base_rows()
    rows[0][1], rows[1][1], rows[6][1] = "", " ", " "
    corpus = load_corpus(write_rows(tmp_path / "M.csv", rows))
    assert [u.id for u in corpus.utterances] == [row[0] for row in rows[2:]]
    assert corpus.split("valid")[0].text == ""
    assert (
        sum("no text to train on" in note for note in corpus.notes) == 2 and "10 of 12 used" in corpus.notes
    )
    assert "1 texts of valid are empty: a word heard there counts as an insertion" in corpus.notes


def test_texts_have_one_form(tmp_path):
    base(tmp_path)
    rows = base_rows()
    rows[0][1], rows[3][1] = " cafe\u0301   noir ", "caf\u00e9 noir"
    corpus = load_corpus(write_rows(tmp_path / "M.csv", rows))
    assert corpus.utterances[0].text == corpus.utterances[3].text == "caf\u00e9 noir"


def test_the_fingerprint_follows_the_content(tmp_path):
    manifest = base(tmp_path)
    first = load_corpus(manifest).fingerprint
    assert load_corpus(manifest).fingerprint == first
    soundfile.write(tmp_path / "wavs/u00.wav", 0.9 * say("yes", f0=310), 16_000)
    second = load_corpus(manifest).fingerprint
    rows = base_rows()
    rows[0][1] = "yes sir"
    third = load_corpus(write_rows(manifest, rows)).fingerprint
    assert len({first, second, third}) == 3


def test_export_and_back(tmp_path):
    corpus = load_corpus(base(tmp_path / "in"))
    written = export_corpus(corpus, tmp_path / "out")
    before = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert written.name == "manifest.csv" and len(before) == 14
    back = load_corpus(written)
    assert [[u.text, u.speaker, u.split, u.seconds] for u in back.utterances] == [
        [u.text, u.speaker, u.split, u.seconds] for u in corpus.utterances
    ]
    for a, b in zip(corpus.utterances, back.utterances, strict=True):
        np.testing.assert_array_equal(corpus.audio(a), back.audio(b))
    export_corpus(corpus, tmp_path / "out")
    assert before == {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}
    with written.open(newline="", encoding="utf-8") as file:
        assert next(csv.reader(file)) == HEADER
    assert json.loads((tmp_path / "out/corpus.json").read_text())["utterances"]["train"] == 6


def test_unknown_names_are_refused(tmp_path, monkeypatch):
    assert "homecommands" in refusal(tmp_path / "nowhere.csv")
    monkeypatch.delenv("SPEECHNAS_FSDD", raising=False)
    assert "--data" in refusal("fsdd")
    assert "--data" in refusal("librispeech")

"""Bad speech as users bring it: left out with a word or refused in one line, before anything is trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from cli_runs import MICRO, search, stop
from speech_base import HEADER, base, base_rows, say, write_rows

from speechnas_lab import pipeline, steps, training, work
from speechnas_lab.models import build
from speechnas_lab.space import MobileConformerSpace
from speechnas_lab.speech import load_corpus, make_tokenizer, prepare


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


def test_a_validation_split_without_any_words_still_ranks(small, tmp_path):
    manifest = write_rows(base(tmp_path), [[p, "" if x == "valid" else t, s, x] for p, t, s, x in base_rows()])
    source = pipeline.open_source(pipeline.Settings(str(manifest), None, "smoke", 0, steps.Limits()), MICRO)
    supernet = work.train_supernet(source, "laptop", steps.Recipe(steps=1), steps.Sandwich(), str(tmp_path))
    space = steps.MobileConformerSpace("laptop", output_reduction=source.output_reduction)
    losses = work.score_paths(source, "laptop", supernet, [space.smallest().to_json(), space.largest().to_json()])
    assert all(np.isfinite(loss) for loss in losses)
    sizes = {"input_dim": 80, "vocab_size": 10}
    assert np.isfinite(steps.score(0.0, space.smallest(), sizes))  # nothing to say, and nothing said


def test_an_epoch_over_texts_too_long_for_their_sound_stays_finite(small, tmp_path):
    """Needed output frames: U + equal neighbours, so 5 for `aaa`; the 10 ms frames are 1 + n // 160, 8 to an output."""
    manifest, rows = base(tmp_path), base_rows()
    for name, frames, text in (("five", 40, "aaa"), ("four", 32, "aaa"), ("three", 24, "aaa"), ("short", 12, "hello")):
        soundfile.write(tmp_path / f"wavs/{name}.wav", say("x" * 10)[: 160 * (frames - 1)], 16_000)
        rows.append([f"wavs/{name}.wav", text, "s2", "train"])
    rows += [["wavs/u00b.wav", "", "s2", "train"], ["wavs/u01b.wav", " ", "s2", "train"]]
    for name in ("u00", "u01"):
        shutil.copyfile(tmp_path / f"wavs/{name}.wav", tmp_path / f"wavs/{name}b.wav")
    corpus = load_corpus(write_rows(manifest, rows))
    tokenizer = make_tokenizer("char", [u.text for u in corpus.split("train")])
    train = prepare(corpus, tokenizer, 8, progress=False)["train"]
    assert "wavs/five.wav" in train.ids and len(train) == 7
    assert {"wavs/four.wav", "wavs/three.wav", "wavs/short.wav"}.isdisjoint(train.ids)
    notes = "\n".join(corpus.notes)
    assert "3 of 10 train utterances are too short" in notes and notes.count("has no text to train on") == 2
    network = build(MobileConformerSpace().smallest(), vocab_size=tokenizer.vocab_size)
    history = training.train(network, train, training.Recipe(steps=4, batch=4))
    assert all(np.isfinite(value) for parts in history for value in parts.values())
    assert all(p.isfinite().all() and (p.grad is None or p.grad.isfinite().all()) for p in network.parameters())

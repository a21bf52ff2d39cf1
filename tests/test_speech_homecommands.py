"""HomeCommands: the same bytes every time, honest splits, labels that fit the sound."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from speechnas_lab.errors import BadInput
from speechnas_lab.speech import espeak, load_corpus, room
from speechnas_lab.speech import homecommands as hc
from speechnas_lab.speech.grammar import ALIKE, COMMAND_SLOTS
from speechnas_lab.speech.voices import ACCENTS, FAMILIES, speakers

pytest.importorskip("espeakng_loader")

TINY = {"train": 83, "valid_weights": 32, "valid": 35, "test": 50}  # 200 utterances in two shards


def sums(folder: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(hc.SIZES, ("commands", "tiny"), TINY)
        patch.setattr(hc, "PER_SHARD", 100)
        folder = tmp_path_factory.mktemp("one")
        yield hc.homecommands("commands", "tiny", cache=folder, progress=False, workers=1)


def test_other_workers_folder_and_locale_give_the_same_bytes(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "random.py").write_text("raise SystemExit('a file of the user that must not be imported')")
    again = hc.homecommands("commands", "tiny", cache=tmp_path / "a b é", progress=False, workers=4)
    assert again.folder != tiny.folder and sums(again.folder) == sums(tiny.folder)
    assert set(sums(again.folder)) == {"index.json", "labels.npy", *(f"audio-{n:02d}.npy" for n in range(2))}


def test_interrupted_then_rerun_gives_the_same_set_and_no_half_file(tiny, tmp_path, monkeypatch):
    speak = hc._speak

    def interrupted(job: dict[str, object], folder: Path) -> None:
        if folder.name == "shard-01":
            raise KeyboardInterrupt
        speak(job, folder)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(hc, "_speak", interrupted)
        hc.homecommands("commands", "tiny", cache=tmp_path, progress=False, workers=2)
    assert list((tmp_path / "homecommands").iterdir()) == []
    again = hc.homecommands("commands", "tiny", cache=tmp_path, progress=False, workers=2)
    assert [folder.name for folder in (tmp_path / "homecommands").iterdir()] == [again.folder.name]
    assert sums(again.folder) == sums(tiny.folder)


def test_opens_from_the_cache_without_speaking(tiny, monkeypatch):
    monkeypatch.setattr(hc, "_speak", None)
    again = hc.homecommands("commands", "tiny", cache=tiny.folder.parents[1], progress=False)
    assert again.fingerprint == tiny.fingerprint and again.utterances == tiny.utterances


def test_opened_by_its_name_it_speaks_without_a_bar_where_none_is_wanted(tiny, tmp_path, capfd):
    again = load_corpus("homecommands", size="tiny", cache=tmp_path, progress=False)
    assert again.fingerprint == tiny.fingerprint and capfd.readouterr().err == ""


def test_another_seed_is_another_corpus(tiny):
    texts = [row["text"] for row in hc.plan("commands", "tiny", 1)]
    assert texts != [utterance.text for utterance in tiny.utterances]


@pytest.mark.parametrize(("register", "words"), [("commands", range(3, 7)), ("dictation", range(15, 35))])
def test_splits_share_no_voice_and_no_sentence(register, words):
    rows = hc.plan(register, "standard", 0)
    for field in ("speaker", "text"):
        held = defaultdict(set)
        for row in rows:
            held[row[field]].add(row["split"])
        assert max(map(len, held.values())) == 1
    test = [row for row in rows if row["split"] == "test"]
    assert len({row["speaker"] for row in test}) >= 20
    assert sum(len(row["text"].split()) for row in test) >= 10_000
    assert all(len(row["text"].split()) in words for row in rows)
    known = {w for row in rows if row["split"] == "train" for w in row["text"].split()}
    assert {w for row in rows for w in row["text"].split()} == known
    assert 150 <= len(known) <= 280


def test_first_part_of_a_split_holds_all_its_voices():
    valid = [row["speaker"] for row in hc.plan("commands", "smoke", 0) if row["split"] == "valid"]
    assert len(set(valid[:10])) == 10


def test_smoke_trains_on_every_word_it_tests():
    rows = hc.plan("commands", "smoke", 0)
    words = {split: {w for r in rows if r["split"] == split for w in r["text"].split()} for split in TINY}
    assert words["valid"] | words["test"] | words["valid_weights"] <= words["train"]
    assert {"thirteen", "thirty", "on", "off"} <= words["test"]


def test_voices_of_one_family_stay_in_one_split():
    people = speakers()
    assert len(people) == len({person.name for person in people}) == 83
    split = {person.voice.split("+")[1]: person.split for person in people}
    assert all(len({split[variant] for variant in family}) == 1 for family in FAMILIES)
    assert not any(word in person.name.lower() for person in people for word in ("whisper", "croak", "robo"))


def test_sound_is_as_long_as_it_says_and_levels_are_alike(tiny):
    levels = []
    for utterance in tiny.utterances:
        wave = tiny.audio(utterance)
        assert wave.dtype == np.float32 and len(wave) == round(utterance.seconds * room.SAMPLE_RATE)
        assert 0.7 < utterance.seconds < 3.5 and np.abs(wave).max() <= room.PEAK
        levels.append(20 * np.log10(np.sqrt(np.mean(wave**2))))
    assert min(levels) > -31 and max(levels) < -20


def test_labels_fit_the_sound(tiny):
    """Hissing consonants, found by their spectrum without the engine's events, must agree within a frame."""
    hiss = [tiny.label_names.index(name) for name in ("s", "z", "tS")]
    assert tiny.label_names[0] == "sil" and tiny.label_names[1:] == sorted(tiny.label_names[1:])
    assert len(tiny.label_names) < 60 and not any(mark in name for name in tiny.label_names for mark in "',_")
    match, quiet, loud = np.zeros(9), [], []
    for utterance in tiny.utterances:
        wave, labels = tiny.audio(utterance), tiny.frame_labels(utterance)
        assert labels.shape == (1 + len(wave) // 160,)
        assert labels[0] == labels[-1] == 0
        centred = np.lib.stride_tricks.sliding_window_view(np.pad(wave, 80), 160)
        frames = centred[::160][: len(labels)]  # (T, 160)
        power = np.mean(frames**2, axis=1) + 1e-7
        tilt = np.log(np.mean(np.diff(frames, axis=1) ** 2, axis=1) + 1e-8) - np.log(power)
        is_hiss = np.isin(labels, hiss)
        quiet.append(power[labels == 0].mean() / power.mean())
        loud.append(power[labels != 0].mean() / power.mean())
        if is_hiss.sum() > 0:
            match += [np.corrcoef(is_hiss, np.roll(tilt, -lag))[0, 1] for lag in range(-4, 5)]
    assert abs(int(match.argmax()) - 4) <= 1
    assert np.mean(quiet) < 0.1 < 1 < np.mean(loud)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[str], dict[str, object], np.ndarray]:
    """What the child makes of growing sentences and of words that sound alike, one voice of each accent."""
    folder = tmp_path_factory.mktemp("child") / "part"
    grown = ["turn", "turn the lamp", "turn on the lamp", "turn on the kitchen lamp",
             "turn on the kitchen lamp now"]
    alike = [word for word, _ in ALIKE]
    voices = [next(p.voice for p in speakers() if p.name.endswith("." + accent)) for accent in ACCENTS]
    items = [{"text": text, "voice": voice, "rate": 150, "pitch": 50, "range": 50, "seed": 1}
             for voice in voices for text in grown + alike]
    hc._speak({"seed": 5, "utterances": items}, folder)
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    return grown + alike, meta, np.load(folder / "labels.npy")


def test_longer_text_takes_longer_in_every_accent(spoken):
    texts, meta, _ = spoken
    samples = np.array(meta["samples"]).reshape(len(ACCENTS), len(texts))
    assert (np.diff(samples[:, :5]) > 0).all()


def test_words_that_should_sound_alike_do(spoken):
    texts, meta, labels = spoken
    ends = np.cumsum([1 + n // 160 for n in meta["samples"]])
    said = ["".join(meta["labels"][i] for i in part[np.diff(part, prepend=-1) != 0])
            for part in np.split(labels, ends[:-1])]
    for start in range(0, len(said), len(texts)):
        words = said[start + 5:start + len(texts)]
        assert words[::2] == words[1::2] and len(set(words)) == len(ALIKE) // 2


@pytest.mark.parametrize(("name", "folded"), [
    ("'3:", "3:"), ("0", "0"), ("I2", "I"), (",i@3", "i@"), ("t#", "t"), ("a#", "a"), ("_:", "sil"),
    ("_", "sil"), ("'aI", "aI"), ("t[", "t"), (";", ""), ("@2", "@"),
])
def test_phoneme_names_lose_their_marks(name, folded):
    assert espeak.fold(name) == folded


def test_frame_names_by_hand():
    # 320 samples of silence, then at 16 kHz: a from 0, b from 400, end at 800; then 160 of silence
    names = espeak.frame_names([(0, "'a"), (400, "b"), (790, "_:")], 16_000, 320, 800, 160)
    assert names == ["sil", "sil", "a", "a", "a", "b", "b", "sil", "sil"]


def test_noise_and_echo_are_as_light_as_promised():
    rng = np.random.default_rng(0)
    clean = np.sin(np.arange(16_000) * 0.3).astype(np.float32)
    for _ in range(20):
        heard = room.echo(clean, rng)
        assert 0 < np.mean((heard - clean) ** 2) / np.mean(clean**2) < 0.6  # a steady tone gathers its echoes
        assert np.mean(room.noise(16_000, rng) ** 2) == pytest.approx(1, abs=1e-3)
    one, two = (room.acoustics(clean, np.random.default_rng(7)) for _ in range(2))
    assert one.dtype == np.int16 and (one == two).all()


def test_confusable_words_are_there():
    assert {"thirteen", "thirty", "fifteen", "fifty"} <= set(COMMAND_SLOTS["teen"])
    assert {"bat", "cat", "cap", "cab", "pin", "bin"} <= set(COMMAND_SLOTS["thing"])


@pytest.mark.parametrize("wanted", [("commands", "huge"), ("songs", "smoke")])
def test_unknown_register_or_size(wanted, tmp_path):
    with pytest.raises(BadInput, match="register is commands or dictation, size is standard or smoke"):
        hc.homecommands(*wanted, cache=tmp_path)


def test_without_the_engine_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(BadInput, match="pip install espeakng-loader"):
        hc.homecommands("commands", "smoke", cache=tmp_path)


def test_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "homecommands").write_text("a file, not a folder")
    with pytest.raises(BadInput, match="set SPEECHNAS_CACHE") as error:
        hc.homecommands("commands", "smoke", cache=tmp_path, progress=False)
    assert "\n" not in str(error.value)


def test_full_disk_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    resource = pytest.importorskip("resource")
    monkeypatch.setitem(hc.SIZES, ("commands", "few"), {"train": 20})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))  # 20 commands need about a megabyte
    try:
        with pytest.raises(BadInput, match="free some space") as error:
            hc.homecommands("commands", "few", cache=tmp_path, progress=False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(error.value)
    assert list((tmp_path / "homecommands").iterdir()) == []


def test_unknown_voice_ends_the_child_with_one_line(tmp_path):
    job = {"seed": 1, "utterances": [{"text": "on", "voice": "xx+m1", "rate": 150, "pitch": 50, "range": 50,
                                      "seed": 1}]}
    with pytest.raises(BadInput, match="has no voice 'xx.m1'") as error:
        hc._speak(job, tmp_path / "part")
    assert "\n" not in str(error.value)


def test_damaged_corpus_is_named(tmp_path):
    (tmp_path / "index.json").write_text("{")
    with pytest.raises(BadInput, match="is damaged"):
        hc.HomeCommands(tmp_path)


def test_our_process_never_loads_the_engine():
    code = ("import speechnas_lab.speech.homecommands, sys; "
            "print('espeakng_loader' in sys.modules, 'torch' in sys.modules)")
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          cwd=Path(hc.__file__).parents[2])
    assert told.stdout.split() == ["False", "False"]

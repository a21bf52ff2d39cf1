"""Features in the cache, normalisation, CTC feasibility, augmentation."""

from __future__ import annotations

import json
import random
from collections import Counter

import numpy as np
import pytest
import soundfile
import torch
from speech_base import base, base_rows, say, write_rows

from speechnas_lab.errors import BadInput
from speechnas_lab.speech import (
    LogMel,
    change_speed,
    frames_needed,
    load_corpus,
    make_tokenizer,
    prepare,
    spec_augment,
    warp_mels,
)


def trained(corpus) -> list[str]:
    return [u.text for u in corpus.split("train")]


def test_examples_hold_the_normalised_features(tmp_path):
    corpus = load_corpus(base(tmp_path))
    tokenizer = make_tokenizer("word", trained(corpus))
    examples = prepare(corpus, tokenizer, cache=tmp_path / "cache", progress=False)
    assert {k: len(v) for k, v in examples.items()} == {"train": 6, "valid_weights": 0, "valid": 3, "test": 3}
    mel = LogMel()
    centred = lambda u: (x := mel(corpus.audio(u))) - x.mean(0)  # noqa: E731  (recordings differ by microphone)
    raw = torch.cat([centred(u) for u in corpus.split("train")])
    train = examples["train"]
    assert train.features[0].dtype == torch.float16 and train.labels is None
    torch.testing.assert_close(train.scale.mean, raw.mean(0), atol=2e-3, rtol=1e-3)
    torch.testing.assert_close(train.scale.std, raw.std(0, correction=0).clamp(min=0.05), atol=2e-3, rtol=1e-3)
    for name, split in examples.items():
        for utterance, features, tokens in zip(corpus.split(name), split.features, split.tokens, strict=True):
            wanted = (centred(utterance) - train.scale.mean) / train.scale.std
            torch.testing.assert_close(features.float(), wanted, atol=2e-2, rtol=2e-3)
            torch.testing.assert_close(train.scale(mel(corpus.audio(utterance))), wanted)
            assert tokens.dtype == torch.int64 and tokenizer.decode(tokens.tolist()) == utterance.text
    part = train.subset([4, 0])
    assert (
        part.ids == [train.ids[4], train.ids[0]] and part.features[1] is train.features[0] and len(part) == 2
    )


def test_the_cache_is_used_and_follows_the_sound(tmp_path, monkeypatch):
    manifest = base(tmp_path)
    corpus = load_corpus(manifest)
    tokenizer = make_tokenizer("word", trained(corpus))
    monkeypatch.setenv("SPEECHNAS_CACHE", str(tmp_path / "cache"))
    first = prepare(corpus, tokenizer, progress=False)["train"]
    stored = sorted((tmp_path / "cache" / "features").iterdir())
    assert len(stored) == 1 and sorted(p.name for p in stored[0].iterdir()) == ["frames.npy", "index.json"]
    monkeypatch.setattr(type(corpus), "audio", lambda *_: pytest.fail("the sound was read again"))
    again = prepare(corpus, tokenizer, progress=False)["train"]
    assert all(torch.equal(a, b) for a, b in zip(first.features, again.features, strict=True))
    monkeypatch.undo()
    monkeypatch.setenv("SPEECHNAS_CACHE", str(tmp_path / "cache"))
    soundfile.write(tmp_path / "wavs/u00.wav", 0.5 * say("yes"), 16_000)
    changed = prepare(load_corpus(manifest), tokenizer, progress=False)["train"]
    assert not torch.equal(changed.features[0], first.features[0])


def test_an_interrupt_leaves_no_half_cache(tmp_path, monkeypatch):
    corpus = load_corpus(base(tmp_path))
    tokenizer = make_tokenizer("word", trained(corpus))
    hear, heard = corpus.audio, []

    def stop_at_five(utterance):
        heard.append(utterance.id)
        if len(heard) == 5:
            raise KeyboardInterrupt
        return hear(utterance)

    monkeypatch.setattr(corpus, "audio", stop_at_five)
    with pytest.raises(KeyboardInterrupt):
        prepare(corpus, tokenizer, cache=tmp_path / "cache", progress=False)
    assert list((tmp_path / "cache" / "features").iterdir()) == []
    monkeypatch.setattr(corpus, "audio", hear)
    assert len(prepare(corpus, tokenizer, cache=tmp_path / "cache", progress=False)["train"]) == 6


def test_frames_needed_by_hand():
    for text, frames in (("hello", 6), ("aaa", 5), ("bookkeeper", 13), ("a", 1), ("", 0)):
        assert frames_needed([ord(c) for c in text]) == frames


def test_infeasible_training_utterances_are_left_out_and_named(tmp_path):
    base(tmp_path)
    rows = base_rows()
    lengths = {"hello": 1760, "aaa5": 40 * 160 - 1, "aaa4": 32 * 160 - 1, "aaa3": 24 * 160 - 1}
    for name, samples in lengths.items():  # 80 ms an output frame: 5, 4 and 3 of them
        soundfile.write(tmp_path / f"{name}.wav", say("hello")[:samples], 16_000)
        rows.append([f"{name}.wav", name.rstrip("345"), "s1", "train"])
    for name in ("empty", "space"):
        soundfile.write(tmp_path / f"{name}.wav", say("x"), 16_000)
        rows.append([f"{name}.wav", "" if name == "empty" else " ", "s1", "train"])
    corpus = load_corpus(write_rows(tmp_path / "M.csv", rows))
    tokenizer = make_tokenizer("char", trained(corpus))
    examples = prepare(corpus, tokenizer, output_reduction=8, cache=tmp_path / "cache", progress=False)
    train = examples["train"]
    assert "aaa5.wav" in train.ids and len(train) == 7
    assert not {"aaa4.wav", "aaa3.wav", "hello.wav", "empty.wav", "space.wav"} & set(train.ids)
    note = next(n for n in corpus.notes if "too short for their tokens" in n)
    assert note.startswith("3 of 10 train") and all(n in note for n in ("aaa4.wav", "aaa3.wav", "hello.wav"))
    for features, tokens in zip(train.features, train.tokens, strict=True):
        steps = -(-len(features) // 8)
        loss = torch.nn.functional.ctc_loss(
            torch.randn(steps, 1, tokenizer.vocab_size).log_softmax(-1),
            tokens[None],
            torch.tensor([steps]),
            torch.tensor([len(tokens)]),
        )
        assert torch.isfinite(loss)
    prepare(corpus, tokenizer, output_reduction=8, cache=tmp_path / "cache", progress=False)
    assert max(Counter(corpus.notes).values()) == 1


def test_a_corpus_that_is_mostly_infeasible_is_refused(tmp_path):
    corpus = load_corpus(base(tmp_path))
    tokenizer = make_tokenizer("char", trained(corpus))
    with pytest.raises(
        BadInput, match=r"\d of 6 training utterances .* reduction 40, .*word or piece tokens"
    ):
        prepare(corpus, tokenizer, output_reduction=40, cache=tmp_path / "cache", progress=False)


def test_infeasible_utterances_stay_in_the_other_splits(tmp_path):
    manifest = base(tmp_path)
    soundfile.write(tmp_path / "wavs/u07.wav", say("no stop")[:1000], 16_000)
    corpus = load_corpus(manifest)
    examples = prepare(corpus, make_tokenizer("char", trained(corpus)), cache=tmp_path / "c", progress=False)
    assert len(examples["valid"]) == 3
    assert any(n.startswith("1 of 3 valid utterances are too short") and "u07" in n for n in corpus.notes)


def test_words_never_trained_are_noted_outside_training(tmp_path):
    base(tmp_path)
    rows = base_rows()
    rows[9][1] = "yes please"
    corpus = load_corpus(write_rows(tmp_path / "M.csv", rows))
    examples = prepare(corpus, make_tokenizer("word", trained(corpus)), cache=tmp_path / "c", progress=False)
    assert examples["test"].texts[0] == "yes please" and len(examples["test"].tokens[0]) == 1
    assert any("'please'" in note and "u09" in note for note in corpus.notes)
    with pytest.raises(BadInput, match=r"u01\.wav: the word tokenizer does not know 'no'"):
        prepare(corpus, make_tokenizer("word", ["yes"]), cache=tmp_path / "c", progress=False)


def test_frame_labels_reach_the_examples(tmp_path, monkeypatch):
    corpus = load_corpus(base(tmp_path))
    corpus.label_names = ["", "tone"]
    monkeypatch.setattr(
        corpus,
        "frame_labels",
        lambda u: (np.abs(corpus.audio(u)[::160]) > 0)[: 1 + round(u.seconds * 16_000) // 160],
    )
    tokenizer = make_tokenizer("word", trained(corpus))
    with pytest.raises(ValueError, match=r"u00.*44 frame labels for 45"):
        prepare(corpus, tokenizer, cache=tmp_path / "c", progress=False)
    monkeypatch.setattr(corpus, "frame_labels", lambda u: np.ones(1 + round(u.seconds * 16_000) // 160, int))
    train = prepare(corpus, tokenizer, cache=tmp_path / "c", progress=False)["train"]
    assert [len(x) for x in train.labels] == [len(f) for f in train.features]
    assert train.labels[0].dtype == torch.int64 and len(train.subset([1]).labels) == 1


def test_human_digits(fsdd, tmp_path):
    corpus = load_corpus("fsdd", data=fsdd)
    assert all(len(corpus.split(s)) > 0 for s in ("train", "valid", "test"))
    speakers = {s: {u.speaker for u in corpus.split(s)} for s in ("train", "valid", "test")}
    assert not speakers["train"] & speakers["valid"] and not speakers["train"] & speakers["test"]
    assert len(speakers["valid"]) == len(speakers["test"]) == 1 and not corpus.split("valid_weights")
    assert {u.text for u in corpus.utterances} == {
        *("zero", "one", "two", "three", "four"),
        *("five", "six", "seven", "eight", "nine"),
    }
    assert any("8000 Hz" in note for note in corpus.notes) and any(
        "valid_weights" in note for note in corpus.notes
    )
    assert load_corpus("fsdd", data=fsdd / "recordings").fingerprint == corpus.fingerprint
    seven = next(u for u in corpus.utterances if u.id.startswith("7_"))
    wave, rate = soundfile.read(seven.path)
    assert seven.text == "seven" and rate == 8000 and len(corpus.audio(seven)) == 2 * len(wave)


def six_speakers(folder, names) -> None:
    for name in names:
        for digit in (0, 9):
            soundfile.write(folder / f"{digit}_{name}_0.wav", say("yes", sr=8000), 8000)


def test_all_six_speakers_of_the_public_set(tmp_path):
    six_speakers(tmp_path, ("george", "jackson", "lucas", "nicolas", "theo", "yweweler"))
    corpus = load_corpus("fsdd", data=tmp_path)
    assert Counter(u.split for u in corpus.utterances) == {"train": 8, "valid": 2, "test": 2}
    with pytest.raises(BadInput, match="FSDD folder"):
        load_corpus("fsdd", data=tmp_path / "none")


def test_two_digit_speakers_are_too_few(tmp_path):
    six_speakers(tmp_path, ("theo", "lucas"))
    with pytest.raises(BadInput, match=r"2 speaker\(s\)"):
        load_corpus("fsdd", data=tmp_path)


def libri(root, part: str, speaker: int, texts: list[str]) -> None:
    folder = root / "LibriSpeech" / part / str(speaker) / "7"
    folder.mkdir(parents=True)
    for k, text in enumerate(texts):
        soundfile.write(folder / f"{speaker}-7-{k:04d}.flac", say(text), 16_000)
    lines = [f"{speaker}-7-{k:04d} {text}\n" for k, text in enumerate(texts)]
    (folder / f"{speaker}-7.trans.txt").write_text("".join(lines))


def test_librispeech_layout(tmp_path):
    for part, speaker in (("train-clean-100", 19), ("dev-clean", 84), ("dev-clean", 174), ("test-clean", 61)):
        libri(tmp_path, part, speaker, ["GO LEFT", "I'LL STOP"])
    corpus = load_corpus("librispeech", data=tmp_path)
    assert [(u.id, u.text, u.speaker, u.split) for u in corpus.utterances if u.id.endswith("1")] == [
        ("174-7-0001", "i'll stop", "174", "valid_weights"),
        ("19-7-0001", "i'll stop", "19", "train"),
        ("61-7-0001", "i'll stop", "61", "test"),
        ("84-7-0001", "i'll stop", "84", "valid"),
    ]
    assert len(corpus.audio(corpus.utterances[0])) == len(say("GO LEFT"))
    assert load_corpus("librispeech", data=tmp_path / "LibriSpeech").fingerprint == corpus.fingerprint
    transcript = tmp_path / "LibriSpeech/test-clean/61/7/61-7.trans.txt"
    transcript.write_text("61-7-0000 GO LEFT\n")
    with pytest.raises(BadInput, match="test-clean is damaged"):
        load_corpus("librispeech", data=tmp_path)
    with pytest.raises(BadInput, match="train-clean-100 is missing"):
        load_corpus("librispeech", data=tmp_path / "none")


def test_warp_moves_bands_by_one_factor_an_utterance():
    batch = torch.randn(5, 7, 80, generator=torch.Generator().manual_seed(0))
    factors = [0.85 + 0.3 * random.Random(3).random()]
    out = warp_mels(batch, random.Random(3))
    place = np.minimum(np.arange(80) * factors[0], 79)
    wanted = np.stack([np.interp(place, np.arange(80), row) for row in batch[0].numpy()])
    np.testing.assert_allclose(out[0].numpy(), wanted, atol=1e-4)
    assert out.shape == batch.shape and not torch.equal(out[1] - batch[1], out[2] - batch[2])
    torch.testing.assert_close(warp_mels(batch, random.Random(0), 1.0, 1.0), batch)
    ramp = torch.arange(80.0).expand(64, 1, 80)
    seen = warp_mels(ramp, torch.Generator().manual_seed(0))[:, 0, 50] / 50
    assert 0.85 <= seen.min() < 0.9 and 1.1 < seen.max() <= 1.15001
    assert torch.equal(warp_mels(batch, random.Random(3)), out)
    assert warp_mels(batch.half(), random.Random(0)).dtype == torch.float16


def test_masks_stay_within_their_limits():
    batch, lengths = torch.ones(200, 100, 80), torch.tensor([100, 40] * 100)
    out = spec_augment(batch, lengths, random.Random(0), bands=15, band_masks=1, time_share=0.1, time_masks=1)
    assert set(out.unique().tolist()) == {0.0, 1.0} and torch.equal(batch, torch.ones(200, 100, 80))
    widths, times = [], {100: [], 40: []}
    for one, frames in zip(out, lengths.tolist(), strict=True):
        hidden = (one == 0).all(0)
        silent = (one == 0).all(1)
        widths.append(int(hidden.sum()))
        times[frames].append(int(silent.sum()))
        assert not silent[frames:].any()
        assert int((hidden[1:] != hidden[:-1]).sum()) <= 2  # one run
    assert min(widths) == 0 and max(widths) == 15
    assert max(times[100]) == 10 and max(times[40]) == 4 and min(times[40]) == 0
    again = spec_augment(
        batch, lengths, random.Random(0), bands=15, band_masks=1, time_share=0.1, time_masks=1
    )
    assert torch.equal(out, again)


def test_speed_changes_length_and_pitch():
    tone = np.sin(2 * np.pi * 400 * np.arange(16_000) / 16_000).astype(np.float32)
    fast = change_speed(tone, 1.1)
    assert abs(len(fast) - 16_000 / 1.1) <= 1
    peak = np.abs(np.fft.rfft(fast)).argmax() * 16_000 / len(fast)
    assert peak == pytest.approx(440, abs=2)
    np.testing.assert_array_equal(change_speed(tone, 1.0), tone)
    with pytest.raises(ValueError, match="outside"):
        change_speed(tone, 3)


def test_the_index_in_the_cache_is_plain_json(tmp_path):
    corpus = load_corpus(base(tmp_path))
    prepare(corpus, make_tokenizer("word", trained(corpus)), cache=tmp_path / "c", progress=False)
    index = json.loads(next((tmp_path / "c" / "features").glob("*/index.json")).read_text())
    assert index["settings"]["corpus"] == corpus.fingerprint and len(index["where"]) == 12

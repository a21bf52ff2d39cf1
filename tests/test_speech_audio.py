"""Sound files: encodings, rates, channels, and everything that can be wrong with a file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from speech_base import base, base_rows, say, write_rows

from speechnas_lab.errors import BadInput
from speechnas_lab.speech import LogMel, check_audio, load_corpus, read_audio

ENCODINGS = [("wav", s) for s in ("PCM_16", "PCM_24", "PCM_32", "FLOAT")] + [
    ("flac", s) for s in ("PCM_16", "PCM_24")
]


def test_every_encoding_gives_the_same_features(tmp_path, recwarn):
    wave = say("go left")
    mel = LogMel()
    wanted = mel(wave)
    loud = wanted.max(1).values > wanted.max() - 5  # frames with sound
    assert 60 < loud.sum() < len(wanted)
    for kind, subtype in ENCODINGS:
        path = tmp_path / f"{subtype}.{kind}"
        soundfile.write(path, wave, 16_000, subtype=subtype)
        got = mel(read_audio(path))
        assert got.shape == wanted.shape
        assert (got - wanted).abs().mean(1)[loud].max() < 0.05, (kind, subtype)
    assert not [w for w in recwarn if "soundfile" in str(w.message).lower()]


def test_all_encodings_in_one_manifest(tmp_path):
    rows = []
    for k, (kind, subtype) in enumerate(ENCODINGS):
        soundfile.write(tmp_path / f"{k}.{kind}", say("go left"), 16_000, subtype=subtype)
        rows.append([f"{k}.{kind}", "go left", f"s{k}", ("train", "valid", "test")[k % 3]])
    corpus = load_corpus(write_rows(tmp_path / "M.csv", rows))
    assert len(corpus.utterances) == 6
    assert not [note for note in corpus.notes if "left out" in note or "resampled" in note]
    for utterance in corpus.utterances:
        assert np.abs(corpus.audio(utterance) - say("go left")).max() <= 3.1e-5


BAD_FILES = {
    "no sample": (lambda p, x: soundfile.write(p, x[:0], 16_000), "too short"),
    "1 sample": (lambda p, x: soundfile.write(p, x[:1], 16_000), "too short"),
    "159 samples": (lambda p, x: soundfile.write(p, x[:159], 16_000), "too short"),
    "368 samples": (lambda p, x: soundfile.write(p, x[:368], 16_000), "too short"),
    "0 bytes": (lambda p, x: p.write_bytes(b""), "0 bytes"),
    "cut off": (
        lambda p, x: (soundfile.write(p, x, 16_000), p.write_bytes(p.read_bytes()[:2000])),
        "cut off",
    ),
    "cut header": (
        lambda p, x: (soundfile.write(p, x, 16_000), p.write_bytes(p.read_bytes()[:30])),
        "not a sound",
    ),
    "text": (lambda p, x: p.write_text("this is not sound, " * 99), "not a sound file"),
    "missing": (lambda p, x: p.unlink(), "No such file"),
    "not a number": (lambda p, x: soundfile.write(p, x * np.nan, 16_000, subtype="FLOAT"), "not numbers"),
    "unscaled": (lambda p, x: soundfile.write(p, x * 32768, 16_000, subtype="FLOAT"), "scale them"),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_bad_files_are_left_out_and_named(tmp_path, kind):
    manifest = base(tmp_path)
    spoil, reason = BAD_FILES[kind]
    bad = tmp_path / base_rows()[1][0]
    spoil(bad, say("no stop"))
    corpus = load_corpus(manifest)
    assert len(corpus.utterances) == 11
    line = next(note for note in corpus.notes if "left out" in note)
    assert str(bad) in line and "M.csv line 3" in line and reason in line and "\n" not in line
    assert "11 of 12 used" in corpus.notes


def test_the_shortest_clip_is_one_window(tmp_path):
    manifest = base(tmp_path)
    soundfile.write(tmp_path / base_rows()[1][0], say("no stop")[:400], 16_000)
    corpus = load_corpus(manifest)
    assert len(corpus.utterances) == 12 and not [n for n in corpus.notes if "used" in n]
    assert corpus.utterances[1].seconds == 0.025


def test_a_split_that_loses_all_its_files_is_refused(tmp_path):
    manifest = base(tmp_path)
    for path, _, speaker, _ in base_rows():
        if speaker == "s3":
            (tmp_path / path).write_bytes(b"")
    with pytest.raises(BadInput, match=r"split valid cannot be made.*u06\.wav is left out: .*0 bytes"):
        load_corpus(manifest)


@pytest.mark.parametrize("name", ["x.flac", "x.ogg", "x.aiff", "x.wav"])
def test_cut_files_of_every_format(tmp_path, name):
    path = tmp_path / name
    soundfile.write(path, np.random.default_rng(0).uniform(-0.3, 0.3, 40_000), 16_000)
    assert not check_audio(path).problem
    whole = path.read_bytes()
    for share in (0.9, 0.5, 0.2):
        path.write_bytes(whole[: int(share * len(whole))])
        assert check_audio(path).problem, share


def test_a_wave_file_written_to_a_pipe_is_read(tmp_path):
    """Its sizes are 0xFFFFFFFF, since the program could not go back to fill them in."""
    path = tmp_path / "pipe.wav"
    soundfile.write(path, say("yes"), 16_000)
    raw = bytearray(path.read_bytes())
    raw[4:8] = raw[40:44] = b"\xff" * 4
    path.write_bytes(raw)
    assert check_audio(path).problem == ""
    assert len(read_audio(path)) == len(say("yes"))


def test_stereo_and_other_rates_are_converted_and_said_once(tmp_path):
    manifest = base(tmp_path)
    rows = base_rows()
    tone = 0.4 * np.sin(2 * np.pi * 440 * np.arange(44_100) / 44_100)
    for k in (0, 1):
        soundfile.write(tmp_path / rows[k][0], np.stack([tone, 0 * tone], 1), 44_100)
    soundfile.write(tmp_path / rows[2][0], tone[:8000], 8000)
    corpus = load_corpus(manifest)
    assert [n for n in corpus.notes if "Hz" in n or "channels" in n] == [
        "1 files at 8000 Hz are resampled to 16000",
        "2 files at 44100 Hz are resampled to 16000",
        "2 files with 2 channels are averaged",
    ]
    wave = corpus.audio(corpus.utterances[0])
    assert wave.dtype == np.float32 and wave.shape == (16_000,) and corpus.utterances[0].seconds == 1.0
    wanted = 0.2 * np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    assert np.abs(wave - wanted)[200:-200].max() < 2e-3


def test_overshoot_is_clipped(tmp_path):
    soundfile.write(tmp_path / "x.wav", np.full(1000, 1.2), 16_000, subtype="FLOAT")
    assert not check_audio(tmp_path / "x.wav").problem
    assert read_audio(tmp_path / "x.wav").max() == 1.0


def test_importing_the_room_and_reading_a_manifest_need_no_torch(tmp_path):
    manifest = base(tmp_path)
    code = (
        "import sys, speechnas_lab.speech as s; assert 'torch' not in sys.modules\n"
        f"assert len(s.load_corpus({str(manifest)!r}).utterances) == 12; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


def test_log_mel_agrees_with_a_plain_computation():
    """Windows, Fourier transform and Slaney's triangles written out with numpy."""
    wave = np.random.default_rng(1).normal(0, 0.1, 5000).astype(np.float32)
    window = np.zeros(512)
    window[56:456] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    padded = np.concatenate([np.zeros(256), wave, np.zeros(256)])
    frames = np.stack([padded[t * 160 : t * 160 + 512] * window for t in range(1 + 5000 // 160)])
    power = np.abs(np.fft.rfft(frames)) ** 2  # (T, 257)

    def hertz(mel: np.ndarray) -> np.ndarray:  # Slaney: linear to 1 kHz, then 6.4 in 27 steps
        return np.where(mel < 15, mel * 200 / 3, 1000 * np.exp(np.log(6.4) / 27 * (mel - 15)))

    top = 15 + np.log(8000 / 1000) / (np.log(6.4) / 27)
    edges = hertz(np.linspace(0, top, 82))
    bins = np.arange(257) * 31.25
    bands = np.zeros((257, 80))
    for b in range(80):
        low, centre, high = edges[b : b + 3]
        bands[:, b] = np.clip(
            np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)), 0, None
        )
    wanted = np.log(np.maximum(power @ bands, 1e-5))
    got = LogMel()(wave)
    assert got.shape == (32, 80) and got.dtype == torch.float32
    assert np.abs(got.numpy() - wanted).max() < 2e-3


@pytest.mark.parametrize("samples", [1, 159, 160, 400, 16_000])
def test_number_of_frames(samples):
    assert LogMel()(np.zeros(samples, np.float32)).shape == (1 + samples // 160, 80)

"""A small corpus of tones for the speech tests: 12 files, 4 speakers, a manifest M.csv."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import soundfile

SENTENCES = ("yes", "no stop", "go left")
SPEAKERS = (("s1", "train"), ("s2", "train"), ("s3", "valid"), ("s4", "test"))
HEADER = ["path", "text", "speaker", "split"]


def say(text: str, sr: int = 16_000, f0: float = 300.0, amp: float = 0.3) -> np.ndarray:
    """A tone for each word, 0.12 s a letter, and a gap of 0.08 s after it."""
    out = []
    for word in text.split() or ["x"]:
        time = np.arange(int(0.12 * sr) * len(word)) / sr
        out += [
            amp * np.sin(2 * np.pi * (f0 + 37 * (sum(map(ord, word)) % 40)) * time),
            np.zeros(int(0.08 * sr)),
        ]
    return np.concatenate(out).astype("float32")


def base_rows() -> list[list[str]]:
    """The twelve rows in order: path, text, speaker, split."""
    voices = [(speaker, split, text) for speaker, split in SPEAKERS for text in SENTENCES]
    return [[f"wavs/u{k:02d}.wav", text, speaker, split] for k, (speaker, split, text) in enumerate(voices)]


def write_rows(manifest: Path, rows: list[list[str]], header: list[str] = HEADER) -> Path:
    """A CSV manifest."""
    with manifest.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return manifest


def base(folder: Path) -> Path:
    """Write the twelve sounds and M.csv into the folder; return the manifest's path."""
    (folder / "wavs").mkdir(parents=True, exist_ok=True)
    for path, text, speaker, _ in base_rows():
        soundfile.write(folder / path, say(text, f0=250 + 60 * int(speaker[1])), 16_000, subtype="PCM_16")
    return write_rows(folder / "M.csv", base_rows())

"""Sound files read safely: whatever the encoding, the result is float32, 16 kHz, mono, in [-1, 1]."""

from __future__ import annotations

import hashlib
import io
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

SAMPLE_RATE = 16_000  # Hz, of everything behind this file
SHORTEST = 400  # samples at 16 kHz: one analysis window, 25 ms
UNKNOWN = 0x7FFF0000  # programs that write to a pipe promise this many bytes or more: they do not know


@dataclass(frozen=True)
class Sound:
    """What a check found. `problem` is empty for a usable file; `digest` identifies its bytes."""

    seconds: float = 0.0
    rate: int = 0
    channels: int = 0
    digest: str = ""
    problem: str = ""


def read_audio(path: str | os.PathLike[str]) -> np.ndarray:
    """float32 (n,), 16 kHz, mono, in [-1, 1]. Channels are averaged, other rates resampled, overshoot
    clipped.

    Integer encodings of any width are scaled by their full range. The file must have passed `check_audio`.
    """
    wave, rate = soundfile.read(os.fspath(path), dtype="float32", always_2d=True)  # (n, channels)
    return np.clip(resample(wave.mean(axis=1), rate), -1.0, 1.0)


def resample(wave: np.ndarray, rate: int) -> np.ndarray:
    """(n,) at `rate` Hz -> (ceil(n * 16000 / rate),) at 16 kHz, by torchaudio's windowed sinc."""
    if rate == SAMPLE_RATE:
        return wave
    import torch  # here, so that reading 16 kHz files and checking a manifest start quickly
    from torchaudio.functional import resample as sinc

    return sinc(torch.from_numpy(np.ascontiguousarray(wave)), rate, SAMPLE_RATE).numpy()


def check_audio(path: Path) -> Sound:
    """Read a whole file and say whether it can be used; never raises for a bad file.

    A cut file is found by what its header promises: in WAV, AIFF, FLAC and Ogg always, in MP3 if it has one.
    """
    try:
        raw = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a path that no system takes
        return Sound(problem=f"it cannot be read ({getattr(error, 'strerror', error)})")
    if not raw:
        return Sound(problem="the file is empty (0 bytes)")
    if missing := bytes_missing(raw):
        return Sound(problem=f"the file is cut off: its header promises {missing} bytes more than it has")
    if raw[:4] == b"OggS" and not ogg_ends(raw):
        return Sound(problem="the file is cut off: the Ogg stream has no last page")
    try:
        promised = soundfile.info(io.BytesIO(raw)).frames
        wave, rate = soundfile.read(io.BytesIO(raw), dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError, ValueError, TypeError) as error:
        return Sound(problem=f"not a sound file that can be read ({' '.join(str(error).split())[-80:]})")
    frames, channels = wave.shape
    if frames < promised < UNKNOWN:
        return Sound(problem=f"the file is cut off: its header promises {promised} samples, it has {frames}")
    length = -(-frames * SAMPLE_RATE // rate)
    if length < SHORTEST:
        return Sound(problem=f"too short: {1000 * frames / rate:.1f} ms, needed are 25 ms")
    if not np.isfinite(wave).all():
        return Sound(problem="it holds samples that are not numbers (NaN or infinite)")
    peak = float(np.abs(wave).max())
    if peak > 8:
        return Sound(problem=f"float samples reach {peak:.0f}: scale them to the range -1 to 1")
    return Sound(length / SAMPLE_RATE, rate, channels, hashlib.sha256(raw).hexdigest())


def check_all(paths: list[Path]) -> list[Sound]:
    """`check_audio` for many files, in order; disk and decoder work beside each other."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(check_audio, paths))


def bytes_missing(raw: bytes) -> int:
    """How many bytes the size fields of a RIFF (WAV) or FORM (AIFF) file promise beyond its end; 0 for
    other files.

    libsndfile reads such a file up to its end without a word, so the promise is checked here.
    """
    kind = raw[:4]
    if kind not in (b"RIFF", b"FORM") or len(raw) < 12:
        return 0
    order = "little" if kind == b"RIFF" else "big"
    sound = b"data" if kind == b"RIFF" else b"SSND"
    at = 12
    while at + 8 <= len(raw):
        size = int.from_bytes(raw[at + 4 : at + 8], order)  # type: ignore[arg-type]
        if raw[at : at + 4] == sound:
            return 0 if size >= UNKNOWN else max(0, at + 8 + size - len(raw))
        at += 8 + size + size % 2
    return 0


def ogg_ends(raw: bytes) -> bool:
    """Whether the last page is complete and marked as the end of the stream (RFC 3533, section 6)."""
    page = raw[raw.rfind(b"OggS") :]
    if len(page) < 27 or not page[5] & 4:
        return False
    table = page[27 : 27 + page[26]]  # the sizes of the page's segments
    return len(page) >= 27 + page[26] + sum(table)

"""From sound to features: log mel energies, computed once and kept in a cache."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.lib.format import open_memmap
from torch import Tensor, nn
from torchaudio.transforms import MelSpectrogram
from tqdm import tqdm

from ..errors import BadInput
from .corpus import Corpus, cache_folder

WINDOW, HOP, FFT = 0.025, 0.010, 512  # seconds, seconds, points at 16 kHz
# Power below which a band counts as silent: 90 dB under a full-scale tone. Above the noise of 16-bit samples,
# so that 16-bit, 24-bit and float files of the same sound give the same features.
FLOOR = 1e-5
STEADY = 0.05  # smallest standard deviation to divide by: bands above 4 kHz of 8 kHz recordings hardly move
CHUNK = 20_000  # frames normalised at once
TRUST, MEMORY = 100, 300  # frames that a running mean's start weighs; frames over which it remembers
FIRST = 200  # training utterances whose mean it starts at


class LogMel(nn.Module):
    """(n,) samples in [-1, 1] -> float32 (T, n_mels) natural logarithms of mel-band power, T = 1 + n // hop.

    25 ms Hann windows every 10 ms (hop = 160 samples at 16 kHz), each centred on its frame, zeros beyond
    both ends; triangular bands on Slaney's mel scale from 0 to half the rate; power under 1e-5 counts as
    1e-5.
    """

    def __init__(self, sample_rate: int = 16_000, n_mels: int = 80) -> None:
        super().__init__()
        self.sample_rate, self.n_mels, self.hop = sample_rate, n_mels, round(HOP * sample_rate)
        self.mel = MelSpectrogram(
            sample_rate,
            n_fft=FFT * sample_rate // 16_000,
            win_length=round(WINDOW * sample_rate),
            hop_length=self.hop,
            n_mels=n_mels,
            center=True,
            pad_mode="constant",
            mel_scale="slaney",
        )

    @torch.inference_mode()
    def forward(self, wave: Tensor | np.ndarray) -> Tensor:
        """wave float (n,), n >= 1."""
        return self.mel(torch.as_tensor(wave, dtype=torch.float32)).clamp(min=FLOOR).log().T  # (T, n_mels)


@dataclass(frozen=True)
class Scale:
    """How log mels become what a network reads. mean, std: float32 (F,), over the frames of the training split.

    centred: each utterance's own mean is taken off first, band by band, and with it most of what its microphone adds
    (Atal, 1974). Where few speakers are heard in training, a network would learn their microphones instead.
    start: float32 (F,); where it is given, a running mean that starts there is taken off in its place, as a stream
    can. See `running_mean_off`.
    """

    mean: Tensor
    std: Tensor
    centred: bool = False
    start: Tensor | None = None

    def __call__(self, log_mel: Tensor) -> Tensor:
        """(T, F) of one utterance -> the same, normalised."""
        if self.start is not None:
            log_mel = running_mean_off(log_mel, self.start)[0]
        elif self.centred:
            log_mel = log_mel - log_mel.mean(0)
        return (log_mel - self.mean) / self.std

    def facts(self) -> dict[str, object]:
        """What a model file must tell of it."""
        numbers = {"feature_mean": self.mean, "feature_std": self.std}
        if self.start is not None:
            numbers["feature_start"] = self.start
        return {key: [round(float(x), 5) for x in value] for key, value in numbers.items()} | {
            "feature_centred": self.centred
        }

    @classmethod
    def from_facts(cls, facts: Mapping[str, str]) -> Scale:
        """Read the JSON values that `facts` became in a model file."""
        mean, std = (torch.tensor(json.loads(facts[f"feature_{key}"]), dtype=torch.float32) for key in ("mean", "std"))
        start = facts.get("feature_start")
        start = None if start is None else torch.tensor(json.loads(start), dtype=torch.float32)
        return cls(mean, std, bool(json.loads(facts.get("feature_centred", "false"))), start)


def running_mean_off(
    log_mel: Tensor, start: Tensor, mean: Tensor | None = None, count: int = 0
) -> tuple[Tensor, Tensor, int]:
    """(T, F) less a running mean that knows only what came before and this frame; the mean (F,) and count after.

    m_t = m_{t-1} + (x_t - m_{t-1}) / min(TRUST + t, MEMORY), t from 1: at first the mean of all frames, `start`
    counted TRUST times, later one that forgets, so that it holds for any length. `mean` and `count` go on from there.
    """
    now = (start if mean is None else mean).double()
    rows = []
    for frame in log_mel.double():
        count = min(count + 1, MEMORY)
        now = now + (frame - now) / min(TRUST + count, MEMORY)
        rows.append(frame - now)
    return torch.stack(rows).float() if rows else log_mel, now, count


@dataclass(frozen=True)
class Stored:
    """A corpus as normalised features: `frames` float16 (all frames, F), `where` id -> (first, last + 1)."""

    frames: np.ndarray
    where: dict[str, tuple[int, int]]
    scale: Scale

    def __getitem__(self, utterance_id: str) -> Tensor:
        first, last = self.where[utterance_id]
        return torch.from_numpy(self.frames[first:last])  # (T, F)


def stored_features(
    corpus: Corpus,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = True,
    mel: LogMel | None = None,
    running: bool = False,
) -> Stored:
    """The features of every utterance, from the cache or computed and then kept there.

    Each band is normalised as `Scale` says; running: by a mean that a stream knows, where one is taken off.
    The folder in the cache is named after the corpus's fingerprint and the feature settings; it appears whole or not
    at all.
    """
    mel = mel or LogMel()
    settings = {
        "corpus": corpus.fingerprint, "rate": mel.sample_rate, "mels": mel.n_mels, "window": WINDOW,
        "hop": HOP, "fft": FFT, "scale": "slaney", "floor": FLOOR, "steady": STEADY, "format": 1,
    }  # fmt: skip
    if corpus.recorded:
        settings["centred"] = True
    if corpus.recorded and running:
        settings["running"] = [TRUST, MEMORY, FIRST]
    key = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
    folder = cache_folder(cache) / "features" / key
    if not (folder / "index.json").is_file():
        compute(corpus, mel, folder, settings, progress)
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    # copy on write: tensors may share the memory, the file never changes
    frames = np.load(folder / "frames.npy", mmap_mode="c")
    where = {name: (first, last) for name, first, last in index["where"]}
    start = torch.tensor(index["start"]) if index.get("start") else None
    return Stored(frames, where, Scale(torch.tensor(index["mean"]), torch.tensor(index["std"]), corpus.recorded, start))


def compute(corpus: Corpus, mel: LogMel, folder: Path, settings: dict[str, object], progress: bool) -> None:
    """Write frames.npy and index.json to `folder`, by way of a temporary folder beside it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
    try:
        start = training_mean(corpus, mel) if "running" in settings else None
        where, mean, std = write_raw(corpus, mel, work / "raw", progress, start)
        raw = np.memmap(work / "raw", np.float16, "r", shape=(where[-1][2], mel.n_mels))
        frames = open_memmap(work / "frames.npy", "w+", np.float16, raw.shape)
        for at in range(0, len(raw), CHUNK):
            frames[at : at + CHUNK] = (raw[at : at + CHUNK] - mean) / std
        frames.flush()
        del raw, frames
        (work / "raw").unlink()
        index = {"settings": settings, "mean": mean.tolist(), "std": std.tolist(), "where": where}
        index |= {"start": start.tolist()} if start is not None else {}
        (work / "index.json").write_text(json.dumps(index), encoding="utf-8")
        if not (folder / "index.json").is_file():  # else another process was quicker, with the same result
            work.rename(folder)
    except OSError as error:
        raise BadInput(f"cannot keep features ({error}): free space or set SPEECHNAS_CACHE") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)


def write_raw(
    corpus: Corpus, mel: LogMel, path: Path, progress: bool, start: Tensor | None = None
) -> tuple[list[tuple[str, int, int]], np.ndarray, np.ndarray]:
    """Write all log mels to `path` as float16. Returns the index, and mean and std (F,) of training."""
    total, square, count, at = np.zeros(mel.n_mels), np.zeros(mel.n_mels), 0, 0
    where = []
    with path.open("wb") as out:
        for utterance, values in spoken(corpus, mel, progress, start):
            if utterance.split == "train":
                total, square, count = total + values.sum(0), square + (values**2).sum(0), count + len(values)
            out.write(values.astype(np.float16).tobytes())
            where.append((utterance.id, at, at + len(values)))
            at += len(values)
    if count == 0:
        raise BadInput(f"the corpus {corpus.name} has no training utterance: features cannot be normalised")
    mean = total / count
    std = np.sqrt(np.maximum(square / count - mean**2, STEADY**2))
    return where, mean.astype(np.float32), std.astype(np.float32)


def training_mean(corpus: Corpus, mel: LogMel) -> Tensor:
    """The mean log mels (F,) of the first utterances of training: where a running mean starts."""
    some = corpus.split("train")[:FIRST]
    if not some:
        raise BadInput(f"the corpus {corpus.name} has no training utterance: features cannot be normalised")
    return torch.cat([mel(corpus.audio(utterance)) for utterance in some]).mean(0)


def spoken(corpus: Corpus, mel: LogMel, progress: bool, start: Tensor | None = None) -> Iterator[tuple]:
    """Pairs of utterance and float64 (T, F) log mels, a mean taken off where the corpus was recorded."""
    for utterance in tqdm(corpus.utterances, desc="features", unit="utt", disable=not progress, delay=2):
        values = mel(corpus.audio(utterance))
        if start is not None:
            values = running_mean_off(values, start)[0]
        values = values.numpy().astype(np.float64)
        yield utterance, values - values.mean(0) if corpus.recorded and start is None else values

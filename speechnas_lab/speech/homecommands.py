"""HomeCommands: a corpus that the course speaks itself, in half a minute, without a download.

Every utterance is planned first (sentence, speaker, rate, pitch, room), then spoken by eSpeak NG in child
processes, one for each shard of the plan. The plan alone decides the bytes: not the number of workers, the
folder, or the locale. Splits share neither a speaker nor a sentence.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..errors import BadInput
from .corpus import Corpus, Utterance, cache_folder
from .espeak import library_paths
from .grammar import REGISTERS
from .room import FRAME, SAMPLE_RATE
from .voices import Speaker, speakers

PER_SHARD = 700     # utterances that one child speaks: about 20 minutes of commands in 2.5 s, start included
WORKERS = 2         # measured on two cores; the result doesn't depend on it
STALE = 3600        # seconds after which an unfinished folder counts as abandoned
SIZES: dict[tuple[str, str], dict[str, int]] = {
    ("commands", "standard"): {"train": 6000, "valid_weights": 300, "valid": 600, "test": 2500},
    ("commands", "smoke"): {"train": 800, "valid_weights": 100, "valid": 150, "test": 300},
    ("dictation", "standard"): {"train": 1500, "valid_weights": 100, "valid": 200, "test": 1000},
    ("dictation", "smoke"): {"train": 200, "valid_weights": 40, "valid": 60, "test": 120},
}
SHARE = {"train": 0.60, "valid_weights": 0.08, "valid": 0.12, "test": 0.20}  # of all sentences, by their hash


def sentence_split(text: str) -> str:
    """The one split that a sentence may occur in, from the hash of its text."""
    place = int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 16**8
    for split, share in SHARE.items():
        place -= share
        if place < 0:
            return split
    return "test"


def plan(register: str, size: str, seed: int) -> list[dict[str, object]]:
    """All utterances in order: id, split, speaker, text, and what the engine and the room need.

    Within a split the speakers take turns, so that any first part of it holds many voices.
    """
    by_split: dict[str, list[Speaker]] = {}
    for speaker in speakers():
        by_split.setdefault(speaker.split, []).append(speaker)
    rows: list[dict[str, object]] = []
    for split, count in SIZES[register, size].items():
        rng = random.Random(f"homecommands/{register}/{size}/{split}/{seed}")
        turn: list[Speaker] = []
        for number in range(count):
            text = REGISTERS[register](rng)
            while sentence_split(text) != split:
                text = REGISTERS[register](rng)
            if not turn:
                turn = rng.sample(by_split[split], len(by_split[split]))
            who = turn.pop()
            rows.append({"id": f"{split}-{number:05d}", "split": split, "speaker": who.name, "text": text,
                         "voice": who.voice, "rate": who.rate + rng.randrange(-12, 13),
                         "pitch": who.pitch + rng.randrange(-5, 6), "range": rng.randrange(40, 66),
                         "seed": rng.getrandbits(32)})
    return rows


class HomeCommands(Corpus):
    """A made corpus, opened from its folder. Sound and labels are read from disk when asked for."""

    def __init__(self, folder: Path) -> None:
        try:
            index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise BadInput(f"{folder} is damaged ({error}): delete it, it is made again") from None
        columns = (index[key] for key in ("id", "text", "speaker", "split", "samples"))
        utterances = [Utterance(name, None, text, speaker, split, count / SAMPLE_RATE)
                      for name, text, speaker, split, count in zip(*columns, strict=True)]
        super().__init__(index["name"], utterances, index["fingerprint"], index["notes"], index["labels"])
        self.about: dict[str, object] = index["about"]  # engine, wheel, voices, register, size, seed, hours
        self.folder = folder
        samples = np.array(index["samples"])
        self._row = {name: row for row, name in enumerate(index["id"])}
        self._samples = samples
        self._frame_start = np.concatenate([[0], np.cumsum(1 + samples // FRAME)])
        starts = [np.cumsum(samples[i:i + PER_SHARD]) - samples[i:i + PER_SHARD]
                  for i in range(0, len(samples), PER_SHARD)]
        self._start = np.concatenate(starts)  # within the shard
        self._shards: dict[int, np.ndarray] = {}
        self._labels: np.ndarray | None = None

    def audio(self, utterance: Utterance) -> np.ndarray:
        """float32 (n,) in [-1, 1], mono, 16 kHz."""
        row = self._row[utterance.id]
        shard = row // PER_SHARD
        if shard not in self._shards:
            self._shards[shard] = np.load(self.folder / f"audio-{shard:02d}.npy", mmap_mode="r")
        start = self._start[row]
        return self._shards[shard][start:start + self._samples[row]].astype(np.float32) / 32768

    def frame_labels(self, utterance: Utterance) -> np.ndarray:
        """int64 (T,), T = 1 + n // 160: the phoneme at each 10 ms frame's centre, by `label_names`."""
        if self._labels is None:
            self._labels = np.load(self.folder / "labels.npy", mmap_mode="r")
        row = self._row[utterance.id]
        return self._labels[self._frame_start[row]:self._frame_start[row + 1]].astype(np.int64)


def _recipe() -> bytes:
    """The code that decides the bytes: a corpus made by other code is not taken from the cache."""
    here = Path(__file__).parent
    files = ("espeak.py", "grammar.py", "homecommands.py", "room.py", "voices.py")
    return b"".join((here / name).read_bytes() for name in files)


def _speak(job: dict[str, object], folder: Path) -> None:
    """One child speaks one shard into `folder`."""
    folder.mkdir()
    (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
    root = Path(__file__).resolve().parents[2]
    path = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": path}
    command = [sys.executable, "-m", "speechnas_lab.speech.espeak", str(folder / "job.json"), str(folder)]
    child = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", env=environment,
                           cwd=root)
    if child.returncode:
        last = (child.stderr.strip().splitlines() or [f"it ended with code {child.returncode}"])[-1]
        raise BadInput(f"the speech engine failed: {last}")


def _make(
    rows: list[dict[str, object]], about: dict[str, object], folder: Path, workers: int, progress: bool
) -> None:
    """Speak all shards of a plan into the empty `folder` and write index.json and labels.npy."""
    shards = [rows[start:start + PER_SHARD] for start in range(0, len(rows), PER_SHARD)]
    parts = [folder / f"shard-{number:02d}" for number in range(len(shards))]
    with ThreadPoolExecutor(workers) as pool:
        jobs = {pool.submit(_speak, {"seed": 1 + number, "utterances": shard}, parts[number]): len(shard)
                for number, shard in enumerate(shards)}
        try:
            with tqdm(total=len(rows), desc=f"speaking {about['name']}", unit="utt",
                      disable=not progress) as bar:
                for job in as_completed(jobs):
                    job.result()
                    bar.update(jobs[job])
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    metas = [json.loads((part / "meta.json").read_text(encoding="utf-8")) for part in parts]
    names = [metas[0]["labels"][0]] + sorted({n for meta in metas for n in meta["labels"][1:]})
    place = {name: i for i, name in enumerate(names)}
    labels = [np.array([place[n] for n in meta["labels"]], np.uint8)[np.load(part / "labels.npy")]
              for meta, part in zip(metas, parts, strict=True)]
    np.save(folder / "labels.npy", np.concatenate(labels))
    samples = [n for meta in metas for n in meta["samples"]]
    hours = sum(samples) / SAMPLE_RATE / 3600
    about = {**about, "engine": f"eSpeak NG {metas[0]['engine']}", "hours": round(hours, 3)}
    content = hashlib.sha256(json.dumps([about, rows, [meta["sha256"] for meta in metas]]).encode())
    for part in labels:
        content.update(part.tobytes())
    note = (f"synthetic speech by {about['engine']}, {hours:.1f} hours, seed {about['seed']}: real voices "
            "differ more, expect higher error rates on them")
    index = {"name": about["name"], "fingerprint": content.hexdigest()[:16], "labels": names,
             "samples": samples, "notes": [note], "about": about,
             **{key: [row[key] for row in rows] for key in ("id", "text", "speaker", "split")}}
    for number, part in enumerate(parts):
        os.replace(part / "audio.npy", folder / f"audio-{number:02d}.npy")
        shutil.rmtree(part)
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")


def homecommands(
    register: str = "commands", size: str = "standard", seed: int = 0,
    cache: str | os.PathLike[str] | None = None, progress: bool = True, workers: int = WORKERS,
) -> HomeCommands:
    """The corpus of that register, size and seed: from the cache, or made now (half a minute, 0.5 GB).

    An unfinished corpus is never seen: its folder gets its name when it is complete. BadInput when the
    register or size is unknown, the engine isn't installed or fails, or the cache cannot be written.
    """
    if (register, size) not in SIZES:
        raise BadInput(f"no HomeCommands {register!r} {size!r}: register is commands or dictation, "
                       "size is standard or smoke")
    library_paths()
    name = "homecommands" if register == "commands" else f"homecommands-{register}"
    about = {"name": name, "register": register, "size": size, "seed": seed,
             "wheel": importlib.metadata.version("espeakng-loader"),
             "voices": {s.name: {"voice": s.voice, "split": s.split} for s in speakers()}}
    key = hashlib.sha256(json.dumps(about).encode() + _recipe()).hexdigest()[:12]
    home = cache_folder(cache) / "homecommands"
    folder = home / f"{register}-{size}-{seed}-{key}"
    if not (folder / "index.json").is_file():
        try:
            home.mkdir(parents=True, exist_ok=True)
            for old in home.glob(".making-*"):
                if time.time() - old.stat().st_mtime > STALE:
                    shutil.rmtree(old, ignore_errors=True)
            making = Path(tempfile.mkdtemp(prefix=".making-", dir=home))
            try:
                _make(plan(register, size, seed), about, making, workers, progress)
                if not folder.exists():
                    os.replace(making, folder)
            finally:
                shutil.rmtree(making, ignore_errors=True)
        except OSError as error:
            raise BadInput(f"cannot make the corpus in {home} ({error.strerror or error}): "
                           "free some space, or set SPEECHNAS_CACHE to a folder you can write") from None
    return HomeCommands(folder)

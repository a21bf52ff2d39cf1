"""Commands run in this process, small: a whole search takes seconds. As a program: the same, for tests that kill it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from speech_base import base, base_rows, say, write_rows

from speechnas_lab import cli, pipeline, steps
from speechnas_lab.errors import BadInput

MICRO = steps.Budget("smoke", "smoke", 8, 2, 2, 4, 1, 3, ("conformer-small",))
KINDS = [("wav", "PCM_16"), ("wav", "PCM_24"), ("wav", "PCM_32"), ("wav", "FLOAT"), ("flac", "PCM_16"),
         ("flac", "PCM_24")]  # fmt: skip


class Inline:
    """`jobs.Workers` without processes."""

    def __enter__(self) -> Inline:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit(self, work: Callable, *args: Any) -> Future:
        future: Future = Future()
        future.set_result(work(*args))
        return future

    def gather(self, futures: Sequence[Future], advance: Callable | None = None) -> list[Any]:
        return [future.result() for future in futures]


def make_small(patch: pytest.MonkeyPatch, cache: Path) -> None:
    """Micro budget, no processes, a cache of its own."""
    patch.setenv("SPEECHNAS_CACHE", str(cache))
    patch.setitem(steps.BUDGETS, "smoke", MICRO)
    patch.setattr(pipeline, "Workers", Inline)
    patch.setattr(pipeline, "estimate", lambda budget, **_: 10.0)


def mixed_speech(folder: Path) -> Path:
    """BASE, and rows of every kind that is read, left out or converted; the manifest's path."""
    base(folder)
    rows, wave = base_rows(), say("go left")
    for number, (kind, subtype) in enumerate(KINDS):
        soundfile.write(folder / f"wavs/k{number}.{kind}", wave, 16_000, subtype=subtype)
        rows.append([f"wavs/k{number}.{kind}", "go left", "s1", "train"])
    soundfile.write(folder / "wavs/stereo.wav", np.stack([say("yes", 44_100)] * 2, 1), 44_100)
    soundfile.write(folder / "wavs/short.wav", wave[:1760], 16_000)  # 0.11 s
    rows += [["wavs/stereo.wav", "yes", "s2", "train"], ["wavs/short.wav", "hello " * 6, "s2", "train"]]
    for number, text in enumerate(("", " ")):
        soundfile.write(folder / f"wavs/empty{number}.wav", wave, 16_000)
        rows += [[f"wavs/empty{number}.wav", text, "s2", "train"]]
    soundfile.write(folder / "wavs/silent.wav", wave, 16_000)
    rows += [["wavs/silent.wav", "", "s4", "test"]]
    return write_rows(folder / "M.csv", rows)


def finished_search(manifest: Path, out: Path) -> None:
    """A whole search; what it said goes into said.txt beside `out`."""
    said: list[str] = []
    settings = pipeline.Settings(str(manifest), None, "smoke", 0, steps.Limits())
    pipeline.run_search(settings, out, progress=False, say=said.append)
    (out.parent / "said.txt").write_text("\n".join(said), encoding="utf-8")


def search(manifest: Path, out: Path, *more: object) -> list[object]:
    """The words of a search command."""
    return ["search", "--corpus", manifest, "--budget", "smoke", "--out", out, *more]


def cut(path: Path) -> None:
    """Leave the first half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def stop(*_: object) -> None:
    """In place of `pipeline.ten_steps`: ends a search once its speech is open."""
    raise BadInput("stop here")


def main(argv: list[str]) -> int:
    """The command at micro budget."""
    steps.BUDGETS["smoke"] = MICRO
    return cli.main(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

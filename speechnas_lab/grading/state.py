"""What this learner has done so far, in one small file of their own: nothing leaves the computer.

Writes are whole or not at all, and one after the other: two open tabs, or a computer switched off in the middle, lose
nothing. A file that cannot be read is set aside, never deleted.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import platformdirs

from ..errors import BadInput
from ..files import read_json, write_json
from ..search.lock import Lock

WAIT = 5.0  # seconds for another tab to finish writing; a write takes milliseconds
NAME = "progress.json"


@dataclass
class Done:
    """One exercise. best: most points in one try. hints: the furthest rung that was opened, 0 to 3."""

    best: int = 0
    tries: int = 0
    hints: int = 0


def home() -> Path:
    """The folder of the learner's own data: the environment variable SPEECHNAS_HOME, else where the system keeps it."""
    chosen = os.environ.get("SPEECHNAS_HOME")
    return Path(os.path.abspath(chosen)) if chosen else platformdirs.user_data_path("speechnas_lab")


def load() -> tuple[dict[str, Done], str]:
    """(exercise id -> what was done, a line to tell the learner or ""). Reads without a lock: files appear whole."""
    path = home() / NAME
    try:
        found = _entries(read_json(path))
        if found is not None or not path.exists():
            return found or {}, ""
        aside = free_name(path, "damaged")
        path.replace(aside)
    except FileNotFoundError:  # another tab set it aside just now
        return {}, ""
    except OSError as error:
        return {}, f"Your progress cannot be read ({error.strerror}): {path}"
    return {}, f"Your progress could not be read; that file is kept as {aside}, and counting starts anew."


def record(id: str, change: Callable[[Done], None]) -> str:
    """Apply `change` to what is kept of exercise `id`; return a line to tell the learner, or ""."""
    folder = home()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder):
            done, told = load()
            change(done.setdefault(id, Done()))
            write_json(folder / NAME, {name: asdict(entry) for name, entry in done.items()})
        return told
    except (BadInput, OSError) as error:
        return f"Your progress was not kept ({getattr(error, 'strerror', None) or error})."


def tried(points: int) -> Callable[[Done], None]:
    """The change that one try makes."""

    def change(entry: Done) -> None:
        entry.tries += 1
        entry.best = max(entry.best, points)

    return change


def hinted(rung: int) -> Callable[[Done], None]:
    """The change that an opened hint makes."""

    def change(entry: Done) -> None:
        entry.hints = max(entry.hints, rung)

    return change


def free_name(path: Path, word: str) -> Path:
    """The first of stem.word-1, stem.word-2, ... that is not taken, beside `path`."""
    number = 1
    while (found := path.with_name(f"{path.stem}.{word}-{number}{path.suffix}")).exists():
        number += 1
    return found


class _alone:
    """Hold the lock of a folder; wait a moment for whoever holds it."""

    def __init__(self, folder: Path) -> None:
        self.lock = Lock(folder / "progress.lock")

    def __enter__(self) -> None:
        end = time.monotonic() + WAIT
        while True:
            try:
                return self.lock.acquire()
            except BadInput:
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)

    def __exit__(self, *_: object) -> None:
        self.lock.release()


def _entries(data: dict[str, Any] | None) -> dict[str, Done] | None:
    """What the file says; None where it is not what `record` wrote. Fields of a newer version are left out."""
    if data is None:
        return None
    found = {}
    for id, entry in data.items():
        if not isinstance(entry, dict):
            return None
        known = {name: entry.get(name, 0) for name in ("best", "tries", "hints")}
        if any(type(value) is not int or value < 0 for value in known.values()):
            return None
        found[id] = Done(**known)
    return found

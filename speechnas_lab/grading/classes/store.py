"""What was graded, one JSON line each, added to and never rewritten: a killed run goes on where it stopped.

A record counts as long as its hash does: of the answer cells, of the exercise's checks, of the limits and of the seed.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import asdict
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ... import __version__
from ...errors import BadInput
from ...files import read_json, write_json
from ..course import EXERCISES
from ..submission import Submission

KEPT_IN = "class.json"
SHARED = ("exercise", "marking", "pairs", "slopes", "small_space", "words")  # modules that many checks stand on


@cache
def check_version(exercise: str) -> str:
    """A hash of what decides the marks of an exercise: its checks, what they stand on, and the library's version."""
    total = hashlib.sha256(__version__.encode())
    for name in (f"checks.{EXERCISES[exercise]}", *SHARED):
        total.update(Path(find_spec(f"speechnas_lab.grading.{name}").origin).read_bytes())
    return total.hexdigest()[:16]


class Store:
    """OUT/journal.jsonl and OUT/class.json. `get` what counts, `add` what was graded."""

    def __init__(self, out: Path, seed: int | None = None) -> None:
        self.path, self.kept = out / "journal.jsonl", out / KEPT_IN
        self.seed = self._seed(seed)
        self._records = self._read()

    def seed_of(self, exercise: str) -> int:
        """The seed of an exercise's inputs: the same for all students, and known to none of them beforehand."""
        return int(hashlib.sha256(f"{self.seed} {exercise}".encode()).hexdigest()[:8], 16)

    def hash(self, exercise: str, submission: Submission, limits: Any) -> str:
        """What a record must carry to count."""
        cells = [[cell.name, cell.source] for cell in submission.cells]
        told = [exercise, cells, submission.notes, submission.refused, check_version(exercise), repr(limits),
                self.seed_of(exercise)]  # fmt: skip
        return hashlib.sha256(json.dumps(told).encode("utf-8", "surrogatepass")).hexdigest()[:20]

    def get(self, student: str, exercise: str, hash: str) -> dict[str, Any] | None:
        """The last result, if it counts and was no fault of the grader's."""
        record = self._records.get((student, exercise))
        if record is None or record["hash"] != hash or record["outcome"] == "grader's fault":
            return None
        return record

    def last(self, student: str, exercise: str) -> dict[str, Any] | None:
        """The last result, whatever it is."""
        return self._records.get((student, exercise))

    def add(self, student: str, exercise: str, hash: str, graded: Any, print: tuple[str, int]) -> None:
        """Keep a result; it is on the disk when this returns. print: see `alike.fingerprint`."""
        told = {name: value for name, value in asdict(graded).items() if name not in ("key", "exercise")}
        record = {"student": student, "exercise": exercise, "hash": hash, "print": print, **told}
        line = json.dumps(record).encode() + b"\n"
        with self.path.open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self._records[student, exercise] = record

    def _read(self) -> dict[tuple[str, str], dict[str, Any]]:
        """The last record of each notebook. A torn last line is cut off; any other damage is refused."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        if not self.path.exists():
            return found
        good = 0
        raw = self.path.read_bytes()
        lines = raw.splitlines(keepends=True)
        for number, line in enumerate(lines, 1):
            try:
                record = json.loads(line)
                if not line.endswith(b"\n"):
                    raise ValueError("torn")
                _ = record["hash"], record["outcome"], record["points"], record["print"]
                found[record["student"], record["exercise"]] = record
            except (ValueError, KeyError, TypeError):
                if number < len(lines):
                    raise BadInput(f"{self.path}, line {number} is damaged: delete that line, or the file to grade all "
                                   "again") from None
                break
            good += len(line)
        if good < len(raw):
            with self.path.open("r+b") as file:
                file.truncate(good)
        return found

    def keep(self, name: str, value: Any) -> None:
        """Keep a value beside the seed; the file is written only where it changes."""
        kept = read_json(self.kept) or {}
        if name not in kept or kept[name] != value:
            write_json(self.kept, {**kept, name: value})

    def kept_value(self, name: str) -> Any:
        """What `keep` kept; None where there is no such."""
        return (read_json(self.kept) or {}).get(name)

    def _seed(self, seed: int | None) -> int:
        kept = (read_json(self.kept) or {}).get("seed")
        if seed is None:
            seed = kept if isinstance(kept, int) else secrets.randbits(32)
        self.keep("seed", seed)
        return seed

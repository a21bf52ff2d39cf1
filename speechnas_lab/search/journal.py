"""The journal of a search: one JSON line for each trial, added to and never rewritten.

Line 1 holds the settings that decide the course of the search (seed, space, strategy, and what the caller
adds, such as the corpus). A journal is only continued with the same settings. Every line is on the disk
before the search goes on, so that a killed run loses the trials in flight and no more: one, or with
`evaluate_many` those whose results it has not yielded. A torn last line is dropped when the journal is opened
again.
"""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

from ..errors import BadInput
from .lock import Lock
from .trial import Trial

FORMAT = 1


def _plain(value: Any) -> Any:
    """Turn NumPy and torch numbers and arrays into JSON's."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise BadInput(f"trial.parts can hold what JSON holds, not a {type(value).__name__}")


def dumps(record: dict[str, Any]) -> str:
    """One line of JSON; NumPy and torch values become plain ones. BadInput for what JSON cannot hold."""
    return json.dumps(record, default=_plain, ensure_ascii=False, separators=(",", ":"))


def _record(trial: Trial) -> dict[str, Any]:
    return {
        "number": trial.number,
        "id": trial.arch.id,
        "arch": trial.arch.to_json(),
        "budget": trial.budget,
        "state": trial.state,
        "values": trial.values,
        "parts": trial.parts,
        "reason": trial.reason,
        "seconds": round(trial.seconds, 3),
    }


def _parse(raw: bytes, path: Path) -> tuple[list[dict[str, Any]], int]:
    """Return the records and how many bytes they take. Only the last line may be torn."""
    records: list[dict[str, Any]] = []
    good = 0
    lines = raw.splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
            if not line.endswith(b"\n") or not isinstance(record, dict):
                raise ValueError("torn")
        except ValueError:
            if number == len(lines):
                break
            raise BadInput(
                f"{path}, line {number}, is damaged; restore the file or start in a new folder"
            ) from None
        records.append(record)
        good += len(line)
    head = b'{"journal"'
    foreign = (
        records[0].get("journal") != FORMAT if records else not (raw.startswith(head) or head.startswith(raw))
    )
    if foreign:
        raise BadInput(f"{path} is not a journal of this version; use another file or folder")
    return records, good


def read_journal(path: str | Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return (settings, records of trials in the order they were written) without locking. For reports."""
    try:
        records, _ = _parse(Path(path).read_bytes(), Path(path))
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}; check the path") from error
    return (records[0]["settings"] if records else {}), records[1:]


class Journal:
    """Open `path` for one search, alone. Use as a context manager, or call `close`.

    `records` maps the number of each finished trial to its record. Raises BadInput when the file belongs to
    a search with other settings (it names them), is in use, damaged, or cannot be written.
    """

    def __init__(self, path: str | Path, settings: dict[str, Any]) -> None:
        self.path = Path(path)
        settings = json.loads(dumps(settings))
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = Lock(self.path.with_name(self.path.name + ".lock"))
            self._lock.acquire()
        except OSError as error:
            raise BadInput(f"cannot write {self.path}: {error.strerror}; choose another folder") from error
        try:
            self._open(settings)
        except OSError as error:
            self._lock.release()
            raise BadInput(f"cannot write {self.path}: {error.strerror}; choose another folder") from error
        except BaseException:
            self._lock.release()
            raise

    def _open(self, settings: dict[str, Any]) -> None:
        raw = self.path.read_bytes() if self.path.exists() else b""
        records, good = _parse(raw, self.path)
        if records:
            self._compare(records[0].get("settings", {}), settings)
        self.records = {record["number"]: record for record in records[1:]}
        self._file = self.path.open("ab", buffering=0)
        if good < len(raw):
            self._file.truncate(good)
        if not records:
            self._write({"journal": FORMAT, "settings": settings})

    def _compare(self, there: dict[str, Any], here: dict[str, Any]) -> None:
        names = [name for name in sorted(there.keys() | here.keys()) if there.get(name) != here.get(name)]
        if names:
            differ = "; ".join(f"{name}: {there.get(name)!r} there, {here.get(name)!r} now" for name in names)
            raise BadInput(
                f"{self.path} is of a search with other settings ({differ}); use those, or a new folder"
            )

    def _write(self, record: dict[str, Any]) -> str:
        line = dumps(record)
        data = line.encode() + b"\n"
        try:
            if self._file.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._file.fileno())
        except OSError as error:
            raise BadInput(
                f"cannot write {self.path}: {error.strerror}; make room and run it again"
            ) from error
        return line

    def append(self, trial: Trial) -> None:
        """Write a finished trial. Its parts become what JSON makes of them, as a resume will read them."""
        record = json.loads(self._write(_record(trial)))
        self.records[trial.number] = record
        trial.parts = record["parts"]

    def restore(self, trial: Trial) -> tuple[float, ...] | None:
        """Give a trial that was finished earlier its parts, reason and seconds; return the values to tell.

        Raises BadInput when the journal has another architecture at this place.
        """
        record = self.records[trial.number]
        if record["arch"] != trial.arch.to_json() or record["budget"] != trial.budget:
            raise BadInput(
                f"{self.path}: trial {trial.number} is another architecture than this search asks for"
                " (other version or other limit?); use a new folder"
            )
        trial.parts, trial.seconds = record["parts"], record["seconds"]
        return tuple(record["values"]) if record["state"] == "done" else None

    def close(self) -> None:
        try:
            self._file.close()
        finally:
            self._lock.release()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

"""A lock file that names the process which holds it, so that a dead holder never blocks anyone."""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path

import psutil

from ..errors import BadInput

OWNER = {"pid": int, "started": float, "host": str}


def _owner() -> dict[str, object]:
    me = psutil.Process()
    return {"pid": me.pid, "started": me.create_time(), "host": socket.gethostname()}


def _alive(owner: dict[str, object]) -> bool:
    """Tell whether the process that wrote the lock still runs: the same number and the same start time."""
    if owner["host"] != socket.gethostname():
        return True  # cannot be checked from here
    try:
        process = psutil.Process(owner["pid"])
        same = abs(process.create_time() - owner["started"]) < 1.0  # seconds; a clock may be set meanwhile
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:  # it runs, for another user
        return True


class Lock:
    """Hold `path` from `acquire` to `release`. Raises BadInput at once when a living process holds it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def acquire(self) -> None:
        while True:
            try:
                with self.path.open("x", encoding="utf-8") as file:
                    json.dump(_owner(), file)
                return
            except FileExistsError:
                self._clear_if_dead()

    def _read(self, path: Path) -> dict[str, object] | None:
        """Return the owner, or None for a file that names none."""
        try:
            owner = json.loads(path.read_text(encoding="utf-8"))
            if all(isinstance(owner[name], kind) for name, kind in OWNER.items()):
                return owner
        except (ValueError, KeyError, TypeError):  # half written, or not ours
            return None
        return None

    def _clear_if_dead(self) -> None:
        try:
            owner = self._read(self.path)
            if owner is None and time.time() - self.path.stat().st_mtime < 2.0:
                time.sleep(0.05)  # another process may be writing it just now
                return
            if owner is not None and _alive(owner):
                raise BadInput(
                    f"{self.path} is held by process {owner['pid']} on {owner['host']}; wait for it to end,"
                    " stop it, or delete the file if that machine is gone"
                )
            aside = self.path.with_name(f"{self.path.name}.{os.getpid()}")
            self.path.replace(aside)
            if self._read(aside) == owner:
                aside.unlink()
            else:  # someone else cleared the dead lock first, and this one is theirs: give it back
                aside.replace(self.path)
        except FileNotFoundError:  # released meanwhile: try again
            return

    def release(self) -> None:
        self.path.unlink(missing_ok=True)

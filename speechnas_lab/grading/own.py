"""Grade one's own notebooks: `speechnas grade exercises`. Each is run in a process of its own, with limits.

The limits keep an honest mistake, such as an endless loop, from stopping the rest. They are no sandbox: do not run
strangers' notebooks with it.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil

from ..errors import BadInput
from .course import EXERCISES, exercise
from .graded import Graded
from .marking import Mark, Result
from .submission import Submission, read

OUTPUT = 1_000_000  # bytes that an answer may print
BASE = 1500  # MB that the library itself may take, most of it torch
POLL = 0.02  # seconds between two looks at the process
MARK = "SPEECHNAS_GRADED"  # environment variable by which the children of an answer are found again


@dataclass(frozen=True)
class Limits:
    """seconds: of the clock, for one exercise. memory: in MB, beyond what the library itself needs."""

    seconds: float = 60.0
    memory: int = 1000


def notebooks(path: Path) -> dict[str, Path]:
    """Exercise id -> notebook, for the folder of all exercises, the folder of one, or one notebook.

    BadInput where there is none.
    """
    if path.is_file() and path.suffix == ".ipynb":
        if path.stem not in EXERCISES:
            raise BadInput(f"{path.name} is not named after an exercise; there are {', '.join(EXERCISES)}")
        return {path.stem: path}
    if not path.exists():
        raise BadInput(f"there is no file or folder {path}")
    if not path.is_dir():
        raise BadInput(f"{path} is no notebook or folder: give the folder of the exercises, of one, or a notebook")
    places = {id: (path / id / f"{id}.ipynb", path / f"{id}.ipynb") for id in EXERCISES}
    found = {id: next((place for place in pair if place.is_file()), None) for id, pair in places.items()}
    if not any(found.values()):
        raise BadInput(f"{path} holds no exercise: expected {path / '03-mixed-op' / '03-mixed-op.ipynb'} or the like")
    return {id: place for id, place in found.items() if place}


def grade(path: Path, limits: Limits = Limits(), seed: int | None = None) -> Iterator[Graded]:  # noqa: B008
    """Grade every exercise below `path`, one after the other. seed: of the inputs (default: fresh ones)."""
    for id, place in notebooks(path).items():
        yield grade_one(id, place, limits, secrets.randbits(32) if seed is None else seed)


def grade_one(id: str, notebook: Path, limits: Limits, seed: int) -> Graded:
    """Grade one notebook."""
    submission = read(notebook)
    result = Graded(id, 0, exercise(id).points, "does not run", submission.refused, seed, list(submission.notes))
    if submission.refused:
        return result
    answer = _run(id, submission, notebook.parent, limits, seed)
    if "limit" in answer:
        result.outcome, result.what = "over the limit", answer["limit"]
    elif "mark" not in answer:
        result.what = answer["stopped"]
    else:
        found = Mark(id, seed, [Result(**entry) for entry in answer["mark"]["results"]])
        result.notes += answer["told"]
        result.outcome, result.points = found.outcome, 0 if found.outcome == "over the limit" else found.points
        if all(entry.what.endswith("is still to be written") for entry in found.results):
            result.outcome = "not begun"
        elif failure := found.first_failure:
            result.what = "; ".join(text for text in (failure.what, failure.case, failure.slip) if text)
    return result


def _run(id: str, submission: Submission, folder: Path, limits: Limits, seed: int) -> dict[str, Any]:
    """What the child process answers: {"mark": ...}, {"stopped": why} or {"limit": which}."""
    cells = [{"name": cell.name, "source": cell.source} for cell in submission.cells]
    job = json.dumps({"exercise": id, "cells": cells, "seed": seed, "memory": limits.memory})
    token = secrets.token_hex(16)
    with TemporaryDirectory(prefix="speechnas-", ignore_cleanup_errors=True) as home:
        environment = {**os.environ, MARK: token, "SPEECHNAS_HOME": home, "OMP_NUM_THREADS": "1",
                       "MPLBACKEND": "Agg", "PYTHONIOENCODING": "utf-8:replace"}  # fmt: skip
        start = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.child"], cwd=folder, env=environment, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        try:
            told, printed = _Reader(process.stdout), _Reader(process.stderr)
            _send(process, job)
            over = _watch(process, printed, limits, start)
        finally:
            _end(process, token)
    told.wait()
    printed.wait()
    if over:
        return {"limit": over}
    with suppress(ValueError):
        answer = json.loads(told.text)
        if isinstance(answer, dict) and answer.keys() & {"mark", "stopped", "limit"}:
            return answer
    ended = f"signal {-process.returncode}" if process.returncode < 0 else f"exit status {process.returncode}"
    return {"stopped": f"the answer ended its process ({ended}) before it was marked"}


def _send(process: subprocess.Popen[bytes], job: str) -> None:
    with suppress(BrokenPipeError):  # it ended already; its exit status tells
        process.stdin.write(job.encode())
        process.stdin.close()  # input() meets the end of the file


def _watch(process: subprocess.Popen[bytes], printed: _Reader, limits: Limits, start: float) -> str:
    """Wait for the end of the process; return which limit was passed, or ""."""
    looks = 0
    while True:
        try:
            process.wait(POLL)
            return ""
        except subprocess.TimeoutExpired:
            pass
        if time.monotonic() - start > limits.seconds:
            return f"it took longer than {limits.seconds:g} seconds"
        if printed.full:
            return f"it printed more than {OUTPUT:,} characters"
        looks += 1
        if looks % 10 == 0 and _memory(process.pid) > (limits.memory + BASE) * 2**20:
            return "it took more memory than allowed"


def _memory(pid: int) -> int:
    """Bytes that a process and its children hold."""
    total = 0
    with suppress(psutil.Error):  # it ended while we looked
        top = psutil.Process(pid)
        for process in (top, *top.children(recursive=True)):
            total += process.memory_info().rss
    return total


def _end(process: subprocess.Popen[bytes], token: str) -> None:
    """End the process and all that it started, also what left its process group."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()
    for _ in range(20):  # what it started may start more
        left = [other for other in psutil.process_iter() if _carries(other, token)]
        for other in left:
            with suppress(psutil.Error):
                other.kill()
        if not left:
            return
        psutil.wait_procs(left, 1.0)


def _carries(process: psutil.Process, token: str) -> bool:
    try:
        return process.environ().get(MARK) == token and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False


class _Reader(threading.Thread):
    """Read a pipe to its end, and keep no more than OUTPUT of it."""

    def __init__(self, pipe: Any) -> None:
        super().__init__(daemon=True)
        self.pipe, self.kept, self.full = pipe, bytearray(), False
        self.start()

    def run(self) -> None:
        while part := self.pipe.read1(65536):
            self.full = self.full or len(self.kept) + len(part) > OUTPUT
            if not self.full:
                self.kept += part

    def wait(self) -> None:
        self.join(2.0)

    @property
    def text(self) -> str:
        return self.kept.decode("utf-8", "replace")


HEAD = f"{'exercise':18}{'points':>8}  outcome (public checks)"


def row(result: Graded) -> str:
    """One result for a terminal: the mark, then what is not right and what was odd."""
    lines = [f"{result.exercise:18}{result.points:>4} /{result.max:>2}  {result.outcome}"]
    lines += [f"{'':4}{note}" for note in dict.fromkeys([result.what, *result.notes]) if note]
    return "\n".join(lines)


def as_json(results: list[Graded]) -> dict[str, dict[str, Any]]:
    """Exercise id -> points, max, outcome."""
    return {r.exercise: {"points": r.points, "max": r.max, "outcome": r.outcome} for r in results}


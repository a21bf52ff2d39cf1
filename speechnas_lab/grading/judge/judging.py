"""The judge of a class: `with Judge() as judge: for graded in judge.grade(jobs): ...`

Each bench is a process that holds the checks and has a sandbox of its own (see `bench`). One that does not reply,
whatever an answer did to it, is ended and started anew; then it was the grader's fault, and no zero.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from ...errors import BadInput
from ..course import exercise
from ..graded import Graded
from ..submission import Submission
from .running import JudgeLimits
from .sandbox import PREFIX, bubblewrap

PATIENCE = 60.0  # seconds beyond the limit of a submission before its bench is given up
TRIES = 2  # benches that one answer may cost


@dataclass(frozen=True)
class Job:
    """One answer to mark. key: whatever tells it from others. seed: of the inputs."""

    key: str
    exercise: str
    submission: Submission
    seed: int


class Judge:
    """Marks answers side by side, each in a sandbox of its own.

    Raises BadInput with how to install bubblewrap where it is missing.
    """

    def __init__(self, limits: JudgeLimits = JudgeLimits(), workers: int = 2) -> None:  # noqa: B008
        bubblewrap()
        self.limits, self.workers = limits, workers
        self.benches: list[Bench] = []

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for bench in self.benches:
            bench.end()
        self.benches.clear()

    def grade(self, jobs: Iterable[Job]) -> Iterator[Graded]:
        """The mark of each job, in the order in which they are done."""
        waiting, again = iter(jobs), []
        while True:
            for bench in self._free():
                job, tries = again.pop() if again else (next(waiting, None), 0)
                if job is None:
                    break
                if job.submission.refused:
                    yield _refused(job)
                    continue
                bench.begin(job, tries)
            busy = [bench for bench in self.benches if bench.job]
            if not busy:
                if not again and (job := next(waiting, None)) is None:
                    return
                if not again:
                    again.append((job, 0))
                continue
            for bench in _ready(busy):
                job, tries = bench.job, bench.tries
                found = bench.take()
                if found is None:  # the bench is gone or silent
                    bench.process.kill()
                    bench.end()
                    self.benches.remove(bench)
                    if tries + 1 < TRIES:
                        again.append((job, tries + 1))
                        continue
                    found = _failed(job, "the process that marked it did not answer")
                yield found

    def _free(self) -> Iterator[Bench]:
        """Benches without a job; started when they are first needed."""
        yield from [bench for bench in self.benches if not bench.job]
        while len(self.benches) < self.workers:
            self.benches.append(Bench(self.limits))
            yield self.benches[-1]


class Bench:
    """A bench: `python -m speechnas_lab.grading.judge.bench`, a line of JSON each way for each job."""

    def __init__(self, limits: JudgeLimits) -> None:
        self.limits, self.job, self.tries, self.since, self.text = limits, None, 0, 0.0, b""
        self.folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        self.folder.chmod(0o755)
        command = [sys.executable, "-m", f"{__package__}.bench", json.dumps(asdict(limits)), str(self.folder)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)

    def begin(self, job: Job, tries: int) -> None:
        """Send a job."""
        cells = [{"name": cell.name, "source": cell.source} for cell in job.submission.cells]
        text = json.dumps({"exercise": job.exercise, "cells": cells, "seed": job.seed})
        self.job, self.tries, self.since, self.text = job, tries, time.monotonic(), b""
        with suppress(OSError):  # it ended; `take` tells
            self.process.stdin.write(text.encode() + b"\n")
            self.process.stdin.flush()

    def take(self) -> Graded | None:
        """The mark, once it is there whole; None where the bench will not give one. Blocks while it is written."""
        line = self.process.stdout.readline() if not self.late else b""
        job, self.job = self.job, None
        try:
            told = json.loads(line)
        except ValueError:
            return None
        if "unfit" in told:
            raise BadInput(told["unfit"])
        return _graded(job, told)

    @property
    def late(self) -> bool:
        return time.monotonic() - self.since > self.limits.clock + PATIENCE

    def end(self) -> None:
        """End the bench, and with it its sandbox."""
        if self.job:
            self.process.kill()
        with suppress(OSError):
            self.process.stdin.close()  # which ends it
        try:
            self.process.wait(10.0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def _ready(busy: list[Bench]) -> list[Bench]:
    """The benches of which something has come, or whose time is over."""
    with selectors.DefaultSelector() as some:
        for bench in busy:
            some.register(bench.process.stdout, selectors.EVENT_READ, bench)
        while True:
            found = [key.data for key, _ in some.select(1.0)]
            found += [bench for bench in busy if bench.late and bench not in found]
            if found:
                return found


def _empty(job: Job, outcome: str, what: str) -> Graded:
    notes = list(job.submission.notes)
    return Graded(job.exercise, 0, exercise(job.exercise).points, outcome, what, job.seed, notes, key=job.key)


def _refused(job: Job) -> Graded:
    return _empty(job, "does not run", job.submission.refused)


def _failed(job: Job, why: str) -> Graded:
    """The grader's fault: no points, which is not a zero."""
    found = _empty(job, "grader's fault", f"{why}; this costs nothing: grade it again")
    found.points = None
    return found


def _graded(job: Job, told: dict[str, Any]) -> Graded:
    """What a bench said, as a mark."""
    if told.get("failed"):
        return _failed(job, told["failed"])
    found = _empty(job, told["outcome"], told["what"])
    found.points = None if found.outcome == "grader's fault" else told["points"]
    found.notes += told["notes"]
    found.results, found.seconds = told["results"], told["seconds"]
    return found

"""The judge of a class: `with Judge() as judge: for graded in judge.grade(jobs): ...`"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from ...errors import BadInput
from ..course import exercise
from ..graded import Graded
from ..marking import Mark, Result
from ..submission import Submission


@dataclass(frozen=True)
class JudgeLimits:
    """Of one submission. seconds: of the clock. memory_mb: beyond what the library itself needs. output_mb: printed.
    processes: at one time. disk_mb: of files in its own /tmp.
    """

    seconds: float = 60.0
    memory_mb: int = 1000
    output_mb: int = 200
    processes: int = 16
    disk_mb: int = 64


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
        if shutil.which("bwrap") is None:
            raise BadInput("grading a class needs bubblewrap, which keeps strangers' code apart: apt install bubblewrap")
        self.limits, self.workers = limits, workers

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    def grade(self, jobs: Iterable[Job]) -> Iterator[Graded]:
        """The mark of each job, in the order in which they are done."""
        from .. import own

        for job in jobs:
            start = time.monotonic()
            found = Graded(job.exercise, 0, exercise(job.exercise).points, "does not run", job.submission.refused,
                           job.seed, list(job.submission.notes), key=job.key)  # fmt: skip
            if not job.submission.refused:
                limits = own.Limits(self.limits.seconds, self.limits.memory_mb)
                answer = own._run(job.exercise, job.submission, Path.cwd(), limits, job.seed)
                if "mark" in answer:
                    done = Mark(job.exercise, job.seed, [Result(**entry) for entry in answer["mark"]["results"]])
                    found.points, found.outcome = done.points, done.outcome
                    found.results = [asdict(result) for result in done.results]
                    failure = done.first_failure
                    found.what = failure.what if failure else ""
                elif "limit" in answer:
                    found.outcome, found.what = "over the limit", answer["limit"]
                else:
                    found.what = answer["stopped"]
            found.seconds = time.monotonic() - start
            yield found

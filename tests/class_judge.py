"""A judge that runs nothing: it reads the points out of the answer (`# points: 3`); a class is graded at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from speechnas_lab.grading.course import exercise
from speechnas_lab.grading.graded import Graded
from speechnas_lab.grading.judge import Job


class PaperJudge:
    """The face of `Judge`. asked: what it was given, over all its lives."""

    asked: list[str] = []
    fails_after = 10**9  # jobs, then it breaks as if it were killed

    def __init__(self, limits: object = None, workers: int = 2) -> None:
        pass

    def __enter__(self) -> PaperJudge:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def grade(self, jobs: Iterable[Job]) -> Iterator[Graded]:
        for number, job in enumerate(jobs):
            if number >= self.fails_after:
                raise KeyboardInterrupt
            type(self).asked.append(job.exercise)
            text = "\n".join(cell.source for cell in job.submission.cells)
            found = re.search(r"# points: (\d+|fault)", text)
            most = exercise(job.exercise).points
            points = None if found and found[1] == "fault" else int(found[1]) if found else 0
            outcome = ("grader's fault" if points is None else "right" if points == most else
                       "partly right" if points else "wrong")  # fmt: skip
            slip = "it counts words, not letters" if "# slip" in text else ""
            results = [{"name": "does it", "points": most, "passed": points == most, "waits": False, "fault": "",
                        "what": "" if points == most else "it does not", "case": "", "slip": slip}]  # fmt: skip
            notes = list(job.submission.notes)
            yield Graded(job.exercise, points, most, outcome, "", job.seed, notes, results, job.key)

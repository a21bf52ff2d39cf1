"""What a mark is made of: what the judge gave, what a person wrote in manual.csv, what lateness costs."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import BadInput
from ...files import write_text
from ..course import EXERCISES, exercise
from .clean import clean
from .collect import Gathered, Handed
from .late import Late
from .people import Student
from .store import Store

MANUAL = ("student", "exercise", "points", "comment")
TO_GRADE = "to be graded"  # the outcome of what a run did not reach


@dataclass(frozen=True)
class Manual:
    """A mark given by hand. points: None for a comment alone."""

    points: float | None
    comment: str = ""


@dataclass
class Row:
    """One notebook's mark. points: None where it cannot be said yet. auto: the judge's, manual: a person's.

    late_days: begun after the due time; lost: the points that they cost. results: of each check, for the feedback.
    print: see `alike.fingerprint`.
    """

    student: str
    exercise: str
    max: int
    outcome: str
    auto: int | None = None
    manual: float | None = None
    comment: str = ""
    late_days: int = 0
    lost: float = 0.0
    submitted: str = ""
    what: str = ""
    notes: list[str] = field(default_factory=list)
    results: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    path: Path | None = None
    print: tuple[str, int] = ("", 0)

    @property
    def points(self) -> float | None:
        """What counts: the manual mark, else the judge's, less what lateness costs; never below 0."""
        given = self.auto if self.manual is None else self.manual
        return None if given is None else max(0.0, round(given - self.lost, 2))


@dataclass
class Class:
    """All marks. exercises: those that somebody handed in, in the course's order. notes: for the teacher."""

    students: list[Student]
    exercises: list[str]
    rows: dict[tuple[str, str], Row]
    layout: str = ""
    notes: list[str] = field(default_factory=list)

    def of(self, student: Student) -> list[Row]:
        """One student's rows, in the course's order."""
        return [row for id in self.exercises if (row := self.rows.get((student.id, id)))]

    def total(self, student: Student) -> float:
        """The sum of the points that can be said."""
        return round(sum(row.points or 0.0 for row in self.of(student)), 2)

    @property
    def max(self) -> int:
        """The most that a student can reach in these exercises."""
        return sum(exercise(id).points for id in self.exercises)


def marks(gathered: Gathered, store: Store, manual: dict[tuple[str, str], Manual], late: Late) -> Class:
    """Put it together. A manual mark for someone who handed in nothing makes a row of its own."""
    rows = {(handed.student, handed.exercise): _row(handed, store, late) for handed in gathered.work}
    notes = list(gathered.notes)
    for (student, id), given in manual.items():
        if student not in gathered.students:
            notes.append(f"manual.csv: there is no student {student!r}")
            continue
        row = rows.setdefault((student, id), Row(student, id, exercise(id).points, "not handed in"))
        row.manual, row.comment = given.points, given.comment
    by_student: dict[str, dict[str, int]] = {}
    for (student, id), row in rows.items():
        by_student.setdefault(student, {})[id] = row.late_days
    for student, days in by_student.items():
        for id, lost in late.deductions(days, {id: rows[student, id].max for id in days}).items():
            rows[student, id].lost = lost
    named = {id for _, id in rows}
    students = sorted(gathered.students.values(), key=lambda one: (one.last or one.called).casefold())
    return Class(students, [id for id in EXERCISES if id in named], rows, gathered.layout, notes)


def _row(handed: Handed, store: Store, late: Late) -> Row:
    most = exercise(handed.exercise).points
    row = Row(handed.student, handed.exercise, most, TO_GRADE, submitted=handed.submitted, path=handed.path)
    row.late_days = late.days(handed.student, handed.exercise, handed.submitted, handed.late)
    row.notes = list(handed.notes)
    if handed.late and not handed.submitted and handed.exercise not in late.due:
        row.notes.append("handed in late (Canvas says so); when is not known, so it counts as one day")
    if record := clean(store.last(handed.student, handed.exercise)):
        row.outcome, row.what, row.seconds = record["outcome"], record["what"], record.get("seconds", 0.0)
        row.auto = None if row.outcome == "grader's fault" else record["points"]
        row.notes += record["notes"]
        row.results, row.print = record.get("results") or [], tuple(record["print"])
    return row


def read_manual(path: Path) -> dict[tuple[str, str], Manual]:
    """OUT/manual.csv, which people write and grading never changes; made with its header alone where there is none.

    BadInput that names the line.
    """
    if not path.exists():
        write_text(path, ",".join(MANUAL) + "\n")
        return {}
    try:
        rows = csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig")))
        if not set(MANUAL[:3]) <= set(rows.fieldnames or ()):
            raise BadInput(f"{path} needs the columns {', '.join(MANUAL)}")
        return {key: mark for row in rows for key, mark in [_manual(row, f"{path}, line {rows.line_num}")]}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInput(f"cannot read {path} ({error}): save it as CSV in UTF-8") from None


def _manual(row: dict[str, str | None], where: str) -> tuple[tuple[str, str], Manual]:
    student, id = (row["student"] or "").strip(), (row["exercise"] or "").strip()
    if id not in EXERCISES:
        raise BadInput(f"{where}: no exercise is called {id!r}; there are {', '.join(EXERCISES)}")
    text = (row["points"] or "").strip().replace(",", ".")
    try:
        points = float(text) if text else None
    except ValueError:
        points = -1.0
    most = exercise(id).points
    if points is not None and not 0 <= points <= most:
        raise BadInput(f"{where}: {row['points']!r} is no number of points from 0 to {most}")
    return (clean(student), id), Manual(points, clean((row.get("comment") or "").strip()))

"""What a mark is made of: what the judge gave, what a person wrote in manual.csv, what lateness costs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...errors import BadInput
from ...files import write_text
from ..course import EXERCISES, exercise
from .clean import clean
from .collect import Gathered, Handed
from .csvs import records
from .late import Late
from .names import Names, known_exercise
from .people import Student
from .store import Store

MANUAL = ("student", "exercise", "points", "comment")
TO_GRADE = "to be graded"  # the outcome of what a run did not reach
UNREAD = "cannot be read"  # the outcome of a file that holds no notebook: a person asks for another one
NOT_HANDED_IN = "not handed in"  # of what has a mark by hand and no notebook


@dataclass(frozen=True)
class Manual:
    """A mark given by hand. points: None for a comment alone. line: of manual.csv, 0 where it came from elsewhere."""

    points: float | None
    comment: str = ""
    line: int = 0


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

    @property
    def cost(self) -> float:
        """What lateness took of the points that there were."""
        given = self.auto if self.manual is None else self.manual
        return min(self.lost, given or 0.0)

    @property
    def waits(self) -> bool:
        """Whether it was handed in and has no mark."""
        return self.points is None and self.outcome != NOT_HANDED_IN


@dataclass
class Class:
    """All marks. exercises: those that somebody handed in, in the course's order. notes: for the teacher. marked: how
    many notebooks this run marked.
    """

    students: list[Student]
    exercises: list[str]
    rows: dict[tuple[str, str], Row]
    layout: str = ""
    notes: list[str] = field(default_factory=list)
    marked: int = 0

    @property
    def work(self) -> list[Row]:
        """The rows of notebooks that were handed in."""
        return [row for row in self.rows.values() if row.outcome != NOT_HANDED_IN]

    @property
    def notebooks(self) -> dict[str, int]:
        """How many of each exercise were handed in."""
        return dict(Counter(row.exercise for row in self.work))

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
    """Put it together. A manual mark for what was not handed in makes a row of its own."""
    rows = {(handed.student, handed.exercise): _row(handed, store, late) for handed in gathered.work}
    for (student, id), given in manual.items():
        row = rows.setdefault((student, id), Row(student, id, exercise(id).points, NOT_HANDED_IN))
        row.manual, row.comment = given.points, given.comment
    by_student: dict[str, dict[str, int]] = {}
    for (student, id), row in rows.items():
        by_student.setdefault(student, {})[id] = row.late_days
    for student, days in by_student.items():
        for id, lost in late.deductions(days, {id: rows[student, id].max for id in days}).items():
            rows[student, id].lost = lost
    named = {id for _, id in rows}
    students = sorted(gathered.students.values(), key=lambda one: (one.last or one.called).casefold())
    return Class(students, [id for id in EXERCISES if id in named], rows, gathered.layout,
                 list(gathered.notes))


def _row(handed: Handed, store: Store, late: Late) -> Row:
    most = exercise(handed.exercise).points
    row = Row(handed.student, handed.exercise, most, TO_GRADE, submitted=handed.submitted, path=handed.path)
    row.late_days = late.days(handed.student, handed.exercise, handed.submitted, handed.late)
    row.notes = list(handed.notes)
    if handed.late and not handed.submitted and (handed.student, handed.exercise) in late.longer:
        row.notes.append("handed in late (Canvas says so); the extension covers it")
    elif handed.late and not handed.submitted and handed.exercise not in late.due:
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
    found: dict[tuple[str, str], Manual] = {}
    for line, row in records(path, "the marks by hand", MANUAL[:3], "anna,03-mixed-op,3"):
        try:
            key, given = _manual(row, line)
            _once(found, key, line)
        except BadInput as error:
            raise BadInput(f"{path}, line {line}: {error}") from None
        found[key] = given
    return found


def by_id(manual: dict[tuple[str, str], Manual], names: Names, notes: list[str]) -> dict[tuple[str, str], Manual]:
    """The same with ids for the students. Whom the list does not have is refused; without a list, a note says it."""
    found: dict[tuple[str, str], Manual] = {}
    for (student, id), given in manual.items():
        try:
            key = names.find(student), id
        except BadInput as error:
            if names.listed:
                raise BadInput(f"manual.csv, line {given.line}: {error}") from None
            notes.append(f"manual.csv, line {given.line}: {error}; the line does not count")
            continue
        _once(found, key, given.line)
        found[key] = given
    return found


def _once(found: dict[tuple[str, str], Manual], key: tuple[str, str], line: int) -> None:
    """Refuse a second line for one notebook."""
    if key in found:
        student, id = key
        raise BadInput(f"manual.csv has {id} of {student} in the lines {found[key].line} and {line}: keep one")


def _manual(row: dict[str, str], line: int) -> tuple[tuple[str, str], Manual]:
    id = known_exercise(row["exercise"])
    text, most = row["points"].replace(",", "."), exercise(id).points
    try:
        points = float(text) if text else None
    except ValueError:
        points = -1.0
    if points is not None and not 0 <= points <= most:
        raise BadInput(f"{row['points']!r} is no number of points from 0 to {most}")
    return (row["student"], id), Manual(points, row.get("comment", ""), line)

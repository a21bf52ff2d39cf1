"""Marks as CSV: marks.csv for people, canvas.csv and Moodle's two for upload.

What is not graded or not handed in is empty, never 0. A text that a spreadsheet would take for a formula (it begins
with = + - @, a tab or a line's end, also behind spaces or in their full-width forms) gets an apostrophe before it.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ...files import write_text
from ..course import exercise
from .collect import LAYOUTS
from .marks import Class
from .people import People, Student

FORMULA = re.compile(r"\s*[=+\-@\t\r\n＝＋－＠]")
PLAIN = re.compile(r"-|[+-]?\d+([.,]\d+)?")  # a dash alone and numbers, which are no formulas
CANVAS = ("Student", "ID", "SIS User ID", "SIS Login ID", "Section")
POINTS = "    Points Possible"  # Canvas's own spelling, with its spaces
MOODLE = ("First name", "Last name", "ID number", "Email address")
NO_SHEET = ("moodle-worksheet.csv is not written: Moodle takes back only its own worksheet; download it from the "
            "assignment, and give it as --students")  # fmt: skip


def safe(text: str) -> str:
    """`text` as a spreadsheet shows it, and never runs it."""
    return f"'{text}" if FORMULA.match(text) and not PLAIN.fullmatch(text) else text


def points_text(points: float | None) -> str:
    """4, 3.5, or nothing."""
    return "" if points is None else f"{points:g}"


def marks_csv(found: Class) -> str:
    """One line a student: id, name, points of each exercise, their sum, the most, days late, what waits."""
    head = ["student", "name", *found.exercises, "together", "most", "late_days", "not_graded"]
    lines = [head]
    for student in found.students:
        rows = found.of(student)
        waiting = [row.exercise for row in rows if row.waits]
        days = sum(row.late_days for row in rows)
        lines.append([student.id, student.called, *_cells(found, student), points_text(found.total(student)),
                      found.max, days, " ".join(waiting)])  # fmt: skip
    return _text(lines)


def canvas_csv(found: Class, people: People) -> str:
    """Canvas's gradebook. With its own export as the list, the columns keep Canvas's titles, so that they match."""
    titles = [_title(id, people) or id for id in found.exercises]
    lines: list[Sequence[object]] = [[*CANVAS, *titles]]
    if found.students:
        lines.append([POINTS, "", "", "", "", *(exercise(id).points for id in found.exercises)])
    for student in found.students:
        known = [student.called, student.id, student.number, student.login, student.section]
        lines.append([*known, *_cells(found, student)])
    return _text(lines)


def moodle_csv(found: Class) -> str:
    """For Grades > Import > CSV: one line a student, found by number or address, and a column an exercise."""
    lines: list[Sequence[object]] = [[*MOODLE, *found.exercises]]
    for student in found.students:
        lines.append([*_names(student), student.number or student.id, student.email, *_cells(found, student)])
    return _text(lines)


def moodle_sheet(found: Class, people: People) -> str:
    """Moodle's grading worksheet of one assignment: the sum of its exercises, and a comment that says what for.

    All columns and lines of Moodle's own worksheet, which is the list, stay, so that Moodle can tell what changed.
    """
    lines: list[Sequence[object]] = [people.header]
    for student in found.students:
        rows, told = found.of(student), dict(student.row)
        if not told:
            continue  # the worksheet does not know this person
        if rows and all(row.points is not None for row in rows):
            told["Grade"] = points_text(found.total(student))
            told["Feedback comments"] = "; ".join(f"{r.exercise}: {points_text(r.points)} of {r.max}" for r in rows)
        lines.append([told.get(name, "") for name in people.header])
    return _text(lines)


def write_tables(found: Class, people: People, out: Path) -> None:
    """marks.csv (with a BOM, for spreadsheets), canvas.csv, moodle.csv and, where Moodle's worksheet is the list, that
    one filled in.
    """
    write_text(out / "marks.csv", "\ufeff" + marks_csv(found))
    write_text(out / "canvas.csv", canvas_csv(found, people))
    write_text(out / "moodle.csv", moodle_csv(found))
    if people.kind == "canvas" and (new := [id for id in found.exercises if not _title(id, people)]):
        found.notes.append(f"no column of {people.file} begins with {' or '.join(new)}: Canvas will ask")
    sheet = out / "moodle-worksheet.csv"
    if people.kind == "moodle":
        write_text(sheet, moodle_sheet(found, people))
    else:
        sheet.unlink(missing_ok=True)
        if found.layout == LAYOUTS["moodle"]:
            found.notes.append(NO_SHEET)


def _title(id: str, people: People) -> str:
    """Canvas's own title of an exercise; "" where its gradebook has none."""
    own = people.header if people.kind == "canvas" else ()
    return next((name for name in own if re.fullmatch(rf"{re.escape(id)}\b.*", name)), "")


def _cells(found: Class, student: Student) -> list[str]:
    rows = {row.exercise: row for row in found.of(student)}
    return [points_text(rows[id].points) if id in rows else "" for id in found.exercises]


def _names(student: Student) -> tuple[str, str]:
    """(first name, last name), as far as they can be told from one name."""
    if student.first or student.last:
        return student.first, student.last
    last, comma, first = student.called.partition(", ")
    if comma:
        return first, last
    first, _, last = student.called.rpartition(" ")
    return first, last


def _text(lines: Iterable[Sequence[object]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\r\n").writerows([safe(str(value)) for value in line] for line in lines)
    return file.getvalue()

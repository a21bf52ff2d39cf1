"""OUT/nbgrader: a course folder that nbgrader's own commands and its formgrader open.

It holds gradebook.db, autograded/ and feedback/, and what formgrader asks for: source/ with the blank notebooks, which
it lists, and submitted/ with a folder for each hand-in, which it counts. They hold no notebook: its button "Autograde"
would run strangers' programs in the teacher's own account.

The marks are the judge's. nbgrader shows them, exports them, and lets a person mark by hand in its formgrader; such
marks are read back and kept. An autograded notebook holds the exercise as it was handed out, with the student's answer
cells in it and our words below the checks: nothing else of what the student sent.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from ...errors import BadInput
from ...files import read_json, write_json, write_text
from ..blank import blank
from ..course import EXERCISES
from ..submission import ADDED, read
from .clean import encodable
from .feedback import check_words, feedback, points_words
from .late import Late
from .marks import NOT_HANDED_IN, Class, Manual, Row
from .people import Student

_blank = cache(blank)
CONFIG = '''"""The class as nbgrader sees it. Run its commands in this folder, such as `nbgrader export`."""

c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "speechnas_lab"
'''
COURSE = "speechnas_lab"
KEPT = "formgrader.json"  # in OUT: marks given in formgrader, for when the gradebook is made anew


@contextmanager
def opened(file: Path) -> Iterator[Any]:
    """nbgrader's Gradebook on `file`. For a new one nbgrader runs a program `alembic`, which need not be on the PATH,
    only to hear the version of its own tables; that is read from the same scripts here.
    """
    import nbgrader.api
    from alembic.script import ScriptDirectory
    from nbgrader.dbutil import ALEMBIC_DIR

    asked = nbgrader.api.get_alembic_version
    nbgrader.api.get_alembic_version = lambda: ScriptDirectory(ALEMBIC_DIR).get_current_head()
    try:
        with nbgrader.api.Gradebook(f"sqlite:///{file}", COURSE) as book:
            yield book
    finally:
        nbgrader.api.get_alembic_version = asked


def marks_by_hand(out: Path, found: dict[str, Student], installed: bool = True) -> dict[tuple[str, str], Manual]:
    """(student, exercise) -> what a person gave in nbgrader's formgrader; not what came from manual.csv.

    A copy lies in OUT/formgrader.json; it counts for what the gradebook does not hold. installed: whether nbgrader is.
    """
    kept = out / KEPT
    before = {key: points for key, points in (read_json(kept) or {}).items() if isinstance(points, int | float)}
    marks = before
    if installed and (out / "nbgrader" / "gradebook.db").exists():
        there = _given(out / "nbgrader")
        marks = {key: points for key, points in before.items() if key not in there}
        marks |= {key: points for key, points in there.items() if points is not None}
    if marks != before:
        write_json(kept, marks)
    told = {}
    for id, student in found.items():
        for exercise in EXERCISES:
            if (points := marks.get(f"{student.folder}/{exercise}")) is not None:
                told[id, exercise] = Manual(points)
    return told


def _given(course: Path) -> dict[str, float | None]:
    """FOLDER/EXERCISE -> the points that somebody gave in formgrader, or None; of each notebook in the gradebook."""
    from nbgrader.api import Grade

    file, ours = course / "gradebook.db", read_json(course / "by-hand.json") or {}
    found: dict[str, float | None] = {}
    try:
        with opened(file) as book:
            for grade in book.db.query(Grade):
                key, points = f"{grade.student.id}/{grade.assignment.name}", grade.manual_score
                found[key] = None if ours.get(key) == points else points
    except Exception as error:  # SQLAlchemy's own, of a file that is no gradebook
        raise BadInput(f"{file} is damaged ({type(error).__name__}): delete it; it is made again") from None
    return found


def write_gradebook(found: Class, late: Late, manual: dict[tuple[str, str], Manual], out: Path) -> None:
    """gradebook.db, made beside and then put in place, and the notebooks and pages that belong to it."""
    from sqlalchemy import text

    course = out / "nbgrader"
    file, part = course / "gradebook.db", course / "gradebook.db.part"
    write_text(course / "nbgrader_config.py", CONFIG)
    part.unlink(missing_ok=True)
    if file.exists():
        shutil.copyfile(file, part)
    with opened(part) as book:
        book.db.execute(text("PRAGMA synchronous = OFF"))  # a file that breaks is never put in place
        for id in found.exercises:
            _assignment(book, id, late)
        for student in found.students:
            _student(book, student, found.of(student))
        gone = _gone(book, {student.folder for student in found.students})
    os.replace(part, file)
    for name in gone:
        for kind in ("autograded", "submitted", "feedback"):
            shutil.rmtree(course / kind / name, ignore_errors=True)
    folders = {student.id: student.folder for student in found.students}
    given = {f"{folders[student]}/{id}": mark.points for (student, id), mark in manual.items() if student in folders}
    write_json(course / "by-hand.json", given)
    for id in found.exercises:
        write_text(course / "source" / id / f"{id}.ipynb", _blank(id))
    for student in found.students:
        for row in found.of(student):
            _files(course, student, row)


def _assignment(book: Any, id: str, late: Late) -> None:
    """An exercise and its cells, as `nbgrader generate_assignment` would enter them."""
    from nbformat import from_dict
    from nbgrader.api import MissingEntry
    from nbgrader.utils import compute_checksum

    book.update_or_create_assignment(id, course_id=COURSE, duedate=_naive(late.due.get(id)))
    try:
        book.find_notebook(id, id)
        return
    except MissingEntry:
        notebook = json.loads(_blank(id))
    book.add_notebook(id, id, kernelspec=json.dumps(notebook["metadata"].get("kernelspec", {})))
    for cell in notebook["cells"]:
        meta, kind = cell["metadata"].get("nbgrader", {}), cell["cell_type"]
        source = "".join(cell["source"])
        if not meta:
            continue
        if meta["grade"]:
            book.add_grade_cell(meta["grade_id"], id, id, max_score=float(meta["points"]), cell_type=kind)
        if meta["solution"]:
            book.add_solution_cell(meta["grade_id"], id, id)
        book.add_source_cell(meta["grade_id"], id, id, cell_type=kind, locked=meta["locked"], source=source,
                             checksum=compute_checksum(from_dict({**cell, "source": source})))  # fmt: skip


def _student(book: Any, student: Student, rows: list[Row]) -> None:
    """One student with all marks, in one transaction."""
    from nbgrader.api import Assignment, SubmittedAssignment, SubmittedNotebook
    from sqlalchemy.orm import selectinload

    last = student.last or student.called
    book.update_or_create_student(student.folder, first_name=student.first or None, last_name=last,
                                  email=student.email or None)  # fmt: skip
    notebooks = selectinload(SubmittedAssignment.notebooks)
    whole = (notebooks.selectinload(SubmittedNotebook.grades), notebooks.selectinload(SubmittedNotebook.comments))
    query = book.db.query(SubmittedAssignment, Assignment.name).join(Assignment).options(*whole)
    known = {name: entry for entry, name in query.filter(SubmittedAssignment.student_id == student.folder)}
    for row in rows:
        with book.db.no_autoflush:
            entry = known.get(row.exercise) or book.add_submission(row.exercise, student.folder)
        entry.timestamp = _naive(datetime.fromisoformat(row.submitted)) if row.submitted else None
        notebook = entry.notebooks[0]
        notebook.late_submission_penalty = row.lost
        for grade in notebook.grades:
            grade.auto_score, grade.manual_score = row.auto, row.manual
            grade.needs_manual_grade = row.points is None
        for number, comment in enumerate(notebook.comments):
            first = number == 0
            comment.auto_comment = f"{row.outcome} (public checks)" if first else None
            if first and row.comment:
                comment.manual_comment = row.comment
    book.db.commit()
    book.db.expunge_all()


def _gone(book: Any, here: set[str]) -> list[str]:
    """Take out who no longer belongs to the class; the names of their folders."""
    gone = [student.id for student in book.students if student.id not in here]
    for name in gone:
        book.remove_student(name)
    return [name for name in gone if Path(name).name == name]


def _naive(time: datetime | None) -> datetime | None:
    """The time in UTC without a zone, as nbgrader keeps it."""
    return time.astimezone(UTC).replace(tzinfo=None) if time else None


def _files(course: Path, student: Student, row: Row) -> None:
    """autograded/STUDENT/EXERCISE/EXERCISE.ipynb, feedback/STUDENT/EXERCISE/EXERCISE.html, and a folder in submitted/,
    whose time must be that of autograded/: else nbgrader takes it for newer work that has no mark yet.
    """
    places = [course / kind / student.folder / row.exercise for kind in ("autograded", "submitted")]
    write_text(places[0] / f"{row.exercise}.ipynb", autograded(row))
    for place in places[: 1 if row.outcome == NOT_HANDED_IN else 2]:
        place.mkdir(parents=True, exist_ok=True)
        if row.submitted:
            write_text(place / "timestamp.txt", row.submitted)
        else:
            (place / "timestamp.txt").unlink(missing_ok=True)
    page = feedback(student, [row], f"{points_words(row)}.")
    write_text(course / "feedback" / student.folder / row.exercise / f"{row.exercise}.html", page)


def autograded(row: Row) -> str:
    """The exercise's own notebook with the student's answers in it and the checks' words as output, as JSON."""
    notebook, cells = json.loads(_blank(row.exercise)), ()
    with suppress(Exception):  # what cannot be read is a grader's fault already
        cells = read(row.path).cells
    answers = {cell.name: cell.source for cell in cells if cell.name.startswith("answer")}
    added = "".join(f"{cell.source}\n\n" for cell in cells if cell.name.startswith(ADDED))
    words = [check_words(result) for result in row.results] or [row.what or row.outcome]
    for cell in notebook["cells"]:
        name = cell["metadata"].get("nbgrader", {}).get("grade_id", "")
        if name.startswith("answer"):
            cell["source"] = encodable(added + answers.get(name, "# no such cell was handed in"))
            added = ""  # it stands once, above the first answer
        elif name == "check":
            told = "\n".join([f"{row.outcome} (public checks)", *words, *row.notes])
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": told + "\n"}]
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"

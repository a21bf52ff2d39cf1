"""What a student gets to read: each exercise's points, each public check with its message, what lateness cost.

It holds what `check()` would have said about the same answer with other inputs, and nothing else: no checks' source, no
answers, no other student.
"""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path

from ...files import write_bytes, write_text
from ..course import exercise
from .collect import LAYOUTS
from .marks import Class, Row
from .page import Markup, many, page, tag
from .people import Student
from .tables import points_text

PUBLIC = (
    "These are the public checks, the same that check() runs in your notebook, with inputs that nobody saw before. "
    "There are no other tests. If you think that a mark is wrong, run check() again and send what it says."
)
FAULT = "The grader could not mark this, which is not your fault: it is marked again, and it is no zero."


def feedback(student: Student, rows: list[Row], total: str) -> str:
    """The page of one student, over the exercises in `rows`."""
    title = f"Feedback for {student.called}"
    return page(title, tag("h1", title), tag("p", total), tag("p", PUBLIC, kind="soft"), *map(_exercise, rows))


def write_feedback(found: Class, out: Path) -> None:
    """OUT/feedback/STUDENT.html for each student who handed something in; pages of others are removed."""
    written = set()
    for student in found.students:
        if rows := found.of(student):
            most = sum(row.max for row in rows)
            total = f"{points_text(found.total(student))} of {most} points in {many(len(rows), 'exercise')}"
            if any(row.waits for row in rows):
                total += "; some are not marked yet and not counted"
            write_text(out / "feedback" / f"{student.folder}.html", feedback(student, rows, f"{total}."))
            written.add(f"{student.folder}.html")
    for path in (out / "feedback").glob("*.html"):
        if path.name not in written:
            path.unlink()
    together = out / "feedback-moodle.zip"
    if found.layout == LAYOUTS["moodle"]:
        write_bytes(together, moodle_zip([one for one in found.students if found.of(one)], out / "feedback"))
    else:
        together.unlink(missing_ok=True)


def moodle_zip(students: list[Student], pages: Path) -> bytes:
    """All pages for Moodle's "Upload multiple feedback files in a zip": each in a folder that is called as those of its
    download are. Moodle goes by the number, which stands behind the first underscore.
    """
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as archive:
        for student in students:
            if student.id.isdecimal():  # else it is nobody in Moodle
                name = re.sub(r"[^\w .,'-]|_", "-", student.called)
                place = f"{name}_{student.id}_assignsubmission_file_/feedback.html"
                info = zipfile.ZipInfo(place, (2020, 1, 1, 0, 0, 0))  # the same pages make the same ZIP
                archive.writestr(info, (pages / f"{student.folder}.html").read_bytes(), zipfile.ZIP_DEFLATED)
    return whole.getvalue()


def points_words(row: Row) -> str:
    """What a row earned, and why it is not what the checks gave."""
    if row.points is None:
        return "not marked yet" if row.waits else "no points"
    told = f"{points_text(row.points)} of {row.max} points"
    if row.manual is not None:
        told += f"; marked by hand ({points_text(row.manual)})"
    if row.late_days:
        nothing = ", as there is nothing to lose" if row.lost else ""
        cost = f"costs {points_text(row.cost)}" if row.cost else f"costs nothing{nothing}"
        told += f"; {many(row.late_days, 'day')} late, which {cost}"
    return told


def check_words(result: dict, points: bool = False) -> str:
    """One check's line: what it asks for, and what went wrong. points: with what it earned, which adds up."""
    name = result["name"]
    if points:
        name += f" ({result['points'] if result['passed'] else 0} of {many(result['points'], 'point')})"
    if result["passed"]:
        return f"✓ {name}"
    told = "; ".join(text for text in (result["what"], result["case"], result["slip"]) if text)
    if result["waits"]:
        return f"… {name}: waits for an earlier check"
    return f"✗ {name}: {told}"


def _exercise(row: Row) -> Markup:
    title = f"{row.exercise}: {exercise(row.exercise).title}"
    parts = [tag("h2", title), tag("p", f"{points_words(row)} ({row.outcome})")]
    if row.outcome == "grader's fault":
        parts.append(tag("p", FAULT))
    elif row.results:
        parts.append(tag("ul", *(tag("li", check_words(result, points=True)) for result in row.results), kind="checks"))
    elif row.what:
        parts.append(tag("p", row.what))
    if row.comment:
        parts.append(tag("p", tag("b", "Comment: "), row.comment))
    if notes := [note for note in dict.fromkeys(row.notes) if note != row.what or row.results]:
        parts.append(tag("ul", *(tag("li", note) for note in notes), kind="soft"))
    return Markup("\n".join(parts))

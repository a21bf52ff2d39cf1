"""A new exercise: a small one that works, in all its files, to be rewritten place by place.

What is to be replaced carries the word TEMPLATE.
"""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from ...errors import BadInput
from ...files import write_text
from ..course import EXERCISES
from .source import ROOT, Files, files, notebook

TEMPLATES = Path(__file__).with_name("templates")
COURSE = ROOT / "speechnas_lab" / "grading" / "course.py"
ID = re.compile(r"(\d\d)-([a-z][a-z0-9]*(?:-[a-z0-9]+)*)")


def make(id: str) -> Files:
    """Write the solution, the checks and the answers of a new exercise, and list it in the course. BadInput where the
    id is none, something is there already, or this is no clone of the course.
    """
    known = clone()
    match = ID.fullmatch(id)
    if not match:
        raise BadInput(f"{id!r} is no id: write a lesson's number and lower-case words, such as 03-mixed-op")
    lesson = next((path for path in sorted((ROOT / "notebooks").glob(f"{match[1]}_*.ipynb"))), None)
    if lesson is None:
        raise BadInput(f"no lesson has the number {match[1]} (notebooks/{match[1]}_*.ipynb): take the number of the "
                       "lesson that the exercise belongs to, or write the lesson first")
    name = match[2].replace("-", "_")
    if keyword.iskeyword(name):
        raise BadInput(f"{name!r} is a word of Python's and cannot name a function: take another id")
    made = files(id, name)
    taken = [path for path in (made.solution, made.checks, made.mutants) if path.exists()]
    if taken:
        raise BadInput(f"{taken[0].relative_to(ROOT)} is there already: take another id, or remove that file")
    words = {"ID": id, "NAME": name, "TITLE": match[2].replace("-", " ").capitalize(), "LESSON": lesson.stem,
             "LESSON_TITLE": _title(lesson)}  # fmt: skip
    write_text(made.checks, _filled("checks.txt", words))
    write_text(made.mutants, _filled("mutants.txt", words))
    write_text(made.solution, _filled("solution.json", words))
    write_text(COURSE, listed(known, id, name))
    EXERCISES.update(_order({**EXERCISES, id: name}))
    return made


def clone() -> str:
    """The text of the course's list; BadInput where the library does not run out of a clone of the course."""
    if not (ROOT / "solutions").is_dir() or not COURSE.is_file():
        raise BadInput("exercises are written in a clone of the course, installed with `pip install -e .`: here is "
                       "only the library, without solutions/")  # fmt: skip
    return COURSE.read_text(encoding="utf-8")


def listed(text: str, id: str, name: str) -> str:
    """The course's list with one exercise more, below the last one of the same lesson or an earlier one."""
    rows = list(re.finditer(r'^    "(\d\d)-[^"]+": "\w+",\n', text, flags=re.M))
    before = [row for row in rows if row[1] <= id[:2]]
    if not rows:
        raise BadInput(f"{COURSE.name} has no list of exercises as it came: add {id} by hand")
    place = before[-1].end() if before else rows[0].start()
    return f'{text[:place]}    "{id}": "{name}",\n{text[place:]}'


def _order(known: dict[str, str]) -> dict[str, str]:
    return dict(sorted(known.items(), key=lambda item: item[0][:2]))


def _filled(template: str, words: dict[str, str]) -> str:
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    return re.sub(r"@([A-Z_]+)@", lambda found: words[found[1]], text)


def _title(lesson: Path) -> str:
    """The first heading of a lesson."""
    for cell in notebook(lesson)["cells"]:
        found = re.search(r"^# (.+)$", cell["source"], flags=re.M) if cell["cell_type"] == "markdown" else None
        if found:
            return re.sub(r"^\d+\.? *", "", found[1].strip())
    return lesson.stem

"""Whose notebook is which: nbgrader's folders, a folder of notebooks, a ZIP from Canvas or Moodle.

Of several notebooks of one exercise by one student the last one counts: the highest attempt, then the highest number
that Canvas or a browser put behind the name, a copy that JupyterLab made last of all.
"""

from __future__ import annotations

import re
import shutil
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from ...errors import BadInput
from ...files import write_bytes
from ..course import EXERCISES
from .archive import Found, downloads, files_of
from .late import when
from .names import listing
from .people import CANVAS, MOODLE, People, Student

LAYOUTS = {
    "canvas": "a download from Canvas",
    "moodle": "a download from Moodle",
    "folders": "a folder for each student, as nbgrader collects",
    "names": "notebooks named STUDENT_EXERCISE.ipynb",
}
ROOTS = ("submitted", "submissions")  # folders that hold the students' folders
SEVERAL = "notebooks of this exercise"
BY_LENGTH = sorted(EXERCISES, key=len, reverse=True)


@dataclass(frozen=True)
class Handed:
    """One notebook that counts. submitted: ISO time, or "". late: Canvas says so. notes: what was odd about it."""

    student: str
    exercise: str
    path: Path
    submitted: str = ""
    late: bool = False
    notes: tuple[str, ...] = ()


@dataclass
class Gathered:
    """All of it. layout: in words. students: by id, also those who handed in nothing. notes: what was not read."""

    layout: str
    students: dict[str, Student] = field(default_factory=dict)
    work: list[Handed] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _File:
    """A notebook before it is known which counts. turn: Canvas's number of the attempt."""

    found: Found
    student: Student
    layout: str
    exercise: str
    note: str = ""
    late: bool = False
    turn: int = 0
    download: PurePosixPath = PurePosixPath()  # that held it, in a folder of several

    @property
    def rank(self) -> tuple[int, int, str]:
        stem = self.found.path.stem
        copied = re.search(r"-Copy\d*$", stem)
        again = re.search(r"(?:-| \()(\d{1,2})\)?$", stem.replace(self.exercise, ""))
        return self.turn, -1 if copied else int(again[1]) if again else 0, self.found.path.as_posix()


def gather(place: Path, people: People, unpacked: Path, whose: Student | None = None) -> Gathered:
    """Find every student's notebooks. unpacked: where those of a ZIP are put, as nbgrader's `submitted` would be.
    whose: the one person whose work all of it is, if it is no class.

    A folder without any file is an empty class; BadInput where there are files and none is a submission.
    """
    place = root_of(place)
    shutil.rmtree(unpacked, ignore_errors=True)  # of an earlier run; it may have held others
    notes: list[str] = []
    files: list[_File] = []
    times: dict[PurePosixPath, str] = {}
    chosen: dict[tuple[str, str], list[_File]] = {}
    seen = False
    above = {*ROOTS, *EXERCISES, place.stem, *downloads(place, lms_name)}
    others: list[PurePosixPath] = []
    for found in files_of(place, notes, others):
        path = below(found.path, above)
        if path.name == "timestamp.txt":
            if not found.sent and len(path.parts) == 3 and whose_is(path) == "folders":  # nbgrader's own
                times[path.parent] = found.read()[:100].decode("utf-8", "replace").strip()
            continue
        seen = True
        file = _read(found, path, notes, whose)
        if file:
            files.append(_kept(file, unpacked, len(files)))
    if seen and not files and not whose:
        raise BadInput(f"{place} holds no submission: expected STUDENT/EXERCISE/EXERCISE.ipynb, notebooks named "
                       f"STUDENT_EXERCISE.ipynb, or a ZIP from Canvas or Moodle. {'; '.join(notes[:3])}")
    if len({file.download for file in files if file.layout == "moodle"}) > 1:
        raise BadInput(f"{place} holds several downloads from Moodle, which numbers people anew in each assignment: "
                       "grade each into an --out of its own")
    if not whose:
        notes += _no_notebooks([below(path, above) for path in others],
                               [(below(file.found.path, above), file.exercise) for file in files])  # fmt: skip
    layout = Counter(file.layout for file in files).most_common(1)
    words = LAYOUTS[layout[0][0]] if layout else "an empty class"
    result = Gathered(words, {student.id: student for student in people.students}, [], notes)
    for file in files:
        known = people.find(file.student)
        result.students.setdefault(known.id, known)
        chosen.setdefault((known.id, file.exercise), []).append(file)
    for (student, exercise), rivals in sorted(chosen.items(), key=lambda pair: (pair[0][0], _order(pair[0][1]))):
        rivals.sort(key=lambda file: file.rank)
        last = rivals[-1]
        told = [last.note] if last.note else []
        if len(rivals) > 1:
            rest = ", ".join(file.found.path.as_posix() for file in rivals[:-1])
            twins = "; if they are of two people, name the files apart" if last.layout == "names" else ""
            told.append(f"{len(rivals)} {SEVERAL}: {last.found.path.as_posix()} counts, not {rest}{twins}")
        path = last.found.path
        time = times.get(below(path, above).parent, "")
        result.work.append(Handed(student, exercise, last.found.place, when(time, path, notes), last.late, tuple(told)))
    listed = {student.id for student in people.students}
    theirs = [handed.student for handed in result.work]
    if listed and theirs and not listed & {*theirs}:
        raise BadInput(f"nobody who handed in is on the list of students: ids there look like {min(listed)!r}, in the "
                       f"files like {min(theirs)!r}")
    if listed and (strangers := [id for id in result.students if id not in listed]):
        named = [id if (name := result.students[id].called) == id else f"{name} ({id})" for id in strangers]
        notes.append(f"not in the list of students, and added: {listing(named)}")
    return result


def _no_notebooks(others: list[PurePosixPath], notebooks: list[tuple[PurePosixPath, str]]) -> list[str]:
    """A line on each hand-in that holds no notebook, or an exercise as something else than a notebook."""
    handed: dict[PurePosixPath, set[str]] = {}
    for path, exercise in notebooks:
        handed.setdefault(_place(path), set()).add(exercise)
    found: dict[PurePosixPath, list[str]] = {}
    for path in others:
        mine = handed.get(_place(path))
        if whose_is(path) and (mine is None or (_named(path.stem) or "") not in {*mine, ""}):
            found.setdefault(_place(path), []).append(path.name)
    return [f"{place}: no notebook{'' if names == [place.name] else f' but {listing(names, 4)}'}; not marked, ask for "
            "the .ipynb" for place, names in found.items()]  # fmt: skip


def _place(path: PurePosixPath) -> PurePosixPath:
    """What one hand-in lies in: a file or a ZIP of Canvas's, a person's folders of Moodle's, STUDENT/EXERCISE."""
    if moodle := MOODLE.fullmatch(path.parts[0]):
        return PurePosixPath(f"{moodle['name']}_{moodle['id']}")
    if CANVAS.fullmatch(path.parts[0]) or len(path.parts) < 3:
        return PurePosixPath(path.parts[0])
    return PurePosixPath(*path.parts[:2])


def root_of(place: Path) -> Path:
    """Where the students' folders lie: of an nbgrader course, `submitted`; its other folders are no students."""
    return place / ROOTS[0] if (place / ROOTS[0]).is_dir() else place


def below(path: PurePosixPath, above: set[str]) -> PurePosixPath:
    """Without folders above the students': `submitted`, one that is called like the ZIP or like an exercise, or a
    download of several in one folder.
    """
    while len(path.parts) > 1 and path.parts[0] in above:
        path = PurePosixPath(*path.parts[1:])
    return path


def lms_name(name: str) -> bool:
    """Whether Canvas or Moodle named this."""
    return bool(MOODLE.fullmatch(name) or CANVAS.fullmatch(name))


def _read(found: Found, path: PurePosixPath, notes: list[str], whose: Student | None) -> _File | None:
    """Who handed it in and which exercise it is; None, with a note, where that cannot be said."""
    layout = "folders" if whose else whose_is(path)
    if layout == "moodle" and len(re.findall(r"_\d+_assignsubmission_", path.parts[0])) > 1:
        notes.append(f"{path}: two numbers of Moodle's in one name; rename it to STUDENT_EXERCISE.ipynb")
        return None
    if not layout:
        notes.append(f"{path}: nothing tells whose it is; name it STUDENT_EXERCISE.ipynb")
        return None
    pattern = {"moodle": MOODLE, "canvas": CANVAS}.get(layout)
    match = pattern.fullmatch(path.parts[0]) if pattern else None
    told = match.groupdict() if match else {}
    late, turn = bool(told.get("late")), int(told.get("turn", 0))
    name = told["file"] if told and len(path.parts) == 1 else path.name
    exercise, note = _named(PurePosixPath(name).stem), ""
    if layout == "names":
        student = Student(_before(path.stem, exercise))
    else:
        student = whose or (Student(told["id"], told["name"]) if told else Student(path.parts[0]))
    if not exercise:
        exercise = known_exercise(PurePosixPath("-", path) if whose else path) or _inside(found.read())
        note = f"the notebook was called {name}; by what it holds it is {exercise}" if exercise else ""
    if not exercise:
        notes.append(f"{path}: no exercise of the course; neither its name nor its cells say which")
        return None
    download = PurePosixPath(*found.path.parts[: -len(path.parts)])
    return _File(found, student, layout, exercise, note, late, turn, download)


def _kept(file: _File, unpacked: Path, number: int) -> _File:
    """The same, lying on the disk under a name that we chose."""
    if file.found.place:
        return file
    place = unpacked / file.student.folder / file.exercise / f"{file.exercise}.ipynb"
    if place.exists():
        place = place.with_name(f"{file.exercise}-{number}.ipynb")
    write_bytes(place, file.found.read())
    return replace(file, found=Found(file.found.path, place.read_bytes, place))


def whose_is(path: PurePosixPath) -> str:
    """The layout of which a notebook's place is, if it says whose it is; else "".

    >>> whose_is(PurePosixPath("anna/01-wer/01-wer.ipynb")), whose_is(PurePosixPath("anna_01-wer.ipynb"))
    ('folders', 'names')
    """
    if MOODLE.fullmatch(path.parts[0]):
        return "moodle"
    if CANVAS.fullmatch(path.parts[0]):
        return "canvas"
    if len(path.parts) > 1:
        return "folders"
    return "names" if (id := _named(path.stem)) and _before(path.stem, id) else ""


def known_exercise(path: PurePosixPath) -> str:
    """The exercise that a notebook's name says, or the folders below the student's; "" if none."""
    return next(filter(None, map(_named, (path.stem, *reversed(path.parts[1:-1])))), "")


def _named(text: str) -> str:
    """The exercise whose id stands in a name, the longest first; "" if none."""
    plain = text.lower().replace("_", "-")
    return next((id for id in BY_LENGTH if re.search(rf"(?<![a-z0-9]){re.escape(id)}(?![a-z])", plain)), "")


def _before(stem: str, exercise: str) -> str:
    """The student in STUDENT_EXERCISE; "" if nothing stands before the exercise."""
    return stem[: stem.lower().replace("_", "-").rindex(exercise)].rstrip("_- ")


def _inside(content: bytes) -> str:
    """The exercise that a notebook names in its title or its check cell, if exactly one. Read as raw text: a large file
    is not taken apart for this.
    """
    said = re.findall(rb'"# Exercise ([\w-]+)|\bcheck\(\\?["\']([\w-]+)', content)
    found = {id.decode() for pair in said for id in pair} & set(EXERCISES)
    return found.pop() if len(found) == 1 else ""


def _order(exercise: str) -> int:
    return list(EXERCISES).index(exercise)

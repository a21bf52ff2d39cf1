"""Who is in the class: names out of file names, and the list that Canvas or Moodle exports."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from ...errors import BadInput
from .csvs import rows

CANVAS = re.compile(r"(?P<name>[^_/]+)_(?P<late>LATE_)?(?P<id>\d+)_(?P<turn>\d{3,})_(?P<file>.+)")
MOODLE = re.compile(r"(?P<name>.+?)_(?P<id>\d+)_assignsubmission_(?:file|onlinetext)_?(?P<file>.*)")
COLUMNS = {  # of a list, in lower case -> the field of a student
    "student": "name", "full name": "name", "name": "name", "first name": "first", "last name": "last",
    "surname": "last", "email address": "email", "email": "email", "id number": "number", "sis user id": "number",
    "sis login id": "login", "username": "login", "section": "section", "id": "id", "identifier": "id",
    "student_id": "id", "student id": "id",
}  # fmt: skip
TEST_STUDENT = "Student, Test"  # whom Canvas adds to every course
LONGEST = 60  # characters of an id in a file's name, which may have 255 bytes


@dataclass(frozen=True)
class Student:
    """One person. id: keeps two of one name apart. number, login: the school's. row: of the list, as it was read."""

    id: str
    name: str = ""
    first: str = ""
    last: str = ""
    email: str = ""
    number: str = ""
    login: str = ""
    section: str = ""
    row: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def called(self) -> str:
        """A name for people."""
        return self.name or f"{self.first} {self.last}".strip() or self.id

    @property
    def folder(self) -> str:
        """The id as a file name that every system takes, and that differs where the id differs."""
        plain = re.sub(r"[^\w.@+-]", "-", self.id).strip(".-")[:LONGEST] or "student"
        return plain if plain == self.id else f"{plain}-{_mark(self.id)}"


@dataclass(frozen=True)
class People:
    """A list of the class. kind: "canvas", "moodle" or "plain". header: its columns, in their order. file: its name."""

    students: tuple[Student, ...] = ()
    kind: str = "plain"
    header: tuple[str, ...] = ()
    file: str = ""

    def find(self, student: Student) -> Student:
        """The entry of the list for someone who handed in, under the list's id; `student` itself where there is none.

        The id decides, then the school's number, login or address; never the name, which two may share.
        """
        by_id = [one for one in self.students if one.id == student.id]
        other = [one for one in self.students if student.id and student.id in _keys(one)]
        found = by_id or other
        if len(found) != 1:
            return student
        return found[0] if found[0].called != found[0].id else replace(found[0], name=student.name)


def read_people(path: Path | None) -> People:
    """A Canvas gradebook, a Moodle grading worksheet or list of participants, or any CSV with a column id.

    Empty lines, Canvas's rows that name no student and its test student are skipped. BadInput that names the line.
    """
    if path is None:
        return People()
    lines = rows(path, "the list of students", "--students")
    if not lines:
        raise BadInput(f"{path} is empty: give a CSV with a column id, or what Canvas or Moodle exports")
    header = [name.strip() for name in lines[0][1]]
    fields = {place: COLUMNS[name.lower()] for place, name in enumerate(header) if name.lower() in COLUMNS}
    kind = "canvas" if {"Student", "ID"} <= set(header) else "moodle" if "Identifier" in header else "plain"
    if not set(fields.values()) & {"id", "number", "login"}:
        raise BadInput(f"{path} has no column called id (it has {', '.join(header)}): name the column with the ids so")
    found: dict[str, Student] = {}
    for number, row in lines[1:]:
        told = {name: row[place].strip() for place, name in fields.items() if place < len(row)}
        if kind == "canvas" and _no_student(row, told):
            continue
        if kind == "moodle":
            told["id"] = re.sub(r"^\D*(?=\d+$)", "", told["id"])  # "Participant 1234", in any language
        told["id"] = told.get("id") or told.get("login") or told.get("number") or told.get("email") or ""
        if not told["id"]:
            raise BadInput(f"{path}, line {number}: {told.get('name') or 'a student'} has no id: write one")
        if told["id"] in found:
            raise BadInput(f"{path}, line {number}: the id {told['id']} stands there twice: keep one line of each")
        found[told["id"]] = Student(**told, row=dict(zip(header, row, strict=False)))
    return People(tuple(found.values()), kind, tuple(header), path.name)


def _no_student(row: list[str], told: dict[str, str]) -> bool:
    """Whether this is Canvas's row of maxima, its row that says how grades are posted, or its test student."""
    nobody = not told.get("name") and not told.get("id")
    return nobody or row[0].strip() == "Points Possible" or told.get("name") == TEST_STUDENT


def _keys(student: Student) -> set[str]:
    return {student.number, student.login, student.email, student.email.partition("@")[0]} - {""}


def _mark(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()[:6]

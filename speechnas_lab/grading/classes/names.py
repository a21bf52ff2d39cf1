"""Whom a teacher means by a word in manual.csv, in due.csv or behind --again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from ...errors import BadInput
from ..course import EXERCISES
from .clean import clean
from .people import Student

FEW = 12  # people who are all named where none comes close


class Names:
    """The people of a class. listed: whether a list says who belongs to it; without one, who hands in belongs."""

    def __init__(self, students: Mapping[str, Student], listed: bool) -> None:
        self.students, self.listed = students, listed
        self._others: dict[str, set[str]] = {}
        for id, student in students.items():
            for word in _words(student):
                self._others.setdefault(word.casefold(), set()).add(id)

    def find(self, text: str) -> str:
        """The id of the one person with this id, number, login, address or name. BadInput that says who comes close."""
        text = clean(text.strip())
        found = {text} if text in self.students else self._others.get(text.casefold(), set())
        if len(found) == 1:
            return next(iter(found))
        if found:
            raise BadInput(f"{len(found)} people are called {text!r}: give the id, {listing(found)}")
        raise BadInput(f"nobody is called {text!r}; {self._near(text)}")

    def _near(self, text: str) -> str:
        words = {word.casefold(): id for id, student in self.students.items() for word in (id, *_words(student))}
        near = dict.fromkeys(words[word] for word in get_close_matches(text.casefold(), words, 5, 0.7))
        if near:
            return f"did you mean {listing(near)}?"
        if len(self.students) <= FEW:
            return f"there are {listing(self.students)}" if self.students else "the class is empty"
        return f"there are {len(self.students)} people, see marks.csv"


def known_exercise(id: str) -> str:
    """`id`, if it is an exercise's. BadInput that says which comes close."""
    if id in EXERCISES:
        return id
    near = get_close_matches(id, EXERCISES, 3)
    raise BadInput(f"no exercise is called {id!r}; "
                   + (f"did you mean {listing(near)}?" if near else "an id is such as 03-mixed-op"))


def listing(words: Iterable[str], most: int = 12) -> str:
    """a, b and c; of many the first ones and how many more."""
    words = sorted(words)
    if len(words) > most:
        words = [*words[:most], f"{len(words) - most} more"]
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)


def _words(student: Student) -> set[str]:
    """What else a person may be called: both "Müller, Zoë" and "Zoë Müller"."""
    last, comma, first = student.called.partition(", ")
    turned = f"{first} {last}" if comma else ""
    return {student.called, turned, student.number, student.login, student.email} - {""}

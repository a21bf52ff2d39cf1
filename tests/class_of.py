"""A class that does not exist: honest, damaged and hostile work with the marks that are right for it.

What an answer deserves is decided by `marking.mark`, called here directly on its code with the same seed: no notebook,
no process, no sandbox has a say in it.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exercise_files import defined, mutants, solution_code

from speechnas_lab.grading import marking
from speechnas_lab.grading.blank import blank
from speechnas_lab.grading.course import EXERCISES, exercise

FIRST = ("Zoë", "Bob", "Åsa", "José", "Mei", "Ivo", "Noor", "Lea", "=Max", "Finn")
LAST = ("Müller", "O'Brien", "de la Cruz", "Özdemir", "Li", "Nguyễn", "Smith, Jr.", "van Dijk", "Kaya", "Roy")
HONEST = "def {name}(*a, **k): return {value}"  # what an attack comes to if its trick does nothing
ATTACKS = {  # what is tried -> code; {name} is the function that the exercise asks for
    "equals everything": (
        "class Yes:\n    __array__ = None\n    def __eq__(self, other): return True\n"
        "    def __ne__(self, other): return False\n    def __hash__(self): return 0\n"
        "    def __call__(self, *a, **k): return self\n    def __getattr__(self, name): return self\n"
        "{name} = lambda *a, **k: Yes()"),
    "ends with status 0": "import os\ndef {name}(*a, **k): os._exit(0)",
    "ends at once": "raise SystemExit(0)",
    "prints a mark": "import json, sys\ndef {name}(*a, **k):\n    print(json.dumps({{'points': 99}})); sys.exit(0)",
    "patches the checks": (
        "def {name}(*a, **k):\n    import sys\n    for found in list(sys.modules.values()):\n"
        "        if getattr(found, 'Wrong', None): found.Wrong = type('W', (Exception,), {{}})\n"
        "        for word in ('same', 'difference'):\n"
        "            if hasattr(found, word): setattr(found, word, lambda *a, **k: '')\n    return 0"),
    "asks the checks' own library": (
        "def {name}(*a, **k):\n    from speechnas_lab.grading.course import exercise\n"
        "    import speechnas_lab.grading.marking as m\n"
        "    m._run = lambda item, result, *r: setattr(result, 'passed', 1)\n"
        "    return None"),
}  # fmt: skip


@dataclass(frozen=True)
class Known:
    """The right mark of one notebook. kind: "right", "wrong", "blank", "damaged" or "hostile".

    points: exact; of hostile work the most that it may get, which is what the same answer earns without its trick.
    """

    points: int
    kind: str
    name: str


def notebook_of(id: str, code: str) -> dict[str, Any]:
    """The exercise as it was handed out, with `code` in its first answer cell and nothing in the others."""
    notebook = json.loads(blank(id))
    answers = [cell for cell in notebook["cells"] if cell["metadata"].get("nbgrader", {}).get("solution")]
    for cell in answers:
        cell["source"] = "pass"
    answers[0]["source"] = code
    return notebook


def _shuffled(notebook: dict[str, Any]) -> dict[str, Any]:
    notebook["cells"].reverse()
    return notebook


def _no_check(notebook: dict[str, Any]) -> dict[str, Any]:
    notebook["cells"] = [cell for cell in notebook["cells"] if cell["id"] != "check"]
    return notebook


def _lost_names(notebook: dict[str, Any]) -> dict[str, Any]:
    for cell in notebook["cells"]:
        cell["metadata"] = {}
    return notebook


def _doubled(notebook: dict[str, Any]) -> dict[str, Any]:
    place = next(n for n, cell in enumerate(notebook["cells"]) if cell["id"] == "answer")
    twin = copy.deepcopy(notebook["cells"][place])
    notebook["cells"].insert(place + 1, {**twin, "id": "a-copy"})
    return notebook


def _own_kernel(notebook: dict[str, Any]) -> dict[str, Any]:
    notebook["metadata"] = {"kernelspec": {"name": "my-old-env", "display_name": "?", "language": "python"}}
    return notebook


def _loud(notebook: dict[str, Any]) -> dict[str, Any]:
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "x" * 2_000_000}]
    return notebook


def _claims(notebook: dict[str, Any]) -> dict[str, Any]:
    for cell in notebook["cells"]:
        cell["metadata"].setdefault("nbgrader", {})["points"] = 1000
    return notebook


DAMAGE: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "cells in reverse": _shuffled,
    "without its check cell": _no_check,
    "without metadata": _lost_names,
    "answer copied": _doubled,
    "another kernel": _own_kernel,
    "large outputs": _loud,
    "claims 1000 points": _claims,
    "with a byte order mark": lambda notebook: notebook,
}


class ClassOf:
    """Makes notebooks. seeds: exercise -> seed of the inputs, as the store gives them."""

    def __init__(self, seeds: Callable[[str], int], seed: int = 0) -> None:
        self.seeds, self.rng = seeds, random.Random(seed)
        self._marks: dict[tuple[str, str], int] = {}

    def deserved(self, id: str, code: str) -> int:
        """The points of an answer's code."""
        if (id, code) not in self._marks:
            found = marking.mark(exercise(id), defined(code), self.seeds(id))
            self._marks[id, code] = 0 if found.outcome == "over the limit" else found.points
        return self._marks[id, code]

    @staticmethod
    def _plain(id: str, value: str) -> str:
        return "\n".join(HONEST.format(name=name, value=value) for name in exercise(id).defines)

    def work(self, id: str, kind: str) -> tuple[str, Known]:
        """(the notebook's text, what it deserves)."""
        answers = mutants(id)
        right = [answer for answer in answers if answer.kind == "right"]
        if kind == "blank":
            return blank(id), Known(0, kind, "blank")
        if kind == "hostile":
            name = self.rng.choice(sorted(ATTACKS))
            code = "\n".join(ATTACKS[name].format(name=one) for one in exercise(id).defines)
            most = max(self.deserved(id, self._plain(id, value)) for value in ("None", "0", "object()"))
            return json.dumps(notebook_of(id, code)), Known(most, kind, name)
        if kind == "wrong":
            answer = self.rng.choice([answer for answer in answers if answer.kind == "wrong"])
            return json.dumps(notebook_of(id, answer.code)), Known(self.deserved(id, answer.code), kind, answer.name)
        code, name = self.rng.choice([(solution_code(id), "solution"), *((one.code, one.name) for one in right)])
        if kind == "right":
            return json.dumps(notebook_of(id, code)), Known(exercise(id).points, kind, name)
        damage = self.rng.choice(sorted(DAMAGE))
        text = json.dumps(DAMAGE[damage](notebook_of(id, code)))
        return ("\ufeff" if "mark" in damage else "") + text, Known(exercise(id).points, kind, f"{damage}: {name}")


KINDS = ("right", "right", "wrong", "wrong", "damaged", "blank", "hostile")


def make_class(folder: Path, students: int, exercises: list[str], seeds: Callable[[str], int], seed: int = 0) -> dict[
    tuple[str, str], Known
]:
    """nbgrader's submitted/STUDENT/EXERCISE/EXERCISE.ipynb, and the right marks. Some hand in less than all."""
    maker = ClassOf(seeds, seed)
    known = {}
    for number in range(students):
        student = f"s{number:03d}"
        for id in exercises:
            if maker.rng.random() < 0.05:
                continue
            text, mark = maker.work(id, maker.rng.choice(KINDS))
            path = folder / student / id / f"{id}.ipynb"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            known[student, id] = mark
    return known


def names(students: int, seed: int = 0) -> list[dict[str, str]]:
    """A list of the class with awkward names; the first two people share one."""
    rng = random.Random(seed)
    rows = []
    for number in range(students):
        first, last = (FIRST[0], LAST[0]) if number < 2 else (rng.choice(FIRST), rng.choice(LAST))
        rows.append({"id": f"s{number:03d}", "First name": first, "Last name": last})
    return rows


__all__ = ["ATTACKS", "DAMAGE", "EXERCISES", "ClassOf", "Known", "make_class", "names", "notebook_of"]

"""The files that make an exercise: the cells of its solution, and the wrong and right answers of tests/mutants/ID.py.

A mutants file holds, one after the other, `# %% given`, then `# %% wrong: name` with a line `# says: text` (which the
message must hold) and perhaps a line `# not: text` (which it must not), and `# %% right: name`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import BadInput
from ..course import EXERCISES
from ..marking import Mark

ROOT = Path(__file__).resolve().parents[3]  # of a clone; an installed package has no solutions beside it
EQUIVALENT = ROOT / "tests" / "mutants" / "equivalent.txt"


@dataclass(frozen=True)
class Files:
    """Where the parts of one exercise are."""

    solution: Path
    checks: Path
    mutants: Path
    released: Path


def files(id: str, module: str | None = None) -> Files:
    """The files of exercise `id`. module: its name in `checks`, where the course does not list it yet."""
    checks = ROOT / "speechnas_lab" / "grading" / "checks" / f"{module or EXERCISES[id]}.py"
    solution, released = (ROOT / kind / id / f"{id}.ipynb" for kind in ("solutions", "exercises"))
    return Files(solution, checks, ROOT / "tests" / "mutants" / f"{id}.py", released)


@dataclass(frozen=True)
class Answer:
    """One answer to an exercise. says: what the message of a wrong one must hold; hides: what it must not."""

    exercise: str
    kind: str  # "wrong" or "right"
    name: str
    code: str
    says: str = ""
    hides: str = ""

    def __str__(self) -> str:
        return f"{self.exercise}: {self.kind}: {self.name}"


def answers(id: str) -> list[Answer]:
    """The answers of tests/mutants/ID.py, each with the given cell before it; none where there is no such file."""
    path = files(id).mutants
    if not path.exists():
        return []
    parts = re.split(r"^# %% ", path.read_text(encoding="utf-8"), flags=re.M)
    given, found = "", []
    for part in parts[1:]:
        head, _, code = part.partition("\n")
        kind, _, name = head.partition(":")
        if kind.strip() == "given":
            given = code
            continue
        if kind not in ("wrong", "right"):
            raise BadInput(f"{path}: a cell begins {head!r}; write `given`, `wrong: NAME` or `right: NAME` behind # %%")
        said = re.match(r"# says: (.+)\n", code)
        if kind == "wrong" and not said:
            raise BadInput(f"{path}: write a line `# says: TEXT` below {head!r}, with what its message must hold")
        hidden = re.search(r"^# not: (.+)\n", code, flags=re.M)
        told = [match[1].strip() if match else "" for match in (said, hidden)]
        found.append(Answer(id, kind, name.strip(), f"{given}\n{code}", *told))
    return found


def notebook(path: Path) -> dict[str, Any]:
    """A notebook as plain data. BadInput where it cannot be read."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {**found, "cells": [{**cell, "source": "".join(cell["source"])} for cell in found["cells"]]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path} cannot be read as a notebook ({type(error).__name__}: {error})") from None


def cells_code(id: str, *names: str) -> str:
    """The code cells of a solution whose name begins with one of `names`, in order."""
    cells = [cell for cell in notebook(files(id).solution)["cells"] if cell["cell_type"] == "code"]
    named = [(cell["metadata"].get("nbgrader", {}).get("grade_id", ""), cell["source"]) for cell in cells]
    return "\n\n".join(source for name, source in named if name.startswith(names))


def solution_code(id: str) -> str:
    """The cells `given` and `answer*` of solutions/ID/ID.ipynb, in order."""
    return cells_code(id, "given", "answer")


def defined(code: str, name: str = "answer") -> dict[str, Any]:
    """The namespace after `code` has run."""
    namespace: dict[str, Any] = {"__name__": name}
    exec(compile(code, f"<{name}>", "exec"), namespace)
    return namespace


def message(mark: Mark) -> str:
    """What a learner reads of the first failure."""
    failure = mark.first_failure
    return "" if failure is None else f"{failure.case} | {failure.what} | {failure.slip}"

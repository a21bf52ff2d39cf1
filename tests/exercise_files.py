"""Read what belongs to an exercise: the cells of its solution, and the wrong and right answers of tests/mutants/ID.py.

A mutants file holds, one after the other, `# %% given`, then `# %% wrong: name` with a line `# says: text` (which the
message must hold) and perhaps a line `# not: text` (which it must not), and `# %% right: name`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

import speechnas_lab.grading as grading

ROOT = Path(__file__).resolve().parents[1]
CHECKS = Path(grading.__file__).parent / "checks"
HERE = [id for id, module in grading.EXERCISES.items() if (CHECKS / f"{module}.py").exists()]


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


def mutants(id: str) -> list[Answer]:
    """The answers of tests/mutants/ID.py, each with the given cell before it; none where there is no such file."""
    path = ROOT / "tests" / "mutants" / f"{id}.py"
    if not path.exists():
        return []
    parts = re.split(r"^# %% ", path.read_text(encoding="utf-8"), flags=re.M)
    given, answers = "", []
    for part in parts[1:]:
        head, _, code = part.partition("\n")
        kind, _, name = head.partition(":")
        if kind.strip() == "given":
            given = code
            continue
        if kind not in ("wrong", "right"):
            raise ValueError(f"{path}: a cell is neither given, wrong: nor right: but {head!r}")
        said = re.match(r"# says: (.+)\n", code)
        if kind == "wrong" and not said:
            raise ValueError(f"{path}: {head!r} has no line `# says:` below it")
        hidden = re.search(r"^# not: (.+)\n", code, flags=re.M)
        told = [found[1].strip() if found else "" for found in (said, hidden)]
        answers.append(Answer(id, kind, name.strip(), f"{given}\n{code}", *told))
    return answers


def solution_code(id: str) -> str:
    """The cells `given` and `answer*` of solutions/ID/ID.ipynb, in order."""
    return cells_code(id, "given", "answer")


def cells_code(id: str, *names: str) -> str:
    """The code cells of a solution whose name begins with one of `names`, in order."""
    cells = nbformat.read(str(ROOT / "solutions" / id / f"{id}.ipynb"), as_version=4).cells
    named = [(cell.metadata.nbgrader.grade_id, cell.source) for cell in cells if cell.cell_type == "code"]
    return "\n\n".join(source for name, source in named if name.startswith(names))


def defined(code: str, name: str = "answer") -> dict[str, Any]:
    """The namespace after `code` has run."""
    namespace: dict[str, Any] = {"__name__": name}
    exec(compile(code, f"<{name}>", "exec"), namespace)
    return namespace


def message(mark: grading.Mark) -> str:
    """What a learner reads of the first failure."""
    failure = mark.first_failure
    return "" if failure is None else f"{failure.case} | {failure.what} | {failure.slip}"

"""The cells of an exercise's notebook that count: `given`, then each `answer...`. Read as data, nothing is run.

Which cell is which:

1. Each cell came with a name (nbgrader's `grade_id`), and with the same name as the notebook's own cell id, which
   editors keep and which a copy does not get. Where the two disagree, the cell's own id decides.
2. Spaces around a name do not count.
3. Of several cells with one name, those with the same text are one. Else the one that came with the exercise counts,
   by its own id. If that does not decide, the exercise earns nothing until all but one are deleted.

Each of these is told with the cells' positions, counted from 1.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAMES = re.compile(r"given|answer(-\w+)*|task|ask|check(-\w+)*|next|notes")  # that cells of our exercises come with
RUN = re.compile(r"given|answer(-\w+)*")  # that are run


@dataclass(frozen=True)
class Cell:
    """A code cell. position: counted from 1, over all cells of the notebook."""

    name: str
    position: int
    source: str
    own: bool  # its own id says the name


@dataclass(frozen=True)
class Submission:
    """What is run, in order; what was odd; why nothing can be run, or ""."""

    cells: tuple[Cell, ...]
    notes: tuple[str, ...] = ()
    refused: str = ""


def read(path: Path) -> Submission:
    """Read a learner's notebook. Never raises for what is in the file: `refused` says what is wrong with it."""
    try:
        notebook = json.loads(path.read_text(encoding="utf-8-sig"))
        raw = [cell for cell in notebook["cells"] if isinstance(cell, dict)]
        if len(raw) != len(notebook["cells"]):
            raise TypeError("a cell is no object")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        return Submission((), refused=f"{path.name} is no notebook ({_short(error)}); reset brings back the blank one")
    except OSError as error:
        return Submission((), refused=f"{path.name} cannot be read ({error.strerror})")
    notes: list[str] = []
    named: dict[str, list[Cell]] = {}
    for position, cell in enumerate(raw, 1):
        name, own = _name(cell, position, notes)
        if cell.get("cell_type") == "code" and name:
            named.setdefault(name, []).append(Cell(name, position, _text(cell.get("source")), own))
    chosen = []
    for name, cells in named.items():
        cell = _one(cells, notes)
        if not RUN.fullmatch(name):
            continue
        if cell is None:
            return Submission((), tuple(notes), notes[-1])
        chosen.append(cell)
    if not any(cell.name.startswith("answer") for cell in chosen):
        return Submission((), tuple(notes), "no cell is called 'answer'; reset brings back the blank notebook")
    chosen.sort(key=lambda cell: (cell.name != "given", cell.position))
    return Submission(tuple(chosen), tuple(notes))


def _name(cell: dict[str, Any], position: int, notes: list[str]) -> tuple[str, bool]:
    """(the name of a cell, whether its own id says it); "" for a cell that the learner added."""
    meta = cell.get("metadata")
    nbgrader = meta.get("nbgrader") if isinstance(meta, dict) else None
    found = nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None
    grade_id, own = str(found or ""), str(cell.get("id") or "")
    if grade_id != grade_id.strip():
        notes.append(f"cell {position}: the id {grade_id!r} has a space around it; read as {grade_id.strip()!r}")
        grade_id = grade_id.strip()
    if not NAMES.fullmatch(own):
        return grade_id, False
    if grade_id and grade_id != own:
        notes.append(f"cell {position}: came as {own!r} and is now called {grade_id!r}; read as {own!r}")
    return own, True


def _one(cells: list[Cell], notes: list[str]) -> Cell | None:
    """The cell that counts among those of one name (rule 3); None where nothing decides."""
    if len(cells) == 1:
        return cells[0]
    name, places = cells[0].name, " and ".join(str(cell.position) for cell in cells)
    own = [cell for cell in cells if cell.own]
    if len({cell.source.strip() for cell in cells}) == 1:
        notes.append(f"the id {name!r} stands on cells {places}, with the same text; it is read once")
        return (own or cells)[0]
    if len({cell.source.strip() for cell in own}) == 1:
        notes.append(f"the id {name!r} stands on cells {places}; cell {own[0].position} came with it and counts")
        return own[0]
    notes.append(f"the id {name!r} stands on cells {places}, and nothing tells which counts; delete all but one")
    return None


def _text(source: Any) -> str:
    """A cell's text: a string, or the list of its lines. IPython's own commands (%, !) are left out; in a cell that is
    Python as it stands there are none, only lines of a text that begin like one.
    """
    whole = source if isinstance(source, str) else "".join(map(str, source)) if isinstance(source, list) else ""
    try:
        with warnings.catch_warnings(action="ignore"):  # of an odd escape in a text
            ast.parse(whole)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return re.sub(r"^(%%?\w|!).*$", "pass", whole, flags=re.M)
    return whole


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:80]}"
